package org.infinilm.svc.policy;

/// What answers that come whole show of one instance: whether those that had to wait say something
/// of its speed, or of the wait. For one thread.
/*
 * Of such an answer that was crowded only the time of own work and wait together is seen. Answers that
 * were alone, and streams, show the own work; while those come, what is missing or too much in the crowded
 * ones is the wait's: time = own + share x wait, by least squares of what was expected, with forgetting. Or a
 * speed that makes up for waits that nobody had, and a cost that makes up for that speed, would run away
 * from each other.
 */
final class Wholes {
  private static final double STEP = 1.0 / 32;

  /// So many of the answers show their own work at least.
  private static final double OFTEN = 0.05;

  private static final double KEEP = 0.98;

  /// Crowded answers before they say anything of waits.
  private static final int ENOUGH = 40;

  /// So small a part of the foretold waits is none.
  private static final double NONE = 0.25;

  /// One took at most so many times as long as was expected.
  private static final double MOST = 3;

  /// Deviations that are no chance.
  private static final double SURE = 3;

  /// So many crowded answers after a stream streams tell of the order.
  private static final int STREAMS = 200;

  private double shown;
  private int streams;
  private int seen;
  private double count;
  private double squares;
  private double left;
  private double leftSquares;

  /// An answer showed its own work.
  void shown(boolean streamed) {
    shown += STEP * (1 - shown);
    streams = streamed ? STREAMS : streams;
  }

  /// One was crowded.
  ///
  /// @param own what it was expected to take alone
  /// @param wait what was foretold to be before it
  /// @param took in the same unit, above 0
  /// @return whether it says something of the instance's speed
  boolean crowded(double own, double wait, double took) {
    shown -= STEP * shown;
    streams = Math.max(0, streams - 1);
    if (shown < OFTEN) {
      return true;
    }
    double x = wait / (own + wait);
    double y = Math.min(MOST, (took - own) / (own + wait));
    seen = Math.min(seen + 1, ENOUGH);
    count = KEEP * count + 1;
    squares = KEEP * squares + x * x;
    left = KEEP * left + x * y;
    leftSquares = KEEP * leftSquares + y * y;
    return false;
  }

  /// Whether prompts there do not wait for each other, as far as nothing but such answers tells.
  boolean isBeside() {
    if (seen < ENOUGH || streams > 0 || squares == 0) {
      return false;
    }
    double share = left / squares;
    double errors = Math.max(0, leftSquares - share * left) / count;
    return share + SURE * Math.sqrt(errors / squares) < NONE;
  }
}
