package org.infinilm.svc.evaluation;

import java.util.Arrays;
import java.util.List;
import java.util.function.IntPredicate;
import org.hipparchus.distribution.continuous.TDistribution;
import org.infinilm.svc.simulator.LeapSettings;

/// Figures of one run, of the requests after its first fifth; times in nanoseconds.
///
/// @param goodput share within both limits: the primary figure
/// @param toStatic share that static instances got
record Figures(
    double goodput,
    double meanTtft,
    double p50Ttft,
    double p99Ttft,
    double meanTpot,
    double meanWhole,
    int cut,
    int refused,
    double toStatic) {
  private static final double WARM_UP = 0.2;

  static Figures of(Outcome o, FleetPlan plan) {
    return of(o, plan, k -> true);
  }

  /// @param counts which requests are told of
  static Figures of(Outcome o, FleetPlan plan, IntPredicate counts) {
    int n = o.arrival.length;
    int from = (int) (WARM_UP * n);
    double[] ttft = new double[n - from];
    int answered = 0;
    int all = 0;
    int good = 0;
    double tpot = 0;
    int several = 0;
    double whole = 0;
    int statics = 0;
    int cut = 0;
    for (int k = 0; k < n; k++) {
      cut += o.cut[k] ? 1 : 0;
      if (k < from || !counts.test(k)) {
        continue;
      }
      all++;
      good += o.good(k, plan) ? 1 : 0;
      if (o.last[k] > 0) {
        ttft[answered++] = o.ttft(k);
        whole += o.whole(k);
        if (o.tokens[k] > 1) {
          tpot += o.tpot(k);
          several++;
        }
        boolean s = plan.nodes().get(o.node[k]).engine().kind() == LeapSettings.Kind.STATIC;
        statics += s ? 1 : 0;
      }
    }
    double[] sorted = Arrays.copyOf(ttft, answered);
    Arrays.sort(sorted);
    double p99 = answered == 0 ? 0 : sorted[(int) Math.min(answered - 1, 0.99 * answered)];
    return new Figures(
        (double) good / Math.max(1, all),
        answered == 0 ? 0 : Arrays.stream(sorted).sum() / answered,
        answered == 0 ? 0 : sorted[answered / 2],
        p99,
        several == 0 ? 0 : tpot / several,
        answered == 0 ? 0 : whole / answered,
        cut,
        o.refused,
        answered == 0 ? 0 : (double) statics / answered);
  }

  /// Mean and half width of its 95 % interval.
  record Interval(double mean, double half) {
    /// By Student's t; the half width of a single value is not known.
    static Interval of(List<Double> values) {
      int n = values.size();
      double mean = values.stream().mapToDouble(d -> d).average().orElse(Double.NaN);
      if (n < 2) {
        return new Interval(mean, Double.NaN);
      }
      double squares = values.stream().mapToDouble(d -> (d - mean) * (d - mean)).sum();
      double t = new TDistribution(n - 1).inverseCumulativeProbability(0.975);
      return new Interval(mean, t * Math.sqrt(squares / (n - 1) / n));
    }

    /// Whether 0 lies outside.
    boolean standsOut() {
      return Math.abs(mean) > half;
    }
  }
}
