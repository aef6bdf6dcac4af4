package org.infinilm.svc.registry;

import java.time.Duration;
import java.util.List;
import org.infinilm.svc.etcd.Etcd;
import org.infinilm.svc.telemetry.Ticker;

/// Whether any registry speaks, as a reader of etcd hears it: each writes a key once a second.
/// Thread-safe.
final class EtcdRegistries {
  /// Some words may be late: an election at etcd, a registry that is replaced.
  static final Duration SILENCE = Duration.ofSeconds(5);

  /// What was found by a look.
  ///
  /// @param isAlone whether no registry speaks
  /// @param isOver whether one has spoken for long enough to have heard all that live
  record State(boolean isAlone, boolean isOver) {}

  private final EtcdKeys keys;
  private final Ticker ticker;
  private long heardNanos;
  private long backNanos;
  private boolean silent;
  private boolean alone;

  EtcdRegistries(EtcdKeys keys, Ticker ticker) {
    this.keys = keys;
    this.ticker = ticker;
    this.heardNanos = ticker.nanos();
    this.backNanos = heardNanos;
  }

  synchronized void heard(List<Etcd.Change> changes) {
    for (Etcd.Change c : changes) {
      if (!c.deleted() && keys.named(c.key().key()).kind() == EtcdKeys.Kind.REGISTRY) {
        heardNanos = ticker.nanos();
      }
    }
  }

  /// etcd itself was not heard until now.
  synchronized void grace() {
    if (!alone) {
      heardNanos = ticker.nanos();
    }
  }

  /// Silence counts when it is found twice: after a pause of this process it is there once.
  ///
  /// @param hears whether etcd is heard; without it nothing can be said of registries
  /// @param enough after which a registry that is back has heard all that live
  synchronized State look(boolean hears, Duration enough) {
    long now = ticker.nanos();
    boolean before = silent;
    silent = now - heardNanos > SILENCE.toNanos();
    if (hears && silent && before) {
      alone = true;
    } else if (!silent && alone) {
      alone = false;
      backNanos = now;
    }
    return new State(alone, !alone && now - backNanos > enough.toNanos());
  }
}
