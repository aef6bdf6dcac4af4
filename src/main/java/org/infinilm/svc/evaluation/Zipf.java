package org.infinilm.svc.evaluation;

import java.util.Arrays;

/// Ranks of which the k-th comes in proportion to k to the minus 0.9. Immutable.
final class Zipf {
  /// 50,000 of them: the first has 4 % of all, the first hundred 26 %.
  static final Zipf SESSIONS = new Zipf(50_000, 0.9);

  private final double[] cumulative;

  Zipf(int ranks, double exponent) {
    cumulative = new double[ranks];
    double sum = 0;
    for (int k = 0; k < ranks; k++) {
      sum += Math.pow(k + 1, -exponent);
      cumulative[k] = sum;
    }
  }

  /// The rank, from 1 on, at a share of 0..1.
  int rank(double share) {
    int at = Arrays.binarySearch(cumulative, share * cumulative[cumulative.length - 1]);
    return 1 + Math.min(at < 0 ? -at - 1 : at, cumulative.length - 1);
  }
}
