package org.infinilm.svc.registry;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.Semaphore;
import org.infinilm.svc.etcd.BackOff;
import org.infinilm.svc.etcd.Etcd;
import org.infinilm.svc.etcd.Etcd.Op;
import org.infinilm.svc.etcd.EtcdFailure;
import org.infinilm.svc.etcd.EtcdFailure.Kind;
import org.infinilm.svc.etcd.KeyValue;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// What all registries of a deployment agree on, as it stands in etcd: written by the first that
/// starts, and by those that run when somebody removes it. [#run] is for one thread, all else for
/// any.
final class EtcdSettings {
  private static final Logger log = LoggerFactory.getLogger(EtcdSettings.class);
  private static final Duration PATIENCE = Duration.ofSeconds(10);
  private static final Duration AGAIN = Duration.ofSeconds(1);

  private final Etcd etcd;
  private final EtcdKeys keys;
  private final Duration lease;

  /// One for each time that they were removed, or may have been.
  private final Semaphore removed = new Semaphore(0);

  private final BackOff failures;

  /// What was last said to be wrong with them.
  private volatile @Nullable String wrong;

  /// @param lease that ours is
  EtcdSettings(Etcd etcd, EtcdKeys keys, Duration lease, Ticker ticker) {
    this.etcd = etcd;
    this.keys = keys;
    this.lease = lease;
    this.failures = new BackOff(AGAIN, BackOff.MOST_BETWEEN_REFUSALS, ticker);
  }

  /// The length of leases that registries agreed on.
  ///
  /// @throws EtcdFailure also where no registry has been there
  static Duration lease(Etcd etcd, EtcdKeys keys) throws EtcdFailure, InterruptedException {
    KeyValue there = etcd.get(keys.settings(), PATIENCE);
    String at = etcd.address() + ": key " + keys.settings();
    if (there == null) {
      throw new EtcdFailure(
          Kind.OTHER, at + " is not there (expected: that of an infini registry --store)");
    }
    try {
      return EtcdKeys.agreed(there.value());
    } catch (EtcdKeys.NoSuchThing e) {
      throw new EtcdFailure(Kind.OTHER, at + " " + e.getMessage());
    }
  }

  /// One deployment has one prefix, and one length of leases. Nothing is written where they stand:
  /// an etcd without room refuses to write, and who starts then serves what it can read.
  ///
  /// @return whether nothing was there
  /// @throws EtcdFailure where others have the prefix, or another length
  boolean agree() throws EtcdFailure, InterruptedException {
    for (String around : keys.around()) {
      String theirs = new EtcdKeys(around).settings();
      if (etcd.get(theirs, PATIENCE) != null) {
        throw new EtcdFailure(
            Kind.OTHER,
            etcd.address() + ": inside the deployment of key " + theirs + " (expected: beside it)");
      }
    }
    KeyValue there = etcd.get(keys.settings(), PATIENCE);
    if (there == null) {
      EtcdListing.requireNobodyInside(etcd, keys);
      Op ours = new Op.Put(keys.settings(), EtcdKeys.agreed(lease), 0);
      Etcd.Written w = etcd.change(keys.settings(), 0, List.of(ours), PATIENCE);
      there = w.done() ? null : w.present();
    }
    String difference = there == null ? null : EtcdKeys.difference(there.value(), lease);
    if (difference != null) {
      throw new EtcdFailure(Kind.OTHER, words(difference));
    }
    return there == null;
  }

  /// Nobody knows what became of them meanwhile: [#run] looks. Who runs goes on as it is, whatever
  /// stands there.
  void look() {
    removed.release();
  }

  private String words(String difference) {
    return etcd.address() + ": key " + keys.settings() + " " + difference;
  }

  /// What the watch says. Others' words are named once; what was removed is for [#run].
  void heard(List<Etcd.Change> changes) {
    for (Etcd.Change c : changes) {
      if (!c.key().key().equals(keys.settings())) {
        continue;
      }
      if (c.deleted()) {
        look();
      } else {
        String difference = EtcdKeys.difference(c.key().value(), lease);
        say(difference == null ? null : words(difference));
      }
    }
  }

  /// Writes them again whenever they were removed, until interrupted. Who starts later finds what
  /// to agree on, or that it cannot.
  void run() throws InterruptedException {
    while (true) {
      removed.acquire();
      removed.drainPermits();
      try {
        if (agree()) {
          log.info("{}: key {} was removed, and is there again", etcd.address(), keys.settings());
        }
        say(null);
        failures.taken();
      } catch (EtcdFailure e) {
        say(e.getMessage());
        Thread.sleep(failures.refused());
        removed.release();
      }
    }
  }

  private void say(@Nullable String now) {
    if (now != null && !now.equals(wrong)) {
      log.warn("{}; going on with leases of {} s", now, lease.toMillis() / 1000.0);
    } else if (now == null && wrong != null) {
      log.info("{}: key {} is as it was", etcd.address(), keys.settings());
    }
    wrong = now;
  }
}
