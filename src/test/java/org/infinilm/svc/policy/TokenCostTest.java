package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SplittableRandom;
import org.infinilm.svc.fleet.Instance;
import org.junit.jupiter.api.Test;

/// A step costs by the longest context, by all contexts and by the answers that it computes: each
/// is told from the others where what was seen tells, and no other is blamed for it.
class TokenCostTest {
  private static final Instance PAGED = Samples.paged("paged", 0);
  private static final Instance OTHER = Samples.paged("other", 1);
  private static final double BASE_NANOS = 30e6;
  private static final double ANSWER_NANOS = 3e6;
  private static final long SHORT = 600;
  private static final long LONG = 14_000;
  private static final long NOW = 1_000_000_000_000L;

  /// What a step costs.
  private interface Truth {
    double nanos(double longest, double total, int answers);
  }

  private static final Truth BY_ANSWERS =
      (longest, total, answers) -> BASE_NANOS + ANSWER_NANOS * answers;
  private static final Truth BY_CONTEXTS =
      (longest, total, answers) -> BASE_NANOS + ANSWER_NANOS * total / SHORT / 4;
  private static final Truth BY_THE_LONGEST =
      (longest, total, answers) -> BASE_NANOS + ANSWER_NANOS * longest / SHORT / 2;

  /// Answers of steps with one to eight of them.
  ///
  /// @param spread of the logarithm of prompts
  /// @param longShare of prompts that are long
  private static void teach(Costs c, Truth truth, double spread, double longShare) {
    Random random = new Random(3);
    for (int k = 0; k < 400; k++) {
      int answers = 1 + random.nextInt(8);
      double longest = 0;
      double total = 0;
      for (int n = 0; n < answers; n++) {
        double context =
            random.nextDouble() < longShare
                ? LONG
                : SHORT * Math.exp(spread * random.nextGaussian());
        longest = Math.max(longest, context);
        total += context;
      }
      double noise = Math.exp(0.1 * random.nextGaussian());
      c.token(PAGED, longest, total, answers, noise * truth.nanos(longest, total, answers), NOW);
      c.prompt(PAGED, SHORT, 40_000.0 * SHORT, NOW);
    }
  }

  private static double foretold(Costs c, double longest, double total, int answers) {
    return c.tokenNanos(longest, total, answers) * c.factor(PAGED.name(), NOW);
  }

  @Test
  void whatAStepCostsByIsToldApart() {
    for (Truth truth : List.of(BY_ANSWERS, BY_CONTEXTS, BY_THE_LONGEST)) {
      Costs c = new Costs();
      teach(c, truth, 0.7, 0.1);
      double[][] steps = {
        {SHORT, SHORT, 1}, {SHORT, 8 * SHORT, 8}, {LONG, LONG, 1}, {LONG, LONG + 7 * SHORT, 8}
      };
      for (double[] s : steps) {
        assertThat(foretold(c, s[0], s[1], (int) s[2]) / truth.nanos(s[0], s[1], (int) s[2]))
            .as("cost %d, %s", List.of(BY_ANSWERS, BY_CONTEXTS).indexOf(truth), List.of(s[0], s[2]))
            .isBetween(0.85, 1.15);
      }
    }
  }

  /// Prompts that are all as long do not say whether their contexts or their number costs: likely
  /// most of it is their number, so a long one is no twenty of them.
  @Test
  void whereAnswersAndContextsAreNotToldApartItIsWhatIsLikely() {
    Costs c = new Costs();
    teach(c, BY_ANSWERS, 0.02, 0);
    assertThat(foretold(c, SHORT, SHORT, 1) / (BASE_NANOS + ANSWER_NANOS)).isBetween(0.9, 1.1);
    assertThat(foretold(c, SHORT, 8 * SHORT, 8) / (BASE_NANOS + 8 * ANSWER_NANOS))
        .isBetween(0.9, 1.1);
    assertThat(foretold(c, LONG, LONG, 1) / (BASE_NANOS + ANSWER_NANOS)).isBetween(0.9, 1.6);
  }

  private static Map<String, Object> file(Costs c) {
    return Samples.asFile(c.remembered(NOW));
  }

  /// A file of a time when the number of answers was not learned from.
  private static Map<String, Object> before(Map<String, Object> file) {
    LeastSquares l = LeastSquares.guess(0.008, 0.001, 0.0002);
    Random random = new Random(4);
    for (int k = 0; k < 200; k++) {
      double n = 1 + random.nextInt(8);
      l = l.after((BASE_NANOS + ANSWER_NANOS * n) / 1e9, 1, SHORT / 4096.0, n * SHORT / 4096.0);
    }
    Map<String, Object> out = new HashMap<>(file);
    out.put("token", Samples.asFile(l.remembered()));
    return out;
  }

  @Test
  void aFileThatSaysNothingOfTheNumberIsReadAndItIsSoonLearned() {
    Costs source = new Costs();
    teach(source, BY_ANSWERS, 0.7, 0.1);
    Costs c = new Costs();
    c.recall(Recalled.of(before(file(source))), NOW);
    assertThat(c.isKnown()).isTrue();
    for (int n : new int[] {1, 4, 8}) {
      assertThat(
              c.tokenNanos(SHORT, (double) (n * SHORT), n)
                  / (BASE_NANOS + (double) n * ANSWER_NANOS))
          .as("%s at once", n)
          .isBetween(0.85, 1.3);
    }
    teach(c, BY_ANSWERS, 0.7, 0.1);
    assertThat(foretold(c, LONG, LONG, 1) / (BASE_NANOS + ANSWER_NANOS)).isBetween(0.85, 1.15);
    assertThat(foretold(c, SHORT, 8 * SHORT, 8) / (BASE_NANOS + 8 * ANSWER_NANOS))
        .isBetween(0.85, 1.15);
  }

  @Test
  void anotherRouterThatSaysNothingOfItIsHeardAndOverrulesNobody() {
    Costs own = new Costs();
    teach(own, BY_ANSWERS, 0.7, 0.1);
    Map<String, Object> told = before(file(own));
    Recalled recalled = Recalled.of(told);
    List<Told> of = List.of(new Told("other", Map.of(), 1, NOW));
    Costs fresh = new Costs();
    fresh.told(List.of(recalled), of, NOW);
    assertThat(fresh.isKnown()).isTrue();
    assertThat(fresh.tokenNanos(SHORT, 4 * SHORT, 4) / (BASE_NANOS + 4 * ANSWER_NANOS))
        .isBetween(0.85, 1.3);
    own.told(List.of(recalled), of, NOW);
    for (int n : new int[] {1, 8}) {
      assertThat(
              foretold(own, SHORT, (double) (n * SHORT), n)
                  / (BASE_NANOS + (double) n * ANSWER_NANOS))
          .as("%s at once", n)
          .isBetween(0.8, 1.25);
    }
  }

  @Test
  void whatIsReadBackIsTheSame() {
    Costs c = new Costs();
    teach(c, BY_ANSWERS, 0.7, 0.1);
    Costs again = new Costs();
    again.recall(Recalled.of(file(c)), NOW);
    for (int n : new int[] {1, 8}) {
      double is = foretold(c, SHORT, (double) (n * SHORT), n);
      assertThat(foretold(again, SHORT, (double) (n * SHORT), n)).isCloseTo(is, within(0.01 * is));
    }
  }

  private static Ask ask(long prompt) {
    return new Ask(4 * prompt, 51_200, prompt + 100, prompt / 3, 0, prompt, 100);
  }

  private static Forecast sent(long longest, long total, int answers) {
    return new Forecast(
        SHORT,
        24e6,
        24e6,
        33e6,
        true,
        false,
        0,
        longest,
        total,
        answers,
        0.1,
        0,
        0.1,
        true,
        Forecast.Mode.COLD,
        null,
        false,
        "",
        false,
        List.of());
  }

  /// One of whom it was seen that the number of answers costs, and their contexts do not.
  private static Adaptive taught() {
    Adaptive p = new Adaptive(Objective.DEFAULT);
    Random random = new Random(5);
    for (int k = 0; k < 300; k++) {
      int answers = 1 + random.nextInt(8);
      boolean beside = random.nextInt(3) == 0;
      long prompt = SHORT + random.nextInt(100);
      long longest = beside && answers > 1 ? LONG : prompt;
      long first = NOW + prompt * 40_000;
      p.settled(
          new Facts(
              k % 2 == 0 ? PAGED : OTHER,
              "m",
              4 * prompt,
              NOW,
              first,
              first + 99 * (long) BY_ANSWERS.nanos(0, 0, answers),
              100,
              1000,
              new Facts.Usage(prompt, 100, 0),
              true,
              true,
              ask(prompt),
              sent(longest, longest + (answers - 1) * SHORT, answers),
              0,
              0,
              0,
              null,
              false));
    }
    return p;
  }

  private record Going(long promptTokens, long dispatchNanos) implements Flight {
    @Override
    public long maxTokens() {
      return 0;
    }

    @Override
    public long tokens() {
      return 10;
    }

    @Override
    public long firstNanos() {
      return dispatchNanos + 100_000_000;
    }
  }

  @Test
  void anAnswerIsExpectedToTakeWhatTheNumberThereMakesOfIt() {
    Adaptive p = taught();
    Samples.Desk desk = new Samples.Desk(NOW + 60_000_000_000L);
    for (int k = 0; k < 7; k++) {
      desk.add(PAGED.slot(), new Going(SHORT, desk.nowNanos() - 300_000_000L));
    }
    desk.add(OTHER.slot(), new Going(LONG, desk.nowNanos() - 300_000_000L));
    Choice.Send s =
        (Choice.Send)
            p.choose(ask(SHORT), Samples.among(PAGED, OTHER), desk, new SplittableRandom(1));
    assertThat(s.instance()).isEqualTo(OTHER);
    assertThat(s.forecast().sequences()).isEqualTo(2);
    List<Forecast.Part> parts = s.forecast().parts();
    assertThat(parts).hasSize(2);
    for (Forecast.Part part : parts) {
      int answers = part.instance().equals(PAGED.name()) ? 8 : 2;
      assertThat(part.tokenNanos() / BY_ANSWERS.nanos(0, 0, answers))
          .as(part.instance())
          .isBetween(0.85, 1.15);
    }
  }
}
