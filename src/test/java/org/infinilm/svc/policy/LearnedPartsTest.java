package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SplittableRandom;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.policy.Ask.TextKind;
import org.infinilm.svc.policy.Forecast.Mode;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/// The parts of the learned policy one by one, and what it promises whatever it has learned.
class LearnedPartsTest {
  private static final Instance PAGED = Samples.instance("p", CacheType.PAGED, 131_072, 1, 0);
  private static final Instance STATIC = Samples.instance("s", CacheType.STATIC, 16_384, 1, 1);
  private static final Candidates BOTH = Samples.among(PAGED, STATIC);

  private record Underway(
      long promptTokens,
      long maxTokens,
      long dispatchNanos,
      long firstNanos,
      long tokens,
      long prefix)
      implements Flight {}

  private static Ask ask(long prompt, long key) {
    return new Ask(4 * prompt, 51_200, prompt, prompt / 3, key, prompt, 0);
  }

  /// One answer of an instance that needs so long for a token of a prompt, and of an answer.
  private static Facts answered(
      Instance i, long prompt, long tokens, double promptNanos, double tokenNanos, long at) {
    return answered(i, prompt, tokens, promptNanos, tokenNanos, at, 0);
  }

  private static Facts answered(
      Instance i,
      long prompt,
      long tokens,
      double promptNanos,
      double tokenNanos,
      long at,
      long key) {
    long first = at + (long) (prompt * promptNanos);
    return new Facts(
        i,
        "m",
        4 * prompt,
        at,
        first,
        first + (long) ((tokens - 1) * tokenNanos),
        (int) tokens,
        1000,
        new Facts.Usage(prompt, tokens, 0),
        true,
        true,
        ask(prompt, key),
        new Forecast(prompt, 1, 1, 1, true, prompt, prompt, 0.1, 0.1, true),
        0,
        0,
        0,
        null,
        false);
  }

  private static Adaptive taught(Objective o, long seed, boolean onlyWatches) {
    Adaptive p = new Adaptive(Objectives.of(o), false, onlyWatches);
    Random random = new Random(seed);
    double paged = 5_000 + random.nextInt(60_000);
    double statics = 5_000 + random.nextInt(60_000);
    for (int k = 0; k < 80; k++) {
      long prompt = 50L + random.nextInt(8000);
      long tokens = 20L + random.nextInt(300);
      p.settled(answered(PAGED, prompt, tokens, paged, 7e6, 1_000_000_000L + k * 50_000_000L));
      p.settled(answered(STATIC, prompt, tokens, statics, 5e6, 1_000_000_000L + k * 50_000_000L));
    }
    return p;
  }

  private static final Load NOW =
      new Load() {
        @Override
        public int inFlight(int slot) {
          return 0;
        }

        @Override
        public long nowNanos() {
          return 20_000_000_000L;
        }
      };

  private static Choice.Send chosen(Policy p, Ask a, Candidates among) {
    return (Choice.Send) p.choose(a, among, NOW, new SplittableRandom(1));
  }

  @ParameterizedTest
  @EnumSource(Objective.Kind.class)
  void whateverIsStrivenForLongerPromptsAreExpectedToTakeLonger(Objective.Kind kind) {
    for (long seed = 1; seed <= 20; seed++) {
      Adaptive p = taught(new Objective(kind, 2e9, 20e6), seed, false);
      for (Instance i : List.of(PAGED, STATIC)) {
        double first = 0;
        double loss = 0;
        for (long prompt = 20; prompt < 12_000; prompt += 400) {
          Forecast f = chosen(p, ask(prompt, 0), Samples.among(i)).forecast();
          assertThat(f.firstNanos()).isGreaterThanOrEqualTo(first);
          if (kind != Objective.Kind.E2E) {
            // answers to longer prompts may be shorter
            assertThat(f.loss()).isGreaterThanOrEqualTo(loss - 1e-9);
          }
          first = f.firstNanos();
          loss = f.loss();
        }
      }
    }
  }

  @Test
  void theShadowSendsByTheRuleAndNamesWhatItWouldHaveChosen() {
    boolean differs = false;
    for (long seed = 1; seed <= 10; seed++) {
      differs |=
          watches(taught(Objective.DEFAULT, seed, true), taught(Objective.DEFAULT, seed, false));
    }
    assertThat(differs).isTrue();
  }

  private static boolean watches(Adaptive watching, Adaptive deciding) {
    CacheTypePolicy rule = new CacheTypePolicy(false);
    boolean differs = false;
    for (long prompt = 50; prompt < 5000; prompt += 150) {
      Choice.Send s = chosen(watching, ask(prompt, 0), BOTH);
      Choice.Send byRule = chosen(rule, ask(prompt, 0), BOTH);
      assertThat(s.instance()).isEqualTo(byRule.instance());
      assertThat(s.why()).isEqualTo(byRule.why());
      assertThat(s.forecast().mode()).isEqualTo(Mode.SHADOW);
      assertThat(s.forecast().best())
          .isEqualTo(chosen(deciding, ask(prompt, 0), BOTH).instance().name());
      assertThat(s.forecast().parts()).hasSize(2);
      differs |= !s.instance().name().equals(s.forecast().best());
    }
    return differs;
  }

  /// The best of all is found among many, though only some are looked at closely.
  @Test
  void amongManyTheIdleOneAndTheHomeAreLookedAt() {
    Adaptive p = taught(Objective.DEFAULT, 2, false);
    List<Instance> many = new ArrayList<>();
    for (int k = 0; k < 64; k++) {
      many.add(Samples.instance("i%02d".formatted(k), CacheType.PAGED, 131_072, 1, k));
    }
    p.settled(answered(many.get(40), 9000, 100, 55_000, 7e6, 1, 77));
    Load busy =
        new Load() {
          @Override
          public int inFlight(int slot) {
            return slot == 13 ? 0 : 3;
          }

          @Override
          public List<? extends Flight> flights(int slot) {
            return slot == 13 ? List.of() : List.of(flight(), flight(), flight());
          }

          @Override
          public long nowNanos() {
            return 20_000_000_000L;
          }
        };
    Candidates all = Candidates.of("m", many);
    Choice.Send any = (Choice.Send) p.choose(ask(500, 0), all, busy, new SplittableRandom(1));
    assertThat(any.instance().slot()).isEqualTo(13);
    Choice.Send keyed = (Choice.Send) p.choose(ask(9200, 77), all, busy, new SplittableRandom(1));
    assertThat(keyed.forecast().parts())
        .extracting(Forecast.Part::instance)
        .contains("i40", "i13")
        .hasSizeLessThanOrEqualTo(9);
  }

  private static Flight flight() {
    return new Underway(1000, 0, 19_000_000_000L, 19_500_000_000L, 30, 0);
  }

  @Test
  void theCutBetweenKindsIsFoundAndDoesNotFlutter() {
    Crossing c = new Crossing();
    Random random = new Random(6);
    assertThat(c.size()).isEqualTo(-1);
    for (int k = 0; k < 600; k++) {
      long size = random.nextInt(40_000);
      boolean wrong = random.nextInt(20) == 0;
      c.decided(size, size > 12_000 != wrong);
    }
    assertThat(c.size()).isBetween(11_000L, 13_000L);
    long before = c.size();
    int changes = 0;
    for (int k = 0; k < 2000; k++) {
      long size = random.nextInt(40_000);
      boolean wrong = random.nextInt(20) == 0;
      c.decided(size, size > 12_000 != wrong);
      changes += c.size() == before ? 0 : 1;
      before = c.size();
    }
    assertThat(changes).isLessThanOrEqualTo(2);
    for (int k = 0; k < 600; k++) {
      c.decided(random.nextInt(40_000), false);
    }
    assertThat(c.size()).as("static wins nowhere").isEqualTo(-1);
  }

  /// No size parts them: a figure would only say where chance was.
  @ParameterizedTest
  @ValueSource(doubles = {0.5, 0.1, 0.02})
  void noCutIsShownWhereSizeIsNotWhatDecides(double statics) {
    for (long seed = 1; seed <= 5; seed++) {
      Crossing c = new Crossing();
      Random random = new Random(seed);
      for (int k = 0; k < 5000; k++) {
        c.decided(random.nextInt(60_000), random.nextDouble() < statics);
        assertThat(c.size()).isEqualTo(-1);
      }
    }
    Crossing reversed = new Crossing();
    Random random = new Random(9);
    for (int k = 0; k < 2000; k++) {
      long size = random.nextInt(60_000);
      reversed.decided(size, size < 2000);
      assertThat(reversed.size()).isEqualTo(-1);
    }
  }

  /// A naive twin: all that was ever said, looked through from the end.
  @Test
  void prefixesAreWhereANaiveTwinFindsThem() {
    record Said(long key, Instance at, double tokens) {}
    for (long seed = 1; seed <= 20; seed++) {
      Random random = new Random(seed);
      Prefixes index = new Prefixes(new Prefixes.Homes(), "m");
      List<Said> all = new ArrayList<>();
      for (int k = 0; k < 500; k++) {
        Instance at = random.nextBoolean() ? PAGED : STATIC;
        long key = random.nextInt(30);
        long prompt = 100L + random.nextInt(2000);
        index.settled(key, at, prompt, 50, 0, false);
        all.add(new Said(key, at, prompt + 50));
        long asked = 1L + random.nextInt(29);
        Said lastStatic = null;
        for (Said s : all) {
          lastStatic = s.at().equals(STATIC) ? s : lastStatic;
        }
        Prefixes.Hit hit = index.of(asked);
        for (Instance i : List.of(PAGED, STATIC)) {
          double found = hit.at(i, 1L << 30);
          Said home = null;
          for (Said s : all) {
            home = s.key() == asked && s.at().equals(i) ? s : home;
          }
          boolean there = home != null && (!i.equals(STATIC) || lastStatic.key() == asked);
          assertThat(found > 0).as("seed " + seed + ", " + k).isEqualTo(there);
          if (there) {
            assertThat(found).isBetween(0.79 * home.tokens(), home.tokens());
          }
        }
      }
    }
  }

  @Test
  void ofManyPlacesOfATextTheLastFourAreKnown() {
    Prefixes index = new Prefixes(new Prefixes.Homes(), "m");
    List<Instance> at = new ArrayList<>();
    for (int k = 0; k < 6; k++) {
      at.add(Samples.instance("p" + k, CacheType.PAGED, 131_072, 1, k));
      index.settled(5, at.getLast(), 1000 + k, 50, 0, false);
    }
    index.settled(5, at.get(3), 2000, 50, 0, false);
    for (int k = 0; k < 6; k++) {
      double found = index.of(5).at(at.get(k), 5000);
      assertThat(found > 0).as("place " + k).isEqualTo(k > 1);
      assertThat(found).isLessThanOrEqualTo(k == 3 ? 2050 : 1055);
    }
  }

  @Test
  void prefixesOfAnotherInstanceInTheSlotAreNotFound() {
    Prefixes index = new Prefixes(new Prefixes.Homes(), "m");
    index.settled(5, PAGED, 1000, 50, 0, false);
    Instance other = Samples.instance("other", CacheType.PAGED, 131_072, 1, PAGED.slot());
    assertThat(index.of(5).at(PAGED, 2000)).isPositive();
    assertThat(index.of(5).at(other, 2000)).isZero();
  }

  @Test
  void aStaticInstanceHoldsWhatWasLastSentThereAnsweredOrNot() {
    Prefixes index = new Prefixes(new Prefixes.Homes(), "m");
    index.settled(5, STATIC, 1000, 50, 0, false);
    index.settled(5, PAGED, 1000, 50, 0, false);
    assertThat(index.of(5).at(STATIC, 2000)).isPositive();
    assertThat(index.of(5).at(STATIC, 2000, true)).as("another is before it").isZero();
    index.left(6, PAGED);
    index.left(6, STATIC);
    assertThat(index.of(5).at(STATIC, 2000)).as("its client left, its text stays").isZero();
    assertThat(index.of(5).at(PAGED, 2000)).isPositive();
    index.left(5, STATIC);
    assertThat(index.of(5).at(STATIC, 2000)).as("the same conversation, stopped").isPositive();
  }

  @Test
  void aRequestThatRunsOrWaitsThereTakesTheTextsPlace() {
    Adaptive p = taught(Objective.DEFAULT, 9, false);
    p.settled(answered(STATIC, 4000, 50, 20_000, 9e6, 90_000_000_000L, 5));
    Forecast idle = forecast(p, 5, List.of(), 0);
    assertThat(tokensAt(idle, STATIC)).isLessThan(2500);
    assertThat(tokensAt(forecast(p, 5, List.of(flight(6)), 0), STATIC)).isEqualTo(5000);
    assertThat(tokensAt(forecast(p, 5, List.of(flight(5)), 0), STATIC)).isLessThan(2500);
    assertThat(tokensAt(forecast(p, 5, List.of(), 1), STATIC)).as("a line").isEqualTo(5000);
  }

  private static long tokensAt(Forecast f, Instance i) {
    return f.parts().stream()
        .filter(p -> p.instance().equals(i.name()))
        .map(p -> Math.round(p.newTokens()))
        .findFirst()
        .orElseThrow();
  }

  /// A request under way that was sent a second ago.
  private static Flight flight(long key) {
    return new Underway(500, 10, 99_000_000_000L, 99_100_000_000L, 5, key);
  }

  /// Of a request of 5,000 tokens with a key, with so much on the static instance.
  private static Forecast forecast(Adaptive p, long key, List<Flight> there, int line) {
    Load load =
        new Load() {
          @Override
          public int inFlight(int slot) {
            return flights(slot).size();
          }

          @Override
          public List<? extends Flight> flights(int slot) {
            return slot == STATIC.slot() ? there : List.of();
          }

          @Override
          public int waiting(int slot) {
            return slot == STATIC.slot() ? line : 0;
          }

          @Override
          public long nowNanos() {
            return 100_000_000_000L;
          }
        };
    Choice.Send s = (Choice.Send) p.choose(ask(5000, key), BOTH, load, new SplittableRandom(1));
    return s.forecast();
  }

  @Test
  void keysOfAllModelsTogetherAreBoundedAndThoseOfTwoAreApart() {
    Prefixes.Homes homes = new Prefixes.Homes();
    Prefixes one = new Prefixes(homes, "one");
    Prefixes other = new Prefixes(homes, "other");
    for (long key = 1; key <= 3L * Prefixes.Homes.MOST; key++) {
      (key % 2 == 0 ? one : other).settled(key, PAGED, 1000, 50, 0, false);
      assertThat(homes.size()).isLessThanOrEqualTo(2 * Prefixes.Homes.MOST);
    }
    one.settled(7, PAGED, 1000, 50, 0, false);
    assertThat(one.of(7).at(PAGED, 2000)).isPositive();
    assertThat(other.of(7).at(PAGED, 2000)).as("the same key of another model").isZero();
    assertThat(one.of(2).at(PAGED, 2000)).as("long ago").isZero();
  }

  @Test
  void whatWasLearnedIsTheSameAfterARestart() {
    // who came in the last half minute is not remembered
    Load later = new Samples.Desk(600_000_000_000L);
    Adaptive before = taught(Objective.DEFAULT, 9, false);
    Adaptive after = new Adaptive(Objective.DEFAULT);
    after.recall(Samples.asFile(before.remembered(later.nowNanos())), later.nowNanos());
    for (long prompt = 50; prompt < 12_000; prompt += 500) {
      Choice.Send a = Samples.send(before, ask(prompt, 0), BOTH, later);
      Choice.Send b = Samples.send(after, ask(prompt, 0), BOTH, later);
      assertThat(b.why()).isEqualTo(Reason.LEARNED);
      assertThat(b.instance()).isEqualTo(a.instance());
      assertThat(b.forecast().firstNanos())
          .isBetween(0.99 * a.forecast().firstNanos(), 1.01 * a.forecast().firstNanos());
    }
  }

  @Test
  void aStateThatIsNoneIsRefusedWholeAndItsPlaceNamed() {
    Map<String, Object> good = Samples.asFile(taught(Objective.DEFAULT, 9, false).remembered(0));
    Map<String, Object> bad = new HashMap<>(good);
    Map<String, Object> m = new HashMap<>();
    ((Map<?, ?>) good.get("m")).forEach((k, v) -> m.put(String.valueOf(k), v));
    m.put("static", Map.of("prompt", "x"));
    bad.put("m", m);
    Adaptive p = new Adaptive(Objective.DEFAULT);
    assertThatThrownBy(() -> p.recall(bad, 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("m.static.prompt")
        .hasMessageContaining("expected");
    assertThat(p.insights(1)).isEmpty();
    assertThatThrownBy(() -> p.recall(Map.of("m", 3), 1)).hasMessage("m: 3 (expected: an object)");
  }

  /// Each number of a state in turn: it is refused, or what follows is made of numbers and goes on
  /// being learned.
  @Test
  void noNumberInAStateMakesTheRestNone() {
    Map<String, Object> good = Samples.asFile(taught(Objective.DEFAULT, 9, false).remembered(0));
    int refused = 0;
    int taken = 0;
    for (double absurd : new double[] {1e308, -1e308, 1e14, -1e14, 2147483647, -1, 0, 1e-300}) {
      for (int at = 0; at < numbers(good); at += 3) {
        int[] left = {at};
        Map<String, Object> bad = replaced(good, left, absurd);
        Adaptive p = new Adaptive(Objective.DEFAULT);
        try {
          p.recall(bad, 1);
        } catch (IllegalArgumentException e) {
          assertThat(e).hasMessageContaining("expected");
          refused++;
          continue;
        }
        taken++;
        for (int k = 0; k < 40; k++) {
          Instance i = k % 2 == 0 ? PAGED : STATIC;
          p.settled(answered(i, 500 + 50L * k, 20 + k, 30_000, 9e6, 1_000_000_000L * k));
        }
        Choice.Send s = chosen(p, ask(1000, 0), BOTH);
        assertThat(s.why()).as("number %d as %s", at, absurd).isEqualTo(Reason.LEARNED);
        assertThat(s.forecast().parts())
            .isNotEmpty()
            .allSatisfy(part -> {
              assertThat(part.ownLoss() + part.othersLoss()).isFinite();
              assertThat(part.firstNanos()).isFinite().isNotNegative();
            });
        Adaptive again = new Adaptive(Objective.DEFAULT);
        again.recall(Samples.asFile(p.remembered(50_000_000_000L)), 50_000_000_000L);
      }
    }
    assertThat(refused).isPositive();
    assertThat(taken).isPositive();
  }

  private static int numbers(Object of) {
    return switch (of) {
      case Map<?, ?> m -> m.values().stream().mapToInt(LearnedPartsTest::numbers).sum();
      case List<?> l -> l.stream().mapToInt(LearnedPartsTest::numbers).sum();
      case Number n -> 1;
      default -> 0;
    };
  }

  private static Map<String, Object> replaced(Map<?, ?> m, int[] left, double by) {
    Map<String, Object> out = new HashMap<>();
    m.forEach((k, v) -> out.put(String.valueOf(k), replaced(v, left, by)));
    return out;
  }

  private static Object replaced(Object v, int[] left, double by) {
    return switch (v) {
      case Map<?, ?> m -> replaced(m, left, by);
      case List<?> l -> l.stream().map(e -> replaced(e, left, by)).toList();
      case Number n -> left[0]-- == 0 ? (Number) by : n;
      default -> v;
    };
  }

  @Test
  void estimatesOfOneKindOfTextWidenNoOther() {
    Fits f = Fits.FIRST;
    for (int k = 0; k < 200; k++) {
      f = f.after(TextKind.WIDE, k % 2 == 0 ? 2.5 : 0.8);
      f = f.after(TextKind.PROSE, 1);
    }
    Ask a = ask(1000, 0);
    long prose = f.of(TextKind.PROSE).need(a, AnswerLengths.NONE);
    assertThat(f.of(TextKind.WIDE).need(a, AnswerLengths.NONE)).isGreaterThan(2 * prose);
  }

  /// Answers that come whole, of many lengths: the prompt's and the token's share find their level.
  @Test
  void fromWholeAnswersBothCostsAreLearned() {
    Adaptive p = new Adaptive(Objective.DEFAULT);
    Random random = new Random(3);
    for (int k = 0; k < 2000; k++) {
      long prompt = 50L + random.nextInt(8000);
      long tokens = 10L + random.nextInt(400);
      long sent = 1_000_000_000L + k * 10_000_000L;
      long end = sent + (long) (prompt * 40_000.0 + tokens * 12e6);
      p.settled(
          new Facts(
              PAGED,
              "m",
              1,
              sent,
              end,
              end,
              0,
              1000,
              new Facts.Usage(prompt, tokens, 0),
              true,
              true,
              ask(prompt, 0),
              new Forecast(prompt, 1, 1, 1, true, prompt, prompt, 0.1, 0.1, true),
              0,
              0,
              0,
              null,
              false));
    }
    Forecast f = chosen(p, ask(6000, 0), Samples.among(PAGED)).forecast();
    assertThat(f.firstNanos()).isBetween(0.6 * 240e6, 1.6 * 240e6);
    assertThat(f.tokenNanos()).isBetween(0.75 * 12e6, 1.35 * 12e6);
  }
}
