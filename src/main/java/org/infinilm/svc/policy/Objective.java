package org.infinilm.svc.policy;

/// What a learned policy strives for.
///
/// @param firstNanos an answer whose first token comes later has missed
/// @param tokenNanos one whose further tokens take longer each, on average, has missed
public record Objective(Kind kind, double firstNanos, double tokenNanos) {
  /// What is made small.
  public enum Kind {
    /// The share of answers that miss one of the limits.
    SLO("slo"),
    /// Times to the first token.
    TTFT("ttft"),
    /// Times to the whole answer.
    E2E("e2e");

    private final String label;

    Kind(String label) {
      this.label = label;
    }

    public String label() {
      return label;
    }
  }

  /// Two seconds, and 50 ms a token.
  public static final Objective DEFAULT = new Objective(Kind.SLO, 2e9, 50e6);

  /// What nearness to a limit costs beside missing it.
  private static final double NEAR = 0.05;

  /// The same of the time between tokens where the first one is what matters: where first tokens
  /// are as good as alike, answers are not to herd to who seems to be a little sooner.
  private static final double OF_FIRST = 0.25;

  /// So many times a limit, beyond which each time as long counts the same.
  private static final double MOST = 6;

  /// Of what the times up to there count, what e times as long counts beyond.
  private static final double TAIL = 0.1;

  /// The share of answers within the limits.
  public Objective(double firstNanos, double tokenNanos) {
    this(Kind.SLO, firstNanos, tokenNanos);
  }

  /// What is lost by an answer of so many tokens with such times. Of the limits: near 0 within
  /// them, near 1 beyond, and something between where it is uncertain; of times: in units of the
  /// limit of the first token.
  double loss(double first, double token, double tokens) {
    double f = first / firstNanos;
    double t = token / tokenNanos;
    return switch (kind) {
      case SLO -> 1 - (1 - missed(f)) * (1 - missed(t)) + NEAR * (nearness(f) + nearness(t));
      case TTFT -> f + OF_FIRST * nearness(t);
      case E2E -> f + tokens * token / firstNanos;
    };
  }

  /// How likely a first token at that time keeps its limit, as far as that matters to what comes
  /// after it: for [#more].
  double kept(double first) {
    return kind == Kind.SLO ? 1 - missed(first / firstNanos) : 1;
  }

  /// By how much [#loss] grows when what comes after the first token takes so long in place of so
  /// long.
  ///
  /// @param kept of its first token
  /// @param before nanoseconds of all further tokens together
  double more(double kept, double before, double after, double tokens) {
    if (kind == Kind.E2E) {
      return (after - before) / firstNanos;
    }
    double limits = 1 / (tokens * tokenNanos);
    double from = before * limits;
    double to = after * limits;
    double more = nearness(to) - nearness(from);
    return kind == Kind.TTFT ? OF_FIRST * more : kept * missedMore(from, to) + NEAR * more;
  }

  /// Grows without end, and by ratios where all is lost: of limits that nothing can keep, that a
  /// wait is three times as long counts alike whether it is beyond them ten or a hundred times, and
  /// less than one that may still be kept.
  private static double nearness(double v) {
    return v <= MOST ? v : MOST * (1 + TAIL * Math.log(v / MOST));
  }

  /// How likely it is that what is expected at so many times the limit misses it.
  private static double missed(double v) {
    if (v > 100) {
      return 1;
    }
    double v12 = twelfth(v);
    return v12 / (1 + v12);
  }

  /// By how much that differs between two.
  private static double missedMore(double from, double to) {
    double v = twelfth(Math.min(100, from));
    double w = twelfth(Math.min(100, to));
    return (w - v) / ((1 + v) * (1 + w));
  }

  private static double twelfth(double v) {
    double v3 = v * v * v;
    return v3 * v3 * v3 * v3;
  }
}
