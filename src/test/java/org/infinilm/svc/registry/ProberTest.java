package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class ProberTest {
  private final LeaseStore store = new LeaseStore(new Samples.Clock(), "boot", null);

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

  @Test
  void atMostThirtyTwoAtOnceAndAllOfThem() throws Exception {
    for (int i = 0; i < 100; i++) {
      register("s" + i, 1000 + i, Map.of());
    }
    AtomicInteger now = new AtomicInteger();
    AtomicInteger most = new AtomicInteger();
    CountDownLatch full = new CountDownLatch(32);
    Prober prober =
        new Prober(
            _ -> {
              most.accumulateAndGet(now.incrementAndGet(), Math::max);
              full.countDown();
              assertThat(full.await(20, TimeUnit.SECONDS)).isTrue();
              now.decrementAndGet();
              return true;
            },
            store);
    prober.sweep(store.table().all());
    assertThat(most).hasValue(32);
    assertThat(store.table().all()).allMatch(l -> l.probe() == Lease.Probe.HEALTHY);
  }

  @Test
  void thePairOfAnInstanceIsAskedOnce() throws Exception {
    register("a-server", 8100, Map.of("type", "openai-api"));
    register("a", 8101, Map.of("type", "command"));
    register("odd", 65535, Map.of("type", "openai-api"));
    ConcurrentLinkedQueue<URI> asked = new ConcurrentLinkedQueue<>();
    Prober prober =
        new Prober(
            uri -> {
              asked.add(uri);
              return false;
            },
            store);
    prober.sweep(store.table().all());
    assertThat(asked).containsExactly(URI.create("http://h:8101/health"));
    assertThat(List.of(probe("a-server"), probe("a"), probe("odd")))
        .containsOnly(Lease.Probe.UNHEALTHY);
  }

  @Test
  void aHangingProbeHoldsUpNoRegistration() throws Exception {
    Lease slow = register("slow", 1, Map.of());
    CountDownLatch asked = new CountDownLatch(1);
    CountDownLatch answer = new CountDownLatch(1);
    List<Lease> found = new ArrayList<>();
    Prober prober =
        new Prober(
            _ -> {
              asked.countDown();
              answer.await();
              return true;
            },
            store);
    Thread live =
        Thread.ofVirtual()
            .start(() -> {
              try {
                found.add(prober.live(slow));
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            });
    asked.await();
    register("other", 2, Map.of());
    assertThat(probe("slow")).isEqualTo(Lease.Probe.UNKNOWN);
    answer.countDown();
    live.join();
    assertThat(found)
        .singleElement()
        .satisfies(l -> {
          assertThat(l.probe()).isEqualTo(Lease.Probe.HEALTHY);
          assertThat(l.heartbeatNanos()).isEqualTo(slow.heartbeatNanos());
        });
  }

  @Test
  void anInterruptedSweepEndsItsProbes() throws Exception {
    register("slow", 1, Map.of());
    CountDownLatch asked = new CountDownLatch(1);
    CountDownLatch ended = new CountDownLatch(1);
    Prober prober =
        new Prober(
            _ -> {
              asked.countDown();
              try {
                new CountDownLatch(1).await();
                return true;
              } finally {
                ended.countDown();
              }
            },
            store);
    Thread sweep =
        Thread.ofVirtual()
            .start(() -> {
              try {
                prober.sweep(store.table().all());
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            });
    asked.await();
    sweep.interrupt();
    sweep.join();
    assertThat(ended.await(20, TimeUnit.SECONDS)).isTrue();
    assertThat(probe("slow")).isEqualTo(Lease.Probe.UNKNOWN);
  }
}
