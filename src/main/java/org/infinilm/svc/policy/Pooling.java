package org.infinilm.svc.policy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What several routers have learned of one cost, as if one had seen all of it: the inverse of a
/// covariance is the sum of what observations said, so that sums of several are one
/// (information form; Anderson and Moore, Optimal Filtering, section 6.3). Pure.
///
/// Each router's own part is weighed by its observations, which forgetting bounds. One that is far
/// off from what is known better counts for nothing, one that claims to be surer than so many
/// observations make anybody is cut to that.
final class Pooling {
  /// What one router says.
  ///
  /// @param weight above 0 and up to 1
  record Part(LeastSquares of, double weight) {}

  private static final int ENOUGH = 30;
  private static final double MEMORY = 200;
  private static final double MOST_OFF = 4;
  private static final double MOST_SURER = 4;
  private static final double LEAST = 1e-6;
  private static final double MOST = 1e4;
  private static final double[][] PROBES = {{1, 0.25, 0.1}, {1, 1, 1}};

  private Pooling() {}

  /// @param guess that all began with
  static LeastSquares of(LeastSquares own, LeastSquares guess, List<Part> others) {
    List<Part> good = new ArrayList<>();
    double[] usual = usual(own, others);
    for (Part p : others) {
      if (p.of().seen() > 0 && p.weight() > 0 && isLikely(p.of(), usual)) {
        good.add(p);
      }
    }
    double[][] sum = inverse(own.covariance());
    if (good.isEmpty() || sum == null) {
      return own;
    }
    double surest = surest(own, good);
    double[] pull = times(sum, own.weights());
    double seen = own.seen();
    double count = Math.min(own.seen(), MEMORY);
    double deviation = own.deviation() * count;
    for (Part p : good) {
      double[][] told = said(p.of());
      if (told == null) {
        continue;
      }
      double n = Math.min(p.of().seen(), MEMORY);
      double most = surest * n;
      double trace = trace(told);
      double scale = p.weight() * (trace > most ? most / trace : 1);
      double[] toward = said(p.of(), told, guess);
      for (int i = 0; i < sum.length; i++) {
        pull[i] += scale * toward[i];
        for (int j = 0; j < sum.length; j++) {
          sum[i][j] += scale * told[i][j];
        }
      }
      seen += p.weight() * p.of().seen();
      count += p.weight() * n;
      deviation += p.weight() * n * p.of().deviation();
    }
    double[][] covariance = inverse(sum);
    if (covariance == null) {
      return own;
    }
    return own.like(
        times(covariance, pull),
        covariance,
        count > 0 ? deviation / count : own.deviation(),
        (int) Math.min(seen, 1 << 30));
  }

  /// What its observations alone said, without the guess that it began with.
  private static double @Nullable [][] said(LeastSquares l) {
    double[][] all = inverse(l.covariance());
    if (all != null) {
      for (int k = 0; k < all.length; k++) {
        all[k][k] = Math.max(0, all[k][k] - l.prior());
      }
    }
    return all;
  }

  private static double[] said(LeastSquares l, double[][] told, LeastSquares guess) {
    double[] out = times(told, l.weights());
    for (int k = 0; k < out.length; k++) {
      // the pull of the guess is no observation
      out[k] += l.prior() * (l.weights()[k] - guess.weights()[k]);
    }
    return out;
  }

  /// What it costs usually, as far as that is known: by our own observations, else by most of
  /// three and more others.
  private static double @Nullable [] usual(LeastSquares own, List<Part> others) {
    if (own.seen() >= ENOUGH) {
      return costs(own);
    }
    if (others.size() < 3) {
      return null;
    }
    double[] out = new double[PROBES.length];
    for (int k = 0; k < out.length; k++) {
      int at = k;
      double[] all = others.stream().mapToDouble(p -> costs(p.of())[at]).sorted().toArray();
      out[k] = all[all.length / 2];
    }
    return out;
  }

  private static double[] costs(LeastSquares l) {
    double[] out = new double[PROBES.length];
    for (int k = 0; k < out.length; k++) {
      out[k] = l.at(PROBES[k][0], PROBES[k][1], PROBES[k][2]);
    }
    return out;
  }

  private static boolean isLikely(LeastSquares l, double @Nullable [] usual) {
    double[] is = costs(l);
    for (int k = 0; k < is.length; k++) {
      boolean possible = is[k] >= LEAST && is[k] <= MOST;
      boolean near =
          usual == null || (is[k] <= MOST_OFF * usual[k] && is[k] >= usual[k] / MOST_OFF);
      if (!possible || !near) {
        return false;
      }
    }
    return true;
  }

  /// How sure one observation makes anybody: some times our own, else the middle of others.
  private static double surest(LeastSquares own, List<Part> others) {
    double[][] ours = own.seen() >= ENOUGH ? said(own) : null;
    if (ours != null) {
      return MOST_SURER * trace(ours) / Math.min(own.seen(), MEMORY);
    }
    double[] all = new double[others.size()];
    for (int k = 0; k < all.length; k++) {
      LeastSquares l = others.get(k).of();
      double[][] told = said(l);
      all[k] = told == null ? 0 : trace(told) / Math.min(l.seen(), MEMORY);
    }
    Arrays.sort(all);
    return MOST_SURER * all[all.length / 2];
  }

  private static double trace(double[][] m) {
    double sum = 0;
    for (int k = 0; k < m.length; k++) {
      sum += m[k][k];
    }
    return sum;
  }

  private static double[] times(double[][] m, double[] v) {
    double[] out = new double[v.length];
    for (int i = 0; i < v.length; i++) {
      for (int j = 0; j < v.length; j++) {
        out[i] += m[i][j] * v[j];
      }
    }
    return out;
  }

  /// The inverse of a positive definite matrix, by Cholesky's factors; null of any other.
  static double @Nullable [][] inverse(double[][] of) {
    int n = of.length;
    double[][] l = new double[n][n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j <= i; j++) {
        double sum = (of[i][j] + of[j][i]) / 2;
        for (int k = 0; k < j; k++) {
          sum -= l[i][k] * l[j][k];
        }
        if (i == j) {
          if (!(sum > 1e-12)) {
            return null;
          }
          l[i][i] = Math.sqrt(sum);
        } else {
          l[i][j] = sum / l[j][j];
        }
      }
    }
    double[][] out = new double[n][n];
    for (int c = 0; c < n; c++) {
      double[] y = new double[n];
      for (int i = 0; i < n; i++) {
        double sum = i == c ? 1 : 0;
        for (int k = 0; k < i; k++) {
          sum -= l[i][k] * y[k];
        }
        y[i] = sum / l[i][i];
      }
      for (int i = n - 1; i >= 0; i--) {
        double sum = y[i];
        for (int k = i + 1; k < n; k++) {
          sum -= l[k][i] * out[k][c];
        }
        out[i][c] = sum / l[i][i];
      }
    }
    return out;
  }
}
