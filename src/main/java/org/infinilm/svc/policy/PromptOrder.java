package org.infinilm.svc.policy;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;

/// Whether an instance computes prompts one after the other or beside each other (several GPUs
/// behind one address, slots), by which assumption makes its times alike. Written by one thread;
/// [#begin], [#lanes] and [#serialShare] are for any.
/*
 * A prompt's time is that from its begin to its first token, and nobody tells the begin. Each assumption
 * gives each prompt a time; under the true one prompts of like size take alike. So the differences
 * between one prompt and the one before it in the same class of size are compared (as von Neumann's ratio
 * does), those alone in which assumptions differ: absolutely, by the longest of the times (a wait that is
 * added to a prompt's time makes that differ more, whatever is left out of it), and as logarithms (a time
 * that is cut short by whatever others do differs by factors). One assumption gives way to another that
 * is better in both, and not by chance.
 *
 * Times that end with the first token of any other are absolutely small where chats come all the time,
 * so an instance of a few lanes would never be found out beside them. Where much longer prompts seem to
 * take much less time than short ones, and shorter ones overtook them, logarithms decide alone, of the
 * prompts on which the two differ; of those that are better the one that is absolutely closest.
 */
final class PromptOrder {
  /// When a prompt is begun.
  enum Begin {
    /// When the one before it is done, and it has a place.
    AFTER_OTHERS(0, 0, 1),
    /// When so many of those that were sent before it are left as leave one lane, and it has a
    /// place.
    IN_2_LANES(1, 3, 2),
    IN_3_LANES(2, 4, 3),
    IN_4_LANES(3, 5, 4),
    IN_6_LANES(4, 6, 6),
    IN_8_LANES(5, 7, 8),
    /// When it has a place.
    WITH_A_PLACE(6, 1, 0),
    /// When it comes.
    AT_ONCE(7, 2, 0);

    /// Its place among them.
    final int place;

    /// Its number in files.
    final int number;

    /// That compute prompts beside each other, each one after the other; 0 for any number.
    final int lanes;

    Begin(int place, int number, int lanes) {
      this.place = place;
      this.number = number;
      this.lanes = lanes;
    }

    static Begin of(double number) {
      for (Begin b : ALL) {
        if (b.number == number) {
          return b;
        }
      }
      return AFTER_OTHERS;
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

  private static final int MOST_SEEN = 1 << 20;

  /// A better assumption differs by so much of what the other does, absolutely and by logarithms.
  private static final double CLOSER = 0.75;

  private static final double CLOSER_LOG = 0.6;
  private static final double CLOSER_BESIDE = 0.85;

  /// Fewer lanes are assumed where they are closer by so much: under little load they are alike.
  private static final double FEWER = 0.9;

  /// It is so many deviations better, absolutely.
  private static final double SURE = 4.5;

  private static final double SURE_BESIDE = 3;

  private static final double MOST_LOG = 2;

  /// Prompts of each class that are kept for another assumption.
  private static final int KEPT = 3;

  /// Classes of size, two for each doubling.
  private static final int CLASSES = 48;

  /// Prompts of four times the size seem to take half as long.
  private static final int LONGER = 4;

  private static final double LESS_LOG = Math.log(2);

  /// What a prompt took, by each assumption.
  record Took(double newTokens, double[] nanos) {}

  /// How far one assumption is off, and another, where they differ; as logarithms.
  private static final class Pair {
    private int seen;
    private double off;
    private double more;
    private double square;

    /// @param than so much further off is the other one
    void after(double off, double than) {
      seen = Math.min(seen + 1, MOST_SEEN);
      double step = Math.max(STEP, 1.0 / seen);
      this.off += step * (off - this.off);
      more += step * (than - more);
      square += step * (than * than - square);
    }

    boolean isBetter() {
      double noise = Math.sqrt(Math.max(0, square - more * more) / Math.min(seen, MOST_COUNTED));
      return seen >= ENOUGH && off < CLOSER_LOG * (off + more) && more > SURE * noise;
    }
  }

  /// The last prompts of each class, the newest first.
  private final List<Deque<Took>> kept = new ArrayList<>();

  private final double[] off = new double[ALL.length];
  private final double[] offLog = new double[ALL.length];

  /// Squares of how much further off one is than the other.
  private final double[][] squares = new double[ALL.length][ALL.length];

  /// Of prompts that were overtaken, beside the first assumption.
  private final Pair[] overtaken = new Pair[ALL.length];

  /// Logarithm of the time by the first assumption, by class, and how many it is of.
  private final double[] logs = new double[CLASSES];

  private final int[] logged = new int[CLASSES];

  private int seen;
  private volatile Begin begin = Begin.AFTER_OTHERS;
  private volatile double serialShare = 1;

  PromptOrder() {
    Arrays.setAll(overtaken, k -> new Pair());
    for (int k = 0; k < CLASSES; k++) {
      kept.add(new ArrayDeque<>(1));
    }
  }

  /// What is assumed now.
  Begin begin() {
    return begin;
  }

  /// How much of the prompts before it a prompt waits for: 1 where they are computed one after the
  /// other, near 0 where it is as if they were not there.
  double serialShare() {
    return serialShare;
  }

  /// The last prompts of each size.
  List<Took> kept() {
    List<Took> out = new ArrayList<>();
    kept.forEach(out::addAll);
    return out;
  }

  /// As it was found before: the next prompts may tell otherwise.
  void assume(Begin so) {
    begin = so;
    serialShare = so.lanes > 0 ? 1.0 / so.lanes : 0;
    seen = 0;
  }

  /// A prompt took so long, by each assumption.
  ///
  /// @param nanos in the order of [Begin], above 0 and rising
  /// @param wasOvertaken whether the first token of one that was sent later came before its own
  /// @return whether something else is assumed from now on
  boolean after(double newTokens, double[] nanos, boolean wasOvertaken) {
    int k = (int) Math.clamp(2 * Math.log(Math.max(1, newTokens)) / Math.log(2), 0, CLASSES - 1);
    Took before = kept.get(k).peekLast();
    double[] last = before == null ? nanos : before.nanos();
    kept.get(k).addLast(new Took(newTokens, nanos.clone()));
    if (kept.get(k).size() > KEPT) {
      kept.get(k).removeFirst();
    }
    logged[k] = Math.min(logged[k] + 1, MOST_SEEN);
    logs[k] += Math.max(STEP, 1.0 / logged[k]) * (Math.log(nanos[0]) - logs[k]);
    if (before == null || (!tells(nanos) && !tells(last))) {
      return false;
    }
    int most = ALL.length - 1;
    double longest = Math.max(nanos[most], last[most]);
    seen = Math.min(seen + 1, MOST_SEEN);
    double step = Math.max(STEP, 1.0 / seen);
    double[] now = new double[ALL.length];
    double[] nowLog = new double[ALL.length];
    for (int h = 0; h < ALL.length; h++) {
      now[h] = Math.abs(nanos[h] - last[h]) / longest;
      off[h] += step * (now[h] - off[h]);
      nowLog[h] = Math.min(MOST_LOG, Math.abs(Math.log(nanos[h] / last[h])));
      offLog[h] += step * (nowLog[h] - offLog[h]);
      for (int g = 0; g < h; g++) {
        double more = now[g] - now[h];
        squares[g][h] += step * (more * more - squares[g][h]);
        squares[h][g] = squares[g][h];
      }
      if (wasOvertaken && Math.max(nanos[h] / nanos[0], last[h] / last[0]) >= APART) {
        overtaken[h].after(nowLog[h], nowLog[0] - nowLog[h]);
      }
    }
    int is = begin.place;
    int best = best(is);
    begin = ALL[best];
    serialShare = begin.lanes > 0 ? 1.0 / begin.lanes : share(off[best], off[0]);
    return best != is;
  }

  private int best(int is) {
    if (seen < ENOUGH) {
      return is;
    }
    boolean odd = is == 0 && isOdd();
    int best = is;
    for (int h = ALL.length - 1; h >= 0; h--) {
      boolean better = isBetter(h, is) || (odd && h > 0 && overtaken[h].isBetter());
      best = better && (best == is || off[h] < FEWER * off[best]) ? h : best;
    }
    return best;
  }

  /// Whether much longer prompts seem to take much less time, by the first assumption.
  private boolean isOdd() {
    double longest = Double.NEGATIVE_INFINITY;
    for (int k = LONGER; k < CLASSES; k++) {
      if (logged[k - LONGER] >= ENOUGH) {
        longest = Math.max(longest, logs[k - LONGER]);
      }
      if (logged[k] >= ENOUGH && logs[k] < longest - LESS_LOG) {
        return true;
      }
    }
    return false;
  }

  /// Among those of prompts beside each other less is asked.
  private boolean isBetter(int h, int than) {
    boolean both = h > 0 && than > 0;
    double more = off[than] - off[h];
    double variance = Math.max(0, squares[h][than] - more * more);
    double noise = Math.sqrt(variance / Math.min(seen, MOST_COUNTED));
    return off[h] < (both ? CLOSER_BESIDE : CLOSER) * off[than]
        && offLog[h] < (both ? 1 : CLOSER_LOG) * offLog[than]
        && more > (both ? SURE_BESIDE : SURE) * noise;
  }

  private static boolean tells(double[] nanos) {
    return nanos[ALL.length - 1] >= APART * nanos[0];
  }

  private static double share(double beside, double serial) {
    double all = beside * beside + serial * serial;
    return all == 0 ? 0 : beside * beside / all;
  }
}
