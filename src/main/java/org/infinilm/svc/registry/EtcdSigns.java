package org.infinilm.svc.registry;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.Semaphore;
import java.util.function.Function;
import org.infinilm.svc.etcd.Etcd;
import org.infinilm.svc.etcd.EtcdFailure;
import org.infinilm.svc.etcd.EtcdFailure.Kind;
import org.infinilm.svc.etcd.KeyValue;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Reads the ages of entries from etcd ([EtcdAges]), in calls whose number does not grow with them.
final class EtcdSigns {
  private static final Logger log = LoggerFactory.getLogger(EtcdSigns.class);
  private static final Duration PATIENCE = Duration.ofSeconds(10);
  private static final int ASKED_AT_ONCE = 16;

  /// Entries whose leases are asked one by one.
  static final int MOST_ASKED = 32;

  private final Etcd etcd;
  private final EtcdKeys keys;
  private final Duration lease;
  private final Duration window;

  /// @param lease, window as [EtcdAges]
  EtcdSigns(Etcd etcd, EtcdKeys keys, Duration lease, Duration window) {
    this.etcd = etcd;
    this.keys = keys;
    this.lease = lease;
    this.window = window;
  }

  /// How long ago the entries gave a sign of life at most: by our own clock where we know them,
  /// else by what registries wrote down. Of a few of which nothing is written the leases are asked;
  /// of more that would take a call each.
  ///
  /// @param all that stands in etcd
  /// @param known by our own clock, null for those that are not known
  Map<String, Duration> ages(List<KeyValue> all, Function<String, @Nullable Duration> known)
      throws EtcdFailure, InterruptedException {
    Map<String, Duration> out = new ConcurrentHashMap<>();
    List<EtcdAges.Written> entries = new ArrayList<>();
    Map<String, KeyValue> stored = new HashMap<>();
    for (KeyValue kv : ofKind(EtcdKeys.Kind.ENTRY, all)) {
      String name = keys.named(kv.key()).name();
      Duration age = known.apply(name);
      if (age != null) {
        out.put(name, age);
      } else {
        entries.add(new EtcdAges.Written(name, kv.revision()));
        stored.put(name, kv);
      }
    }
    if (entries.isEmpty()) {
      return out;
    }
    Queue<EtcdAges.Mark> marks = new ConcurrentLinkedQueue<>();
    inParallel(
        ofKind(EtcdKeys.Kind.HEARD, all),
        kv -> marks.add(new EtcdAges.Mark(kv.revision(), sinceSign(kv), named(kv))));
    EtcdAges ages = new EtcdAges(marks, lease, window);
    out.putAll(ages.known(entries));
    stored.keySet().removeAll(out.keySet());
    if (stored.size() <= MOST_ASKED) {
      inParallel(
          List.copyOf(stored.values()), kv -> out.put(keys.named(kv.key()).name(), sinceSign(kv)));
    } else {
      stored.keySet().forEach(name -> out.put(name, ages.ofOthers()));
    }
    return out;
  }

  private List<KeyValue> ofKind(EtcdKeys.Kind kind, List<KeyValue> all) {
    return all.stream()
        .filter(kv -> keys.named(kv.key()).kind() == kind && kv.lease() != 0)
        .toList();
  }

  private static Set<String> named(KeyValue kv) {
    try {
      return EtcdKeys.heard(kv.value());
    } catch (EtcdKeys.NoSuchThing e) {
      log.warn("etcd key {} is ignored: {}", kv.key(), e.getMessage());
      return Set.of();
    }
  }

  private Duration sinceSign(KeyValue kv) throws EtcdFailure, InterruptedException {
    Etcd.Remaining r = etcd.remaining(kv.lease(), PATIENCE);
    return Duration.ofSeconds(Math.max(0, r.granted() - r.left()));
  }

  private interface Question {
    void ask(KeyValue kv) throws EtcdFailure, InterruptedException;
  }

  private static void inParallel(List<KeyValue> all, Question question)
      throws EtcdFailure, InterruptedException {
    Semaphore places = new Semaphore(ASKED_AT_ONCE);
    List<Future<?>> asked = new ArrayList<>();
    for (KeyValue kv : all) {
      places.acquire();
      FutureTask<Void> ask =
          new FutureTask<>(() -> {
            try {
              question.ask(kv);
              return null;
            } finally {
              places.release();
            }
          });
      asked.add(ask);
      Thread.ofVirtual().name("lease-age").start(ask);
    }
    for (Future<?> a : asked) {
      try {
        a.get();
      } catch (ExecutionException e) {
        throw e.getCause() instanceof EtcdFailure f
            ? f
            : new EtcdFailure(Kind.OTHER, "etcd: " + e.getCause());
      }
    }
  }
}
