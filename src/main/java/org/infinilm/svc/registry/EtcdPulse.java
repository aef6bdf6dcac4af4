package org.infinilm.svc.registry;

import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.infinilm.svc.etcd.Etcd;
import org.infinilm.svc.etcd.Etcd.Op;
import org.infinilm.svc.etcd.EtcdFailure;
import org.infinilm.svc.etcd.EtcdFailure.Kind;
import org.infinilm.svc.telemetry.Ticker;

/// The sign of life that a store writes to etcd each second. It tells the others who was heard here
/// since the last one, and comes back by the watch: the way there and back is open. [#run] is for
/// one thread, all else for any.
final class EtcdPulse {
  static final Duration EVERY = Duration.ofSeconds(1);
  private static final Duration PATIENCE = Duration.ofSeconds(5);
  private static final Duration OWN_LEASE = Duration.ofSeconds(30);

  /// Every so many pulses the own lease is kept alive.
  private static final int PULSES = 5;

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

  /// Who gave a sign of life since the last pulse, and in the running window.
  private final Set<String> heard = ConcurrentHashMap.newKeySet();

  private final Set<String> lately = ConcurrentHashMap.newKeySet();
  private long ownLease;
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
  }

  /// How often it is written who was heard for those that start later.
  static Duration window(Duration lease) {
    return lease.dividedBy(8);
  }

  /// A heartbeat came here.
  void heard(String name) {
    heard.add(name);
    lately.add(name);
  }

  /// A registration came here, which the others hear of as that.
  void registered(String name) {
    lately.add(name);
  }

  /// Works until interrupted.
  void run() throws InterruptedException {
    // a first window at once: what is written from now on is younger
    windowEndsNanos = ticker.nanos();
    for (int n = 0; ; n++) {
      boolean failed = false;
      try {
        once(n);
        room.answered(null);
      } catch (EtcdFailure e) {
        failed = true;
        room.answered(e);
        if (e.kind() == Kind.NO_SUCH_LEASE) {
          ownLease = 0;
        }
      }
      if (failed || heard.size() < MANY) {
        Thread.sleep(EVERY);
      }
    }
  }

  private void once(int n) throws EtcdFailure, InterruptedException {
    if (ownLease == 0) {
      ownLease = etcd.grant(OWN_LEASE, PATIENCE);
    } else if (n % PULSES == 0) {
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
