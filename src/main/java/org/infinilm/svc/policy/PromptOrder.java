package org.infinilm.svc.policy;

/// Whether an instance computes prompts one after the other or beside each other (several GPUs
/// behind one address, slots), by which assumption makes its times alike. Written by one thread;
/// [#begin] and [#serialShare] are for any.
/*
 * A prompt's time is that from its begin to its first token, and nobody tells the begin. Each assumption
 * gives each prompt a time; under the true one prompts of like size take alike. So the differences
 * between one prompt and the one before it in the same class of size are compared (as von Neumann's ratio
 * does), those alone in which assumptions differ: absolutely, by the longest of the times (a wait that is
 * added to a prompt's time makes that differ more, whatever is left out of it), and as logarithms (a time
 * that is cut short by whatever others do differs by factors). One assumption gives way to another that
 * is better in both, and not by chance.
 */
final class PromptOrder {
  /// When a prompt is begun.
  enum Begin {
    /// When the one before it is done, and it has a place.
    AFTER_OTHERS(0),
    /// When it has a place.
    WITH_A_PLACE(1),
    /// When it comes.
    AT_ONCE(2);

    private final int number;

    Begin(int number) {
      this.number = number;
    }

    /// Its place in arrays and files.
    int number() {
      return number;
    }

    static Begin of(double number) {
      return ALL[(int) Math.clamp(number, 0, ALL.length - 1)];
    }
  }

  private static final Begin[] ALL = Begin.values();

  /// Times so close say nothing of the order.
  private static final double APART = 1.5;

  /// Prompts that tell the assumptions apart before one of them gives way.
  private static final int ENOUGH = 12;

  private static final double STEP = 1.0 / 64;

  /// As many count as one after the other as such a step forgets.
  private static final double MOST_COUNTED = 2 / STEP - 1;

  /// A better assumption differs by so much of what the other does, absolutely and by logarithms.
  private static final double CLOSER = 0.75;

  private static final double CLOSER_LOG = 0.6;

  /// It is so many deviations better, absolutely.
  private static final double SURE = 4.5;

  private static final double MOST_LOG = 2;

  /// Classes of size, two for each doubling.
  private static final int CLASSES = 48;

  private final double[][] before = new double[CLASSES][];
  private final double[] off = new double[ALL.length];
  private final double[] offLog = new double[ALL.length];

  /// Squares of how much further off one is than the other.
  private final double[][] squares = new double[ALL.length][ALL.length];

  private int seen;
  private volatile Begin begin = Begin.AFTER_OTHERS;
  private volatile double serialShare = 1;

  /// What is assumed now.
  Begin begin() {
    return begin;
  }

  /// How much of the prompts before it a prompt waits for: 1 where they are computed one after the
  /// other, near 0 where it is as if they were not there.
  double serialShare() {
    return serialShare;
  }

  /// As it was found before: the next prompts may tell otherwise.
  void assume(Begin so) {
    begin = so;
    serialShare = so == Begin.AFTER_OTHERS ? 1 : 0;
    seen = 0;
  }

  /// A prompt took so long, by each assumption.
  ///
  /// @param nanos in the order of [Begin], above 0 and rising
  /// @return whether something else is assumed from now on
  boolean after(double newTokens, double[] nanos) {
    int k = (int) Math.clamp(2 * Math.log(Math.max(1, newTokens)) / Math.log(2), 0, CLASSES - 1);
    double[] last = before[k];
    before[k] = nanos.clone();
    if (last == null || (!tells(nanos) && !tells(last))) {
      return false;
    }
    int most = ALL.length - 1;
    double longest = Math.max(nanos[most], last[most]);
    double step = Math.max(STEP, 1.0 / ++seen);
    double[] now = new double[ALL.length];
    for (int h = 0; h < ALL.length; h++) {
      now[h] = Math.abs(nanos[h] - last[h]) / longest;
      off[h] += step * (now[h] - off[h]);
      double log = Math.min(MOST_LOG, Math.abs(Math.log(nanos[h] / last[h])));
      offLog[h] += step * (log - offLog[h]);
      for (int g = 0; g < h; g++) {
        double more = now[g] - now[h];
        squares[g][h] += step * (more * more - squares[g][h]);
        squares[h][g] = squares[g][h];
      }
    }
    int is = begin.number;
    int best = is;
    for (int h = 0; h < ALL.length && seen >= ENOUGH; h++) {
      best = isBetter(h, is) && (best == is || offLog[h] < offLog[best]) ? h : best;
    }
    begin = ALL[best];
    serialShare = best == 0 ? 1 : share(off[best], off[0]);
    return best != is;
  }

  private boolean isBetter(int h, int than) {
    double more = off[than] - off[h];
    double variance = Math.max(0, squares[h][than] - more * more);
    double noise = Math.sqrt(variance / Math.min(seen, MOST_COUNTED));
    return off[h] < CLOSER * off[than]
        && offLog[h] < CLOSER_LOG * offLog[than]
        && more > SURE * noise;
  }

  private static boolean tells(double[] nanos) {
    return nanos[ALL.length - 1] >= APART * nanos[0];
  }

  private static double share(double beside, double serial) {
    double all = beside * beside + serial * serial;
    return all == 0 ? 0 : beside * beside / all;
  }
}
