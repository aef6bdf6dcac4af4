package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Comparator;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Choosing without sorting the vocabulary, against a twin that sorts it.
class LogitsTest {
  private static int[] sorted(float[] logits, int k) {
    return IntStream.range(0, logits.length)
        .boxed()
        .sorted(
            Comparator.comparingDouble((Integer i) -> logits[i])
                .reversed()
                .thenComparing(Comparator.naturalOrder()))
        .limit(k)
        .mapToInt(Integer::intValue)
        .toArray();
  }

  private static float[] logits(SplittableRandom random, int n, double spread) {
    float[] out = new float[n];
    for (int i = 0; i < n; i++) {
      out[i] = (float) (spread * random.nextGaussian());
    }
    return out;
  }

  @ParameterizedTest
  @CsvSource({"1, 0.1", "7, 1", "1000, 0", "1000, 5", "20000, 3", "20000, 1000"})
  void theLikeliestAreThoseOfAFullSort(int n, double spread) {
    SplittableRandom random = new SplittableRandom(n);
    float[] logits = logits(random, n, spread);
    for (int i = 0; i < n / 10; i++) {
      logits[random.nextInt(n)] = Float.NEGATIVE_INFINITY;
      logits[random.nextInt(n)] = logits[random.nextInt(n)];
    }
    for (int k : List.of(0, 1, 2, 20, 64, 999, n, n + 5)) {
      assertThat(Logits.top(logits, k)).isEqualTo(sorted(logits, k));
    }
  }

  /// What the sampler did before: all tokens in order of their weight.
  private static int drawn(float[] logits, Sampling s, double uniform) {
    int[] ids = sorted(logits, s.topK() <= 0 ? logits.length : s.topK());
    double[] weight = new double[ids.length];
    double total = 0;
    for (int i = 0; i < ids.length; i++) {
      weight[i] = Math.exp((logits[ids[i]] - logits[ids[0]]) / s.temperature());
      total += weight[i];
    }
    double kept = 0;
    int count = 0;
    do {
      kept += weight[count++];
    } while (count < ids.length
        && weight[count] > 0
        && kept < s.topP() * total
        && weight[count] >= s.minP());
    double target = uniform * kept;
    for (int i = 0; i < count; i++) {
      target -= weight[i];
      if (target < 0) {
        return ids[i];
      }
    }
    return ids[count - 1];
  }

  @Test
  void theSampleIsTheOneOfAFullSort() {
    SplittableRandom random = new SplittableRandom(4);
    for (int round = 0; round < 600; round++) {
      int n = 1 + random.nextInt(5000);
      float[] logits = logits(random, n, random.nextBoolean() ? 0.2 : 4);
      Sampling s =
          new Sampling(
              0.1 + 1.9 * random.nextDouble(),
              random.nextBoolean() ? -1 : 2 + random.nextInt(200),
              random.nextBoolean() ? 1 : random.nextDouble(),
              random.nextBoolean() ? 0 : 0.2 * random.nextDouble(),
              round,
              List.of(),
              false);
      double uniform = new SplittableRandom(round).nextDouble();
      assertThat(new Sampler(s, new int[0], new int[0], null).next(logits.clone()))
          .as("%s of %s", s, n)
          .isEqualTo(drawn(logits, s, uniform));
    }
  }
}
