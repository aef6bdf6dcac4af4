package org.infinilm.svc.statistics;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.hipparchus.distribution.continuous.TDistribution;
import org.hipparchus.stat.StatUtils;

/// The intervals and tests of the comparisons, at 95 %. Pure, without randomness.
///
/// Changes are differences of logarithms, so that a change is a ratio and its interval needs no
/// division by an estimate. Over runs: Student's t for the log ratios of paired runs, Welch's t
/// with the Welch-Satterthwaite degrees of freedom for independent ones (B. L. Welch, Biometrika
/// 34, 1947). Several tests at once: S. Holm, Scandinavian Journal of Statistics 6, 1979. Within a
/// run, requests wait behind each other and are not independent: batch means (J. S. Carson, A. M.
/// Law, Operations Research 27, 1979), a few long batches, because short ones are correlated still.
public final class CompareStatistics {
  static final double LEVEL = 0.95;

  private static final double TAIL = (1 - LEVEL) / 2;

  /// Batches of one run.
  static final int BATCHES = 5;

  /// Requests of one batch below which no interval is given within a run.
  private static final int LEAST_BATCH = 8;

  /// Requests below which a p99 is not compared: with fewer, the largest value of the sample lies
  /// below the true p99 in more than 2.5 % of the samples (0.99^368), and no two-sided 95 %
  /// interval exists.
  public static final int LEAST_P99 = 368;

  /// What is estimated from the requests of a run.
  public enum Estimate {
    MEAN,
    MEDIAN,
    P99;

    double of(double[] v) {
      return switch (this) {
        case MEAN -> StatUtils.mean(v);
        case MEDIAN -> quantile(sorted(v), 0.5);
        case P99 -> quantile(sorted(v), 0.99);
      };
    }
  }

  /// What was found about a difference of logarithms.
  ///
  /// @param interval of the difference, 95 %
  /// @param p probability of a difference as large when there is none
  public record Found(double difference, Interval interval, double p) {
    /// The interval of the ratio less one, in percent.
    public Interval percent() {
      return new Interval(
          CompareStatistics.percent(interval.low()), CompareStatistics.percent(interval.high()));
    }
  }

  private CompareStatistics() {}

  /// A difference of logarithms as a change in percent.
  public static double percent(double log) {
    return Math.expm1(log) * 100;
  }

  /// Of a mean over repeated runs; empty for fewer than two.
  public static Optional<Interval> ofMean(double[] v) {
    return v.length > 1 && finite(v) && StatUtils.variance(v) == 0
        ? Optional.of(new Interval(v[0], v[0]))
        : ofPairs(v).map(Found::interval);
  }

  /// Of log ratios, one a pair of runs; empty for fewer than two, where one is not finite, or where
  /// all are alike to the last bit and not zero: then no noise was seen that they could be held
  /// against.
  public static Optional<Found> ofPairs(double[] logRatios) {
    if (logRatios.length < 2 || !finite(logRatios)) {
      return Optional.empty();
    }
    double spread = Math.sqrt(StatUtils.variance(logRatios) / logRatios.length);
    return found(StatUtils.mean(logRatios), spread, logRatios.length - 1);
  }

  /// Of mean(b) - mean(a), the runs being independent; empty when a side has fewer than two, or
  /// where one is not finite, or where neither side scatters and they differ.
  public static Optional<Found> ofDifference(double[] a, double[] b) {
    if (a.length < 2 || b.length < 2 || !finite(a) || !finite(b)) {
      return Optional.empty();
    }
    double va = StatUtils.variance(a) / a.length;
    double vb = StatUtils.variance(b) / b.length;
    double freedom =
        va + vb == 0
            ? 1
            : (va + vb) * (va + vb) / (va * va / (a.length - 1) + vb * vb / (b.length - 1));
    return found(StatUtils.mean(b) - StatUtils.mean(a), Math.sqrt(va + vb), freedom);
  }

  private static Optional<Found> found(double difference, double spread, double freedom) {
    if (spread == 0) {
      return difference == 0 ? Optional.of(new Found(0, new Interval(0, 0), 1)) : Optional.empty();
    }
    TDistribution t = new TDistribution(freedom);
    double half = t.inverseCumulativeProbability(1 - TAIL) * spread;
    double p = 2 * t.cumulativeProbability(-Math.abs(difference) / spread);
    return Optional.of(
        new Found(difference, new Interval(difference - half, difference + half), p));
  }

  private static boolean finite(double[] v) {
    return Arrays.stream(v).allMatch(Double::isFinite);
  }

  /// Which of several tests may be called findings when all of them together shall be wrong in at
  /// most 5 % of the cases. NaN is a test that was not made.
  public static boolean[] holm(List<Double> p) {
    List<Integer> order =
        IntStream.range(0, p.size())
            .boxed()
            .filter(i -> !Double.isNaN(p.get(i)))
            .sorted(Comparator.comparing(p::get))
            .toList();
    boolean[] out = new boolean[p.size()];
    for (int k = 0; k < order.size(); k++) {
      if (p.get(order.get(k)) > (1 - LEVEL) / (order.size() - k)) {
        break;
      }
      out[order.get(k)] = true;
    }
    return out;
  }

  /// The logarithm of the estimate in each of a few batches of one run; empty for too few requests.
  ///
  /// @param inOrder a time of each request, by when it was sent
  public static double[] batches(double[] inOrder, Estimate estimate) {
    int n = inOrder.length / BATCHES;
    if (n < (estimate == Estimate.P99 ? LEAST_P99 : LEAST_BATCH)) {
      return new double[0];
    }
    double[] out = new double[BATCHES];
    for (int i = 0; i < BATCHES; i++) {
      out[i] = Math.log(estimate.of(Arrays.copyOfRange(inOrder, i * n, (i + 1) * n)));
    }
    return out;
  }

  public static double[] sorted(double[] v) {
    double[] out = v.clone();
    Arrays.sort(out);
    return out;
  }

  /// Linear between the two nearest ranks, as NumPy does.
  public static double quantile(double[] sorted, double q) {
    double place = q * (sorted.length - 1);
    int low = (int) Math.floor(place);
    int high = Math.min(low + 1, sorted.length - 1);
    return sorted[low] + (place - low) * (sorted[high] - sorted[low]);
  }
}
