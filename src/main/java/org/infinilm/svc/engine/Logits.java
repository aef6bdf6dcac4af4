package org.infinilm.svc.engine;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// What can be read from the logits of one place, without changing them.
final class Logits {
  /// The logarithm of a probability that is zero, as OpenAI reports it; JSON has no infinity.
  static final double LEAST_LOGPROB = -9999;

  private static final int BUCKET_BITS = 14;

  /// Exponents from which on a weight is lost beside one of 1, however many there are.
  private static final double NO_WEIGHT = -60;

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
  like the number, above the complement of the id. Only those that can be among the likeliest are
  packed and sorted: a count by the upper bits of the number says from where on. */

  /// The `k` likeliest tokens, the likeliest first, equal ones by id.
  static int[] top(float[] logits, int k) {
    int wanted = Math.min(k, logits.length);
    if (wanted <= 0) {
      return new int[0];
    }
    int[] counts = new int[1 << BUCKET_BITS];
    for (float l : logits) {
      counts[bucket(l)]++;
    }
    int least = counts.length;
    int enough = 0;
    while (enough < wanted) {
      enough += counts[--least];
    }
    long[] packed = new long[enough];
    int n = 0;
    for (int i = 0; i < logits.length; i++) {
      if (bucket(logits[i]) >= least) {
        packed[n++] = ((long) ordered(logits[i]) << 32) | (~i & 0xffffffffL);
      }
    }
    Arrays.sort(packed);
    int[] ids = new int[wanted];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = ~(int) packed[packed.length - 1 - i];
    }
    return ids;
  }

  private static int ordered(float logit) {
    int bits = Float.floatToIntBits(logit);
    return bits ^ ((bits >> 31) & 0x7fffffff);
  }

  /// Sign, exponent and the first bits of the fraction: larger logits have no smaller one.
  private static int bucket(float logit) {
    return (ordered(logit) ^ 0x80000000) >>> (Integer.SIZE - BUCKET_BITS);
  }

  /// The sum of the weights of all tokens, relative to the likeliest.
  static double weights(float[] logits, float most, double temperature) {
    double sum = 0;
    for (float l : logits) {
      double x = (l - most) / temperature;
      if (x > NO_WEIGHT) {
        sum += Math.exp(x);
      }
    }
    return sum;
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
  ///
  /// @throws IllegalStateException when one of the logits is no number: no token has a probability
  ///   then
  static TokenLogprob report(float[] logits, int token, int k) {
    double whole = logSumExp(logits);
    if (Double.isNaN(whole)) {
      throw new IllegalStateException("the model's logits are no numbers");
    }
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
