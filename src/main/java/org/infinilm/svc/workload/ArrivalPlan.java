package org.infinilm.svc.workload;

import java.util.Arrays;
import java.util.SplittableRandom;

/// When requests are meant to be sent, in nanoseconds after the start of a run. Pure: the same
/// settings give the same times on every machine.
///
/// Poisson and gamma arrivals are scaled so that the last of n requests is sent n / rate after the
/// start, as vLLM's bench does: runs of few requests then offer exactly the rate that was asked
/// for.
final class ArrivalPlan {
  private ArrivalPlan() {}

  /// How the times between requests are drawn.
  enum Kind {
    /// Gamma with shape `burstiness`; 1 is a Poisson process.
    POISSON,
    /// Evenly spaced.
    CONSTANT,
    /// The data set's own timestamps.
    REPLAY,
    /// No plan: a request is sent when an earlier one has ended.
    CLOSED
  }

  /// All at once.
  static long[] atOnce(int requests) {
    return new long[requests];
  }

  /// Evenly spaced; the first at 0.
  ///
  /// @param perSecond requests a second, above 0
  static long[] constant(int requests, double perSecond) {
    long[] at = new long[requests];
    for (int k = 0; k < requests; k++) {
      at[k] = Math.round(k / perSecond * 1e9);
    }
    return at;
  }

  /// Gaps are gamma distributed with shape `burstiness` and mean 1 / rate: below 1 requests come in
  /// bursts, 1 is a Poisson process, above 1 they come more evenly.
  ///
  /// @param perSecond requests a second, above 0
  /// @param burstiness shape, above 0
  static long[] gamma(int requests, double perSecond, double burstiness, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    double[] at = new double[requests];
    double sum = 0;
    for (int k = 0; k < requests; k++) {
      sum += gamma(random, burstiness) / (burstiness * perSecond);
      at[k] = sum;
    }
    double scale = sum > 0 ? requests / perSecond / sum : 1;
    long[] nanos = new long[requests];
    for (int k = 0; k < requests; k++) {
      nanos[k] = Math.round(at[k] * scale * 1e9);
    }
    return nanos;
  }

  /// Timestamps as they were recorded; the first is 0.
  ///
  /// @param seconds in any order; the plan is sorted like the requests must be
  /// @param speed recorded seconds a second
  static long[] replay(double[] seconds, double speed) {
    double first = Arrays.stream(seconds).min().orElse(0);
    return Arrays.stream(seconds).mapToLong(s -> Math.round((s - first) / speed * 1e9)).toArray();
  }

  /// The same arrivals while the rate grows evenly from nothing to what it is: what came in the
  /// first half of `rampNanos` comes in all of it, everything after is that half later.
  ///
  /// @param at times of a process of constant rate, sorted
  static long[] rampedUp(long[] at, long rampNanos) {
    long half = rampNanos / 2;
    return Arrays.stream(at)
        .map(t -> t < half ? Math.round(Math.sqrt(2.0 * rampNanos * t)) : t + rampNanos - half)
        .toArray();
  }

  /// One value of a gamma distribution with scale 1.
  ///
  /// Marsaglia and Tsang, "A simple method for generating gamma variables", ACM TOMS 26 (2000).
  static double gamma(SplittableRandom random, double shape) {
    if (shape == 1) {
      return -Math.log1p(-random.nextDouble());
    }
    if (shape < 1) {
      return gamma(random, shape + 1) * Math.pow(1 - random.nextDouble(), 1 / shape);
    }
    double d = shape - 1.0 / 3;
    double c = 1 / Math.sqrt(9 * d);
    while (true) {
      double x = normal(random);
      double v = 1 + c * x;
      if (v <= 0) {
        continue;
      }
      v = v * v * v;
      double u = 1 - random.nextDouble();
      if (Math.log(u) < 0.5 * x * x + d - d * v + d * Math.log(v)) {
        return d * v;
      }
    }
  }

  /// Marsaglia's polar method; one of the pair is dropped.
  private static double normal(SplittableRandom random) {
    while (true) {
      double x = 2 * random.nextDouble() - 1;
      double y = 2 * random.nextDouble() - 1;
      double s = x * x + y * y;
      if (s > 0 && s < 1) {
        return x * Math.sqrt(-2 * Math.log(s) / s);
      }
    }
  }
}
