package org.infinilm.svc.comparison;

import java.util.Optional;
import java.util.OptionalDouble;
import org.infinilm.svc.results.Metric;
import org.infinilm.svc.statistics.CompareStatistics;
import org.infinilm.svc.statistics.CompareStatistics.Estimate;
import org.infinilm.svc.statistics.CompareStatistics.Found;
import org.infinilm.svc.statistics.Interval;

/// One metric on two sides.
///
/// @param base, other the means over the runs of a side
/// @param changePercent from base to other: of the geometric means where there is an interval, of
///   the means otherwise; empty when base is zero
/// @param interval of that change; empty when nothing can be said about noise
/// @param method what the interval is over
/// @param p of the test over runs; NaN where there was none
record ComparisonRow(
    Metric metric,
    double base,
    double other,
    OptionalDouble changePercent,
    Optional<Interval> interval,
    Method method,
    double p,
    Verdict verdict) {
  /// Changes below this share are not called better even when they are certain.
  static final double LEAST_PERCENT = 1.0;

  enum Method {
    PAIRED_RUNS("paired-runs"),
    RUNS("runs"),
    /// Weak: within one run a side; no verdict follows from it.
    BATCHES("batches-of-one-run"),
    NONE("none");

    final String word;

    Method(String word) {
      this.word = word;
    }

    boolean overRuns() {
      return this == PAIRED_RUNS || this == RUNS;
    }
  }

  enum Verdict {
    BASE,
    OTHER,
    /// Not certain among all that was tested, or the change is below 1 %.
    TIE,
    /// No test over runs.
    UNTESTED
  }

  /// Without a verdict yet: that depends on what else was tested, see [#judged].
  static ComparisonRow of(Metric metric, Side base, Side other) {
    double from = base.mean(metric);
    double to = other.mean(metric);
    Method method = Method.NONE;
    Optional<Found> found = Optional.empty();
    boolean enough =
        !metric.isP99()
            || Math.min(base.leastCompleted(), other.leastCompleted())
                >= CompareStatistics.LEAST_P99;
    if (from > 0 && to > 0 && enough) {
      boolean paired = Side.paired(base, other);
      method = paired ? Method.PAIRED_RUNS : Method.RUNS;
      double[] a = logs(base.figures(metric));
      double[] b = logs(other.figures(metric));
      found =
          paired ? CompareStatistics.ofPairs(minus(b, a)) : CompareStatistics.ofDifference(a, b);
      if (found.isEmpty() && metric.time().isPresent()) {
        method = Method.BATCHES;
        found = withinOneRun(metric.time().get(), base, other);
      }
    }
    return new ComparisonRow(
        metric,
        from,
        to,
        change(from, to, found.filter(f -> base.runs().size() + other.runs().size() > 2)),
        found.map(Found::percent),
        found.isPresent() ? method : Method.NONE,
        found.isPresent() && method.overRuns() ? found.get().p() : Double.NaN,
        Verdict.UNTESTED);
  }

  private static OptionalDouble change(double from, double to, Optional<Found> overRuns) {
    if (overRuns.isPresent()) {
      return OptionalDouble.of(CompareStatistics.percent(overRuns.get().difference()));
    }
    return from == 0
        ? OptionalDouble.empty()
        : OptionalDouble.of((to - from) / Math.abs(from) * 100);
  }

  private static double[] logs(double[] figures) {
    double[] out = new double[figures.length];
    for (int i = 0; i < out.length; i++) {
      out[i] = Math.log(figures[i]);
    }
    return out;
  }

  private static double[] minus(double[] b, double[] a) {
    double[] out = new double[b.length];
    for (int i = 0; i < out.length; i++) {
      out[i] = b[i] - a[i];
    }
    return out;
  }

  /// Batches over the time of the run, of the same requests in pairs where they are the same.
  private static Optional<Found> withinOneRun(Metric.Time time, Side base, Side other) {
    if (base.runs().size() > 1 || other.runs().size() > 1) {
      return Optional.empty();
    }
    Estimate estimate = time.estimate();
    Paired pairs = Paired.of(base, other, time.kind());
    if (pairs.size() > 0 && CompareWorkload.same(base.newest(), other.newest())) {
      return CompareStatistics.ofPairs(
          minus(
              CompareStatistics.batches(pairs.other(), estimate),
              CompareStatistics.batches(pairs.base(), estimate)));
    }
    return CompareStatistics.ofDifference(
        CompareStatistics.batches(base.all(time.kind()::served), estimate),
        CompareStatistics.batches(other.all(time.kind()::served), estimate));
  }

  /// Without an interval and a test: a run of a side cannot be trusted.
  ComparisonRow withoutTest() {
    return new ComparisonRow(
        metric,
        base,
        other,
        changePercent,
        Optional.empty(),
        Method.NONE,
        Double.NaN,
        Verdict.UNTESTED);
  }

  /// With its interval, as what was seen, and without a test: it is not known of what.
  ComparisonRow withoutVerdict() {
    return new ComparisonRow(
        metric, base, other, changePercent, interval, method, Double.NaN, Verdict.UNTESTED);
  }

  /// With its verdict.
  ///
  /// @param finding whether the test stands among all that were made
  ComparisonRow judged(boolean finding) {
    Verdict v = Verdict.UNTESTED;
    if (!Double.isNaN(p) && changePercent.isPresent()) {
      double percent = changePercent.getAsDouble();
      v =
          !finding || Math.abs(percent) < LEAST_PERCENT
              ? Verdict.TIE
              : (percent > 0) == metric.higherIsBetter() ? Verdict.OTHER : Verdict.BASE;
    }
    return new ComparisonRow(metric, base, other, changePercent, interval, method, p, v);
  }
}
