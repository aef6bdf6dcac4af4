package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.SplittableRandom;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.junit.jupiter.api.Test;

/// The learned policy without a fleet: taught by facts of known costs, asked about loads of our
/// own.
class AdaptiveTest {
  private static final double PROMPT_NANOS = 30_000;
  private static final double TOKEN_NANOS = 7e6;
  private static final Objective OBJECTIVE = new Objective(2e9, 20e6);

  /// Requests in flight by slot.
  private static final class Desk extends Samples.Desk {
    Desk() {
      super(1_000_000_000_000L);
    }

    /// One that was sent `ago` and has so many tokens, none for one that waits.
    void add(int slot, long promptTokens, long tokens, long ago) {
      add(slot, new Sent(promptTokens, tokens, now - ago, tokens == 0 ? 0 : now - ago / 2));
    }
  }

  private record Sent(long promptTokens, long tokens, long dispatchNanos, long firstNanos)
      implements Flight {
    @Override
    public long maxTokens() {
      return 0;
    }
  }

  private static Ask ask(long prompt, long max, long affinity) {
    return new Ask(4 * prompt, 51_200, prompt + max, prompt / 3, affinity, prompt, max);
  }

  private static Choice choose(Adaptive p, Ask a, Candidates c, Load l) {
    return p.choose(a, c, l, new SplittableRandom(1));
  }

  private static Instance sentTo(Choice c) {
    assertThat(c).isInstanceOf(Choice.Send.class);
    return ((Choice.Send) c).instance();
  }

  /// Teaches that an instance takes `factor` times the usual.
  private static void teach(Adaptive p, Instance i, int answers, double factor, long from) {
    Random random = new Random(7);
    for (int k = 0; k < answers; k++) {
      long prompt = 100L + random.nextInt(8000);
      long tokens = 100L + random.nextInt(300);
      long sent = from + k * 1_000_000L;
      long first = sent + (long) (factor * prompt * PROMPT_NANOS);
      long last = first + (long) (factor * (tokens - 1) * TOKEN_NANOS);
      p.settled(
          new Facts(
              i,
              "m",
              4 * prompt,
              sent,
              first,
              last,
              (int) tokens,
              1000,
              new Facts.Usage(prompt, tokens, 0),
              true,
              true,
              ask(prompt, 0, 0),
              new Forecast(prompt, 1, 1, 1, true, prompt, prompt, 0.1, 0.1, true),
              0,
              0,
              0,
              null,
              false));
    }
  }

  private static final Instance PAGED = Samples.instance("a-paged", CacheType.PAGED, 131_072, 1, 0);
  private static final Instance OTHER = Samples.instance("b-paged", CacheType.PAGED, 131_072, 1, 1);
  private static final Instance STATIC =
      Samples.instance("c-static", CacheType.STATIC, 16_384, 1, 2);
  private static final Candidates ALL = Samples.among(PAGED, OTHER, STATIC);

  private static Adaptive taught() {
    Adaptive p = new Adaptive(OBJECTIVE);
    teach(p, PAGED, 60, 1, 1_000_000_000L);
    teach(p, OTHER, 60, 1, 1_000_000_000L);
    teach(p, STATIC, 60, 1, 1_000_000_000L);
    return p;
  }

  @Test
  void untilCostsAreKnownTheFixedRuleDecides() {
    Adaptive p = new Adaptive(OBJECTIVE);
    CacheTypePolicy rule = new CacheTypePolicy(false);
    Random random = new Random(3);
    for (int k = 0; k < 200; k++) {
      Ask a = ask(1 + random.nextInt(15_000), 100, 0);
      assertThat(sentTo(choose(p, a, ALL, new Desk())))
          .isEqualTo(sentTo(rule.choose(a, ALL, new Desk(), new SplittableRandom(1))));
    }
    teach(p, PAGED, 29, 1, 1_000_000_000L);
    assertThat(((Choice.Send) choose(p, ask(10, 10, 0), ALL, new Desk())).why())
        .isEqualTo(Reason.SIZE);
    teach(p, PAGED, 1, 1, 2_000_000_000L);
    assertThat(((Choice.Send) choose(p, ask(10, 10, 0), ALL, new Desk())).why())
        .isEqualTo(Reason.LEARNED);
  }

  /// It was in line itself, and has the next place: those that still stand there are behind it.
  @Test
  void whoHasItsPlaceIsNotForetoldTheLineBehindIt() {
    Adaptive p = taught();
    Samples.Desk busy =
        new Samples.Desk(1_000_000_000_000L) {
          @Override
          public int waiting(int slot) {
            return 6;
          }
        };
    Ask waited = ask(500, 0, 0).waited(3_000_000_000L);
    double first = p.foretell(waited, "m", STATIC, busy).firstNanos();
    assertThat(first).isEqualTo(p.foretell(waited, "m", STATIC, new Desk()).firstNanos());
  }

  @Test
  void aLongPromptDoesNotStallAnswersWhileAnotherPlaceIsIdle() {
    Adaptive p = taught();
    Desk desk = new Desk();
    for (int k = 0; k < 4; k++) {
      desk.add(0, 1000, 20, 400_000_000);
      desk.add(1, 1000, 20, 400_000_000);
    }
    assertThat(sentTo(choose(p, ask(10_000, 100, 0), ALL, desk))).isEqualTo(STATIC);
  }

  @Test
  void aShortOneDoesNotWaitBehindAStaticInstancesAnswers() {
    Adaptive p = taught();
    Desk desk = new Desk();
    desk.add(2, 3000, 5, 300_000_000);
    desk.add(2, 3000, 0, 200_000_000);
    assertThat(sentTo(choose(p, ask(200, 100, 0), ALL, desk))).isNotEqualTo(STATIC);
  }

  @Test
  void whoIsThreeTimesSlowerIsLeftAloneUntilItIsForgotten() {
    Adaptive p = taught();
    Desk desk = new Desk();
    teach(p, PAGED, 40, 3, desk.now - 60_000_000);
    Candidates two = Samples.among(PAGED, OTHER);
    desk.add(1, 1000, 20, 100_000_000);
    assertThat(sentTo(choose(p, ask(2000, 200, 0), two, desk))).isEqualTo(OTHER);
    desk.now += 600_000_000_000L;
    desk.flights.clear();
    for (int k = 0; k < 3; k++) {
      desk.add(1, 1000, 20, 100_000_000);
    }
    assertThat(sentTo(choose(p, ask(2000, 200, 0), two, desk))).isEqualTo(PAGED);
  }

  @Test
  void aConversationStaysWhereItsTextIs() {
    Adaptive p = taught();
    Desk desk = new Desk();
    Instance home = OTHER;
    p.settled(
        new Facts(
            home,
            "m",
            1,
            1,
            2,
            3,
            1,
            1,
            new Facts.Usage(9000, 100, 0),
            true,
            true,
            ask(9000, 0, 77),
            Forecast.NONE,
            0,
            0,
            0,
            null,
            false));
    Candidates two = Samples.among(PAGED, OTHER);
    desk.add(1, 1000, 20, 100_000_000);
    assertThat(sentTo(choose(p, ask(9200, 100, 77), two, desk))).isEqualTo(home);
    assertThat(sentTo(choose(p, ask(9200, 100, 0), two, desk))).isEqualTo(PAGED);
    for (int k = 0; k < 20; k++) {
      desk.add(1, 8000, 0, 1_000_000);
    }
    assertThat(sentTo(choose(p, ask(9200, 100, 77), two, desk)))
        .as("no home is worth any queue")
        .isEqualTo(PAGED);
  }

  @Test
  void nothingGoesWhereItCannotFit() {
    Random random = new Random(11);
    for (int round = 0; round < 300; round++) {
      Adaptive p = random.nextBoolean() ? taught() : new Adaptive(OBJECTIVE);
      Desk desk = new Desk();
      for (int k = random.nextInt(12); k > 0; k--) {
        desk.add(random.nextInt(2), 500, random.nextInt(50), 200_000_000);
      }
      Ask a = ask(1 + random.nextInt(130_000), random.nextInt(900), 0);
      Choice c = choose(p, a, ALL, desk);
      assertThat(sentTo(c).fits(a.needTokens())).isTrue();
    }
  }

  @Test
  void namesChangeNoChoice() {
    Random random = new Random(5);
    for (int round = 0; round < 100; round++) {
      List<Instance> a = new ArrayList<>();
      List<Instance> b = new ArrayList<>();
      Adaptive p = new Adaptive(OBJECTIVE);
      Adaptive q = new Adaptive(OBJECTIVE);
      Desk desk = new Desk();
      for (int slot = 0; slot < 4; slot++) {
        CacheType type = slot < 2 ? CacheType.PAGED : CacheType.STATIC;
        a.add(Samples.instance("n" + slot, type, 65_536, 1, slot));
        b.add(Samples.instance("x" + (9 - slot), type, 65_536, 1, slot));
        double factor = 0.5 + 2 * random.nextDouble();
        teach(p, a.get(slot), 40, factor, desk.now - 100_000_000);
        teach(q, b.get(slot), 40, factor, desk.now - 100_000_000);
        for (int k = random.nextInt(5); k >= 0; k--) {
          desk.add(
              slot, 100 + random.nextInt(4000), random.nextInt(80), 1 + random.nextInt(1 << 28));
        }
      }
      Ask asked = ask(50 + random.nextInt(9000), 300, 0);
      Instance one = sentTo(choose(p, asked, Candidates.of("m", a), desk));
      Instance two = sentTo(choose(q, asked, Candidates.of("m", b.reversed()), desk));
      assertThat(two.slot()).isEqualTo(one.slot());
    }
  }

  @Test
  void whatIsExpectedGrowsWithSizeAndLoad() {
    Adaptive p = taught();
    for (Instance i : List.of(PAGED, STATIC)) {
      double before = 0;
      for (long prompt = 10; prompt < 16_000; prompt += 500) {
        double first = forecast(p, ask(prompt, 50, 0), i, new Desk()).firstNanos();
        assertThat(first).isGreaterThan(before);
        before = first;
      }
      Desk desk = new Desk();
      double idle = forecast(p, ask(1000, 50, 0), i, desk).loss();
      for (int k = 0; k < 6; k++) {
        desk.add(i.slot(), 1000, 0, 1_000_000);
        double more = forecast(p, ask(1000, 50, 0), i, desk).loss();
        assertThat(more).isGreaterThan(idle);
        idle = more;
      }
    }
  }

  private static Forecast forecast(Adaptive p, Ask a, Instance i, Load l) {
    return ((Choice.Send) choose(p, a, Samples.among(i), l)).forecast();
  }

  /// A server of several models: what a large one's request takes is before that of a small one.
  @Test
  void whatIsBeforeItOfAnotherModelTakesWhatThatOneTakes() {
    Adaptive p = taught();
    Ask a = ask(1000, 50, 0);
    Adaptive large = new Adaptive(OBJECTIVE);
    teach(large, STATIC, 60, 10, 1_000_000_000L);
    Forecast other = large.foretell(a, "m", STATIC, new Desk());
    double idle = p.foretell(a, "m", STATIC, new Desk()).firstNanos();
    double[] waits = new double[2];
    for (int k = 0; k < 2; k++) {
      Desk desk = new Desk();
      Forecast is = k == 0 ? p.foretell(a, "m", STATIC, new Desk()) : of("large", other);
      desk.add(STATIC.slot(), new Samples.Waiting(1000, desk.now - 1_000_000, is));
      waits[k] = p.foretell(a, "m", STATIC, desk).firstNanos() - idle;
    }
    assertThat(waits[1] / waits[0]).isBetween(6.0, 12.0);
  }

  private static Forecast of(String model, Forecast f) {
    return new Forecast(
        f.newTokens(),
        f.prefillNanos(),
        f.firstNanos(),
        f.tokenNanos(),
        true,
        false,
        0,
        f.longestTokens(),
        f.totalTokens(),
        1,
        f.loss(),
        0,
        f.loss(),
        true,
        f.mode(),
        null,
        false,
        model,
        false,
        List.of());
  }

  /// Where far more comes than is served, and each limit is lost, the shorter line is the better
  /// one: of those that wait a full batch computes few beside an answer.
  @Test
  void whereAllIsLostTheShorterLineIsChosen() {
    Adaptive p = taught();
    Desk desk = new Desk();
    for (int k = 0; k < 1200; k++) {
      desk.add(PAGED.slot(), 8000, k < 8 ? 50 : 0, 60_000_000_000L - k * 40_000_000L);
      if (k < 370) {
        desk.add(OTHER.slot(), 8000, k < 8 ? 50 : 0, 60_000_000_000L - k * 120_000_000L);
      }
    }
    assertThat(sentTo(choose(p, ask(8000, 50, 0), Samples.among(PAGED, OTHER), desk)))
        .isEqualTo(OTHER);
  }

  /// Choices against the rule that come to much more than was expected: the rule takes over, and
  /// gives back later.
  @Test
  void whenTheRuleWouldHaveLostLessItDecidesForAWhile() {
    Adaptive p = taught();
    Desk desk = new Desk();
    long at = desk.now - 10_000_000_000L;
    for (int k = 0; k < 400; k++) {
      long sent = at + k * 10_000_000L;
      boolean shared = k % 2 == 0;
      p.settled(
          new Facts(
              STATIC,
              "m",
              1,
              sent,
              sent + (shared ? 100_000_000L : 9_000_000_000L),
              sent + 9_100_000_000L,
              2,
              1,
              new Facts.Usage(500, 2, 0),
              true,
              true,
              ask(500, 0, 0),
              new Forecast(500, 1, 1, 1, true, 500, 500, 0.05, 0.05, shared),
              0,
              sent + 8_900_000_000L,
              0,
              null,
              false));
    }
    assertThat(((Choice.Send) choose(p, ask(500, 10, 0), ALL, desk)).why()).isEqualTo(Reason.SIZE);
    desk.now += 200_000_000_000L;
    assertThat(((Choice.Send) choose(p, ask(500, 10, 0), ALL, desk)).why())
        .isEqualTo(Reason.LEARNED);
  }

  /// An embedding says nothing of its tokens.
  @Test
  void withoutAPromptTheSpeedOfInstancesDecides() {
    Ask embedding = new Ask(4_000, 51_200, 0, 0, 0, 0, 0);
    Adaptive cold = new Adaptive(OBJECTIVE);
    assertThat(sentTo(choose(cold, embedding, ALL, new Desk()))).isEqualTo(PAGED);
    Adaptive p = new Adaptive(OBJECTIVE);
    Desk desk = new Desk();
    teach(p, OTHER, 60, 1, desk.now - 200_000_000);
    teach(p, STATIC, 60, 1, desk.now - 200_000_000);
    teach(p, PAGED, 60, 6, desk.now - 100_000_000);
    for (int busy = 0; busy < 3; busy++) {
      Choice c = choose(p, embedding, Samples.among(PAGED, OTHER), desk);
      assertThat(sentTo(c)).as("%s there", busy).isEqualTo(OTHER);
      assertThat(((Choice.Send) c).why()).isEqualTo(Reason.LEARNED);
      desk.add(OTHER.slot(), 1000, 10, 900_000_000L);
    }
    assertThat(sentTo(choose(p, ask(1, 1, 0), ALL, desk))).isNotEqualTo(PAGED);
  }

  /// Of many not all are looked at, nor all lengths that each answer may have: those that are stand
  /// for the others.
  @Test
  void whatOthersLoseIsInProportionToTheirNumber() {
    Adaptive p = taught();
    double one = othersLoss(p, 10) / 10;
    assertThat(one).isPositive();
    for (int n : new int[] {13, 25, 40, 60, 100, 150, 200, 230, 256}) {
      assertThat(othersLoss(p, n) / n).as("%s there", n).isBetween(0.85 * one, 1.15 * one);
    }
  }

  /// Of answers that are near their limits, some of which will be past them.
  private static double othersLoss(Adaptive p, int there) {
    Desk desk = new Desk();
    for (int k = 0; k < there; k++) {
      desk.add(PAGED.slot(), 20, 20, 2_000_000_000L);
    }
    return forecast(p, ask(8000, 50, 0), PAGED, desk).parts().getFirst().othersLoss();
  }

  @Test
  void costsAreLearnedToAFewPercent() {
    Costs c = new Costs();
    Random random = new Random(2);
    for (int k = 0; k < 300; k++) {
      double n = 50 + random.nextInt(12_000);
      double noise = 1 + 0.05 * random.nextGaussian();
      c.prompt(PAGED, n, noise * (10e6 + 25_000 * n + 0.6 * n * n), 1);
      double context = 100 + random.nextInt(10_000);
      c.token(PAGED, context, context, 1, noise * (6e6 + 300 * context), 1);
    }
    for (double n : new double[] {500, 4000, 12_000}) {
      double truth = 10e6 + 25_000 * n + 0.6 * n * n;
      assertThat(c.promptNanos(n) * c.factor(PAGED.name(), 1))
          .isBetween(0.92 * truth, 1.08 * truth);
      assertThat(c.tokenNanos(n, n, 1) * c.factor(PAGED.name(), 1))
          .isBetween(0.92 * (6e6 + 300 * n), 1.08 * (6e6 + 300 * n));
    }
  }

  @Test
  void whatIsLeftOfAnAnswerIsTheMeanOfThoseThatWereLonger() {
    AnswerLengths l = AnswerLengths.NONE;
    Random random = new Random(4);
    List<Double> all = new ArrayList<>();
    for (int k = 0; k < 3000; k++) {
      double tokens = Math.max(1, Math.rint(Math.exp(5 + 0.8 * random.nextGaussian())));
      l = l.after(1000, Math.round(tokens));
      if (k >= 2000) {
        all.add(tokens);
      }
    }
    for (long came : new long[] {1, 50, 150, 400}) {
      double left =
          all.stream().filter(t -> t > came).mapToDouble(t -> t - came).average().orElseThrow();
      assertThat(l.left(1000, came, 0)).isBetween(0.7 * left, 1.35 * left);
      assertThat(l.left(0, 1000, came, 0)).isLessThanOrEqualTo(l.left(2, 1000, came, 0));
    }
    assertThat(l.left(1000, 90, 100)).isLessThanOrEqualTo(10);
    assertThat(all.stream().filter(t -> t > 1.4 * 4000).count()).isLessThan(10);
  }
}
