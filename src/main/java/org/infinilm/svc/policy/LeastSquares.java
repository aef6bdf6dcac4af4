package org.infinilm.svc.policy;

import java.util.HashMap;
import java.util.Map;

/// Recursive least squares of the relative error with forgetting: what a cost depends on, learned
/// one observation at a time. Immutable; [#after] is pure. Source: Ljung, System Identification,
/// section 11.2.
final class LeastSquares {
  private static final double FORGET = 0.995;
  private static final double VAGUE = 100;
  private static final double LEAST_PRIOR = 1e-3;
  private static final double MOST_SUM = 1e14;
  private static final double MOST_COVARIANCE = 1e4;
  private static final double MOST_WEIGHT = 1e6;
  private static final int MOST_SEEN = 1 << 30;

  /// Observations further off than so many deviations count as so far off.
  private static final double MOST_SURPRISE = 2.5;

  private final double[] weights;
  private final double[][] covariance;
  private final double deviation;
  private final int seen;
  private final Sums sums;

  /// What the observations said, as sums that several routers' may be added to: of the products of
  /// features, and of features times what was observed of them; forgotten as the rest is.
  record Sums(double[][] products, double[] pull) {
    static Sums none(int n) {
      return new Sums(new double[n][n], new double[n]);
    }

    private Sums after(double[] x, double y) {
      int n = x.length;
      double[][] p = new double[n][n];
      double[] r = new double[n];
      for (int i = 0; i < n; i++) {
        r[i] = FORGET * pull[i] + x[i] * y;
        for (int j = 0; j < n; j++) {
          p[i][j] = FORGET * products[i][j] + x[i] * x[j];
        }
      }
      return new Sums(p, r);
    }

    double trace() {
      double sum = 0;
      for (int k = 0; k < pull.length; k++) {
        sum += products[k][k];
      }
      return sum;
    }
  }

  private LeastSquares(
      double[] weights, double[][] covariance, double deviation, int seen, Sums sums) {
    this.weights = weights;
    this.covariance = covariance;
    this.deviation = deviation;
    this.seen = seen;
    this.sums = sums;
  }

  /// A first guess that the first observations overrule.
  static LeastSquares guess(double... weights) {
    double[][] c = new double[weights.length][weights.length];
    for (int k = 0; k < weights.length; k++) {
      c[k][k] = VAGUE;
    }
    return new LeastSquares(weights.clone(), c, 0.5, 0, Sums.none(weights.length));
  }

  int seen() {
    return seen;
  }

  /// What the first guess still weighs beside the observations.
  double prior() {
    return Math.max(LEAST_PRIOR, Math.pow(FORGET, seen)) / VAGUE;
  }

  Sums sums() {
    return sums;
  }

  double[] weights() {
    return weights;
  }

  double deviation() {
    return deviation;
  }

  /// The same kind of knowledge with other numbers.
  LeastSquares like(double[] w, Sums s, double off, int observations) {
    return new LeastSquares(w, covariance, Math.clamp(off, 0.02, 2), observations, s);
  }

  /// The cost of these features; grows with each of them, whatever was observed.
  double at(double a, double b, double c) {
    return Math.max(weights[0], 0) * a + Math.max(weights[1], 0) * b + Math.max(weights[2], 0) * c;
  }

  private double raw(double[] x) {
    double sum = 0;
    for (int k = 0; k < x.length; k++) {
      sum += weights[k] * x[k];
    }
    return sum;
  }

  /// What is known after these features have cost `y`, above 0.
  LeastSquares after(double y, double... features) {
    int n = weights.length;
    double[] x = new double[n];
    for (int k = 0; k < n; k++) {
      x[k] = features[k] / y;
    }
    double off = 1 - raw(x);
    double most = seen < 10 ? 1 : MOST_SURPRISE * deviation;
    double error = Math.clamp(off, -most, most);
    double[] px = new double[n];
    double variance = FORGET;
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        px[i] += covariance[i][j] * x[j];
      }
      variance += x[i] * px[i];
    }
    if (variance == 0) {
      variance = FORGET; // what was read may be no covariance
    }
    double[] w = weights.clone();
    double[][] c = new double[n][n];
    for (int i = 0; i < n; i++) {
      w[i] = Math.clamp(w[i] + px[i] / variance * error, -MOST_WEIGHT, MOST_WEIGHT);
      for (int j = 0; j < n; j++) {
        double v = (covariance[i][j] - px[i] * px[j] / variance) / FORGET;
        c[i][j] = Math.clamp(v, -MOST_COVARIANCE, MOST_COVARIANCE);
      }
    }
    double d = deviation + 0.03 * (Math.min(Math.abs(off), 2) * 1.25 - deviation);
    return new LeastSquares(
        w, c, Math.max(0.02, d), Math.min(seen + 1, MOST_SEEN), sums.after(x, raw(x) + error));
  }

  /// For a file.
  Map<String, Object> remembered() {
    Map<String, Object> m = new HashMap<>();
    m.put("weights", weights);
    for (int k = 0; k < covariance.length; k++) {
      double[] row = covariance[k].clone();
      row[k] = Math.max(0, row[k]);
      m.put("covariance" + k, row);
      m.put("products" + k, sums.products()[k]);
    }
    m.put("pull", sums.pull());
    m.put("deviation", deviation);
    m.put("seen", seen);
    return m;
  }

  /// What a file says of three features.
  static LeastSquares recall(Recalled from) {
    int n = 3;
    double[][] c = new double[n][];
    for (int k = 0; k < n; k++) {
      c[k] = from.numbers("covariance" + k, n);
      for (int j = 0; j < n; j++) {
        c[k][j] = Math.clamp(c[k][j], -MOST_COVARIANCE, MOST_COVARIANCE);
      }
      if (c[k][k] < 0) {
        throw new IllegalArgumentException("a variance of " + c[k][k] + " (expected: 0 or more)");
      }
    }
    double seen = Math.clamp(from.number("seen"), 0, MOST_SEEN);
    double deviation = Math.clamp(from.number("deviation"), 0.02, 2);
    double[] weights = from.numbers("weights", n);
    for (int k = 0; k < n; k++) {
      weights[k] = Math.clamp(weights[k], -MOST_WEIGHT, MOST_WEIGHT);
    }
    return new LeastSquares(weights, c, deviation, (int) seen, sums(from, n));
  }

  /// Sums that a file says; none of one that was written before there were any.
  private static Sums sums(Recalled from, int n) {
    if (!from.names().contains("pull")) {
      return Sums.none(n);
    }
    double[][] p = new double[n][];
    double[] r = from.numbers("pull", n);
    for (int k = 0; k < n; k++) {
      p[k] = from.numbers("products" + k, n);
      r[k] = Math.clamp(r[k], -MOST_SUM, MOST_SUM);
      for (int j = 0; j < n; j++) {
        p[k][j] = Math.clamp(p[k][j], j == k ? 0 : -MOST_SUM, MOST_SUM);
      }
    }
    return new Sums(p, r);
  }
}
