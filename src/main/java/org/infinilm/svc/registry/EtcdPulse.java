package org.infinilm.svc.registry;

import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.infinilm.svc.etcd.BackOff;
import org.infinilm.svc.etcd.Etcd;
import org.infinilm.svc.etcd.Etcd.Op;
import org.infinilm.svc.etcd.EtcdFailure;
import org.infinilm.svc.etcd.EtcdFailure.Kind;
import org.infinilm.svc.telemetry.Ticker;

/// The sign of life that a store writes to etcd each second, oftener where leases are short. It
/// tells the others who was heard here since the last one, and comes back by the watch: the way
/// there and back is open. [#run] is for one thread, all else for any.
final class EtcdPulse {
  static final Duration MOST_BETWEEN = Duration.ofSeconds(1);

  /// With shorter leases etcd's own times count: a heartbeat that comes at another registry is not
  /// heard of in time.
  static final Duration SHORTEST_LEASE = Duration.ofSeconds(1);

  private static final Duration LEAST_BETWEEN = Duration.ofMillis(50);
  private static final Duration PATIENCE = Duration.ofSeconds(5);
  private static final Duration OWN_LEASE = Duration.ofSeconds(30);

  /// So often the own lease is kept alive.
  private static final Duration KEEP = Duration.ofSeconds(5);

  /// Of the names in one pulse: etcd takes values of 1.5 MiB.
  private static final int MOST_BYTES = 512 << 10;

  /// So many heartbeats do not wait for the next second.
  private static final int MANY = 10_000;

  private final Etcd etcd;
  private final EtcdKeys keys;
  private final String boot;
  private final Duration lease;
  private final Ticker ticker;
  private final EtcdRoom room;
  private final Duration every;
  private final BackOff refusals;

  /// Who gave a sign of life since the last pulse, and in the running window.
  private final Set<String> heard = ConcurrentHashMap.newKeySet();

  private final Set<String> lately = ConcurrentHashMap.newKeySet();
  private long ownLease;
  private long keptNanos;
  private long windows;
  private long windowEndsNanos;

  /// @param lease of entries
  /// @param room hears what etcd says to each
  EtcdPulse(Etcd etcd, EtcdKeys keys, String boot, Duration lease, Ticker ticker, EtcdRoom room) {
    this.etcd = etcd;
    this.keys = keys;
    this.boot = boot;
    this.lease = lease;
    this.ticker = ticker;
    this.room = room;
    this.every = every(lease);
    this.refusals = new BackOff(every, most(lease), ticker);
  }

  /// The time between two of them: a fifth of a lease, of which instances let pass a half at most.
  static Duration every(Duration lease) {
    Duration fifth = lease.dividedBy(5);
    Duration most = fifth.compareTo(MOST_BETWEEN) < 0 ? fifth : MOST_BETWEEN;
    return most.compareTo(LEAST_BETWEEN) > 0 ? most : LEAST_BETWEEN;
  }

  /// The most between two that are refused: of two registries that may write again one does so much
  /// later at most, and hears of nobody through the other until then.
  private static Duration most(Duration lease) {
    Duration quarter = lease.dividedBy(4);
    return quarter.compareTo(BackOff.MOST_BETWEEN_REFUSALS) < 0
        ? quarter
        : BackOff.MOST_BETWEEN_REFUSALS;
  }

  /// How often it is written who was heard for those that start later.
  static Duration window(Duration lease) {
    return lease.dividedBy(8);
  }

  /// A heartbeat came here.
  ///
  /// @throws EtcdFailure where the others cannot be told for now: our user may not write
  void heard(String name) throws EtcdFailure {
    heard.add(name);
    lately.add(name);
    room.requireWriting();
  }

  /// A registration came here, which the others hear of as that.
  void registered(String name) {
    lately.add(name);
  }

  /// Works until interrupted.
  void run() throws InterruptedException {
    // a first window at once: what is written from now on is younger
    windowEndsNanos = ticker.nanos();
    while (true) {
      boolean failed = false;
      Duration pause = every;
      try {
        once();
        room.answered(null);
        refusals.taken();
      } catch (EtcdFailure e) {
        failed = true;
        pause = e.isRefusal() ? refusals.refused() : every;
        room.answered(e);
        if (e.kind() == Kind.NO_SUCH_LEASE) {
          ownLease = 0;
        }
      }
      if (failed || heard.size() < MANY) {
        Thread.sleep(pause);
      }
    }
  }

  private void once() throws EtcdFailure, InterruptedException {
    if (ownLease == 0) {
      keptNanos = ticker.nanos();
      ownLease = etcd.grant(OWN_LEASE, PATIENCE);
    } else if (ticker.nanos() - keptNanos >= KEEP.toNanos()) {
      keptNanos = ticker.nanos();
      etcd.keepAlive(List.of(ownLease), PATIENCE);
    }
    write(heard, keys.registry(boot), ownLease);
    if (ticker.nanos() - windowEndsNanos >= 0) {
      Duration window = window(lease);
      windowEndsNanos = ticker.nanos() + window.toNanos();
      int left = lately.size();
      do {
        long kept = etcd.grant(lease.plus(window), PATIENCE);
        left -= Math.max(1, write(lately, keys.heard(boot, windows++), kept));
      } while (left > 0);
    }
  }

  /// Writes as many names as go into one value; they stay where that fails.
  ///
  /// @return how many
  private int write(Set<String> from, String key, long kept)
      throws EtcdFailure, InterruptedException {
    Set<String> names = new LinkedHashSet<>();
    int bytes = 0;
    for (String name : from) {
      bytes += 3 * name.length() + 3;
      if (bytes > MOST_BYTES) {
        break;
      }
      names.add(name);
    }
    from.removeAll(names);
    try {
      etcd.put(new Op.Put(key, EtcdKeys.heard(names), kept), PATIENCE);
      return names.size();
    } catch (EtcdFailure e) {
      from.addAll(names);
      throw e;
    }
  }
}
