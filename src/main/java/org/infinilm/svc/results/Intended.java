package org.infinilm.svc.results;

import java.util.List;
import java.util.function.ToLongFunction;
import org.HdrHistogram.Histogram;
import org.infinilm.svc.load.LoadSample;
import org.infinilm.svc.statistics.Summary;

/// What users would have waited: times from the intended send, so that a request which had to wait
/// for a slot, or for a generator that was late, counts its wait. In histograms of three digits.
///
/// @param late real send after the intended one
/// @param lag the part of it that was the generator's own fault
record Intended(Summary late, Summary lag, Summary ttft, Summary e2el) {
  private static final long MOST_NANOS = 24L * 3600 * 1_000_000_000;

  static Intended of(List<LoadSample> samples) {
    List<LoadSample> sent = samples.stream().filter(s -> s.sent() >= 0).toList();
    List<LoadSample> good = samples.stream().filter(LoadSample::ok).toList();
    List<LoadSample> streamed = good.stream().filter(s -> s.first() >= 0).toList();
    return new Intended(
        stats(sent, s -> s.sent() - s.intended()),
        stats(sent, s -> s.sent() - s.eligible()),
        stats(streamed, s -> s.first() - s.intended()),
        stats(good, s -> s.last() - s.intended()));
  }

  private static Summary stats(List<LoadSample> of, ToLongFunction<LoadSample> nanos) {
    if (of.isEmpty()) {
      return Summary.of(new double[0]);
    }
    Histogram h = new Histogram(1, MOST_NANOS, 3);
    of.forEach(s -> h.recordValue(Math.clamp(nanos.applyAsLong(s), 0, MOST_NANOS)));
    return new Summary(
        h.getMean() / 1e9,
        h.getValueAtPercentile(50) / 1e9,
        h.getStdDeviation() / 1e9,
        h.getValueAtPercentile(99) / 1e9,
        h.getMaxValue() / 1e9,
        (int) h.getTotalCount());
  }
}
