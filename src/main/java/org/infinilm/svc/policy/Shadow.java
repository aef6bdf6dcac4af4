package org.infinilm.svc.policy;

/// Whether the fixed rule would have lost less: watches what choices against the rule came to
/// beside what the rule's were expected to. For one thread, but for [#rules].
/*
 * Expected losses are off by some factor, which the choices that the rule shares tell. When the others,
 * over some minutes, have lost MARGIN more than the rule's expectation times that factor, the rule decides for PAUSE, or
 * until its own choices have lost more than those did; then the count begins anew. Each time that it comes to
 * that soon after the pause, the next one is twice as long.
 */
final class Shadow {
  private static final double WINDOW_NANOS = 300e9;
  private static final long PAUSE_NANOS = 120_000_000_000L;

  /// So soon after a pause it is the same trouble.
  private static final long SOON_NANOS = 600_000_000_000L;

  /// The longest pause is so many times doubled: 32 minutes.
  private static final int MOST_DOUBLED = 4;

  private static final double MARGIN = 1.05;
  private static final double ENOUGH = 100;
  private static final double DEVIATIONS = 2;

  private double sharedCame;
  private double sharedExpected;
  private double ownCame;
  private double ownLost;
  private double ownRule;
  private double ownSquares;
  private double own;
  private double ownMean;
  private double ruled;
  private double ruledCame;
  private double ruledSquares;
  private long lastNanos;
  private int doubled;
  private volatile long pausedUntilNanos = Long.MIN_VALUE;
  private volatile long fallbacks;

  /// Whether the fixed rule decides now.
  boolean rules(long nowNanos) {
    return nowNanos < pausedUntilNanos;
  }

  /// How often it took over.
  long fallbacks() {
    return fallbacks;
  }

  /// One that the rule decided while it was to do better has lost so much. When it does worse than
  /// what it took over from, it has had its turn.
  private void ruled(double lost, long nowNanos) {
    ruled++;
    ruledCame += lost;
    double off = lost - ownMean;
    ruledSquares += off * off;
    if (ruled >= ENOUGH
        && ruledCame > MARGIN * ownMean * ruled + DEVIATIONS * Math.sqrt(ruledSquares)) {
      pausedUntilNanos = nowNanos;
      doubled = 0;
    }
  }

  /// A request that was foretold so has lost so much itself. What others lost by it nobody sees: it
  /// is what was foretold, so that like is compared with like.
  void settled(Forecast f, double lost, long nowNanos) {
    double keep = Math.exp(-Math.max(0, nowNanos - lastNanos) / WINDOW_NANOS);
    lastNanos = nowNanos;
    sharedCame *= keep;
    sharedExpected *= keep;
    ownCame *= keep;
    ownLost *= keep;
    ownRule *= keep;
    ownSquares *= keep;
    own *= keep;
    if (rules(nowNanos)) {
      ruled(lost, nowNanos);
      return;
    }
    if (f.byRule()) {
      sharedCame += lost + f.othersLoss();
      sharedExpected += f.loss();
      return;
    }
    double came = lost + f.othersLoss();
    ownCame += came;
    ownLost += lost;
    ownRule += f.ruleLoss();
    double difference = came - f.ruleLoss();
    ownSquares += difference * difference;
    own++;
    double factor = (sharedCame + 1) / (sharedExpected + 1);
    double noise = DEVIATIONS * Math.sqrt(ownSquares);
    if (own >= ENOUGH && ownCame > MARGIN * factor * ownRule + noise) {
      ownMean = ownLost / own;
      ruled = ruledCame = ruledSquares = 0;
      boolean again = fallbacks > 0 && nowNanos - pausedUntilNanos < SOON_NANOS;
      doubled = again ? Math.min(doubled + 1, MOST_DOUBLED) : 0;
      pausedUntilNanos = nowNanos + (PAUSE_NANOS << doubled);
      long before = fallbacks;
      fallbacks = before + 1;
      sharedCame = sharedExpected = ownCame = ownLost = ownRule = ownSquares = own = 0;
    }
  }
}
