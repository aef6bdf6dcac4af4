package org.infinilm.svc.policy;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// What observations say of weights: the upper triangular root of their information, and what that
/// root makes of the weights. Immutable.
/*
 * Information is root' root, so it is positive semi-definite whatever is observed and however often:
 * nothing is subtracted from it, and no bound is put on single numbers. An observation is a further row,
 * turned into the triangle by Givens rotations (Bierman, Factorization Methods for Discrete Sequential
 * Estimation, 1977, chapter 5).
 *
 * It forgets in the direction of an observation alone (Cao and Schwartz, "A directional forgetting
 * algorithm based on the decomposition of the information matrix", Automatica 36, 2000): with z = root x
 * the root becomes (I - (1 - sqrt(keep)) z z' / z'z) root. Forgetting moves no weight.
 *
 * Weights are least squares among those that are not negative: of four the subsets are few enough to be
 * tried.
 */
final class Information {
  /// That a cost is the usual one counts as much as so much of an observation.
  private static final double ONCE = 0.25;

  /// A triangle with such an entry on its diagonal, beside its largest, says nothing of that
  /// weight.
  private static final double SINGULAR = 1e-13;

  /// Rows of the root; the last column is what it makes of the weights.
  private final double[][] rows;

  private Information(double[][] rows) {
    this.rows = rows;
  }

  /// Of each weight alike, so much: as if it had been seen once with a feature of the root of that.
  ///
  /// @param amount above 0
  static Information about(double[] weights, double amount) {
    int n = weights.length;
    double[][] rows = new double[n][n + 1];
    for (int k = 0; k < n; k++) {
      rows[k][k] = Math.sqrt(amount);
      rows[k][n] = rows[k][k] * weights[k];
    }
    return new Information(rows);
  }

  /// What sums say, by Cholesky's factor; null of those that are not positive definite.
  ///
  /// @param products of features with each other
  /// @param pull features times what was observed of them
  static @Nullable Information of(double[][] products, double[] pull) {
    int n = pull.length;
    double[][] rows = new double[n][n + 1];
    for (int i = 0; i < n; i++) {
      for (int j = i; j < n; j++) {
        double sum = (products[i][j] + products[j][i]) / 2;
        for (int k = 0; k < i; k++) {
          sum -= rows[k][i] * rows[k][j];
        }
        if (i == j && !(sum > 0)) {
          return null;
        }
        rows[i][j] = i == j ? Math.sqrt(sum) : sum / rows[i][i];
      }
      double sum = pull[i];
      for (int k = 0; k < i; k++) {
        sum -= rows[k][i] * rows[k][n];
      }
      rows[i][n] = sum / rows[i][i];
    }
    return new Information(rows);
  }

  /// What is known after the weights' sum over these features was `is`.
  ///
  /// @param keep part of what was known in this direction that stays
  Information after(double[] features, double is, double keep) {
    int n = rows.length;
    double[][] a = new double[n + 1][];
    double[] z = new double[n];
    double zz = 0;
    for (int i = 0; i < n; i++) {
      a[i] = rows[i].clone();
      for (int j = i; j < n; j++) {
        z[i] += rows[i][j] * features[j];
      }
      zz += z[i] * z[i];
    }
    for (int c = 0; c <= n && zz > 0; c++) {
      double sum = 0;
      for (int i = 0; i < n; i++) {
        sum += z[i] * a[i][c];
      }
      double off = (1 - Math.sqrt(keep)) * sum / zz;
      for (int i = 0; i < n; i++) {
        a[i][c] -= off * z[i];
      }
    }
    a[n] = Arrays.copyOf(features, n + 1);
    a[n][n] = is;
    return new Information(triangle(a, n));
  }

  /// Turns rows so that those below the first `n` are 0 in the first `n` columns, and drops them.
  private static double[][] triangle(double[][] a, int n) {
    for (int c = 0; c < n; c++) {
      for (int r = c + 1; r < a.length; r++) {
        double h = Math.hypot(a[c][c], a[r][c]);
        if (a[r][c] == 0 || h == 0) {
          continue;
        }
        double cos = a[c][c] / h;
        double sin = a[r][c] / h;
        for (int k = c; k < a[c].length; k++) {
          double upper = a[c][k];
          double lower = a[r][k];
          a[c][k] = cos * upper + sin * lower;
          a[r][k] = cos * lower - sin * upper;
        }
        a[r][c] = 0;
      }
    }
    return Arrays.copyOf(a, n);
  }

  /// The same, having seen each weight alone once more, as `is`, give or take `deviation`.
  Information with(double[] is, double[] deviation) {
    int n = rows.length;
    double[][] a = new double[2 * n][];
    for (int i = 0; i < n; i++) {
      a[i] = rows[i].clone();
      a[n + i] = new double[n + 1];
      a[n + i][i] = 1 / deviation[i];
      a[n + i][n] = is[i] / deviation[i];
    }
    return new Information(triangle(a, n));
  }

  /// How unsure each weight is, of observations that are off by 1; infinite where nothing tells it.
  double[] variances() {
    int n = rows.length;
    double[] out = new double[n];
    for (int k = 0; k < n; k++) {
      // what solves R' x = e_k; its square is what is at k on the diagonal of (R' R)^-1
      double[] x = new double[n];
      for (int i = k; i < n; i++) {
        double left = i == k ? 1 : 0;
        for (int j = k; j < i; j++) {
          left -= rows[j][i] * x[j];
        }
        x[i] = left / rows[i][i];
        out[k] += x[i] * x[i];
      }
      out[k] = Double.isNaN(out[k]) ? Double.POSITIVE_INFINITY : out[k];
    }
    return out;
  }

  /// Which multiple of these weights it fits best; nearer to 1 the less was seen. In logarithms, so
  /// that a hundred times as much and a hundredth are as far from it.
  double scale(double[] weights) {
    int n = rows.length;
    double both = 0;
    double squares = 0;
    double seen = 0;
    for (double[] row : rows) {
      double sum = 0;
      for (int k = 0; k < n; k++) {
        sum += row[k] * weights[k];
      }
      both += sum * row[n];
      squares += sum * sum;
      seen += row[n] * row[n];
    }
    return both > 0 && squares > 0 ? Math.exp(seen / (seen + ONCE) * Math.log(both / squares)) : 1;
  }

  /// The weights of 0 or more that it fits best; null where it does not tell.
  double @Nullable [] weights() {
    int all = (1 << rows.length) - 1;
    double[] best = weights(all);
    if (best != null && isPositive(best)) {
      return best;
    }
    best = null;
    double least = Double.POSITIVE_INFINITY;
    for (int set = 1; set < all; set++) {
      double[] w = weights(set);
      double off = w != null && isPositive(w) ? distance(w) : Double.POSITIVE_INFINITY;
      if (off < least) {
        least = off;
        best = w;
      }
    }
    return best;
  }

  private static boolean isPositive(double[] w) {
    for (double v : w) {
      if (!(v >= 0)) {
        return false;
      }
    }
    return true;
  }

  private double distance(double[] w) {
    int n = rows.length;
    double sum = 0;
    for (double[] row : rows) {
      double off = -row[n];
      for (int k = 0; k < n; k++) {
        off += row[k] * w[k];
      }
      sum += off * off;
    }
    return sum;
  }

  /// Those of a set of weights, the others being 0; null where the set is not told apart.
  private double @Nullable [] weights(int set) {
    int n = rows.length;
    int m = Integer.bitCount(set);
    double[][] a = new double[n][m + 1];
    double most = 0;
    for (int i = 0; i < n; i++) {
      int at = 0;
      for (int c = 0; c < n; c++) {
        if ((set >> c & 1) == 1) {
          a[i][at++] = rows[i][c];
          most = Math.max(most, Math.abs(rows[i][c]));
        }
      }
      a[i][m] = rows[i][n];
    }
    double[][] t = m == n ? a : triangle(a, m);
    double[] w = new double[n];
    for (int i = m - 1, c = n - 1; i >= 0; c--) {
      if ((set >> c & 1) == 0) {
        continue;
      }
      if (!(Math.abs(t[i][i]) > SINGULAR * most)) {
        return null;
      }
      w[c] = t[i][m] / t[i][i];
      for (int above = 0; above < i; above++) {
        t[above][m] -= t[above][i] * w[c];
      }
      i--;
    }
    return w;
  }

  /// Sums of the products of features, forgotten as the rest is.
  double[][] products() {
    int n = rows.length;
    double[][] out = new double[n][n];
    for (double[] row : rows) {
      for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
          out[i][j] += row[i] * row[j];
        }
      }
    }
    return out;
  }

  /// Sums of features times what was observed of them, likewise.
  double[] pull() {
    int n = rows.length;
    double[] out = new double[n];
    for (double[] row : rows) {
      for (int i = 0; i < n; i++) {
        out[i] += row[i] * row[n];
      }
    }
    return out;
  }
}
