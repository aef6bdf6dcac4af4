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

  private final Sampling sampling;
  private final SplittableRandom random;
  private final int[] ends;
  private final BitSet isEnd;
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
    this.isEnd = set(ends);
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
    if (!isEnd.get(token)) {
      grammar.accept(token);
    }
    return token;
  }

  private int pick(float[] logits) {
    if (sampling.greedy()) {
      return Logits.likeliest(logits);
    }
    int k = sampling.topK() <= 0 ? logits.length : sampling.topK();
    return draw(Logits.top(logits, k), logits, random.nextDouble());
  }

  private int draw(int[] ids, float[] logits, double uniform) {
    double[] weight = new double[ids.length];
    double total = 0;
    for (int i = 0; i < weight.length; i++) {
      weight[i] = Math.exp((logits[ids[i]] - logits[ids[0]]) / sampling.temperature());
      total += weight[i];
    }
    double kept = 0;
    int count = 0;
    do {
      kept += weight[count++];
    } while (count < weight.length
        && weight[count] > 0
        && kept < sampling.topP() * total
        && weight[count] >= sampling.minP());
    double target = uniform * kept;
    for (int i = 0; i < count; i++) {
      target -= weight[i];
      if (target < 0) {
        return ids[i];
      }
    }
    return ids[count - 1];
  }

  @Override
  public void close() {
    if (grammar != null) {
      grammar.close();
    }
  }
}
