package org.infinilm.svc.policy;

/// What a learned policy strives for: first tokens and further tokens within limits.
///
/// @param firstNanos an answer whose first token comes later has missed
/// @param tokenNanos one whose further tokens take longer each, on average, has missed
public record Objective(double firstNanos, double tokenNanos) {
  /// Two seconds, and 50 ms a token.
  public static final Objective DEFAULT = new Objective(2e9, 50e6);

  /// What nearness to a limit costs beside missing it.
  private static final double NEAR = 0.05;

  private static final double MOST = 6;

  /// What is lost by an answer with such times: near 0 within the limits, near 1 beyond, and
  /// something between where it is uncertain.
  double loss(double first, double token) {
    double f = first / firstNanos;
    double t = token / tokenNanos;
    double within = (1 - missed(f)) * (1 - missed(t));
    return 1 - within + NEAR * (Math.min(f, MOST) + Math.min(t, MOST));
  }

  /// How likely it is that what is expected at so many times the limit misses it.
  private static double missed(double v) {
    double v3 = v * v * v;
    double v12 = v3 * v3 * v3 * v3;
    return v12 / (1 + v12);
  }
}
