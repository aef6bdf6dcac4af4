package org.infinilm.svc.statistics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import org.infinilm.svc.statistics.CompareStatistics.Estimate;
import org.infinilm.svc.statistics.CompareStatistics.Found;
import org.junit.jupiter.api.Test;

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
    Found found = CompareStatistics.ofDifference(a, b).orElseThrow();
    // Standard error 0.9931 and 27.9 degrees of freedom, of these samples by hand.
    assertThat(found.difference()).isCloseTo(2.8333, within(0.001));
    assertThat(found.interval().half()).isCloseTo(2.0488 * 0.9931, within(0.001));
    assertThat(found.p()).isCloseTo(0.0081, within(0.0005));
  }

  @Test
  void equalRunsShowNoNoiseThatADifferenceCouldBeHeldAgainst() {
    assertThat(CompareStatistics.ofDifference(new double[] {5, 5}, new double[] {7, 7})).isEmpty();
    assertThat(CompareStatistics.ofPairs(new double[] {0.2, 0.2})).isEmpty();
    assertThat(CompareStatistics.ofPairs(new double[] {0, 0}).orElseThrow().p()).isEqualTo(1);
    assertThat(CompareStatistics.ofMean(new double[] {5, 5})).contains(new Interval(5, 5));
  }

  @Test
  void aPercentIsOfTheRatio() {
    Found halved = new Found(-0.693, new Interval(Math.log(0.25), Math.log(2)), 0.5);
    assertThat(halved.percent().low()).isCloseTo(-75, within(1e-9));
    assertThat(halved.percent().high()).isCloseTo(100, within(1e-9));
  }

  /// The example of four tests at 5 %: bounds 0.0125, 0.0167, 0.025, 0.05, until one fails.
  @Test
  void holmStopsAtTheFirstTestThatDoesNotStand() {
    assertThat(CompareStatistics.holm(List.of(0.01, 0.04, 0.03, 0.005)))
        .containsExactly(true, false, false, true);
    assertThat(CompareStatistics.holm(List.of(0.04, Double.NaN))).containsExactly(true, false);
    assertThat(CompareStatistics.holm(List.of())).isEmpty();
  }

  @Test
  void batchesAreOfTheWholeRunInItsOrder() {
    double[] v = new double[100];
    Arrays.setAll(v, i -> 1 + i / 20);
    assertThat(CompareStatistics.batches(v, Estimate.MEAN))
        .containsExactly(Math.log(1), Math.log(2), Math.log(3), Math.log(4), Math.log(5));
    assertThat(CompareStatistics.batches(v, Estimate.P99)).isEmpty();
    assertThat(CompareStatistics.batches(new double[39], Estimate.MEDIAN)).isEmpty();
  }

  @Test
  void pairingTakesTheSpreadBetweenWorkloadsAway() {
    RandomGenerator random = new SplittableRandom(5);
    double[] a = random.doubles(10).map(u -> 5 * u).toArray();
    double[] b = Arrays.stream(a).map(v -> v + 0.1 + 0.01 * random.nextGaussian()).toArray();
    double[] ratios = new double[10];
    Arrays.setAll(ratios, i -> b[i] - a[i]);
    assertThat(CompareStatistics.ofPairs(ratios).orElseThrow().interval().half())
        .isLessThan(CompareStatistics.ofDifference(a, b).orElseThrow().interval().half() / 20);
  }

  @Test
  void tooFewRunsOrAZeroHaveNoInterval() {
    assertThat(CompareStatistics.ofPairs(new double[] {1})).isEmpty();
    assertThat(CompareStatistics.ofPairs(new double[] {Math.log(0), 1, 2})).isEmpty();
    assertThat(CompareStatistics.ofDifference(new double[] {1, 2}, new double[] {1})).isEmpty();
  }
}
