package org.infinilm.svc.fleet;

import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;

/// Draws among instances, each as often as its weight says. Immutable; a draw is a binary search.
public final class Weights {
  private final long[] upTo;

  Weights(List<Instance> of) {
    upTo = new long[of.size()];
    long sum = 0;
    for (int k = 0; k < upTo.length; k++) {
      sum += of.get(k).weight();
      upTo[k] = sum;
    }
  }

  /// The index of one of them, of at least one; evenly when none has a weight.
  public int draw(RandomGenerator random) {
    long sum = upTo[upTo.length - 1];
    if (sum == 0) {
      return random.nextInt(upTo.length);
    }
    long point = random.nextLong(sum);
    int at = Arrays.binarySearch(upTo, point + 1);
    if (at < 0) {
      return -at - 1;
    }
    while (at > 0 && upTo[at - 1] == upTo[at]) {
      at--;
    }
    return at;
  }
}
