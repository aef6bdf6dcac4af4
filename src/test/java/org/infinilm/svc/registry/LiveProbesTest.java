package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicInteger;
import org.infinilm.svc.registry.ProbeSchedule.Answer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class LiveProbesTest {
  private static final Duration SOON = Duration.ofSeconds(20);
  private static final Executor THREADS = r -> Thread.ofVirtual().start(r);

  private final JournalStore store = new JournalStore(new Samples.Clock(), "boot", null);
  private final AtomicInteger asked = new AtomicInteger();
  private final CountDownLatch answer = new CountDownLatch(1);

  private Lease register(String name, int port) {
    Entry e = new Entry(name, "h", port, "h", "http://h:" + port, "running", Map.of(), null);
    Lease l = store.apply(new Event.Register(e)).lease();
    if (l == null) {
      throw new AssertionError(name + " was not registered");
    }
    return l;
  }

  private LiveProbes hanging(int mostWaiting) {
    return new LiveProbes(
        _ -> {
          asked.incrementAndGet();
          answer.await();
          return Answer.OK;
        },
        mostWaiting);
  }

  /// What a client is told, or why it is told nothing.
  private static CompletableFuture<Lease> ask(LiveProbes probes, Lease of) {
    return CompletableFuture.supplyAsync(
        () -> {
          try {
            return probes.of(of);
          } catch (Refused e) {
            throw new IllegalStateException(e.getMessage(), e);
          } catch (InterruptedException e) {
            throw new IllegalStateException(e);
          }
        },
        THREADS);
  }

  /// Whether nobody more may wait, as one who does not is told at once.
  private static boolean isFull(LiveProbes probes, Lease of) {
    CompletableFuture<Lease> more = ask(probes, of);
    await().pollDelay(Duration.ZERO).atMost(SOON).until(more::isDone);
    return more.isCompletedExceptionally();
  }

  @Test
  void whoAsksMeanwhileSharesAProbeThatChangesNothing() throws Exception {
    LiveProbes probes = hanging(50);
    Lease slow = register("slow", 1);
    List<CompletableFuture<Lease>> all = new ArrayList<>();
    for (int k = 0; k < 50; k++) {
      all.add(ask(probes, slow));
    }
    await().atMost(SOON).until(() -> asked.get() == 1 && isFull(probes, slow));
    register("other", 2);
    answer.countDown();
    for (CompletableFuture<Lease> one : all) {
      assertThat(one.get().probe()).isEqualTo(Lease.Probe.HEALTHY);
      assertThat(one.get().heartbeatNanos()).isEqualTo(slow.heartbeatNanos());
    }
    assertThat(asked).hasValue(1);
    Lease kept = store.table().leases().get("slow");
    assertThat(kept == null ? null : kept.probe()).isEqualTo(Lease.Probe.UNKNOWN);
  }

  @Test
  void aBoundedNumberWaitsAndTheNextIsToldAtOnce() throws Exception {
    LiveProbes probes = hanging(4);
    Lease slow = register("slow", 1);
    List<CompletableFuture<Lease>> all = new ArrayList<>();
    for (int k = 0; k < 9; k++) {
      all.add(ask(probes, slow));
    }
    await().atMost(SOON).until(() -> all.stream().filter(CompletableFuture::isDone).count() == 5);
    answer.countDown();
    int refused = 0;
    for (CompletableFuture<Lease> one : all) {
      try {
        assertThat(one.get().probe()).isEqualTo(Lease.Probe.HEALTHY);
      } catch (ExecutionException e) {
        assertThat(e)
            .hasMessageContaining("4 requests wait for probes (expected: fewer than that)");
        refused++;
      }
    }
    assertThat(refused).isEqualTo(5);
    assertThat(probes.of(slow).probe()).as("the places are free again").isNotNull();
  }

  @Test
  void aBoundedNumberOfAddressesIsAskedAtOnce() throws Exception {
    LiveProbes probes = hanging(1000);
    for (int k = 1; k <= 32; k++) {
      Lease slow = register("slow" + k, k);
      ask(probes, slow);
    }
    await().atMost(SOON).until(() -> asked.get() == 32);
    Lease next = register("next", 33);
    assertThatThrownBy(() -> probes.of(next))
        .isInstanceOfSatisfying(Refused.class, e -> assertThat(e.status()).isEqualTo(503));
    answer.countDown();
    await().atMost(SOON).until(() -> ask(probes, next).handle((l, e) -> e == null).get());
  }

  @Test
  void whoLeavesEndsNobodysProbe() throws Exception {
    LiveProbes probes = hanging(2);
    Lease slow = register("slow", 1);
    CompletableFuture<Boolean> left = new CompletableFuture<>();
    Thread first =
        Thread.ofVirtual()
            .start(() -> {
              try {
                probes.of(slow);
                left.complete(false);
              } catch (InterruptedException e) {
                left.complete(true);
              } catch (Refused e) {
                left.completeExceptionally(e);
              }
            });
    await().atMost(SOON).until(() -> asked.get() == 1);
    CompletableFuture<Lease> second = ask(probes, slow);
    first.interrupt();
    assertThat(left.get()).isTrue();
    answer.countDown();
    assertThat(second.get().probe()).isEqualTo(Lease.Probe.HEALTHY);
  }

  @Test
  void whatFailsInAProbeIsToldAndTheNextAsksAnew() {
    LiveProbes probes =
        new LiveProbes(
            _ -> {
              if (asked.incrementAndGet() == 1) {
                throw new IllegalArgumentException("a fault");
              }
              return Answer.NO;
            },
            2);
    Lease odd = register("odd", 1);
    assertThatThrownBy(() -> probes.of(odd)).isInstanceOf(IllegalStateException.class);
    await()
        .atMost(SOON)
        .untilAsserted(() -> assertThat(probes.of(odd).probe()).isEqualTo(Lease.Probe.UNHEALTHY));
  }

  @Test
  void whoWaitsNeverTakesAllPlaces() {
    for (int places : new int[] {8, 56, 340, 1024, 100_000}) {
      Routes.Waits w = Routes.Waits.of(places);
      assertThat(w.watchers()).as("of %d", places).isLessThanOrEqualTo(places / 2);
      assertThat(w.watchers() + w.probes() + w.lists()).as("of %d", places).isLessThan(places);
    }
    assertThat(Routes.Waits.of(1024)).isEqualTo(new Routes.Waits(512, 128, 256));
    assertThat(Routes.Waits.of(1)).isEqualTo(new Routes.Waits(1, 1, 1));
  }
}
