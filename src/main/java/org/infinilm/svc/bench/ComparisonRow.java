package org.infinilm.svc.bench;

import java.util.Optional;
import java.util.OptionalDouble;

/// One metric on two sides.
///
/// @param base, other the means over the runs of a side
/// @param changePercent from base to other; empty when base is zero
/// @param interval of that change; empty when nothing can be said about noise
/// @param method what the interval is over
record ComparisonRow(
    Metric metric,
    double base,
    double other,
    OptionalDouble changePercent,
    Optional<Interval> interval,
    Method method,
    Verdict verdict) {
  /// Changes below this share are not called better even when they are certain.
  static final double LEAST_PERCENT = 1.0;

  enum Method {
    RUNS("runs"),
    REQUESTS("requests"),
    NONE("none");

    final String word;

    Method(String word) {
      this.word = word;
    }
  }

  enum Verdict {
    BASE,
    OTHER,
    /// The interval holds zero, or the change is below 1 %.
    TIE,
    /// No interval.
    UNTESTED
  }

  static ComparisonRow of(Metric metric, Side base, Side other, long seed) {
    double from = base.mean(metric);
    double to = other.mean(metric);
    OptionalDouble change =
        from == 0 ? OptionalDouble.empty() : OptionalDouble.of((to - from) / Math.abs(from) * 100);
    Optional<Interval> interval = Optional.empty();
    Method method = Method.NONE;
    if (change.isPresent()) {
      interval =
          CompareStatistics.ofDifference(base.figures(metric), other.figures(metric))
              .map(i -> percent(i, from));
      method = Method.RUNS;
      if (interval.isEmpty() && metric.time().isPresent()) {
        interval = overRequests(metric.time().get(), base, other, seed);
        method = Method.REQUESTS;
      }
    }
    return new ComparisonRow(
        metric,
        from,
        to,
        change,
        interval,
        interval.isPresent() ? method : Method.NONE,
        verdict(metric, change, interval));
  }

  private static Interval percent(Interval difference, double from) {
    double unit = Math.abs(from) / 100;
    return new Interval(difference.low() / unit, difference.high() / unit);
  }

  private static Optional<Interval> overRequests(
      Metric.Time time, Side base, Side other, long seed) {
    CompareStatistics.Estimate estimate = time.estimate();
    Paired pairs = Paired.of(base, other, time.kind());
    boolean paired =
        pairs.size() >= estimate.least && CompareWorkload.same(base.newest(), other.newest());
    return paired
        ? CompareStatistics.ofChange(pairs.base(), pairs.other(), true, estimate, seed)
        : CompareStatistics.ofChange(
            base.all(time.kind()::served), other.all(time.kind()::served), false, estimate, seed);
  }

  private static Verdict verdict(
      Metric metric, OptionalDouble change, Optional<Interval> interval) {
    if (change.isEmpty() || interval.isEmpty()) {
      return Verdict.UNTESTED;
    }
    double percent = change.getAsDouble();
    Interval i = interval.get();
    boolean agrees = i.low() > 0 ? percent > 0 : percent < 0;
    if (!i.excludesZero() || !agrees || Math.abs(percent) < LEAST_PERCENT) {
      return Verdict.TIE;
    }
    return (percent > 0) == metric.higherIsBetter() ? Verdict.OTHER : Verdict.BASE;
  }
}
