package org.infinilm.svc.registry;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import org.infinilm.svc.etcd.EtcdFailure;
import org.jspecify.annotations.Nullable;

/// Signs of life for leases, many in one call: a heartbeat waits a moment for others. [#alive] is
/// for any thread, [#run] for one.
final class KeepAlives {
  /// How leases are kept alive; says which of them live.
  interface Call {
    List<Long> keep(List<Long> leases) throws EtcdFailure, InterruptedException;
  }

  private static final Duration TOGETHER = Duration.ofMillis(100);
  private static final int MOST_WAITING = 20_000;
  private static final int BATCH = 4096;

  private record Asked(long lease, CompletableFuture<Boolean> lives) {}

  private final Call call;
  private final BlockingQueue<Asked> waiting = new LinkedBlockingQueue<>(MOST_WAITING);

  /// Whether nobody answers: [#run] has ended, for now or for good.
  private volatile boolean over;

  KeepAlives(Call call) {
    this.call = call;
  }

  /// Gives the lease its whole time again.
  ///
  /// @return false when there is no such lease
  boolean alive(long lease) throws EtcdFailure, InterruptedException {
    Asked a = new Asked(lease, new CompletableFuture<>());
    if (!waiting.offer(a)) {
      throw new EtcdFailure(
          EtcdFailure.Kind.AWAY, "etcd: " + MOST_WAITING + " heartbeats wait for it already");
    }
    if (over && waiting.remove(a)) {
      throw ended();
    }
    try {
      return a.lives().get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof EtcdFailure f) {
        throw f;
      }
      throw new IllegalStateException(e.getCause());
    }
  }

  /// How many are not yet asked for.
  int waiting() {
    return waiting.size();
  }

  /// Works until interrupted; after a fault it may be called again.
  void run() throws InterruptedException {
    List<Asked> batch = new ArrayList<>();
    over = false;
    try {
      while (true) {
        batch.add(waiting.take());
        Thread.sleep(TOGETHER);
        waiting.drainTo(batch, BATCH - 1);
        answer(batch);
        batch.clear();
      }
    } finally {
      over = true;
      waiting.drainTo(batch);
      fail(batch, ended());
    }
  }

  private static EtcdFailure ended() {
    return new EtcdFailure(EtcdFailure.Kind.AWAY, "etcd: the registry ends");
  }

  private void answer(List<Asked> batch) throws InterruptedException {
    Set<Long> leases = new LinkedHashSet<>();
    batch.forEach(a -> leases.add(a.lease()));
    EtcdFailure failure = null;
    Set<Long> live = new HashSet<>();
    try {
      live.addAll(call.keep(new ArrayList<>(leases)));
    } catch (EtcdFailure e) {
      failure = e;
    }
    tell(batch, live, failure);
  }

  private static void tell(List<Asked> batch, Set<Long> live, @Nullable EtcdFailure failure) {
    if (failure != null) {
      fail(batch, failure);
    } else {
      batch.forEach(a -> a.lives().complete(live.contains(a.lease())));
    }
  }

  private static void fail(List<Asked> batch, EtcdFailure failure) {
    batch.forEach(a -> a.lives().completeExceptionally(failure));
  }
}
