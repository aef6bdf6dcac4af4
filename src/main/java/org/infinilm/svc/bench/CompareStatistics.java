package org.infinilm.svc.bench;

import java.util.Arrays;
import java.util.Optional;
import org.hipparchus.distribution.continuous.TDistribution;
import org.hipparchus.random.RandomDataGenerator;
import org.hipparchus.stat.StatUtils;
import org.hipparchus.stat.correlation.PearsonsCorrelation;

/// The intervals of the comparisons, all at 95 %. Pure: the resampling is seeded.
///
/// Repeated runs: Student's t for a mean, Welch's t with the Welch-Satterthwaite degrees of freedom
/// for a difference of means (B. L. Welch, Biometrika 34, 1947). Requests of one run: the
/// percentile bootstrap (B. Efron, Annals of Statistics 7, 1979), paired when both runs served the
/// same requests. A quantile of a large sample is resampled through its rank: the k-th smallest of
/// n draws lies at place n * Beta(k, n + 1 - k).
final class CompareStatistics {
  static final double LEVEL = 0.95;

  private static final double TAIL = (1 - LEVEL) / 2;
  private static final int RESAMPLES = 2000;

  /// Samples up to this size are resampled value by value; the mean of a larger one is drawn from
  /// its normal limit.
  private static final int DIRECT = 1000;

  /// What is estimated from the requests of a run.
  enum Estimate {
    MEAN(8),
    MEDIAN(16),
    P99(200);

    /// Requests a side below which no interval is given.
    final int least;

    Estimate(int least) {
      this.least = least;
    }

    double of(double[] v) {
      return switch (this) {
        case MEAN -> StatUtils.mean(v);
        case MEDIAN -> quantile(sorted(v), 0.5);
        case P99 -> quantile(sorted(v), 0.99);
      };
    }

    private double share() {
      return this == P99 ? 0.99 : 0.5;
    }
  }

  private CompareStatistics() {}

  /// Of a mean over repeated runs; empty for fewer than two.
  static Optional<Interval> ofMean(double[] v) {
    if (v.length < 2) {
      return Optional.empty();
    }
    double half = t(v.length - 1) * Math.sqrt(StatUtils.variance(v) / v.length);
    double mean = StatUtils.mean(v);
    return Optional.of(new Interval(mean - half, mean + half));
  }

  /// Of mean(b) - mean(a), the runs being independent; empty when a side has fewer than two.
  static Optional<Interval> ofDifference(double[] a, double[] b) {
    if (a.length < 2 || b.length < 2) {
      return Optional.empty();
    }
    double va = StatUtils.variance(a) / a.length;
    double vb = StatUtils.variance(b) / b.length;
    double difference = StatUtils.mean(b) - StatUtils.mean(a);
    if (va + vb == 0) {
      return Optional.of(new Interval(difference, difference));
    }
    double freedom = (va + vb) * (va + vb) / (va * va / (a.length - 1) + vb * vb / (b.length - 1));
    double half = t(freedom) * Math.sqrt(va + vb);
    return Optional.of(new Interval(difference - half, difference + half));
  }

  /// Of the change from a to b in percent of a, by resampling requests; empty for too few requests
  /// or when a resampled estimate of a is zero.
  ///
  /// @param paired a[i] and b[i] belong to the same request
  static Optional<Interval> ofChange(
      double[] a, double[] b, boolean paired, Estimate estimate, long seed) {
    if (Math.min(a.length, b.length) < estimate.least) {
      return Optional.empty();
    }
    Resampler draw = Resampler.of(a, b, paired, estimate, new RandomDataGenerator(seed));
    double[] changes = new double[RESAMPLES];
    for (int i = 0; i < RESAMPLES; i++) {
      double[] pair = draw.next();
      if (pair[0] == 0) {
        return Optional.empty();
      }
      changes[i] = (pair[1] - pair[0]) / Math.abs(pair[0]) * 100;
    }
    Arrays.sort(changes);
    return Optional.of(new Interval(quantile(changes, TAIL), quantile(changes, 1 - TAIL)));
  }

  /// One draw of the estimate on both sides.
  private interface Resampler {
    double[] next();

    static Resampler of(
        double[] a, double[] b, boolean paired, Estimate estimate, RandomDataGenerator random) {
      if (Math.max(a.length, b.length) <= DIRECT) {
        return () -> {
          int[] places = places(a.length, random);
          return new double[] {
            estimate.of(pick(a, places)),
            estimate.of(pick(b, paired ? places : places(b.length, random)))
          };
        };
      }
      if (estimate == Estimate.MEAN) {
        double together = paired ? new PearsonsCorrelation().correlation(a, b) : 0;
        double rho = Double.isFinite(together) ? together : 0;
        double spreadA = Math.sqrt(StatUtils.variance(a) / a.length);
        double spreadB = Math.sqrt(StatUtils.variance(b) / b.length);
        double meanA = StatUtils.mean(a);
        double meanB = StatUtils.mean(b);
        return () -> {
          double z = random.nextNormal(0, 1);
          double other = rho * z + Math.sqrt(1 - rho * rho) * random.nextNormal(0, 1);
          return new double[] {meanA + spreadA * z, meanB + spreadB * other};
        };
      }
      double[] sortedA = sorted(a);
      double[] sortedB = sorted(b);
      return () ->
          new double[] {
            ranked(sortedA, estimate.share(), random), ranked(sortedB, estimate.share(), random)
          };
    }

    private static double ranked(double[] sorted, double share, RandomDataGenerator random) {
      int n = sorted.length;
      double k = Math.max(1, Math.ceil(share * n));
      int place = (int) Math.floor(n * random.nextBeta(k, n + 1 - k));
      return sorted[Math.min(place, n - 1)];
    }

    private static int[] places(int n, RandomDataGenerator random) {
      int[] out = new int[n];
      for (int i = 0; i < n; i++) {
        out[i] = random.nextInt(0, n - 1);
      }
      return out;
    }

    private static double[] pick(double[] from, int[] places) {
      double[] out = new double[places.length];
      for (int i = 0; i < out.length; i++) {
        out[i] = from[places[i]];
      }
      return out;
    }
  }

  private static double t(double freedom) {
    return new TDistribution(freedom).inverseCumulativeProbability(1 - TAIL);
  }

  static double[] sorted(double[] v) {
    double[] out = v.clone();
    Arrays.sort(out);
    return out;
  }

  /// Linear between the two nearest ranks, as NumPy does.
  static double quantile(double[] sorted, double q) {
    double place = q * (sorted.length - 1);
    int low = (int) Math.floor(place);
    int high = Math.min(low + 1, sorted.length - 1);
    return sorted[low] + (place - low) * (sorted[high] - sorted[low]);
  }
}
