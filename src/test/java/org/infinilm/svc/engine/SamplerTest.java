package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.data.Offset.offset;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SamplerTest {
  private static final float[] LOGITS = {0f, 3f, -1f, 2.9f, 1f};

  private static Sampling sampling(double temperature, int topK, double topP, double minP, long s) {
    return new Sampling(temperature, topK, topP, minP, s, List.of(), false);
  }

  private static Set<Integer> drawn(Sampling s, int draws) {
    Sampler sampler = new Sampler(s, new int[0], new int[0], null);
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
    Sampler sampler = new Sampler(sampling(1, 0, 1, 0, 42), new int[0], new int[0], null);
    int[] count = new int[2];
    for (int i = 0; i < 20_000; i++) {
      count[sampler.next(new float[] {0f, (float) Math.log(3)})]++;
    }
    assertThat(count[1] / 20_000.0).isBetween(0.73, 0.77);
  }

  @Test
  void theSameSeedGivesTheSameTokens() {
    Sampler a = new Sampler(sampling(1, 0, 1, 0, 9), new int[0], new int[0], null);
    Sampler b = new Sampler(sampling(1, 0, 1, 0, 9), new int[0], new int[0], null);
    for (int i = 0; i < 100; i++) {
      assertThat(a.next(LOGITS.clone())).isEqualTo(b.next(LOGITS.clone()));
    }
  }

  @Test
  void anIgnoredEndIsNeverChosen() {
    Sampling s = new Sampling(0, 0, 1, 0, 1, List.of(), true);
    assertThat(new Sampler(s, new int[] {1, 3}, new int[0], null).next(LOGITS.clone()))
        .isEqualTo(4);
  }

  private static Sampler with(
      int minTokens, Sampling.Penalties penalties, int logprobs, int[] prompt, Grammar grammar) {
    Sampling s =
        new Sampling(0, 0, 1, 0, 1, List.of(), false, minTokens, penalties, logprobs, grammar + "");
    return new Sampler(s, new int[] {1}, prompt, grammar);
  }

  private static List<Integer> four(Sampler s) {
    return IntStream.range(0, 4).map(i -> s.next(LOGITS.clone())).boxed().toList();
  }

  @Test
  void penaltiesCountWhatWasAnswered() {
    Grammar any = new OneOf(Set.of(0, 1, 2, 3, 4));
    assertThat(four(with(0, new Sampling.Penalties(0.5, 0, 1, Map.of()), -1, new int[0], any)))
        .containsExactly(1, 3, 1, 1);
    assertThat(four(with(0, new Sampling.Penalties(0, 0.5, 1, Map.of()), -1, new int[0], any)))
        .containsExactly(1, 3, 1, 3);
    assertThat(four(with(0, new Sampling.Penalties(0, 1.9, 1, Map.of()), -1, new int[0], any)))
        .containsExactly(1, 3, 1, 3);
    assertThat(four(with(0, new Sampling.Penalties(-2, 0, 1, Map.of()), -1, new int[0], any)))
        .containsExactly(1, 1, 1, 1);
  }

  @Test
  void repetitionCountsThePromptToo() {
    Sampling.Penalties p = new Sampling.Penalties(0, 0, 10, Map.of());
    Grammar any = new OneOf(Set.of(0, 1, 2, 3, 4));
    assertThat(four(with(0, p, -1, new int[] {1}, any))).containsExactly(3, 4, 1, 1);
  }

  @Test
  void biasIsAddedAndEndsComeAfterTheLeastTokens() {
    Grammar any = new OneOf(Set.of(0, 1, 2, 3, 4));
    assertThat(four(with(0, new Sampling.Penalties(0, 0, 1, Map.of(2, 100d)), -1, new int[0], any)))
        .containsExactly(2, 2, 2, 2);
    assertThat(
            four(with(0, new Sampling.Penalties(0, 0, 1, Map.of(1, -100d)), -1, new int[0], any)))
        .containsExactly(3, 3, 3, 3);
    assertThat(four(with(2, Sampling.Penalties.NONE, -1, new int[0], any)))
        .containsExactly(3, 3, 1, 1);
  }

  @Test
  void theReportIsOfTheModelsOwnLogits() {
    Sampler s =
        with(
            0,
            new Sampling.Penalties(0, 0, 1, Map.of(4, 50d)),
            2,
            new int[0],
            new OneOf(Set.of(4)));
    assertThat(s.next(LOGITS.clone())).isEqualTo(4);
    TokenLogprob report = Objects.requireNonNull(s.report());
    double sum = 0;
    for (float l : LOGITS) {
      sum += Math.exp(l);
    }
    assertThat(report.logprob()).isCloseTo(1 - Math.log(sum), offset(1e-6));
    assertThat(report.top()).extracting(TokenLogprob.Alternative::token).containsExactly(1, 3);
    assertThat(report.top().getFirst().logprob()).isCloseTo(3 - Math.log(sum), offset(1e-6));
    assertThat(Logits.report(new float[] {0, Float.NEGATIVE_INFINITY}, 1, 0).logprob())
        .isEqualTo(-9999);
  }

  @Test
  void aGrammarNarrowsTheChoiceAndSeesEveryTokenButTheEnd() {
    OneOf grammar = new OneOf(Set.of(0, 4));
    assertThat(four(with(0, Sampling.Penalties.NONE, -1, new int[0], grammar)))
        .containsExactly(4, 4, 4, 4);
    assertThat(grammar.accepted).containsExactly(4, 4, 4, 4);
    OneOf end = new OneOf(Set.of(1));
    assertThat(four(with(0, Sampling.Penalties.NONE, -1, new int[0], end)))
        .containsExactly(1, 1, 1, 1);
    assertThat(end.accepted).isEmpty();
    assertThat(four(with(0, Sampling.Penalties.NONE, -1, new int[0], new OneOf(Set.of()))))
        .containsOnly(Sampler.NOTHING_FITS);
  }

  @Test
  void aDrawStaysInTheGrammar() {
    Sampling hot = sampling(2, 0, 1, 0, 5);
    Sampler sampler = new Sampler(hot, new int[0], new int[0], new OneOf(Set.of(0, 2)));
    Set<Integer> seen = new TreeSet<>();
    for (int i = 0; i < 500; i++) {
      seen.add(sampler.next(LOGITS.clone()));
    }
    assertThat(seen).containsExactly(0, 2);
  }

  /// Lets the same tokens through at each place.
  private static final class OneOf implements Grammar {
    private final Set<Integer> fitting;
    private final List<Integer> accepted = new ArrayList<>();

    OneOf(Set<Integer> fitting) {
      this.fitting = fitting;
    }

    @Override
    public boolean allows(int token) {
      return fitting.contains(token);
    }

    @Override
    public void filter(float[] logits) {
      for (int i = 0; i < logits.length; i++) {
        logits[i] = fitting.contains(i) ? logits[i] : Float.NEGATIVE_INFINITY;
      }
    }

    @Override
    public void accept(int token) {
      accepted.add(token);
    }

    @Override
    public void close() {}
  }
}
