package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.infinilm.svc.router.Programs.Running;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// History on a disk that is full, a tmpfs in a namespace. `./infini test --faults` runs it; it
/// needs `unshare`.
class HistoryFaults {
  private static final Duration SOON = Duration.ofSeconds(90);

  @TempDir Path folder;
  private Rig rig;
  private Programs programs;

  @BeforeEach
  void begin() throws Exception {
    rig = new Rig();
    programs = new Programs(folder);
  }

  @AfterEach
  void end() throws Exception {
    programs.close();
    rig.close();
  }

  @Test
  void aFullDiskIsSaidRequestsGoOnAndWithRoomAgainNothingIsMissing() throws Exception {
    rig.good("a");
    Path disk = Files.createDirectory(folder.resolve("disk"));
    Path room = folder.resolve("room");
    String shell =
        "d="
            + disk
            + "; exec unshare -Urm sh -c 'mount -t tmpfs -o size=16m tmpfs \"$0\" || exit 99;"
            + " head -c 16300k /dev/zero >\"$0\"/filler;"
            + " (k=0; while [ $k -lt 900 ] && [ ! -e "
            + room
            + " ]; do k=$((k+1)); sleep 0.1; done; rm \"$0\"/filler) & exec \"$@\" 2>&1' \"$d\" \"$@\"";
    Running r =
        programs.router(
            shell,
            List.of(),
            "--registry-url",
            rig.registry.url().toString(),
            "--registry-sync-interval",
            "0.2",
            "--history",
            disk.resolve("h.db").toString());
    rig.follow(r);
    int[] sent = {0};
    await()
        .atMost(SOON)
        .pollInterval(Duration.ofMillis(20))
        .until(() -> {
          assertThat(rig.send(Rig.post(Rig.CHAT, "", Rig.BODY)).status()).isEqualTo(200);
          sent[0]++;
          return rig.get("/history").path("trouble").asText().contains("full");
        });
    assertThat(rig.text("/metrics")).contains("infini_router_history_up 0.0");
    Files.createFile(room);
    await()
        .atMost(SOON)
        .until(() ->
            rig.get("/usage?by=model").path("usage").path(0).path("requests").asInt() == sent[0]);
    assertThat(rig.get("/history").path("trouble").isNull()).isTrue();
    assertThat(r.said()).contains("full").contains("routing goes on");
  }
}
