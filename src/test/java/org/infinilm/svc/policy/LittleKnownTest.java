package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Random;
import java.util.SplittableRandom;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Instance;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/// The learned policy where little is known, or what is told is not so: sizes that were never seen,
/// gauges that stand still, answers that do.
class LittleKnownTest {
  private static final Instance PAGED = Samples.instance("p", CacheType.PAGED, 131_072, 1, 0);
  private static final Instance STATIC = Samples.instance("s", CacheType.STATIC, 131_072, 1, 1);
  private static final double TOKEN_NANOS = 8e6;
  private static final long SECOND = 1_000_000_000L;
  private static final long NOW = 1_000 * SECOND;

  private record Streaming(
      long promptTokens, long dispatchNanos, long firstNanos, long tokens, long lastNanos)
      implements Flight {
    @Override
    public long maxTokens() {
      return 0;
    }
  }

  private static final class Desk extends Samples.Desk {
    Desk() {
      super(NOW);
    }

    /// One whose last token came so long ago.
    Desk streams(int slot, long silentNanos) {
      add(
          slot,
          new Streaming(
              1000,
              NOW - silentNanos - 2 * SECOND,
              NOW - silentNanos - SECOND,
              20,
              NOW - silentNanos));
      return this;
    }
  }

  private static Ask ask(long prompt) {
    return new Ask(4 * prompt, 51_200, prompt + 100, prompt / 3, 0, prompt, 0);
  }

  private static void answers(Adaptive p, Instance i, long prompt, double firstSeconds, int k) {
    long sent = NOW - 200 * SECOND + k * SECOND;
    answered(p, i, prompt, (double) prompt, sent, 0, sent + (long) (1e9 * firstSeconds), 60);
  }

  /// @param expectedTokens that were thought not to be cached
  /// @param otherFirst when somebody else's first token came before
  private static void answered(
      Adaptive p,
      Instance i,
      long prompt,
      double expectedTokens,
      long sent,
      long otherFirst,
      long first,
      long tokens) {
    p.settled(
        new Facts(
            i,
            "m",
            4 * prompt,
            sent,
            first,
            first + (long) ((double) (tokens - 1) * TOKEN_NANOS),
            (int) tokens,
            1000,
            new Facts.Usage(prompt, tokens, 0),
            true,
            true,
            ask(prompt),
            new Forecast(expectedTokens, 1, 1, 1, true, prompt, prompt, 0.1, 0.1, true),
            0,
            otherFirst,
            0,
            null,
            false));
  }

  private static Forecast foretold(Adaptive p, Instance i, long prompt, Load load) {
    return ((Choice.Send) p.choose(ask(prompt), Samples.among(i), load, new SplittableRandom(1)))
        .forecast();
  }

  private static double foretoldSeconds(Adaptive p, Instance i, long prompt) {
    return foretold(p, i, prompt, new Desk()).prefillNanos() / 1e9;
  }

  /// One after the other; of two clients one finds most of its prompts cached, which nobody
  /// reports: both wait as long, and each time since the other's first token is another.
  @Test
  void hitsThatNobodyReportsDoNotMakeAnInstanceOneOfPromptsBesideEachOther() {
    Adaptive p = new Adaptive(Objective.DEFAULT);
    long prompt = 8_000;
    long hitFirst = NOW - 400 * SECOND;
    long missFirst = hitFirst - SECOND / 20;
    for (int k = 0; k < 200; k++) {
      long miss = hitFirst + (long) ((0.8 + 0.01 * (k % 3)) * SECOND);
      answered(p, PAGED, prompt, (double) prompt, missFirst, hitFirst, miss, 10);
      long hit = miss + SECOND / 20;
      answered(p, PAGED, prompt, prompt / 6.0, hitFirst, miss, hit, 10);
      missFirst = miss;
      hitFirst = hit;
    }
    assertThat(p.remembered(NOW).toString()).contains("begins={}").doesNotContain("begins={p");
  }

  /// Two-fold scatter of a hundred chats is no reason to expect 0 s or a minute of a prompt that is
  /// a hundred times as long.
  @Test
  void whatShortPromptsCostIsNoWordOnLongOnes() {
    for (long seed = 1; seed <= 60; seed++) {
      Adaptive p = new Adaptive(Objective.DEFAULT);
      Random random = new Random(seed);
      for (int k = 0; k < 100; k++) {
        long prompt = 210L + random.nextInt(180);
        double noise = Math.exp(0.7 * random.nextGaussian());
        answers(p, PAGED, prompt, noise * (0.01 + 1e-4 * prompt), k);
      }
      assertThat(foretoldSeconds(p, PAGED, 300)).isBetween(0.01, 0.08);
      assertThat(foretoldSeconds(p, PAGED, 6_000)).as("seed %s", seed).isBetween(0.02, 1.8);
      assertThat(foretoldSeconds(p, PAGED, 24_000)).as("seed %s", seed).isBetween(0.1, 24.0);
    }
  }

  /// What is usual is a shape, not a speed: it must not hold an engine on a CPU to a GPU's costs.
  @ParameterizedTest
  @ValueSource(doubles = {0.3, 1, 30, 100})
  void anEngineOfAnySpeedIsBelievedFromItsFirstAnswersOn(double times) {
    Adaptive p = new Adaptive(Objective.DEFAULT);
    Random random = new Random(3);
    for (int k = 0; k < 40; k++) {
      long prompt = 30L + random.nextInt(470);
      double noise = Math.exp(0.3 * random.nextGaussian());
      answers(p, PAGED, prompt, times * noise * (0.01 + 4e-5 * prompt), k);
    }
    for (long prompt : new long[] {50, 200, 400}) {
      assertThat(foretoldSeconds(p, PAGED, prompt) / times / (0.01 + 4e-5 * prompt))
          .as("%s tokens", prompt)
          .isBetween(0.7, 1.2);
    }
  }

  /// Costs of another shape than usual, a fixed part of a hosted service: what was seen often
  /// enough is not drawn to what is usual, the less the more of it was seen.
  @ParameterizedTest
  @CsvSource({"0.3, 2e-6, 0.3", "0.5, 0, 0.3", "0.05, 5e-6, 0.3", "2, 2e-5, 0.3", "0.5, 0, 0.6"})
  void whatWasSeenOftenIsReadAsItWasLearned(double fixed, double token, double scatter) {
    for (int answers : new int[] {100, 400}) {
      Adaptive p = new Adaptive(Objective.DEFAULT);
      Random random = new Random(7);
      for (int k = 0; k < answers; k++) {
        long prompt = (long) (100 * Math.pow(80, random.nextDouble()));
        double noise = Math.exp(scatter * random.nextGaussian());
        answers(p, PAGED, prompt, noise * (fixed + token * prompt), k);
      }
      // relative least squares of such scatter are below the middle
      double low = scatter > 0.5 ? 0.4 : 0.7;
      for (long prompt : new long[] {300, 4_000}) {
        assertThat(foretoldSeconds(p, PAGED, prompt) / (fixed + token * (double) prompt))
            .as("%s tokens after %s answers", prompt, answers)
            .isBetween(low, 1.2);
      }
    }
  }

  /// Of the other cache type much is known, of other sizes; of this one four answers.
  @ParameterizedTest
  @EnumSource(CacheType.class)
  void aFewAnswersOfItsOwnSayMoreThanAllThatOfTheOtherType(CacheType type) {
    Instance known = type == CacheType.PAGED ? PAGED : STATIC;
    Instance rare = type == CacheType.PAGED ? STATIC : PAGED;
    for (long seed = 1; seed <= 40; seed++) {
      Adaptive p = new Adaptive(Objective.DEFAULT);
      Random random = new Random(seed);
      for (int k = 0; k < 100; k++) {
        long prompt = 210L + random.nextInt(180);
        answers(
            p, known, prompt, Math.exp(0.4 * random.nextGaussian()) * (0.01 + 1e-4 * prompt), k);
      }
      for (int k = 0; k < 4; k++) {
        long prompt = 17_000L + random.nextInt(14_000);
        answers(p, rare, prompt, 0.01 + 3e-5 * prompt, 100 + k);
      }
      assertThat(foretoldSeconds(p, rare, 24_000)).as("seed %s", seed).isBetween(0.55, 0.95);
    }
  }

  @Test
  void aTypeOfWhichNothingIsKnownIsTakenForTheOther() {
    Adaptive p = new Adaptive(Objective.DEFAULT);
    Random random = new Random(1);
    for (int k = 0; k < 100; k++) {
      long prompt = 200L + random.nextInt(20_000);
      answers(p, PAGED, prompt, 0.02 + 5e-5 * prompt, k);
    }
    for (long prompt : new long[] {300, 3000, 20_000}) {
      double of = foretoldSeconds(p, PAGED, prompt);
      assertThat(foretoldSeconds(p, STATIC, prompt)).isBetween(0.9 * of, 1.1 * of);
    }
  }

  private static Adaptive taught() {
    Adaptive p = new Adaptive(Objective.DEFAULT);
    Random random = new Random(1);
    for (int k = 0; k < 60; k++) {
      long prompt = 200L + random.nextInt(3_000);
      answers(p, PAGED, prompt, 0.01 + 3e-5 * prompt, k);
      answers(p, STATIC, prompt, 0.01 + 3e-5 * prompt, k);
    }
    return p;
  }

  /// An answer takes half a second there.
  @Test
  void gaugesThatStandStillForLongerThanAnswersTakeAreNotBelieved() {
    Adaptive p = taught();
    for (Instance i : List.of(PAGED, STATIC)) {
      double idle = foretold(p, i, 1000, new Desk()).firstNanos();
      Desk desk = new Desk();
      desk.others.put(i.slot(), new Others(3, 1000, 2 * SECOND));
      assertThat(foretold(p, i, 1000, desk).firstNanos()).isGreaterThan(idle + 10e9);
      desk.others.put(i.slot(), new Others(3, 1000, 0));
      assertThat(foretold(p, i, 1000, desk).firstNanos())
          .as("they have just moved")
          .isGreaterThan(idle + 10e9);
      desk.others.put(i.slot(), new Others(3, 1000, 60 * SECOND));
      Forecast stuck = foretold(p, i, 1000, desk);
      assertThat(stuck.firstNanos()).isEqualTo(idle);
      assertThat(stuck.others()).isFalse();
    }
  }

  @Test
  void anAnswerWhoseTokensStoppedIsNotExpectedToEndSoon() {
    Adaptive p = taught();
    for (Instance i : List.of(PAGED, STATIC)) {
      double fresh = foretold(p, i, 1000, new Desk().streams(i.slot(), 20_000_000)).firstNanos();
      assertThat(foretold(p, i, 1000, new Desk().streams(i.slot(), 400_000_000)).firstNanos())
          .as("a pause between two pieces")
          .isEqualTo(fresh);
      double before = fresh;
      for (long silent : new long[] {3, 9, 60}) {
        double now =
            foretold(p, i, 1000, new Desk().streams(i.slot(), silent * SECOND)).firstNanos();
        assertThat(now).isGreaterThan(before + 0.3e9 * silent - 0.3e9);
        before = fresh;
      }
    }
    assertThat(
            foretold(p, PAGED, 1000, new Desk().streams(0, 9 * SECOND).streams(0, 0)).firstNanos())
        .as("one of several that stands still keeps nobody")
        .isLessThan(1e9);
  }
}
