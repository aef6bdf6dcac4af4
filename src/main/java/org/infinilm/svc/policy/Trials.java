package org.infinilm.svc.policy;

import java.util.concurrent.atomic.AtomicLong;

/// Now and then a request goes to an instance that was not heard of for a while, though another is
/// expected to lose a little less: what is never asked is never known better. What trials are
/// expected to cost is bounded: [#EACH] for a decision on average, [#MOST] for one trial.
/// Lock-free.
final class Trials {
  /// Loss that a decision may cost more, on average.
  static final double EACH = 0.0005;

  /// The most that one trial may be expected to lose more.
  static final double MOST = 0.05;

  /// As much as was not used is kept, for later.
  static final double SPARE = 0.2;

  static final long UNHEARD_NANOS = 30_000_000_000L;

  private static final double MICROS = 1e6;

  /// A trial that costs nothing is none without this.
  private static final double LEAST = 0.005;

  private final AtomicLong spareMicros = new AtomicLong();

  /// A decision has been made; it adds to what may be spent.
  void decided() {
    spareMicros.updateAndGet(s -> Math.min((long) (SPARE * MICROS), s + (long) (EACH * MICROS)));
  }

  /// Whether an instance is tried that is expected to lose so much more than the best; then that is
  /// spent.
  ///
  /// @param unheardNanos since something was heard of it
  boolean worth(double more, long unheardNanos) {
    if (unheardNanos < UNHEARD_NANOS || !(more <= MOST)) {
      return false;
    }
    long cost = (long) Math.ceil(Math.max(more, LEAST) * MICROS);
    long spare = spareMicros.get();
    return spare >= cost && spareMicros.compareAndSet(spare, spare - cost);
  }
}
