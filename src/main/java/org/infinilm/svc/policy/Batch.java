package org.infinilm.svc.policy;

/// How many answers an instance that does not say computes at once, from what was seen there: at
/// least as many as went on together, and no more where one after the other waited for an end while
/// so many went on. Written by one thread; [#most], [#isKnown] and [#isBeyond] are for any.
/*
 * A stream's first token shows that it has a place. One that came while so many went on would have begun
 * beside them if there were more places; when each of them begins after an end alone, there are none. One that
 * says otherwise is no proof: an end may be heard after the first token that followed it.
 *
 * Of an answer that comes whole times decide. With so many places it was begun when fewer of those before it
 * were left, and takes from then on what those take that have nothing before them. The number by which that is
 * so counts, beside none.
 */
final class Batch {
  /// Of an instance of which nothing was seen.
  static final int USUAL = 8;

  /// Streams that waited for an end before there is no more room.
  private static final int STREAMS = 12;

  /// One that did not wait counts against so many that did.
  private static final int AGAINST = 4;

  /// First tokens that speak for more, with none between that speaks against it.
  private static final int ENOUGH_MORE = 2;

  /// Answers that came whole before they tell.
  private static final int WHOLES = 12;

  private static final int MOST_WHOLES = 48;

  /// A number of places explains their times when they are so much closer than to none, and until
  /// they are hardly closer.
  private static final double CLOSER = 0.6;

  private static final double STILL_CLOSER = 0.8;
  private static final double MOST_OFF = 2;
  private static final int ENOUGH_ALONE = 8;
  private static final int MOST_ALONE = 32;
  private static final double LEAST_SHARE = 0.05;

  /// So many that waited for an end where fewer went on than there are places say that these are
  /// gone.
  private static final int BELOW = 24;

  private int lately;
  private int more;
  private int leastMore;
  private int below;
  private double held;
  private boolean assumed;
  private int alone;
  private double aloneLog;
  private double share;

  /// Of the answers whose time tells each number of places from none: how many, and how far both
  /// are off.
  private final int[] wholes = new int[Ahead.MOST + 1];

  private final double[] offAll = new double[Ahead.MOST + 1];
  private final double[] offSince = new double[Ahead.MOST + 1];
  private volatile int known;
  private volatile int knownWhole;
  private volatile int ever;

  /// Whether enough came whole, and their times tell no number.
  private volatile boolean untold;

  /// As many as it computes at once: as many as were seen, where no more are; else the usual number
  /// at least.
  int most() {
    int k = known;
    int w = knownWhole;
    return k > 0 ? k : w > 0 ? w : Math.max(USUAL, ever);
  }

  /// Whether one more would wait for an end.
  boolean isKnown() {
    return known > 0 || knownWhole > 0;
  }

  /// Whether it showed that it computes more than so many.
  boolean isBeyond(int answers) {
    return ever > answers || untold;
  }

  /// The number that streams have shown; 0 while they have not.
  int told() {
    return known;
  }

  /// What streams showed another process before. Who answers whole takes it back, too, until a
  /// stream bears it out.
  void assume(int places) {
    lately = places;
    ever = places;
    held = 1;
    known = places;
    assumed = true;
  }

  /// A stream began.
  ///
  /// @param before that had begun when it was sent; 0 where that is not known
  /// @param beside that went on when it began
  /// @param afterEnd whether another had ended since it was sent, and none had begun after that
  void stream(int before, int beside, boolean afterEnd) {
    ever = Math.max(ever, beside + 1);
    int supposed = Math.max(1, lately);
    boolean besideMore = beside + 1 > supposed;
    together(beside + 1);
    if (before >= supposed && (besideMore || afterEnd)) {
      assumed = false;
      below = 0;
      tells(!besideMore);
    } else if (before > 0) {
      below = afterEnd ? below + 1 : Math.max(0, below - AGAINST);
      if (below >= BELOW) {
        forget();
      }
    }
  }

  /// Never as many went on as seemed possible: there may be fewer places now, or an end was heard
  /// late.
  private void forget() {
    below = 0;
    lately = 0;
    more = 0;
    held = 0;
    ever = 0;
    known = 0;
  }

  private void together(int answers) {
    if (answers <= lately) {
      return;
    }
    leastMore = more == 0 ? answers : Math.min(leastMore, answers);
    more++;
    if (more >= ENOUGH_MORE || lately == 0) {
      lately = leastMore;
      more = 0;
      held = 0;
      known = lately > known ? 0 : known;
      knownWhole = lately > knownWhole ? 0 : knownWhole;
    }
  }

  private void tells(boolean waited) {
    double part = 1.0 / STREAMS;
    if (waited) {
      more = Math.max(0, more - 1);
      held = Math.min(2, held + part);
    } else {
      held = Math.max(0, held - AGAINST * part);
    }
    if (held >= 1) {
      known = Math.max(1, lately);
    }
  }

  /// An answer came whole before which none was there: it took so many times as long as was
  /// expected.
  void alone(double ratio) {
    alone = Math.min(alone + 1, MOST_ALONE);
    share += (1 - share) / MOST_ALONE;
    aloneLog += (Math.clamp(Math.log(ratio), -MOST_OFF, MOST_OFF) - aloneLog) / alone;
  }

  /// How many times as long as is expected those take there that have nothing before them; 0 while
  /// that is not known.
  double usual() {
    return alone < ENOUGH_ALONE ? 0 : Math.exp(aloneLog);
  }

  /// Whether enough answers that came whole have nothing before them.
  boolean isOftenAlone() {
    return alone >= ENOUGH_ALONE && share > LEAST_SHARE;
  }

  /// An answer came whole before which others were there.
  ///
  /// @param off how far its time is off what is usual, as logarithms above 0: all of it, and that
  ///   since fewer than 1, 2, ... [Ahead#MOST] of those before it were left; NaN where that is
  ///   hardly less
  void beside(double[] off) {
    share -= share / MOST_ALONE;
    for (int n = 1; n < off.length; n++) {
      if (!Double.isNaN(off[n])) {
        wholes[n] = Math.min(wholes[n] + 1, MOST_WHOLES);
        offAll[n] += (Math.min(MOST_OFF, off[0]) - offAll[n]) / wholes[n];
        offSince[n] += (Math.min(MOST_OFF, off[n]) - offSince[n]) / wholes[n];
      }
    }
    int is = knownWhole;
    int best = 0;
    int most = 0;
    for (int n = offAll.length - 1; n > 0; n--) {
      most = Math.max(most, wholes[n]);
      double closer = n == is ? STILL_CLOSER : CLOSER;
      best = wholes[n] >= WHOLES && offSince[n] < closer * offAll[n] ? n : best;
    }
    knownWhole = best;
    untold = best == 0 && most >= WHOLES;
    if (assumed && (untold || (best > 0 && best != known))) {
      assumed = false;
      forget();
    }
  }
}
