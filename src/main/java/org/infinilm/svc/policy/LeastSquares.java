package org.infinilm.svc.policy;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Recursive least squares of the relative error with forgetting: what a cost depends on, learned
/// one observation at a time. Immutable; [#after] is pure. Source: Ljung, System Identification,
/// section 11.2; how it forgets: [Information].
final class LeastSquares {
  /// Of what is known in the direction of an observation so much stays.
  private static final double KEEP = 0.975;

  private static final double VAGUE = 100;
  private static final double LEAST_PRIOR = 1e-3;

  /// So much of what sums say of a weight is believed of the weights beside them, whose digits may
  /// be more.
  private static final double ROUNDED = 1e-6;

  private static final double MOST_SUM = 1e14;
  private static final double MOST_WEIGHT = 1e6;
  private static final int MOST_SEEN = 1 << 30;

  /// Observations with larger features beside their cost count as much less, so that sums of them
  /// stay within what is read back.
  private static final double MOST_FEATURE = 1e5;

  /// Weights of two costs of one kind differ by so many times themselves, beside their scale.
  private static final double UNLIKE = 3;

  /// Deviations between what was observed and what is usual that are no chance.
  private static final double SURE = 2;

  private static final double MOST_SCALE = 1e4;

  /// Features by which weights are told apart.
  private static final double[][] PROBES = {
    {1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}, {1, 0.25, 0.1, 0.1}, {1, 1, 1, 1}
  };

  /// Seconds of anything that is asked for: a day.
  private static final double MOST_COST = 86_400;

  private static final double LEAST_COST = 1e-6;

  /// By Cauchy and Schwarz a sum of features times what was observed of them is at most the root of
  /// that of their squares, times the root of the sum of squares of what was observed: a few
  /// hundred observations that are not forgotten, each up to six times what was expected.
  private static final double MOST_PULL = 100;

  /// What sums come to and the weights beside them may differ by so much.
  private static final double AGREE = 0.5;

  /// Observations further off than so many deviations count as so far off.
  private static final double MOST_SURPRISE = 2.5;

  /// What surprises twice, the same way and at sizes within so many times, is so.
  private static final double LIKE = 2;

  private static final double[] ONES = {1, 1, 1, 1};

  private final double[] weights;
  private final Information information;
  private final double deviation;
  private final int seen;

  /// Sum of the features of the last observation that surprised; negative where it was too fast, 0
  /// for none, or where one like it did not.
  private final double odd;

  /// What the observations said, and the first guess as far as it is not forgotten, as sums that
  /// several routers' may be added to: of the products of features, and of features times what was
  /// observed of them.
  record Sums(double[][] products, double[] pull) {
    static Sums none(int n) {
      return new Sums(new double[n][n], new double[n]);
    }

    double trace() {
      double sum = 0;
      for (int k = 0; k < pull.length; k++) {
        sum += products[k][k];
      }
      return sum;
    }

    /// The same with as much for these weights as rounding may have taken.
    private Sums about(double[] weights, double least) {
      int n = pull.length;
      double[][] p = new double[n][];
      double[] r = pull.clone();
      for (int k = 0; k < n; k++) {
        p[k] = products[k].clone();
        double more = Math.max(least, ROUNDED * p[k][k]);
        p[k][k] += more;
        r[k] += more * weights[k];
      }
      return new Sums(p, r);
    }
  }

  private LeastSquares(
      double[] weights, Information information, double deviation, int seen, double odd) {
    this.odd = odd;
    this.weights = weights;
    this.information = information;
    this.deviation = deviation;
    this.seen = seen;
  }

  /// A first guess that the first observations overrule.
  static LeastSquares guess(double... weights) {
    return new LeastSquares(weights.clone(), Information.about(weights, 1 / VAGUE), 0.5, 0, 0);
  }

  /// What these sums say; the weights themselves, vaguely, where the sums are none.
  ///
  /// @param weights as they were solved when the sums were taken
  static LeastSquares of(double[] weights, Sums sums, double deviation, int seen) {
    Information i = said(weights, sums, seen);
    i = i == null || i.weights() == null ? Information.about(weights, 1 / VAGUE) : i;
    return new LeastSquares(weights.clone(), i, Math.clamp(deviation, 0.02, 2), seen, 0);
  }

  /// Null of sums that no observations leave.
  private static @Nullable Information said(double[] weights, Sums sums, int seen) {
    double least = Math.max(LEAST_PRIOR, Math.pow(KEEP, seen)) / VAGUE;
    Sums s = sums.about(weights, least);
    return Information.of(s.products(), s.pull());
  }

  int seen() {
    return seen;
  }

  Sums sums() {
    return new Sums(information.products(), information.pull());
  }

  double[] weights() {
    return weights;
  }

  double deviation() {
    return deviation;
  }

  /// The cost of these features; grows with each of them, whatever was observed.
  double at(double... features) {
    return sum(weights, features);
  }

  /// The weights, held to a multiple of what is usual where little was observed, the less the
  /// nearer observations are to each other: what short ones cost, more or less, does not say what
  /// long ones do.
  ///
  /// @param usual weights of another cost of this kind; their sizes matter little
  /// @param guess the first one, which no weight is less sure than
  double[] near(double[] usual, double[] guess) {
    double[] is = scaled(usual);
    double[] least = scaled(guess);
    double[] of = new double[is.length];
    double[] unsure = information.variances();
    for (int k = 0; k < is.length; k++) {
      // what is told apart from the usual by observations is not the usual, however far off it is
      double sure = Math.abs(weights[k] - is[k]) - SURE * deviation * Math.sqrt(unsure[k]);
      of[k] = Math.hypot(UNLIKE * Math.max(is[k], least[k]), Math.max(0, sure)) / deviation;
    }
    double[] solved = information.with(is, of).weights();
    return solved == null ? weights : bounded(solved);
  }

  private double[] scaled(double[] usual) {
    double scale = Math.clamp(information.scale(usual), 1 / MOST_SCALE, MOST_SCALE);
    double[] out = new double[usual.length];
    for (int k = 0; k < out.length; k++) {
      out[k] = scale * usual[k];
    }
    return out;
  }

  /// From a first guess on again, with as many observations as have been: what was observed was no
  /// such cost.
  LeastSquares anew(double... guess) {
    LeastSquares l = guess(guess);
    return new LeastSquares(l.weights, l.information, l.deviation, seen, 0);
  }

  /// Of as many features as there are of both.
  static double sum(double[] weights, double... features) {
    double sum = 0;
    int n = Math.min(weights.length, features.length);
    for (int k = 0; k < n; k++) {
      sum += Math.max(weights[k], 0) * features[k];
    }
    return sum;
  }

  /// What is known after these features have cost `y`, above 0.
  LeastSquares after(double y, double... features) {
    double expected = sum(weights, features);
    double off = 1 - expected / y;
    double size = sum(ONES, features);
    boolean again = off * odd > 0 && isLike(size);
    double most = seen < 10 ? 1 : Math.max(again ? 1 : 0, MOST_SURPRISE * deviation);
    double largest = 0;
    for (double f : features) {
      largest = Math.max(largest, Math.abs(f));
    }
    // one that was too fast would weigh the more, the faster it was
    double unit = Math.min(Math.max(y, expected / (1 + most)), MOST_WEIGHT * largest);
    Information i = information;
    double[] w = weights;
    if (largest > 0) {
      double scale = Math.min(1, MOST_FEATURE * unit / largest);
      double[] x = new double[features.length];
      for (int k = 0; k < x.length; k++) {
        x[k] = scale * (features[k] / unit);
      }
      double is = expected / unit;
      i = information.after(x, scale * (is + Math.clamp(1 - is, -most, most)), KEEP);
      double[] solved = i.weights();
      w = solved == null ? weights : bounded(solved);
    }
    double d = deviation + 0.03 * (Math.min(Math.abs(off), 2) * 1.25 - deviation);
    boolean surprising = Math.abs(off) > most;
    double next = surprising ? Math.copySign(size, off) : isLike(size) ? 0 : odd;
    return new LeastSquares(w, i, Math.max(0.02, d), Math.min(seen + 1, MOST_SEEN), next);
  }

  private boolean isLike(double size) {
    return size < LIKE * Math.abs(odd) && LIKE * size > Math.abs(odd);
  }

  private static double[] bounded(double[] weights) {
    double[] w = new double[weights.length];
    for (int k = 0; k < w.length; k++) {
      w[k] = Math.clamp(weights[k], -MOST_WEIGHT, MOST_WEIGHT);
    }
    return w;
  }

  /// For a file.
  Map<String, Object> remembered() {
    Map<String, Object> m = new HashMap<>();
    Sums s = sums();
    m.put("weights", weights);
    for (int k = 0; k < weights.length; k++) {
      m.put("products" + k, s.products()[k]);
    }
    m.put("pull", s.pull());
    m.put("deviation", deviation);
    m.put("seen", seen);
    return m;
  }

  /// What a file or another router says of so many features, or of one less: of a time when the
  /// last was not learned from, of which it says nothing. The sums must come to the weights that
  /// stand beside them: each number alone may be anything. A file of a time when covariances were
  /// kept beside the sums is read without them, and without sums that come to something else.
  ///
  /// @throws IllegalArgumentException for what no observations can have left
  static LeastSquares recall(Recalled from, int features) {
    LeastSquares l = recalled(from, from.has("weights", features - 1) ? features - 1 : features);
    return l.weights.length == features ? l : l.extended(features);
  }

  private LeastSquares extended(int n) {
    Sums all = Sums.none(n);
    Sums s = sums();
    for (int k = 0; k < weights.length; k++) {
      all.pull[k] = s.pull[k];
      System.arraycopy(s.products[k], 0, all.products[k], 0, weights.length);
    }
    return of(Arrays.copyOf(weights, n), all, deviation, seen);
  }

  private static LeastSquares recalled(Recalled from, int n) {
    int seen = (int) Math.clamp(from.number("seen"), 0, MOST_SEEN);
    double[] weights = bounded(from.numbers("weights", n));
    for (int k = 0; k < n; k++) {
      weights[k] = Math.max(weights[k], 0); // below they count for nothing
    }
    double deviation = from.number("deviation");
    Sums sums = sums(from, n);
    boolean ofBefore = from.names().contains("covariance0");
    for (int k = 0; k < n; k++) {
      double most = MOST_PULL * Math.sqrt(sums.products[k][k]);
      if (Math.abs(sums.pull[k]) > most + LEAST_COST) {
        if (ofBefore) {
          sums = Sums.none(n);
          break;
        }
        throw new IllegalArgumentException(
            "pull: " + sums.pull[k] + " (expected: within " + most + ", as products say)");
      }
    }
    if (!ofBefore) {
      checkProducts(sums.products);
      if (said(weights, sums, seen) == null) {
        throw new IllegalArgumentException(
            "products: not positive definite (expected: sums of observations' products)");
      }
    }
    LeastSquares l = of(weights, sums, deviation, seen);
    double[] solved = l.information.weights();
    for (double[] x : PROBES) {
      double cost = sum(weights, x);
      if (cost > MOST_COST) {
        throw new IllegalArgumentException(
            "weights: a cost of " + cost + " s (expected: at most " + MOST_COST + ")");
      }
      double told = solved == null ? cost : sum(solved, x);
      if (Math.abs(told - cost) > AGREE * Math.max(told, cost) + LEAST_COST) {
        if (ofBefore) {
          return of(weights, Sums.none(n), deviation, seen);
        }
        throw new IllegalArgumentException(
            "weights: a cost of " + cost + " s (expected: " + told + ", as products and pull say)");
      }
    }
    return l;
  }

  /// Sums of products are those of vectors with each other.
  private static void checkProducts(double[][] p) {
    int n = p.length;
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < n; j++) {
        double most = Math.sqrt(p[i][i] * p[j][j]);
        double rounded = ROUNDED * most + LEAST_PRIOR / VAGUE;
        if (Math.abs(p[i][j]) > most + rounded || Math.abs(p[i][j] - p[j][i]) > rounded) {
          throw new IllegalArgumentException(
              "products%d: %s (expected: as at %d of products%d, and within %s)"
                  .formatted(i, p[i][j], i, j, most));
        }
      }
    }
  }

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
