package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.Socket;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.infinilm.svc.router.Programs.Running;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The fault matrix, the router's own host: what it lacks is no instance's fault, and passes.
@Timeout(180)
class HostFaultsIT {
  @TempDir private Path folder;
  private Rig rig;
  private Programs programs;

  @BeforeEach
  void begin() throws Exception {
    rig = new Rig();
    programs = new Programs(folder);
  }

  @AfterEach
  void end() throws Exception {
    try {
      rig.quiet();
    } finally {
      programs.close();
      rig.close();
    }
  }

  private Running router(String shell, String... more) throws Exception {
    List<String> args =
        new ArrayList<>(
            List.of(
                "--registry-url",
                rig.registry.url().toString(),
                "--registry-sync-interval",
                "0.2",
                "--health-interval",
                "0.5",
                "--threads",
                "2"));
    args.addAll(List.of(more));
    Running r = programs.router(shell, List.of(), args.toArray(String[]::new));
    rig.follow(r);
    return r;
  }

  private Crowd crowd() {
    return new Crowd(rig.port(), Rig.post(Rig.CHAT, "", Rig.BODY));
  }

  /// C13: out of descriptors is our lack, never an instance's strike.
  @Test
  void withoutDescriptorsItRefusesAndBlamesNobody() throws Exception {
    rig.good("a");
    rig.good("b");
    Running r = router("ulimit -n 400 && " + Programs.PLAINLY);
    List<Socket> idle = new ArrayList<>();
    List<Said> said = new ArrayList<>();
    try {
      for (int k = 0; k < 800; k++) {
        Socket s = new Socket();
        idle.add(s);
        s.connect(new java.net.InetSocketAddress("127.0.0.1", r.port()), 5000);
        s.setSoTimeout(300);
        s.getOutputStream().write(Rig.post(Rig.CHAT, "", Rig.BODY).getBytes(ISO_8859_1));
        if (k % 4 == 0) {
          said.add(Said.read(s.getInputStream()));
        }
      }
    } catch (IOException refused) {
      // one more way to say that it is full
    } finally {
      for (Socket s : idle) {
        s.close();
      }
    }
    assertThat(said).allMatch(s -> s.status() == 200 || s.status() == 503 || s.status() == 0);
    assertThat(said.stream().filter(s -> s.status() == 503))
        .allMatch(s -> s.body().contains("overloaded"));
    assertThat(r.process().isAlive()).isTrue();
    await().atMost(Rig.SOON).ignoreExceptions().until(() -> rig.chat().ok());
    try (Crowd c = crowd().start(4, 25).join()) {
      assertThat(c.failed).isEmpty();
    }
    assertThat(rig.health()).isEqualTo("2/2");
    assertThat(r.said()).doesNotContain("out of service");
  }

  @Test
  void aFullDiskUnderItsAccessLogCostsTheLogAlone() throws Exception {
    rig.good("a");
    Running r = router("exec \"$@\" 2>&1 >/dev/full", "--access-log");
    try (Crowd c = crowd().start(4, 250).join()) {
      assertThat(c.failed).isEmpty();
      assertThat(c.whole.get()).isEqualTo(1000);
    }
    rig.quiet();
    rig.outcome("ok");
    assertThat(r.said()).doesNotContain("Exception");
  }

  @Test
  void aStopOfTwoSecondsIsNobodysTimeout() throws Exception {
    rig.answering(
        "a",
        (q, n) -> {
          Thread.sleep(100);
          return Rig.OK;
        });
    rig.good("b");
    Running r = router(Programs.PLAINLY, "--proxy-timeout", "1", "--client-stall", "1");
    AtomicBoolean going = new AtomicBoolean(true);
    try (Crowd c = crowd().startWhile(16, going::get)) {
      await().atMost(Rig.SOON).until(() -> c.whole.get() > 50);
      r.signal("STOP");
      await().pollDelay(Duration.ofSeconds(2)).until(() -> true);
      r.signal("CONT");
      int before = c.whole.get();
      await().atMost(Rig.SOON).until(() -> c.whole.get() > before + 100);
      going.set(false);
      c.join();
      assertThat(c.failed).isEmpty();
      assertThat(c.broken).isEmpty();
    }
    assertThat(rig.health()).isEqualTo("2/2");
  }

  /// A request that is half sent when the process is stopped has its time after it.
  @Test
  void aStopIsNoClientsPause() throws Exception {
    rig.good("a");
    Running r = router(Programs.PLAINLY);
    String request = Rig.post(Rig.CHAT, "", Rig.BODY);
    try (Socket c = rig.connect()) {
      c.getOutputStream().write(request.substring(0, request.length() - 5).getBytes(ISO_8859_1));
      rig.health();
      r.signal("STOP");
      await().pollDelay(Duration.ofSeconds(2)).until(() -> true);
      r.signal("CONT");
      rig.health();
      c.getOutputStream().write(request.substring(request.length() - 5).getBytes(ISO_8859_1));
      assertThat(Said.read(c.getInputStream()).ok()).isTrue();
    }
  }

  /// The wall clock is set, forwards and back; the host sleeps for an hour.
  @Test
  void jumpsOfTheClockChangeNothing() throws Exception {
    rig.good("a");
    rig.good("b");
    AtomicLong wallSeconds = new AtomicLong();
    AtomicLong asleepNanos = new AtomicLong();
    rig.start(
        new Ticker() {
          @Override
          public long nanos() {
            return Ticker.SYSTEM.nanos() + asleepNanos.get();
          }

          @Override
          public Instant now() {
            return Ticker.SYSTEM.now().plusSeconds(wallSeconds.get());
          }
        },
        List.of());
    AtomicBoolean going = new AtomicBoolean(true);
    try (Crowd c = crowd().startWhile(4, going::get)) {
      for (long jump : new long[] {86_400, -86_400, -3600, 0}) {
        int before = c.whole.get();
        wallSeconds.set(jump);
        await().atMost(Rig.SOON).until(() -> c.whole.get() > before + 50);
        assertThat(rig.health()).isEqualTo("2/2");
      }
      int before = c.whole.get();
      asleepNanos.set(Duration.ofHours(1).toNanos());
      await().atMost(Rig.SOON).until(() -> c.whole.get() > before + 50);
      going.set(false);
      c.join();
      assertThat(c.failed).isEmpty();
      assertThat(c.broken).isEmpty();
    }
    assertThat(rig.health()).isEqualTo("2/2");
  }
}
