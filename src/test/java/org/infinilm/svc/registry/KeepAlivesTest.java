package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.infinilm.svc.etcd.EtcdFailure;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(30)
class KeepAlivesTest {
  private final Queue<List<Long>> calls = new ConcurrentLinkedQueue<>();

  private static CompletableFuture<Boolean> alive(KeepAlives k, long lease) {
    CompletableFuture<Boolean> f = new CompletableFuture<>();
    Thread.ofVirtual()
        .start(() -> {
          try {
            f.complete(k.alive(lease));
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
    CountDownLatch asked = new CountDownLatch(1);
    CountDownLatch go = new CountDownLatch(1);
    KeepAlives k =
        new KeepAlives(leases -> {
          asked.countDown();
          go.await();
          calls.add(leases);
          return leases.stream().filter(l -> l % 2 == 0).toList();
        });
    Thread loop = running(k);
    CompletableFuture<Boolean> first = alive(k, 2);
    asked.await();
    List<CompletableFuture<Boolean>> more =
        List.of(alive(k, 2), alive(k, 3), alive(k, 3), alive(k, 4));
    await().until(() -> k.waiting() == 4);
    go.countDown();
    assertThat(first.get()).isTrue();
    assertThat(more.get(0).get()).isTrue();
    assertThat(more.get(1).get()).isFalse();
    assertThat(more.get(2).get()).isFalse();
    assertThat(more.get(3).get()).isTrue();
    assertThat(calls).hasSize(2).first().isEqualTo(List.of(2L));
    assertThat(calls).last(InstanceOfAssertFactories.LIST).containsExactlyInAnyOrder(2L, 3L, 4L);
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
}
