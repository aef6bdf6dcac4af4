package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class SamplerTest {
  private static final float[] LOGITS = {0f, 3f, -1f, 2.9f, 1f};

  private static Sampling sampling(double temperature, int topK, double topP, double minP, long s) {
    return new Sampling(temperature, topK, topP, minP, s, List.of(), false);
  }

  private static Set<Integer> drawn(Sampling s, int draws) {
    Sampler sampler = new Sampler(s, new int[0]);
    Set<Integer> seen = new TreeSet<>();
    for (int i = 0; i < draws; i++) {
      seen.add(sampler.next(LOGITS.clone()));
    }
    return seen;
  }

  @Test
  void greedyTakesTheLikeliest() {
    assertThat(drawn(sampling(0, 0, 1, 0, 1), 20)).containsExactly(1);
    assertThat(drawn(sampling(2, 1, 1, 0, 1), 20)).containsExactly(1);
  }

  @Test
  void topKAndTopPAndMinPNarrowTheChoice() {
    assertThat(drawn(sampling(1, 2, 1, 0, 1), 500)).containsExactly(1, 3);
    assertThat(drawn(sampling(1, 0, 0.6, 0, 1), 500)).containsExactly(1, 3);
    assertThat(drawn(sampling(1, 0, 0, 0, 1), 500)).containsExactly(1);
    assertThat(drawn(sampling(1, 0, 1, 0.1, 1), 500)).containsExactly(1, 3, 4);
    assertThat(drawn(sampling(2, -1, 1, 0, 1), 2000)).containsExactly(0, 1, 2, 3, 4);
    assertThat(drawn(sampling(0.01, 0, 1, 0, 1), 500)).containsExactly(1);
  }

  @Test
  void frequenciesFollowTheLogits() {
    Sampler sampler = new Sampler(sampling(1, 0, 1, 0, 42), new int[0]);
    int[] count = new int[2];
    for (int i = 0; i < 20_000; i++) {
      count[sampler.next(new float[] {0f, (float) Math.log(3)})]++;
    }
    assertThat(count[1] / 20_000.0).isBetween(0.73, 0.77);
  }

  @Test
  void theSameSeedGivesTheSameTokens() {
    Sampler a = new Sampler(sampling(1, 0, 1, 0, 9), new int[0]);
    Sampler b = new Sampler(sampling(1, 0, 1, 0, 9), new int[0]);
    for (int i = 0; i < 100; i++) {
      assertThat(a.next(LOGITS.clone())).isEqualTo(b.next(LOGITS.clone()));
    }
  }

  @Test
  void anIgnoredEndIsNeverChosen() {
    Sampling s = new Sampling(0, 0, 1, 0, 1, List.of(), true);
    assertThat(new Sampler(s, new int[] {1, 3}).next(LOGITS.clone())).isEqualTo(4);
  }
}
