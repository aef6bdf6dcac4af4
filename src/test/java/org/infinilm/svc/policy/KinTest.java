package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.junit.jupiter.api.Test;

/// Several models on the same instances: adapters of one, and small and large ones.
class KinTest {
  private static final double PROMPT_NANOS = 30_000;
  private static final double TOKEN_NANOS = 7e6;
  private static final int MANY = 300;
  private static final List<String> NAMES =
      IntStream.range(0, MANY).mapToObj(k -> "adapter-" + k).toList();

  private static final Instance PAGED = serving("a", CacheType.PAGED, 0, NAMES);
  private static final Instance STATIC = serving("b", CacheType.STATIC, 1, NAMES);
  private static final Instance ALONE = serving("c", CacheType.PAGED, 2, List.of("other"));

  private final Adaptive policy = new Adaptive(Objective.DEFAULT);
  private final Random random = new Random(5);
  private long now = 1_000_000_000L;

  /// Tokens of an answer, and so many more at most.
  private long least = 100;

  private int most = 300;

  private long between = 1_000_000L;

  private static Instance serving(String name, CacheType type, int slot, List<String> models) {
    return new Instance(
        name,
        "h",
        1,
        "http://" + name + ":1",
        models,
        type,
        Instance.UNKNOWN,
        1,
        Instance.State.ROUTABLE,
        slot,
        Map.of());
  }

  private static Ask ask(long prompt) {
    return new Ask(4 * prompt, 51_200, prompt, prompt / 3, 0, prompt, 0);
  }

  private void answered(Instance i, String model, double factor) {
    answered(policy, i, model, factor);
  }

  private void answered(Adaptive policy, Instance i, String model, double factor) {
    long prompt = 100L + random.nextInt(8000);
    long tokens = least + random.nextInt(most);
    now += between;
    long first = now + (long) (factor * prompt * PROMPT_NANOS);
    policy.settled(
        new Facts(
            i,
            model,
            4 * prompt,
            now,
            first,
            first + (long) (factor * (tokens - 1) * TOKEN_NANOS),
            (int) tokens,
            1000,
            new Facts.Usage(prompt, tokens, 0),
            true,
            true,
            ask(prompt),
            new Forecast(prompt, 1, 1, 1, true, prompt, prompt, 0.1, 0.1, true),
            0,
            0,
            0,
            null,
            false));
  }

  /// What a prompt of 2,000 tokens is foretold to take.
  private double nanos(String model, Instance i) {
    return policy.foretell(ask(2000), model, i, new Samples.Desk(now)).prefillNanos();
  }

  private Reason why(String model, Instance... among) {
    Choice c =
        policy.choose(
            ask(500),
            Candidates.of(model, List.of(among)),
            new Samples.Desk(now),
            new SplittableRandom(1));
    return ((Choice.Send) c).why();
  }

  /// Each of them alone would be cold for ever.
  @Test
  void whatOneAdapterHasNotShownOthersHave() {
    for (int k = 0; k < 80; k++) {
      answered(k % 2 == 0 ? PAGED : STATIC, NAMES.get(k), 1);
    }
    assertThat(why("adapter-299", PAGED, STATIC)).isEqualTo(Reason.LEARNED);
    Forecast f = policy.foretell(ask(4000), "adapter-299", PAGED, new Samples.Desk(now));
    assertThat(f.prefillNanos() / (4000 * PROMPT_NANOS)).isBetween(0.8, 1.25);
    assertThat(f.tokenNanos() / TOKEN_NANOS).isBetween(0.8, 1.25);
    assertThat(policy.insights(now))
        .filteredOn(i -> i.model().equals("adapter-299"))
        .extracting(Insight::mode)
        .containsExactly(Forecast.Mode.LEARNED);
  }

  /// As those of classifiers are: of tokens nothing is learned.
  @Test
  void answersOfAFewTokensAreAlikeToo() {
    least = 3;
    most = 5;
    for (int k = 0; k < 80; k++) {
      answered(k % 2 == 0 ? PAGED : STATIC, NAMES.get(k), 1);
    }
    assertThat(why("adapter-299", PAGED, STATIC)).isEqualTo(Reason.LEARNED);
  }

  /// A slow one is slow for each of them.
  @Test
  void theSpeedOfAnInstanceIsThatOfAll() {
    for (int k = 0; k < 120; k++) {
      answered(PAGED, NAMES.get(k), 1);
      answered(PAGED, NAMES.get(k), 1);
      answered(STATIC, NAMES.get(k), 4);
    }
    assertThat(nanos("adapter-200", STATIC) / nanos("adapter-200", PAGED)).isGreaterThan(2.5);
  }

  /// Each of a few is known itself, and yet sees little of what becomes of an instance.
  @Test
  void whatBecomesOfAnInstanceOneOfManyNeedNotSeeItself() {
    for (int k = 0; k < 8 * 60; k++) {
      answered(PAGED, NAMES.get(k % 8), 1);
      answered(STATIC, NAMES.get(k % 8), 1);
    }
    for (int k = 0; k < 70; k++) {
      answered(PAGED, NAMES.get(1 + k % 7), 1);
      answered(STATIC, NAMES.get(1 + k % 7), 8);
    }
    assertThat(nanos("adapter-0", STATIC) / nanos("adapter-0", PAGED)).isGreaterThan(4);
  }

  /// What only one of them has of its own is known by that one's answers.
  @Test
  void whatOneOfThemHasOfItsOwnIsSeenToo() {
    Instance own = serving("own", CacheType.STATIC, 3, List.of(NAMES.get(0)));
    for (int k = 0; k < 400; k++) {
      answered(PAGED, NAMES.get(1 + k % 5), 1);
      answered(k % 2 == 0 ? PAGED : own, NAMES.get(0), k % 2 == 0 ? 1 : 6);
    }
    assertThat(beside(NAMES.get(0), own)).isGreaterThan(3);
  }

  /// How many times as long as on the paged one a prompt is foretold to take there, as they are
  /// compared.
  private double beside(String model, Instance there) {
    Choice.Send c =
        Samples.send(
            policy, ask(500), Candidates.of(model, List.of(PAGED, there)), new Samples.Desk(now));
    assertThat(c.instance()).isEqualTo(PAGED);
    Map<String, Double> nanos = new HashMap<>();
    c.forecast().parts().forEach(p -> nanos.put(p.instance(), p.prefillNanos()));
    return nanos.get(there.name()) / nanos.get(PAGED.name());
  }

  /// One that most requests are for knows what it costs better than all together.
  @Test
  void whoHasShownMostStandsAlone() {
    for (int k = 0; k < 200; k++) {
      answered(PAGED, "adapter-0", 1);
      answered(PAGED, NAMES.get(1 + k % 4), k % 4 == 0 ? 1.4 : 1);
    }
    for (int k = 0; k < 300; k++) {
      answered(PAGED, "adapter-0", 1);
    }
    Forecast f = policy.foretell(ask(4000), "adapter-0", PAGED, new Samples.Desk(now));
    assertThat(f.prefillNanos() / (4000 * PROMPT_NANOS)).isBetween(0.95, 1.05);
  }

  /// It was asked often once, and hardly is any more: what the others see now counts.
  @Test
  void whoIsSeldomAskedAnyMoreDoesNotStandAlone() {
    for (int k = 0; k < 1500; k++) {
      answered(PAGED, "adapter-0", 1);
      answered(STATIC, "adapter-0", 1);
    }
    between = 1_000_000_000L;
    for (int k = 0; k < 1200; k++) {
      answered(PAGED, NAMES.get(1 + k % 4), 1);
      answered(STATIC, NAMES.get(1 + k % 4), 1);
    }
    for (int k = 0; k < 60; k++) {
      answered(STATIC, NAMES.get(1 + k % 4), 5);
    }
    assertThat(nanos("adapter-0", STATIC) / nanos("adapter-0", PAGED)).isGreaterThan(3);
  }

  /// After a restart what is known of a model from before is not put aside by the first few answers
  /// of all together.
  @Test
  void whatAFileSaysOfAModelIsNotPutAsideByAFewAnswersOfAll() {
    Instance slow = serving("slow", CacheType.PAGED, 4, NAMES);
    Adaptive before = new Adaptive(Objective.DEFAULT);
    for (int k = 0; k < 200; k++) {
      answered(before, PAGED, "adapter-0", 1);
      answered(before, slow, "adapter-0", 6);
    }
    policy.recall(Samples.asFile(before.remembered(now)), now);
    for (int k = 0; k < 60; k++) {
      answered(PAGED, NAMES.get(1 + k % 5), 1);
    }
    assertThat(beside("adapter-0", slow)).isGreaterThan(3);
  }

  /// Small and large ones, each known: none is taken for the middle of all.
  @Test
  void whoCostsOtherwiseStandsAlone() {
    for (int k = 0; k < 8 * 80; k++) {
      answered(PAGED, NAMES.get(k % 8), k % 8 < 4 ? 1 : 6);
    }
    assertThat(nanos("adapter-7", PAGED) / nanos("adapter-0", PAGED)).isGreaterThan(3);
  }

  @Test
  void whoServesNoneOfThemHasNoKin() {
    for (int k = 0; k < 80; k++) {
      answered(PAGED, NAMES.get(k), 1);
    }
    assertThat(why("other", ALONE)).isEqualTo(Reason.SIZE);
  }

  /// A server that loads what is asked for: what both cost together is right for none.
  @Test
  void whatCostsUnlikeThingsIsNoKin() {
    for (int k = 0; k < 200; k++) {
      answered(PAGED, NAMES.get(k % 28), k % 2 == 0 ? 1 : 12);
    }
    assertThat(why("adapter-299", PAGED, STATIC)).isEqualTo(Reason.SIZE);
  }
}
