package org.infinilm.svc.policy;

/// How many times as long those take at an instance that had to wait, as a logarithm, beside those
/// that had not.
///
/// @param streams share of streams among the last answers
record Crowd(double log, long atNanos, double streams) {
  static final Crowd WHOLE = new Crowd(0, 0, 0);
  static final Crowd STREAMED = new Crowd(0, 0, 1);
  private static final double STEP_OF_SHARE = 0.02;
  private static final double STEP = 0.09;

  /// Fewer streams do not say what there is to say.
  private static final double FEW = 0.2;

  /// At most twenty times, either way.
  private static final double MOST = 3;

  Crowd with(double streamed) {
    return new Crowd(log, atNanos, streams + STEP_OF_SHARE * (streamed - streams));
  }

  boolean isStreamed() {
    return streams > FEW;
  }

  /// @param off of what was expected, this in it
  Crowd after(double off, long nowNanos) {
    double step = STEP * Math.clamp(off, -Costs.MOST_STEP, Costs.MOST_STEP);
    double next = log * Costs.fade(atNanos, nowNanos) + step;
    return isStreamed() ? this : new Crowd(Math.clamp(next, -MOST, MOST), nowNanos, streams);
  }
}
