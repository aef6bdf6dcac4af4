package org.infinilm.svc.engine;

import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/// Chooses the next token from its logits: bias and penalties, then top-k, then temperature, then
/// top-p, then min-p, then a draw, within the grammar when there is one; the same seed and logits
/// give the same tokens. One thread.
final class Sampler implements AutoCloseable {
  /// What [#next] gives when no token fits the grammar.
  static final int NOTHING_FITS = -1;

  private static final int NOT_AMONG_THESE = -2;
  private static final int FIRST_LOOK = 64;
  private static final int WIDER = 16;

  private final Sampling sampling;
  private final SplittableRandom random;
  private final int[] ends;
  private final @Nullable Grammar grammar;
  private final Map<Integer, Integer> answered = new HashMap<>();
  private final BitSet repeated;
  private int produced;
  private @Nullable TokenLogprob report;

  /// @param ends the model's end tokens
  /// @param prompt the prompt's tokens
  /// @param grammar freed with this sampler
  Sampler(Sampling sampling, int[] ends, int[] prompt, @Nullable Grammar grammar) {
    this.sampling = sampling;
    this.random = new SplittableRandom(sampling.seed());
    this.ends = ends.clone();
    this.grammar = grammar;
    this.repeated = sampling.penalties().repetition() == 1 ? new BitSet() : set(prompt);
  }

  private static BitSet set(int[] tokens) {
    BitSet s = new BitSet();
    for (int t : tokens) {
      s.set(t);
    }
    return s;
  }

  /// The next token, or [#NOTHING_FITS]; `logits` may be changed.
  int next(float[] logits) {
    float @Nullable [] raw = sampling.logprobs() < 0 ? null : logits.clone();
    adjust(logits);
    int token = choose(logits);
    if (token == NOTHING_FITS) {
      return token;
    }
    produced++;
    answered.merge(token, 1, Integer::sum);
    report = raw == null ? null : Logits.report(raw, token, sampling.logprobs());
    return token;
  }

  /// How likely the last token was, when the request asks for that.
  @Nullable TokenLogprob report() {
    return report;
  }

  private void adjust(float[] logits) {
    Sampling.Penalties p = sampling.penalties();
    p.bias().forEach((token, bias) -> logits[token] += bias.floatValue());
    if (p.repetition() != 1) {
      answered.keySet().forEach(repeated::set);
      for (int t = repeated.nextSetBit(0); t >= 0; t = repeated.nextSetBit(t + 1)) {
        logits[t] *= (float) (logits[t] > 0 ? 1 / p.repetition() : p.repetition());
      }
    }
    if (p.presence() != 0 || p.frequency() != 0) {
      answered.forEach(
          (token, times) -> logits[token] -= (float) (p.presence() + p.frequency() * times));
    }
    if (sampling.ignoreEnd() || produced < sampling.minTokens()) {
      for (int end : ends) {
        logits[end] = Float.NEGATIVE_INFINITY;
      }
    }
  }

  /* Most tokens fit: the free choice is tried first, and only when it does not fit the whole
  vocabulary is compared with the grammar and a second choice made among what is left. */
  private int choose(float[] logits) {
    int token = pick(logits);
    if (grammar == null) {
      return token;
    }
    if (!grammar.allows(token)) {
      grammar.filter(logits);
      token = pick(logits);
      if (logits[token] == Float.NEGATIVE_INFINITY || !grammar.allows(token)) {
        return NOTHING_FITS;
      }
    }
    if (!isEnd(token)) {
      grammar.accept(token);
    }
    return token;
  }

  private boolean isEnd(int token) {
    for (int end : ends) {
      if (end == token) {
        return true;
      }
    }
    return false;
  }

  private int pick(float[] logits) {
    if (sampling.greedy()) {
      return Logits.likeliest(logits);
    }
    double uniform = random.nextDouble();
    int k = sampling.topK();
    if (k > 0 && k < logits.length) {
      int[] ids = Logits.top(logits, k);
      double total = 0;
      for (int id : ids) {
        total += weight(logits, id, ids[0]);
      }
      return draw(ids, logits, total, uniform);
    }
    /* Of all tokens a few usually carry the draw: the likeliest are looked at first, more only when
    they do not suffice. */
    int likeliest = Logits.likeliest(logits);
    double total = Logits.weights(logits, logits[likeliest], sampling.temperature());
    int token = NOT_AMONG_THESE;
    for (int n = FIRST_LOOK; token == NOT_AMONG_THESE; n *= WIDER) {
      token = draw(Logits.top(logits, n), logits, total, uniform);
    }
    return token;
  }

  private double weight(float[] logits, int id, int likeliest) {
    return Math.exp((logits[id] - logits[likeliest]) / sampling.temperature());
  }

  /// One of these tokens, or [#NOT_AMONG_THESE] when they are not all and the draw may be another.
  ///
  /// @param ids the likeliest tokens, in order
  /// @param total the weight of all tokens that may be chosen from
  private int draw(int[] ids, float[] logits, double total, double uniform) {
    boolean all = ids.length == logits.length || ids.length == sampling.topK();
    boolean narrowed = sampling.topP() < 1 || sampling.minP() > 0;
    double[] weight = new double[ids.length];
    for (int i = 0; i < weight.length; i++) {
      weight[i] = weight(logits, ids[i], ids[0]);
    }
    double kept = 0;
    int count = 0;
    do {
      kept += weight[count++];
    } while (count < weight.length
        && weight[count] > 0
        && kept < sampling.topP() * total
        && weight[count] >= sampling.minP());
    boolean open = count == weight.length && !all && kept < sampling.topP() * total;
    if (open && narrowed) {
      return NOT_AMONG_THESE;
    }
    double target = uniform * (open ? total : kept);
    for (int i = 0; i < count; i++) {
      target -= weight[i];
      if (target < 0) {
        return ids[i];
      }
    }
    return open ? NOT_AMONG_THESE : ids[count - 1];
  }

  @Override
  public void close() {
    if (grammar != null) {
      grammar.close();
    }
  }
}
