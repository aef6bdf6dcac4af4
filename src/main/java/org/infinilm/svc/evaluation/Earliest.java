package org.infinilm.svc.evaluation;

import java.util.Arrays;

/// Which of many comes next: a winner tree over their times, the first of equals. A change costs
/// the logarithm of their number. One owner.
final class Earliest {
  private final int leaves;
  private final double[] times;
  private final int[] winner;

  Earliest(int number) {
    this.leaves = Math.max(2, Integer.highestOneBit(Math.max(1, number - 1)) << 1);
    this.times = new double[leaves];
    Arrays.fill(times, Double.POSITIVE_INFINITY);
    this.winner = new int[2 * leaves];
    for (int k = 0; k < leaves; k++) {
      winner[leaves + k] = k;
    }
    for (int k = leaves - 1; k > 0; k--) {
      winner[k] = winner[2 * k];
    }
  }

  void set(int at, double time) {
    times[at] = time;
    for (int k = (leaves + at) >> 1; k > 0; k >>= 1) {
      int left = winner[2 * k];
      int right = winner[2 * k + 1];
      winner[k] = times[right] < times[left] ? right : left;
    }
  }

  int first() {
    return winner[1];
  }

  double time(int at) {
    return times[at];
  }
}
