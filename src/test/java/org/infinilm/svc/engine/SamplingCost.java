package org.infinilm.svc.engine;

import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/// Time of choosing one token, by the size of the vocabulary and what the request asks for: median
/// and 99th percentile in milliseconds of 300 draws after as many to warm up.
///
///     java -XX:TieredStopAtLevel=1 -cp 'target/classes:target/test-classes:target/lib/*' \
///       org.infinilm.svc.engine.SamplingCost
final class SamplingCost {
  private static final int DRAWS = 300;

  /// Some vocabularies: the bundled model's, Llama 3's, Qwen's and Gemma's.
  private static final int[] VOCABULARIES = {16_587, 128_256, 151_936, 262_144};

  private record Kind(String name, Sampling sampling) {}

  private static Sampling sampling(double temperature, int topK, double topP, int logprobs) {
    return new Sampling(
        temperature,
        topK,
        topP,
        0,
        1,
        List.of(),
        false,
        0,
        Sampling.Penalties.NONE,
        logprobs,
        null);
  }

  private static final List<Kind> KINDS =
      List.of(
          new Kind("greedy", sampling(0, 0, 1, -1)),
          new Kind("all tokens", sampling(1, 0, 1, -1)),
          new Kind("top_p 0.9", sampling(1, 0, 0.9, -1)),
          new Kind("top_k 40", sampling(1, 40, 1, -1)),
          new Kind("greedy, 20 logprobs", sampling(0, 0, 1, 20)));

  private SamplingCost() {}

  public static void main(String[] args) {
    System.out.println("vocabulary, kind: median, 99th percentile in ms");
    for (int n : VOCABULARIES) {
      for (Kind kind : KINDS) {
        measure(n, kind);
      }
    }
  }

  /// Logits as models have them: a bell far below a few that count.
  private static float[] logits(SplittableRandom random, int n) {
    float[] out = new float[n];
    for (int i = 0; i < n; i++) {
      out[i] = (float) (2.5 * random.nextGaussian());
    }
    for (int i = 0; i < 20; i++) {
      out[random.nextInt(n)] = (float) (14 + 2 * random.nextGaussian());
    }
    return out;
  }

  private static void measure(int n, Kind kind) {
    SplittableRandom random = new SplittableRandom(n);
    float[][] all = new float[8][];
    Arrays.setAll(all, i -> logits(random, n));
    float[] into = new float[n];
    Sampler sampler = new Sampler(kind.sampling(), new int[] {2}, new int[0], null);
    double[] millis = new double[DRAWS];
    long sum = 0;
    for (int i = -DRAWS; i < DRAWS; i++) {
      System.arraycopy(all[Math.floorMod(i, all.length)], 0, into, 0, n);
      long start = System.nanoTime();
      sum += sampler.next(into);
      if (i >= 0) {
        millis[i] = (System.nanoTime() - start) / 1e6;
      }
    }
    Arrays.sort(millis);
    System.out.printf(
        "%d, %s: %.3f, %.3f%s%n",
        n,
        kind.name(),
        millis[DRAWS / 2],
        millis[DRAWS * 99 / 100],
        sum == 0 ? " (always the first)" : "");
  }
}
