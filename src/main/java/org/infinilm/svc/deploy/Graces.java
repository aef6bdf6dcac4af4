package org.infinilm.svc.deploy;

import java.time.Duration;
import org.infinilm.svc.telemetry.Ticker;

/// How a time for all roles together is shared: a third for the router where babysitters follow,
/// two seconds kept for the registry, the rest for the babysitters. What one does not use the next
/// has.
final class Graces {
  /// What a tree takes beyond its grace.
  private static final Duration KILLING = Duration.ofMillis(1200);

  private static final Duration REGISTRY = Duration.ofSeconds(2);
  private static final Duration LEAST = Duration.ofMillis(200);

  private final State state;
  private final long end;
  private final Ticker ticker;

  private Graces(State state, long end, Ticker ticker) {
    this.state = state;
    this.end = end;
    this.ticker = ticker;
  }

  /// @param within counted from the start of this process
  static Graces within(State state, Duration within, Ticker ticker) {
    Duration used =
        ProcessHandle.current()
            .info()
            .startInstant()
            .map(i -> Duration.between(i, ticker.now()))
            .filter(d -> !d.isNegative())
            .orElse(Duration.ZERO);
    return new Graces(state, ticker.nanos() + within.minus(used).toNanos(), ticker);
  }

  static Graces until(State state, long endNanos, Ticker ticker) {
    return new Graces(state, endNanos, ticker);
  }

  Duration next(State.Role role) {
    Duration left = Duration.ofNanos(end - ticker.nanos());
    Duration share =
        switch (role) {
          case ROUTER -> has(State.Role.BABYSITTER) ? left.dividedBy(3) : left.minus(kept());
          case BABYSITTER -> left.minus(kept());
          case REGISTRY -> left;
        };
    Duration grace = share.minus(KILLING);
    return grace.compareTo(LEAST) < 0 ? LEAST : grace;
  }

  private Duration kept() {
    return has(State.Role.REGISTRY) ? REGISTRY : Duration.ZERO;
  }

  private boolean has(State.Role role) {
    return state.parts().stream().anyMatch(p -> p.role() == role);
  }
}
