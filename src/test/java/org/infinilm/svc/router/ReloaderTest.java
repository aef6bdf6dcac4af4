package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What the thread that follows the files takes over and what it refuses; a router takes it from
/// there (`ReloadIT`).
class ReloaderTest {
  @TempDir private Path dir;
  private Path file;
  private final List<Long> thresholds = new CopyOnWriteArrayList<>();
  private final Happenings happenings = new Happenings(Ticker.SYSTEM);

  @BeforeEach
  void name() {
    file = dir.resolve("router.toml");
  }

  private Sources.Read read() throws Exception {
    Config c = Config.resolve(RouterConfig.KEYS, Map.of(), Map.of(), file);
    return new Sources(c, List.of(), List.of(), Map.of()).read();
  }

  private Reloader over(Sources.Read started) {
    return new Reloader(
        started, next -> thresholds.add(next.config().threshold()), happenings, Ticker.SYSTEM);
  }

  @Test
  void whatIsWrittenBetweenTheStartsReadingAndTheFirstLookIsSeen() throws Exception {
    Files.writeString(file, "threshold = 1\n");
    Sources.Read started = read();
    Files.writeString(file, "threshold = 2\n");
    try (Reloader r = over(started)) {
      r.start();
      await().atMost(Rig.SOON).until(() -> thresholds.equals(List.of(2L)));
    }
  }

  @Test
  void aFileThatSaysWhatIsInForceIsNoNewsAtTheStart() throws Exception {
    Files.writeString(file, "threshold = 1\n");
    try (Reloader r = over(read())) {
      r.start();
      r.ask();
      await().atMost(Rig.SOON).until(() -> !thresholds.isEmpty());
      assertThat(thresholds).as("only what was asked for").containsExactly(1L);
      Files.writeString(file, "threshold = 3\n");
      await().atMost(Rig.SOON).until(() -> thresholds.size() == 2);
      assertThat(thresholds).containsExactly(1L, 3L);
    }
  }

  @Test
  void aFileOfServicesThatIsNotThereYetIsWaitedFor() throws Exception {
    Path list = dir.resolve("later.json");
    Files.writeString(file, "threshold = 1\n");
    try (Reloader r = over(read())) {
      r.start();
      Files.writeString(file, "threshold = 2\nstatic_services = \"" + list + "\"\n");
      await().atMost(Rig.SOON).until(() -> r.status().error() != null);
      assertThat(r.status().error()).isEqualTo(list + ": no such file");
      Files.writeString(list, "[]");
      await().atMost(Rig.SOON).until(() -> thresholds.contains(2L));
      await().atMost(Rig.SOON).until(() -> r.status().error() == null);
    }
  }

  @Test
  void anotherFileOfServicesIsFollowedFromThenOn() throws Exception {
    Path list = Files.writeString(dir.resolve("a.json"), "[]");
    Files.writeString(file, "threshold = 1\n");
    try (Reloader r = over(read())) {
      r.start();
      Files.writeString(file, "threshold = 2\nstatic_services = \"" + list + "\"\n");
      await().atMost(Rig.SOON).until(() -> thresholds.equals(List.of(2L)));
      Files.writeString(list, "[{\"name\":\"a\",\"url\":\"http://127.0.0.1:9\"}]");
      await().atMost(Rig.SOON).until(() -> thresholds.equals(List.of(2L, 2L)));
      Files.writeString(list, "[3]");
      await().atMost(Rig.SOON).until(() -> r.status().error() != null);
      assertThat(r.status().error()).startsWith(list + ":1: services[0]: 3 (expected: an object)");
      assertThat(happenings.since(0).getLast().state()).isEqualTo("refused");
    }
  }
}
