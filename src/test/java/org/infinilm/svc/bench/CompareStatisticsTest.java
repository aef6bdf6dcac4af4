package org.infinilm.svc.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import org.infinilm.svc.bench.CompareStatistics.Estimate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class CompareStatisticsTest {
  @Test
  void studentsInterval() {
    Interval i = CompareStatistics.ofMean(new double[] {10, 12, 14}).orElseThrow();
    assertThat(i.half()).isCloseTo(4.303 * 2 / Math.sqrt(3), within(0.001));
    assertThat((i.low() + i.high()) / 2).isCloseTo(12, within(1e-9));
    assertThat(CompareStatistics.ofMean(new double[] {10})).isEmpty();
  }

  @Test
  void welchsInterval() {
    double[] a = {
      27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4
    };
    double[] b = {
      27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 30.5, 24.4
    };
    Interval i = CompareStatistics.ofDifference(a, b).orElseThrow();
    // Standard error 0.9931 and 27.9 degrees of freedom, of these samples by hand.
    assertThat((i.low() + i.high()) / 2).isCloseTo(2.8333, within(0.001));
    assertThat(i.half()).isCloseTo(2.0488 * 0.9931, within(0.001));
  }

  @Test
  void equalRunsHaveAnIntervalOfNoWidth() {
    Interval i =
        CompareStatistics.ofDifference(new double[] {5, 5}, new double[] {7, 7}).orElseThrow();
    assertThat(i).isEqualTo(new Interval(2, 2));
  }

  /// Samples drawn from one distribution: at 95 % about one interval in twenty may miss zero.
  @ParameterizedTest
  @EnumSource(Estimate.class)
  void noiseIsSeldomCalledADifference(Estimate estimate) {
    RandomGenerator random = new SplittableRandom(3);
    int missed = 0;
    int rounds = 40;
    for (int r = 0; r < rounds; r++) {
      double[] a = random.doubles(300).map(u -> -Math.log(u)).toArray();
      double[] b = random.doubles(300).map(u -> -Math.log(u)).toArray();
      missed +=
          CompareStatistics.ofChange(a, b, false, estimate, r).orElseThrow().excludesZero() ? 1 : 0;
    }
    assertThat(missed).isLessThanOrEqualTo(7);
  }

  @ParameterizedTest
  @EnumSource(Estimate.class)
  void largeSamplesAreDrawnWithoutResamplingEveryValue(Estimate estimate) {
    RandomGenerator random = new SplittableRandom(4);
    double[] a = random.doubles(40_000).map(u -> 1 + u).toArray();
    double[] b = random.doubles(40_000).map(u -> 1.5 * (1 + u)).toArray();
    Interval i = CompareStatistics.ofChange(a, b, true, estimate, 1).orElseThrow();
    assertThat(i.low()).isBetween(45.0, 50.5);
    assertThat(i.high()).isBetween(49.5, 55.0);
  }

  @Test
  void pairingTakesTheSpreadOfSizesAway() {
    RandomGenerator random = new SplittableRandom(5);
    double[] a = random.doubles(100).map(u -> Math.exp(5 * u)).toArray();
    double[] b =
        java.util.Arrays.stream(a).map(v -> v * (1.1 + 0.01 * random.nextGaussian())).toArray();
    double paired = CompareStatistics.ofChange(a, b, true, Estimate.MEAN, 1).orElseThrow().half();
    double apart = CompareStatistics.ofChange(a, b, false, Estimate.MEAN, 1).orElseThrow().half();
    assertThat(paired).isLessThan(apart / 5);
  }

  @Test
  void tooFewRequestsOrAZeroHaveNoInterval() {
    double[] few = {1, 2, 3};
    double[] zero = new double[30];
    assertThat(CompareStatistics.ofChange(few, few, true, Estimate.MEAN, 1)).isEmpty();
    assertThat(CompareStatistics.ofChange(zero, zero, true, Estimate.MEAN, 1)).isEmpty();
  }
}
