package org.infinilm.svc.registry;

import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import org.infinilm.svc.telemetry.Ticker;

/// One reading of both clocks: the wall clock for people, the monotonic one for ages.
///
/// @param leaseNanos how old a heartbeat may be to count
record Now(Instant wall, long nanos, long leaseNanos) {
  Now(Instant wall, long nanos) {
    this(wall, nanos, Lease.FRESH.toNanos());
  }

  static Now of(Ticker ticker, Duration lease) {
    return new Now(ticker.now(), ticker.nanos(), lease.toNanos());
  }

  Duration lease() {
    return Duration.ofNanos(leaseNanos);
  }

  /// An entry whose heartbeat is older is removed at the next clean-up.
  Duration kept() {
    return lease().multipliedBy(5).dividedBy(2);
  }

  /// The wall clock in whole seconds.
  Instant second() {
    return wall.truncatedTo(ChronoUnit.SECONDS);
  }
}
