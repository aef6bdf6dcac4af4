package org.infinilm.svc.policy;

/// How long prompts of one kind of text were, in tokens: a histogram of logarithms with forgetting.
/// Immutable.
/*
 * An estimate is wrong by a factor whose spread is known (Fit). How long a prompt most likely is hangs
 * on how long prompts are at all, too: where many lie just below some length and none above it, one that
 * may be above by its estimate alone most likely is not (Bayes). What was never seen keeps UNSEEN a
 * step, so that a cliff must have shown itself in many prompts near it before it counts.
 */
final class Sizes {
  static final Sizes NONE = new Sizes(new double[0]);

  /// Steps of the logarithm.
  private static final double STEP = 0.05;

  private static final double LEAST = Math.log(64);
  private static final int STEPS = 240;
  private static final double FORGET = 0.999;

  /// Prompts that a step stands for in which none was seen.
  private static final double UNSEEN = 0.05;

  /// So many deviations from the estimate are looked at.
  private static final double REACH = 5;

  private final double[] counts;

  private Sizes(double[] counts) {
    this.counts = counts;
  }

  private static int step(double log) {
    return (int) Math.clamp(Math.floor((log - LEAST) / STEP), 0, STEPS - 1.0);
  }

  Sizes after(long tokens) {
    double[] c = new double[STEPS];
    for (int k = 0; k < counts.length; k++) {
      c[k] = FORGET * counts[k];
    }
    c[step(Math.log((double) Math.max(1, tokens)))] += 1;
    return new Sizes(c);
  }

  /// Tokens that a prompt exceeds at most so often, of those that are estimated as it is.
  ///
  /// @param middle logarithm of the length that its estimate means
  /// @param deviation of the same, above 0
  /// @param rare share of such prompts that may be longer
  double most(double middle, double deviation, double rare) {
    int from = step(middle - REACH * deviation);
    int to = step(middle + REACH * deviation);
    double all = 0;
    for (int k = from; k <= to; k++) {
      all += weight(k, middle, deviation);
    }
    double above = 0;
    int k = to;
    while (k > from) {
      above += weight(k, middle, deviation);
      if (above > rare * all) {
        break;
      }
      k--;
    }
    return Math.exp(LEAST + (k + 1) * STEP);
  }

  private double weight(int k, double middle, double deviation) {
    double off = (LEAST + (k + 0.5) * STEP - middle) / deviation;
    double seen = counts.length == 0 ? 0 : counts[k];
    return (seen + UNSEEN) * Math.exp(-off * off / 2);
  }
}
