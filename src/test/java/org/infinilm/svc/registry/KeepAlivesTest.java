package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.stream.LongStream;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.infinilm.svc.etcd.Etcd;
import org.infinilm.svc.etcd.EtcdFailure;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class KeepAlivesTest {
  private static final Duration LONG = Duration.ofSeconds(30);

  private final Queue<List<Long>> calls = new ConcurrentLinkedQueue<>();

  private static CompletableFuture<Boolean> alive(KeepAlives k, long lease) {
    CompletableFuture<Boolean> f = new CompletableFuture<>();
    Thread.ofVirtual()
        .start(() -> {
          try {
            f.complete(k.alive(lease, LONG));
          } catch (EtcdFailure | InterruptedException e) {
            f.completeExceptionally(e);
          }
        });
    return f;
  }

  private static Thread running(KeepAlives k) {
    return Thread.ofVirtual()
        .start(() -> {
          try {
            k.run();
          } catch (InterruptedException ended) {
            Thread.currentThread().interrupt();
          }
        });
  }

  @Test
  void manyAreOneCallAndEachHearsOfItsOwn() throws Exception {
    KeepAlives k =
        new KeepAlives(leases -> {
          calls.add(leases);
          return leases.stream().filter(l -> l % 2 == 0).toList();
        });
    CompletableFuture<Boolean> first = alive(k, 2);
    List<CompletableFuture<Boolean>> more =
        List.of(alive(k, 2), alive(k, 3), alive(k, 3), alive(k, 4));
    await().until(() -> k.waiting() == 5);
    Thread loop = running(k);
    assertThat(first.get()).isTrue();
    assertThat(more.get(0).get()).isTrue();
    assertThat(more.get(1).get()).isFalse();
    assertThat(more.get(2).get()).isFalse();
    assertThat(more.get(3).get()).isTrue();
    assertThat(calls)
        .singleElement(InstanceOfAssertFactories.LIST)
        .containsExactlyInAnyOrder(2L, 3L, 4L);
    loop.interrupt();
    loop.join();
  }

  @Test
  void aFailureIsEveryonesWhoWaitedAndTheNextAreAskedAnew() throws Exception {
    KeepAlives k =
        new KeepAlives(leases -> {
          calls.add(leases);
          if (calls.size() == 1) {
            throw new EtcdFailure(EtcdFailure.Kind.AWAY, "away");
          }
          return leases;
        });
    Thread loop = running(k);
    assertThatThrownBy(() -> alive(k, 1).get())
        .isInstanceOf(ExecutionException.class)
        .hasMessageContaining("away");
    assertThat(alive(k, 1).get()).isTrue();
    loop.interrupt();
    loop.join();
  }

  @Test
  void whoAsksWhenItIsOverDoesNotWait() throws Exception {
    KeepAlives k = new KeepAlives(leases -> leases);
    Thread loop = running(k);
    loop.interrupt();
    loop.join();
    assertThatThrownBy(() -> alive(k, 1).get())
        .isInstanceOf(ExecutionException.class)
        .hasMessageContaining("the registry ends");
    assertThat(k.waiting()).isZero();

    Thread again = running(k);
    await().ignoreExceptionsInstanceOf(ExecutionException.class).until(() -> alive(k, 1).get());
    again.interrupt();
    again.join();
  }

  /// A call takes so many; where its answer is long in coming the others do not wait for it.
  @Test
  void manyCallsAreMadeAtOnce() throws Exception {
    int beats = 20 * Etcd.KEPT_AT_ONCE;
    CountDownLatch all = new CountDownLatch(20);
    KeepAlives k =
        new KeepAlives(leases -> {
          all.countDown();
          all.await();
          calls.add(leases);
          return leases;
        });
    List<CompletableFuture<Boolean>> asked =
        LongStream.range(0, beats).mapToObj(l -> alive(k, l)).toList();
    await().until(() -> k.waiting() == beats);
    Thread loop = running(k);
    for (CompletableFuture<Boolean> f : asked) {
      assertThat(f.get()).isTrue();
    }
    assertThat(calls).hasSize(20).allSatisfy(c -> assertThat(c).hasSize(Etcd.KEPT_AT_ONCE));
    loop.interrupt();
    loop.join();
  }

  @Test
  void nobodyWaitsLongerThanHeHasPatience() throws Exception {
    CountDownLatch never = new CountDownLatch(1);
    KeepAlives k =
        new KeepAlives(leases -> {
          calls.add(leases);
          never.await();
          return leases;
        });
    Thread loop = running(k);
    assertThatThrownBy(() -> k.alive(1, Duration.ofMillis(300)))
        .isInstanceOf(EtcdFailure.class)
        .hasMessageContaining("not answered for in 300 ms");
    loop.interrupt();
    loop.join();
  }

  @Test
  void whoHasGivenUpIsNotAskedFor() throws Exception {
    KeepAlives k =
        new KeepAlives(leases -> {
          calls.add(leases);
          return leases;
        });
    assertThatThrownBy(() -> k.alive(1, Duration.ofMillis(1))).isInstanceOf(EtcdFailure.class);
    CompletableFuture<Boolean> other = alive(k, 2);
    await().until(() -> k.waiting() == 2);
    Thread loop = running(k);
    assertThat(other.get()).isTrue();
    assertThat(calls).containsExactly(List.of(2L));
    loop.interrupt();
    loop.join();
  }
}
