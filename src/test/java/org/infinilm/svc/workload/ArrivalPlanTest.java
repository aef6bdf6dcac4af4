package org.infinilm.svc.workload;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ArrivalPlanTest {
  @Test
  void theRateGrowsEvenlyInTheRampUpAndStaysThen() {
    long second = 1_000_000_000L;
    long[] at = ArrivalPlan.rampedUp(ArrivalPlan.constant(2000, 100), 10 * second);
    for (int s = 0; s < 10; s++) {
      assertThat(between(at, s * second, (s + 1) * second))
          .as("requests of second " + s)
          .isCloseTo(10L * s + 5, within(1L));
    }
    assertThat(between(at, 10 * second, 20 * second)).isEqualTo(1000);
    assertThat(at).isSorted();
    assertThat(ArrivalPlan.rampedUp(new long[] {0, 7}, 0)).containsExactly(0, 7);
  }

  private static long between(long[] at, long from, long to) {
    return Arrays.stream(at).filter(t -> t >= from && t < to).count();
  }

  private static double[] gapSeconds(long[] plan) {
    double[] gaps = new double[plan.length];
    for (int k = 0; k < plan.length; k++) {
      gaps[k] = (plan[k] - (k == 0 ? 0 : plan[k - 1])) / 1e9;
    }
    return gaps;
  }

  @ParameterizedTest
  @CsvSource({"1,1", "10,1", "250,0.3", "40,0.05", "5,4", "7.5,30"})
  void gapsHaveTheMeanAndTheSpreadOfTheirGammaDistribution(double rate, double burstiness) {
    double[] gaps = gapSeconds(ArrivalPlan.gamma(40_000, rate, burstiness, 11));
    double mean = Arrays.stream(gaps).average().orElseThrow();
    double variance = Arrays.stream(gaps).map(g -> (g - mean) * (g - mean)).average().orElseThrow();
    assertThat(mean).isEqualTo(1 / rate, within(1e-6 / rate + 1e-9));
    assertThat(variance * rate * rate).isEqualTo(1 / burstiness, within(0.12 / burstiness));
    assertThat(Arrays.stream(gaps).min().orElseThrow()).isNotNegative();
  }

  @Test
  void aPoissonProcessHasExponentialGaps() {
    double[] gaps = gapSeconds(ArrivalPlan.gamma(40_000, 2, 1, 5));
    for (double t : new double[] {0.1, 0.5, 1, 2}) {
      double longer = Arrays.stream(gaps).filter(g -> g > t).count() / 40_000.0;
      assertThat(longer).isEqualTo(Math.exp(-2 * t), within(0.01));
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {0.2, 1, 3})
  void theLastRequestIsSentWhenTheRateSaysSo(double burstiness) {
    long[] plan = ArrivalPlan.gamma(16, 4, burstiness, 3);
    assertThat(plan[15]).isEqualTo(4_000_000_000L);
    assertThat(plan).isSorted();
  }

  @Test
  void theSeedDecides() {
    assertThat(ArrivalPlan.gamma(100, 3, 0.5, 1))
        .isEqualTo(ArrivalPlan.gamma(100, 3, 0.5, 1))
        .isNotEqualTo(ArrivalPlan.gamma(100, 3, 0.5, 2));
  }

  @Test
  void thePlanOfASeedIsTheSameOnEveryMachine() {
    assertThat(ArrivalPlan.gamma(3, 1, 1, 0)).isEqualTo(ArrivalPlan.gamma(3, 1, 1, 0)).hasSize(3);
    SplittableRandom random = new SplittableRandom(0);
    double first = -Math.log1p(-random.nextDouble());
    double second = first - Math.log1p(-random.nextDouble());
    double third = second - Math.log1p(-random.nextDouble());
    assertThat(ArrivalPlan.gamma(3, 1, 1, 0))
        .containsExactly(
            Math.round(first * (3 / third) * 1e9),
            Math.round(second * (3 / third) * 1e9),
            3_000_000_000L);
  }

  @Test
  void constantIsEvenlySpacedFromZero() {
    assertThat(ArrivalPlan.constant(4, 4))
        .containsExactly(0, 250_000_000, 500_000_000, 750_000_000);
    assertThat(ArrivalPlan.atOnce(2)).containsExactly(0, 0);
  }

  @Test
  void replayKeepsTheRecordedGapsAndBeginsAtZero() {
    assertThat(ArrivalPlan.replay(new double[] {100, 100.5, 103}, 1))
        .containsExactly(0, 500_000_000, 3_000_000_000L);
    assertThat(ArrivalPlan.replay(new double[] {100, 100.5, 103}, 10))
        .containsExactly(0, 50_000_000, 300_000_000);
  }
}
