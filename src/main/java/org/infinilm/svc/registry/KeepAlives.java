package org.infinilm.svc.registry;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.infinilm.svc.etcd.Etcd;
import org.infinilm.svc.etcd.EtcdFailure;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Signs of life for leases, as many in one call as one takes, some calls at once: a heartbeat
/// waits a moment for others. [#alive] is for any thread, [#run] for one.
final class KeepAlives {
  /// How leases are kept alive; says which of them live.
  interface Call {
    List<Long> keep(List<Long> leases) throws EtcdFailure, InterruptedException;
  }

  private static final Logger log = LoggerFactory.getLogger(KeepAlives.class);
  private static final Duration TOGETHER = Duration.ofMillis(100);
  private static final int MOST_WAITING = 20_000;
  private static final int BATCH = 4096;

  /// Half of what etcd is asked at once by all of a registry.
  private static final int CALLS_AT_ONCE = 32;

  private record Asked(long lease, CompletableFuture<Boolean> lives) {}

  private final Call call;
  private final BlockingQueue<Asked> waiting = new LinkedBlockingQueue<>(MOST_WAITING);
  private final Semaphore places = new Semaphore(CALLS_AT_ONCE);
  private final Set<Thread> calling = ConcurrentHashMap.newKeySet();

  /// Whether nobody answers: [#run] has ended, for now or for good.
  private volatile boolean over;

  KeepAlives(Call call) {
    this.call = call;
  }

  /// Gives the lease its whole time again.
  ///
  /// @param patience after which nobody is waited for; the lease may have its time all the same
  /// @return false when there is no such lease
  boolean alive(long lease, Duration patience) throws EtcdFailure, InterruptedException {
    Asked a = new Asked(lease, new CompletableFuture<>());
    if (!waiting.offer(a)) {
      throw new EtcdFailure(
          EtcdFailure.Kind.AWAY, "etcd: " + MOST_WAITING + " heartbeats wait for it already");
    }
    if (over && waiting.remove(a)) {
      throw ended();
    }
    try {
      return a.lives().get(patience.toNanos(), TimeUnit.NANOSECONDS);
    } catch (TimeoutException e) {
      a.lives().cancel(false);
      throw new EtcdFailure(
          EtcdFailure.Kind.AWAY,
          "etcd: a heartbeat was not answered for in " + patience.toMillis() + " ms");
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
        ask(batch);
        batch.clear();
      }
    } finally {
      over = true;
      calling.forEach(Thread::interrupt);
      waiting.drainTo(batch);
      fail(batch, ended());
    }
  }

  private static EtcdFailure ended() {
    return new EtcdFailure(EtcdFailure.Kind.AWAY, "etcd: the registry ends");
  }

  /// Each lease once, whoever of them still waits.
  private void ask(List<Asked> batch) throws InterruptedException {
    Map<Long, List<Asked>> some = new HashMap<>();
    for (Asked a : batch) {
      if (!a.lives().isDone()) {
        some.computeIfAbsent(a.lease(), l -> new ArrayList<>()).add(a);
      }
      if (some.size() == Etcd.KEPT_AT_ONCE) {
        begin(some);
        some = new HashMap<>();
      }
    }
    if (!some.isEmpty()) {
      begin(some);
    }
  }

  private void begin(Map<Long, List<Asked>> asked) throws InterruptedException {
    places.acquire();
    Thread t = Thread.ofVirtual().name("etcd-heartbeats-call").unstarted(() -> answer(asked));
    calling.add(t);
    t.start();
  }

  private void answer(Map<Long, List<Asked>> asked) {
    Set<Long> live = new HashSet<>();
    EtcdFailure failure = null;
    try {
      live.addAll(call.keep(List.copyOf(asked.keySet())));
    } catch (EtcdFailure e) {
      failure = e;
    } catch (InterruptedException e) {
      failure = ended();
    } catch (RuntimeException | Error e) {
      log.error("heartbeats: failed; going on", e);
      failure = new EtcdFailure(EtcdFailure.Kind.OTHER, "etcd: " + e);
    } finally {
      places.release();
      calling.remove(Thread.currentThread());
    }
    tell(asked, live, failure);
  }

  private static void tell(
      Map<Long, List<Asked>> asked, Set<Long> live, @Nullable EtcdFailure failure) {
    asked.forEach((lease, all) -> {
      if (failure != null) {
        fail(all, failure);
      } else {
        all.forEach(a -> a.lives().complete(live.contains(lease)));
      }
    });
  }

  private static void fail(List<Asked> batch, EtcdFailure failure) {
    batch.forEach(a -> a.lives().completeExceptionally(failure));
  }
}
