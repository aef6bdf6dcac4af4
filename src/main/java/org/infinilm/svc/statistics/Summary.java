package org.infinilm.svc.statistics;

import java.util.Arrays;

/// Mean, median, standard deviation of the population, and percentiles by linear interpolation
/// between the two nearest values, of values in seconds; all 0 without values.
public record Summary(double mean, double median, double std, double p99, double most, int count) {
  public static Summary of(double[] values) {
    if (values.length == 0) {
      return new Summary(0, 0, 0, 0, 0, 0);
    }
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    double mean = Arrays.stream(sorted).sum() / sorted.length;
    double squares = 0;
    for (double v : sorted) {
      squares += (v - mean) * (v - mean);
    }
    return new Summary(
        mean,
        percentile(sorted, 50),
        Math.sqrt(squares / sorted.length),
        percentile(sorted, 99),
        sorted[sorted.length - 1],
        sorted.length);
  }

  public static double percentile(double[] sorted, double percent) {
    double rank = percent / 100 * (sorted.length - 1);
    int below = (int) Math.floor(rank);
    int above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (sorted[above] - sorted[below]) * (rank - below);
  }
}
