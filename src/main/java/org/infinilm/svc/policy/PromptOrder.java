package org.infinilm.svc.policy;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

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
 * so an instance of a few lanes would never be found out beside them. Where longer prompts seem to take
 * too little beside short ones, and shorter ones overtook them, logarithms decide alone; of the
 * assumptions that are better the one that is absolutely closest, and among those of prompts beside each
 * other once more: where each replica has a queue of its own no number of lanes makes sense of long
 * prompts, and their time from sending does. Assumptions are compared where their times differ.
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

  /// What was odd counts so many prompts long against an assumption that makes less of it.
  private static final int OF_LATE = 512;

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

  /// Prompts of four times the size, and of more, take longer by its square root at least.
  private static final int LONGER = 4;

  private static final double LEAST_SLOPE = Math.log(2) / 4;

  /// What a prompt took, by each assumption.
  record Took(double newTokens, double[] nanos) {}

  /// How far one assumption is off, and the one that holds, where they differ.
  private static final class Pair {
    private int seen;
    private double off;
    private double more;
    private double square;
    private double offLog;
    private double moreLog;
    private double squareLog;

    void after(double off, double than, double offLog, double thanLog) {
      seen = Math.min(seen + 1, MOST_SEEN);
      double step = Math.max(STEP, 1.0 / seen);
      double m = than - off;
      double l = thanLog - offLog;
      this.off += step * (off - this.off);
      this.offLog += step * (offLog - this.offLog);
      more += step * (m - more);
      moreLog += step * (l - moreLog);
      square += step * (m * m - square);
      squareLog += step * (l * l - squareLog);
    }

    /// Whether it is better in both.
    boolean isBetter(double closer, double closerLog, double sure) {
      return seen >= ENOUGH
          && off < closer * (off + more)
          && offLog < closerLog * (offLog + moreLog)
          && more > sure * noise(more, square);
    }

    /// Whether its logarithms are.
    boolean isBetterByLog() {
      return seen >= ENOUGH
          && offLog < CLOSER_LOG * (offLog + moreLog)
          && moreLog > SURE * noise(moreLog, squareLog);
    }

    private double noise(double mean, double square) {
      return Math.sqrt(Math.max(0, square - mean * mean) / Math.min(seen, MOST_COUNTED));
    }
  }

  /// The last prompts of each class, the newest last.
  private final Map<Integer, Deque<Took>> kept = new TreeMap<>();

  private final double[] off = new double[ALL.length];

  /// Beside what is assumed now.
  private final Pair[] pairs = new Pair[ALL.length];

  /// The same of sizes that seem to take too little time for what they are, by the first
  /// assumption, and were overtaken.
  private final Pair[] odd = new Pair[ALL.length];

  /// Logarithm of the time by the first assumption, by class, and how many it is of.
  private final double[] logs = new double[CLASSES];

  private final int[] logged = new int[CLASSES];

  /// Prompts that told assumptions apart, and how many it were when the last one was odd.
  private long seen;

  private long oddAt;
  private volatile Begin begin = Begin.AFTER_OTHERS;
  private volatile double serialShare = 1;

  PromptOrder() {
    compareAnew();
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
    kept.values().forEach(out::addAll);
    return out;
  }

  /// As it was found before: the next prompts may tell otherwise.
  void assume(Begin so) {
    begin = so;
    serialShare = so.lanes > 0 ? 1.0 / so.lanes : 0;
    seen = 0;
    oddAt = 0;
    compareAnew();
  }

  /// A prompt took so long, by each assumption.
  ///
  /// @param nanos in the order of [Begin], above 0 and rising; kept as it is
  /// @param wasOvertaken whether the first token of one that was sent later came before its own
  /// @return whether something else is assumed from now on
  boolean after(double newTokens, double[] nanos, boolean wasOvertaken) {
    int k = (int) Math.clamp(2 * Math.log(Math.max(1, newTokens)) / Math.log(2), 0, CLASSES - 1);
    Deque<Took> alike = kept.computeIfAbsent(k, c -> new ArrayDeque<>(KEPT + 1));
    Took before = alike.peekLast();
    alike.addLast(new Took(newTokens, nanos));
    if (alike.size() > KEPT) {
      alike.removeFirst();
    }
    logged[k] = Math.min(logged[k] + 1, MOST_SEEN);
    logs[k] += Math.max(STEP, 1.0 / logged[k]) * (Math.log(nanos[0]) - logs[k]);
    if (before == null || (!tells(nanos) && !tells(before.nanos()))) {
      return false;
    }
    seen++;
    boolean isOdd = wasOvertaken && isOdd(k);
    oddAt = isOdd ? seen : oddAt;
    compare(nanos, before.nanos(), isOdd);
    int is = begin.place;
    int best = best(is);
    begin = ALL[best];
    if (best != is) {
      compareAnew();
    }
    serialShare = begin.lanes > 0 ? 1.0 / begin.lanes : share();
    return best != is;
  }

  private void compareAnew() {
    Arrays.setAll(pairs, k -> new Pair());
    Arrays.setAll(odd, k -> new Pair());
  }

  private void compare(double[] nanos, double[] last, boolean isOdd) {
    int most = ALL.length - 1;
    double longest = Math.max(nanos[most], last[most]);
    double step = Math.max(STEP, 1.0 / seen);
    double[] now = new double[ALL.length];
    double[] nowLog = new double[ALL.length];
    for (int h = 0; h < ALL.length; h++) {
      now[h] = Math.abs(nanos[h] - last[h]) / longest;
      off[h] += step * (now[h] - off[h]);
      nowLog[h] = Math.min(MOST_LOG, Math.abs(Math.log(nanos[h] / last[h])));
    }
    int is = begin.place;
    for (int h = 0; h < ALL.length; h++) {
      if (!differ(nanos[h], nanos[is]) && !differ(last[h], last[is])) {
        continue;
      }
      pairs[h].after(now[h], now[is], nowLog[h], nowLog[is]);
      if (isOdd) {
        odd[h].after(now[h], now[is], nowLog[h], nowLog[is]);
      }
    }
  }

  /// Whether it makes less sense of what is odd than what holds does, and such prompts still come.
  private boolean isOdder(int h) {
    return odd[h].seen > 0 && odd[h].moreLog < 0 && seen - oddAt < OF_LATE;
  }

  private static boolean differ(double a, double b) {
    return a >= APART * b || b >= APART * a;
  }

  /// Among those of prompts beside each other less is asked.
  private int best(int is) {
    int best = is;
    for (int h = ALL.length - 1; h >= 0; h--) {
      boolean closer =
          h > 0 && is > 0
              ? pairs[h].isBetter(CLOSER_BESIDE, 1, SURE_BESIDE)
              : pairs[h].isBetter(CLOSER, CLOSER_LOG, SURE);
      boolean better = (closer && !isOdder(h)) || (h > 0 && odd[h].isBetterByLog());
      best = better && (best == is || off[h] < FEWER * off[best]) ? h : best;
    }
    return best;
  }

  /// Whether a size seems to take too little time beside a smaller one, by the first assumption.
  private boolean isOdd(int k) {
    for (int l = 0; logged[k] >= ENOUGH && l <= k - LONGER; l++) {
      if (logged[l] >= ENOUGH && logs[k] - logs[l] < LEAST_SLOPE * (k - l)) {
        return true;
      }
    }
    return false;
  }

  private static boolean tells(double[] nanos) {
    return nanos[ALL.length - 1] >= APART * nanos[0];
  }

  /// By how far what holds is off, beside one after the other, as logarithms: absolutely that one
  /// is near wherever first tokens come all the time.
  private double share() {
    Pair serial = pairs[0];
    double beside = serial.offLog + serial.moreLog;
    double all = beside * beside + serial.offLog * serial.offLog;
    return serial.seen < ENOUGH || all == 0 ? 0 : beside * beside / all;
  }
}
