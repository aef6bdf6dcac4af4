package org.infinilm.svc.policy;

import java.util.Arrays;

/// From which size on static instances win, for humans: the cut that explains most of the last
/// decisions of a model. For the learner's thread, but for [#size].
/*
 * A cut is right about a decision when static won and the size is above, or paged won and it is not.
 * The best cut is found over the sorted sizes. It replaces the one that is shown only when it explains
 * GAIN of the decisions more, so that the figure does not flutter. Where it is wrong about nearly as many
 * as it would be to say that one kind always wins, size is not what decides, and no cut is shown.
 */
final class Crossing {
  private static final int MOST = 500;
  private static final int EVERY = 25;
  private static final int ENOUGH = 50;
  private static final double GAIN = 0.02;

  /// Of the decisions that are not as most are a cut explains so large a part before it is shown.
  private static final double TELLS = 0.5;

  /// And so large a part while it is.
  private static final double STILL_TELLS = 0.3;

  /// And so many decisions.
  private static final int FEW = 5;

  private final long[] sizes = new long[MOST];
  private final boolean[] statics = new boolean[MOST];
  private int seen;
  private volatile long size = -1;

  /// The largest size that is better off paged; -1 when there is none that is known: too few
  /// decisions, instances of one kind alone won, or size is not what decides.
  long size() {
    return size;
  }

  /// One was decided.
  void decided(long bytes, boolean wonStatic) {
    sizes[seen % MOST] = bytes;
    statics[seen % MOST] = wonStatic;
    seen = seen == Integer.MAX_VALUE ? MOST : seen + 1;
    if (seen >= ENOUGH && seen % EVERY == 0) {
      look();
    }
  }

  private void look() {
    int n = Math.min(seen, MOST);
    long[] order = new long[n];
    int won = 0;
    for (int k = 0; k < n; k++) {
      order[k] = Math.min(sizes[k], Long.MAX_VALUE >> 1) << 1 | (statics[k] ? 1 : 0);
      won += statics[k] ? 1 : 0;
    }
    if (won == 0 || won == n) {
      size = -1;
      return;
    }
    Arrays.sort(order);
    // all static, then one after the other is below the cut
    int right = won;
    int best = right;
    long cut = 0;
    for (int k = 0; k < n; k++) {
      right += (order[k] & 1) == 0 ? 1 : -1;
      boolean last = k == n - 1 || order[k] >> 1 != order[k + 1] >> 1;
      if (last && right > best) {
        best = right;
        cut = order[k] >> 1;
      }
    }
    int most = Math.max(won, n - won);
    double part = size < 0 ? TELLS : STILL_TELLS;
    if (best - most < Math.max(FEW, part * (n - most))) {
      size = -1;
      return;
    }
    int shown = size < 0 ? -1 : right(order, size);
    if (best - shown > GAIN * n) {
      size = cut;
    }
  }

  private static int right(long[] order, long cut) {
    int right = 0;
    for (long o : order) {
      right += ((o & 1) == 1) == (o >> 1 > cut) ? 1 : 0;
    }
    return right;
  }
}
