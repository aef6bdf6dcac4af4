package org.infinilm.svc.engine;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// What can be read from the logits of one place, without changing them.
final class Logits {
  /// The logarithm of a probability that is zero, as OpenAI reports it; JSON has no infinity.
  static final double LEAST_LOGPROB = -9999;

  private Logits() {}

  /// The likeliest token; the first of equal ones.
  static int likeliest(float[] logits) {
    int best = 0;
    for (int i = 1; i < logits.length; i++) {
      if (logits[i] > logits[best]) {
        best = i;
      }
    }
    return best;
  }

  /* A logit and its id packed into one long sort as primitives: the float's bits, made to order
  like the number, above the complement of the id. */

  /// The `k` likeliest tokens, the likeliest first, equal ones by id.
  static int[] top(float[] logits, int k) {
    if (k == 0) {
      return new int[0];
    }
    long[] packed = new long[logits.length];
    for (int i = 0; i < logits.length; i++) {
      int bits = Float.floatToIntBits(logits[i]);
      int ordered = bits ^ ((bits >> 31) & 0x7fffffff);
      packed[i] = ((long) ordered << 32) | (~i & 0xffffffffL);
    }
    Arrays.sort(packed);
    int[] ids = new int[Math.min(k, logits.length)];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = ~(int) packed[packed.length - 1 - i];
    }
    return ids;
  }

  /// The logarithm of the sum of the exponentials: a token's log probability is its logit less
  /// this.
  static double logSumExp(float[] logits) {
    double most = logits[likeliest(logits)];
    double sum = 0;
    for (float l : logits) {
      sum += Math.exp(l - most);
    }
    return most + Math.log(sum);
  }

  /// How likely `token` was, and the `k` likeliest beside it.
  static TokenLogprob report(float[] logits, int token, int k) {
    double whole = logSumExp(logits);
    List<TokenLogprob.Alternative> top = new ArrayList<>(k);
    for (int id : top(logits, k)) {
      top.add(new TokenLogprob.Alternative(id, logprob(logits[id], whole)));
    }
    return new TokenLogprob(token, logprob(logits[token], whole), top, 0);
  }

  private static double logprob(float logit, double whole) {
    double p = logit - whole;
    return p > LEAST_LOGPROB ? Math.min(p, 0) : LEAST_LOGPROB;
  }
}
