package org.infinilm.svc.babysitter;

import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import org.infinilm.svc.babysitter.Supervision.State;
import org.infinilm.svc.registry.Registration;
import org.infinilm.svc.telemetry.Ticker;

/// What an entry tells of a start on demand that failed ([Registration#START_FAILED]): everybody
/// may read it, so nothing that the server wrote is in it. One thread at a time.
final class FailedStart {
  private final Instruments instruments;
  private final Ticker ticker;

  /// The rest that was told last.
  private int rests;

  FailedStart(Instruments instruments, Ticker ticker) {
    this.instruments = instruments;
    this.ticker = ticker;
  }

  /// How the entry is to be changed so that it tells of this state.
  UnaryOperator<Registration> told(State s) {
    Rest rest = s.rest();
    if (rest.cause().isEmpty()) {
      rests = 0;
      return r -> r.with(Registration.START_FAILED, null);
    }
    if (rest.now() && rest.inARow() != rests) {
      rests = rest.inARow();
      instruments.rest();
    }
    Map<String, Object> why = new TreeMap<>();
    why.put(Registration.CAUSE, rest.cause());
    why.put(Registration.STARTS, s.failedStarts());
    if (rest.now()) {
      Instant until = ticker.now().plusNanos(rest.leftNanos(ticker.nanos()));
      why.put(Registration.UNTIL, until.truncatedTo(ChronoUnit.SECONDS).toString());
    }
    return r -> r.with(Registration.START_FAILED, why);
  }
}
