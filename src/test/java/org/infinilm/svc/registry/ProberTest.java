package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.infinilm.svc.registry.ProbeSchedule.Answer;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class ProberTest {
  private final JournalStore store = new JournalStore(new Samples.Clock(), "boot", null);

  private Lease register(String name, int port, Map<String, Object> metadata) {
    Entry e = new Entry(name, "h", port, "h", "http://h:" + port, "running", metadata, null);
    Lease l = store.apply(new Event.Register(e)).lease();
    if (l == null) {
      throw new AssertionError(name + " was not registered");
    }
    return l;
  }

  private Lease.Probe probe(String name) {
    Lease l = store.table().leases().get(name);
    if (l == null) {
      throw new AssertionError(name + " is gone");
    }
    return l.probe();
  }

  private Prober prober(Prober.Ask ask) {
    ProbeSchedule schedule =
        new ProbeSchedule(Duration.ofMillis(50), new Random(1), Ticker.SYSTEM.nanos());
    return new Prober(ask, store, schedule, Ticker.SYSTEM);
  }

  /// Runs until `done` says so.
  private static void runUntil(Prober prober, java.util.function.BooleanSupplier done)
      throws InterruptedException {
    Thread loop =
        Thread.ofVirtual()
            .start(() -> {
              try {
                prober.run();
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            });
    await().atMost(Duration.ofSeconds(20)).until(done::getAsBoolean);
    loop.interrupt();
    loop.join();
  }

  @Test
  void hangingAddressesDelayNoVerdictOnOthers() throws Exception {
    register("dies", 5000, Map.of());
    AtomicBoolean well = new AtomicBoolean(true);
    AtomicInteger hanging = new AtomicInteger();
    Prober prober =
        prober(uri -> {
          if (uri.getPort() == 5000) {
            return well.get() ? Answer.OK : Answer.NO;
          }
          hanging.incrementAndGet();
          new CountDownLatch(1).await();
          return Answer.SILENT;
        });
    runUntil(prober, () -> probe("dies") == Lease.Probe.HEALTHY);
    for (int i = 0; i < 300; i++) {
      register("hangs" + i, 1000 + i, Map.of());
    }
    runUntil(
        prober,
        () -> {
          if (hanging.get() >= 100) {
            well.set(false);
          }
          return !well.get() && probe("dies") == Lease.Probe.UNHEALTHY;
        });
    assertThat(hanging.get()).isBetween(100, 128);
  }

  @Test
  void thePairOfAnInstanceIsAskedOnce() throws Exception {
    register("a-server", 8100, Map.of("type", "openai-api"));
    register("a", 8101, Map.of("type", "command"));
    register("odd", 65535, Map.of("type", "openai-api"));
    ConcurrentLinkedQueue<URI> asked = new ConcurrentLinkedQueue<>();
    Prober prober =
        prober(uri -> {
          asked.add(uri);
          return Answer.NO;
        });
    runUntil(
        prober,
        () ->
            List.of(probe("a-server"), probe("a"), probe("odd")).stream()
                .allMatch(p -> p == Lease.Probe.UNHEALTHY));
    assertThat(asked).isNotEmpty().containsOnly(URI.create("http://h:8101/health"));
  }

  @Test
  void anInterruptedProberEndsItsProbes() throws Exception {
    register("slow", 1, Map.of());
    CountDownLatch asked = new CountDownLatch(1);
    CountDownLatch ended = new CountDownLatch(1);
    Prober prober =
        prober(_ -> {
          asked.countDown();
          try {
            new CountDownLatch(1).await();
            return Answer.OK;
          } finally {
            ended.countDown();
          }
        });
    runUntil(prober, () -> asked.getCount() == 0);
    assertThat(ended.await(20, TimeUnit.SECONDS)).isTrue();
    assertThat(probe("slow")).isEqualTo(Lease.Probe.UNKNOWN);
  }

  @Test
  void aProbeThatFailsInAnUnforeseenWayEndsNeitherTheLoopNorTheOthers() throws Exception {
    register("odd", 1, Map.of());
    register("well", 2, Map.of());
    AtomicInteger failures = new AtomicInteger();
    Prober prober =
        prober(uri -> {
          if (uri.getPort() == 1) {
            failures.incrementAndGet();
            throw new IllegalStateException("a fault on purpose");
          }
          return Answer.OK;
        });
    runUntil(prober, () -> failures.get() > 1 && probe("well") == Lease.Probe.HEALTHY);
    assertThat(probe("odd")).isEqualTo(Lease.Probe.UNHEALTHY);
  }
}
