package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Instance;
import org.junit.jupiter.api.Test;

/// What routers beside each other have learned, put together.
class PoolingTest {
  private static final Instance PAGED = Samples.instance("p", CacheType.PAGED, 131_072, 1, 0);
  private static final long SECOND = 1_000_000_000L;
  private static final LeastSquares GUESS = LeastSquares.guess(0.01, 0.15, 0.02);

  private static double cost(double u) {
    return 0.03 + 0.4 * u + 0.05 * u * u;
  }

  private static LeastSquares taught(LeastSquares from, int n, double low, double high, long seed) {
    Random random = new Random(seed);
    LeastSquares l = from;
    for (int k = 0; k < n; k++) {
      double u = low + (high - low) * random.nextDouble();
      double y = cost(u) * (1 + 0.05 * random.nextGaussian());
      l = l.after(y, 1, u, u * u);
    }
    return l;
  }

  private static double at(LeastSquares l, double u) {
    return l.at(1, u, u * u);
  }

  private static Pooling.Part part(LeastSquares l) {
    return new Pooling.Part(l, 1);
  }

  @Test
  void threeThatSawAPartEachKnowTogetherWhatOneKnowsThatSawAll() {
    LeastSquares small = taught(GUESS, 120, 0.05, 0.6, 1);
    LeastSquares middle = taught(GUESS, 120, 0.6, 2, 2);
    LeastSquares large = taught(GUESS, 120, 2, 6, 3);
    LeastSquares all = Pooling.of(small, List.of(part(middle), part(large)));
    for (double u : new double[] {0.1, 0.5, 1, 2, 4, 6}) {
      assertThat(at(all, u)).as("at %s", u).isCloseTo(cost(u), within(0.12 * cost(u)));
    }
    // alone, who saw small ones alone is far off for the large ones
    assertThat(Math.abs(at(small, 6) / cost(6) - 1))
        .isGreaterThan(Math.abs(at(all, 6) / cost(6) - 1));
    assertThat(all.seen()).isEqualTo(360);
  }

  @Test
  void whoKnowsNothingKnowsWhatTheOthersDoAndAgainIsNoMore() {
    LeastSquares other = taught(GUESS, 100, 0.05, 4, 4);
    LeastSquares fresh = Pooling.of(GUESS, List.of(part(other)));
    assertThat(at(fresh, 1)).isCloseTo(cost(1), within(0.1 * cost(1)));
    assertThat(fresh.seen()).isEqualTo(100);
    LeastSquares faded = Pooling.of(GUESS, List.of(new Pooling.Part(other, 0.1)));
    assertThat(faded.seen()).isEqualTo(10);
  }

  @Test
  void whatIsFarOffFromWhatIsKnownCountsForNothing() {
    LeastSquares own = taught(GUESS, 100, 0.05, 4, 5);
    LeastSquares wild = LeastSquares.guess(500, 900, 70);
    for (int k = 0; k < 200; k++) {
      wild = wild.after(1000, 1, 1, 1);
    }
    assertThat(Pooling.of(own, List.of(part(wild)))).isSameAs(own);
    // nothing is known here, and most of three say something else
    LeastSquares of =
        Pooling.of(
            GUESS,
            List.of(
                part(wild),
                part(taught(GUESS, 80, 0.05, 4, 6)),
                part(taught(GUESS, 80, 0.05, 4, 7))));
    assertThat(at(of, 1)).isCloseTo(cost(1), within(0.1 * cost(1)));
  }

  /// Who claims to know more than its observations tell.
  private static LeastSquares sure(int seen) {
    double[] claim = {0.06, 1.1, 0.1};
    double much = 1e12;
    double[][] products = {{much, 0, 0}, {0, much, 0}, {0, 0, much}};
    double[] pull = {much * claim[0], much * claim[1], much * claim[2]};
    return LeastSquares.of(claim, new LeastSquares.Sums(products, pull), 0.05, seen);
  }

  @Test
  void whoClaimsToBeSureOfEverythingIsCutToWhatObservationsTell() {
    LeastSquares own = taught(GUESS, 150, 0.05, 4, 8);
    LeastSquares sure = sure(5);
    LeastSquares pooled = Pooling.of(own, List.of(part(sure)));
    assertThat(at(pooled, 1)).isBetween(0.9 * cost(1), (cost(1) + at(sure, 1)) / 2);
  }

  @Test
  void ofTwoThatAreAllThatIsKnownTheSurerIsNoMeasure() {
    LeastSquares honest = taught(GUESS, 150, 0.05, 4, 8);
    LeastSquares sure = sure(5);
    LeastSquares pooled = Pooling.of(GUESS, List.of(part(sure), part(honest)));
    assertThat(at(pooled, 1)).isBetween(0.9 * cost(1), (cost(1) + at(sure, 1)) / 2);
  }

  @Test
  void sumsThatNoObservationsHaveTellNothing() {
    assertThat(Information.of(new double[][] {{1, 2}, {2, 1}}, new double[2])).isNull();
    Information i = Information.of(new double[][] {{4, 1}, {1, 3}}, new double[] {9, 5});
    assertThat(i).isNotNull();
    assertThat(i.weights()).containsExactly(new double[] {2, 1}, within(1e-12));
    assertThat(i.products()[0]).containsExactly(new double[] {4, 1}, within(1e-12));
    assertThat(i.pull()).containsExactly(new double[] {9, 5}, within(1e-12));
  }

  private static Facts answered(long prompt, long tokens, double factor, long at) {
    long first = at + (long) (prompt * 40_000 * factor);
    return new Facts(
        PAGED,
        "m",
        4 * prompt,
        at,
        first,
        first + (long) ((tokens - 1) * 7e6 * factor),
        (int) tokens,
        1000,
        new Facts.Usage(prompt, tokens, 0),
        true,
        true,
        new Ask(4 * prompt, 51_200, prompt, prompt / 3, 0, prompt, 0),
        new Forecast(prompt, 1, 1, 1, true, prompt, prompt, 0.1, 0.1, true),
        0,
        0,
        0,
        null,
        false);
  }

  private static Adaptive taught(int n, long seed) {
    Adaptive p = new Adaptive(new Objective(Objective.Kind.SLO, 2e9, 20e6));
    Random random = new Random(seed);
    for (int k = 0; k < n; k++) {
      p.settled(
          answered(
              50L + random.nextInt(8000), 20L + random.nextInt(300), 1, SECOND + k * SECOND / 20));
    }
    return p;
  }

  /// As it comes over JSON.
  private static Map<String, Object> sent(Map<String, Object> from) {
    Map<String, Object> out = new HashMap<>();
    from.forEach((k, v) -> out.put(k, sent(v)));
    return out;
  }

  private static Object sent(Object v) {
    return switch (v) {
      case Map<?, ?> m -> {
        Map<String, Object> out = new HashMap<>();
        m.forEach((k, each) -> out.put(String.valueOf(k), sent(each)));
        yield out;
      }
      case double[] numbers -> {
        List<Object> out = new ArrayList<>();
        for (double d : numbers) {
          out.add((double) (float) d);
        }
        yield out;
      }
      default -> v;
    };
  }

  private static Told told(Adaptive from, String name, double weight) {
    return new Told(name, sent(from.remembered(20 * SECOND)), weight, 20 * SECOND);
  }

  @Test
  void aNewRouterStartsWarmAndSaysWhatItLearnedItselfAlone() {
    Adaptive old = taught(80, 9);
    Adaptive fresh = new Adaptive(new Objective(Objective.Kind.SLO, 2e9, 20e6));
    assertThat(fresh.insights(20 * SECOND)).isEmpty();
    fresh.told(List.of(told(old, "a", 1)), 20 * SECOND);
    assertThat(fresh.insights(20 * SECOND).getFirst().mode()).isEqualTo(Forecast.Mode.LEARNED);
    assertThat(fresh.insights(20 * SECOND).getFirst().prompts()).isEqualTo(80);
    // nothing of it is its own, and told again it is no more
    fresh.told(List.of(told(old, "a", 1)), 20 * SECOND);
    assertThat(fresh.insights(20 * SECOND).getFirst().prompts()).isEqualTo(80);
    Adaptive third = new Adaptive(new Objective(Objective.Kind.SLO, 2e9, 20e6));
    third.told(List.of(told(fresh, "b", 1)), 20 * SECOND);
    assertThat(third.insights(20 * SECOND)).allMatch(i -> i.prompts() == 0);
    // whoever taught it is gone: what it was told fades, then counts no more
    fresh.told(List.of(), 20 * SECOND);
    assertThat(fresh.insights(20 * SECOND).getFirst().prompts()).isZero();
  }

  @Test
  void nonsenseOfOneIsNobodyElsesLoss() {
    Adaptive fresh = new Adaptive(new Objective(Objective.Kind.SLO, 2e9, 20e6));
    Told wrong = new Told("x", Map.of("m", Map.of("paged", "?")), 1, 0);
    fresh.told(List.of(wrong, told(taught(80, 10), "a", 1)), 20 * SECOND);
    assertThat(fresh.insights(20 * SECOND).getFirst().prompts()).isEqualTo(80);
  }

  @Test
  void howFastAnInstanceIsOthersSayWithinBounds() {
    Costs own = new Costs();
    Costs slow = new Costs();
    for (int k = 0; k < 60; k++) {
      own.prompt(PAGED, 1000, 4e7, SECOND + k * 1000L);
      slow.prompt(PAGED, 1000, k < 30 ? 4e7 : 4e10, SECOND + k * 1000L);
    }
    double before = own.factor("p", SECOND);
    Told t = new Told("x", Map.of(), 1, SECOND);
    own.told(List.of(Recalled.of(sent(slow.remembered(SECOND)))), List.of(t), SECOND);
    assertThat(own.factor("p", SECOND)).isBetween(before, 2.1 * before);
    assertThat(own.factor("other", SECOND)).isEqualTo(1);
  }
}
