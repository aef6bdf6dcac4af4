package org.infinilm.svc.registry;

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import org.infinilm.svc.telemetry.Ticker;

/// One reading of both clocks: the wall clock for people, the monotonic one for ages.
record Now(Instant wall, long nanos) {
  static Now of(Ticker ticker) {
    return new Now(ticker.now(), ticker.nanos());
  }

  /// The wall clock in whole seconds.
  Instant second() {
    return wall.truncatedTo(ChronoUnit.SECONDS);
  }
}
