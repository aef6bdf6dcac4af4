package org.infinilm.svc.engine;

import java.util.SplittableRandom;

/// Chooses the next token from its logits: top-k, then temperature, then top-p, then min-p, then a
/// draw; the same seed and logits give the same tokens. One thread.
final class Sampler {
  private final Sampling sampling;
  private final SplittableRandom random;
  private final int[] ends;

  /// @param ends tokens that are never chosen when the request ignores the end
  Sampler(Sampling sampling, int[] ends) {
    this.sampling = sampling;
    this.random = new SplittableRandom(sampling.seed());
    this.ends = sampling.ignoreEnd() ? ends : new int[0];
  }

  /// The next token; `logits` may be changed.
  int next(float[] logits) {
    for (int end : ends) {
      logits[end] = Float.NEGATIVE_INFINITY;
    }
    if (sampling.greedy()) {
      return likeliest(logits);
    }
    int k = sampling.topK() <= 0 ? logits.length : Math.min(sampling.topK(), logits.length);
    Candidates best = Candidates.top(logits, k);
    return best.draw(sampling, random.nextDouble());
  }

  private static int likeliest(float[] logits) {
    int best = 0;
    for (int i = 1; i < logits.length; i++) {
      if (logits[i] > logits[best]) {
        best = i;
      }
    }
    return best;
  }

  /// Tokens in falling order of their logits, ties by id.
  private record Candidates(int[] ids, float[] logits) {
    /* A logit and its id packed into one long sort as primitives: the float's bits, made to order
    like the number, above the complement of the id. */
    static Candidates top(float[] all, int k) {
      long[] packed = new long[all.length];
      for (int i = 0; i < all.length; i++) {
        int bits = Float.floatToIntBits(all[i]);
        int ordered = bits ^ ((bits >> 31) & 0x7fffffff);
        packed[i] = ((long) ordered << 32) | (~i & 0xffffffffL);
      }
      java.util.Arrays.sort(packed);
      int[] ids = new int[k];
      float[] logits = new float[k];
      for (int i = 0; i < k; i++) {
        ids[i] = ~(int) packed[packed.length - 1 - i];
        logits[i] = all[ids[i]];
      }
      return new Candidates(ids, logits);
    }

    int draw(Sampling s, double uniform) {
      double[] weight = new double[ids.length];
      double total = 0;
      for (int i = 0; i < weight.length; i++) {
        weight[i] = Math.exp((logits[i] - logits[0]) / s.temperature());
        total += weight[i];
      }
      double kept = 0;
      int count = 0;
      do {
        kept += weight[count++];
      } while (count < weight.length && kept < s.topP() * total && weight[count] >= s.minP());
      double target = uniform * kept;
      for (int i = 0; i < count; i++) {
        target -= weight[i];
        if (target < 0) {
          return ids[i];
        }
      }
      return ids[count - 1];
    }
  }
}
