package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.api.Test;

/// What is known of how long prompts are, and what of it counts for whether one fits.
class SizesTest {
  private static final double DEVIATION = 0.12;
  private static final double RARE = 0.0026;

  /// Twice 2.8 deviations and a step: what is looked at at most.
  private static double alone(double estimate) {
    return Sizes.NONE.most(Math.log(estimate), DEVIATION, RARE);
  }

  @Test
  void whereNothingIsKnownTheEstimateAloneCounts() {
    for (double estimate : new double[] {200, 3000, 40_000, 900_000}) {
      assertThat(alone(estimate))
          .isBetween(estimate * Math.exp(2.6 * DEVIATION), estimate * Math.exp(3.3 * DEVIATION));
    }
  }

  @Test
  void whereManyArePromptsUpToALengthAndNoneAboveItOneIsMostLikelyNoLonger() {
    Sizes s = Sizes.NONE;
    Random random = new Random(4);
    for (int k = 0; k < 500; k++) {
      s = s.after(2000 + random.nextInt(13_000));
    }
    assertThat(s.most(Math.log(13_500), DEVIATION, RARE)).isBetween(15_000.0, 16_000.0);
    assertThat(alone(13_500)).isGreaterThan(18_000);
  }

  @Test
  void aFewPromptsAreNoCliff() {
    Sizes s = Sizes.NONE;
    for (int k = 0; k < 5; k++) {
      s = s.after(14_000);
    }
    assertThat(s.most(Math.log(14_500), DEVIATION, RARE)).isGreaterThan(17_000);
  }

  @Test
  void oneThatWasLongerOpensItAgain() {
    Sizes s = Sizes.NONE;
    Random random = new Random(4);
    for (int k = 0; k < 500; k++) {
      s = s.after(2000 + random.nextInt(13_000));
    }
    double before = s.most(Math.log(14_000), DEVIATION, RARE);
    assertThat(s.after(17_000).most(Math.log(14_000), DEVIATION, RARE)).isGreaterThan(before);
    assertThat(s.after(17_000).most(Math.log(14_000), DEVIATION, RARE)).isGreaterThan(16_500);
  }

  /// Prompts of any length, some clients' cut at a length of their own: of those that an estimate
  /// lets through hardly one is longer than that.
  @Test
  void hardlyOneIsLongerThanWhatItIsTakenFor() {
    Random random = new Random(9);
    int longer = 0;
    int asked = 0;
    for (int client = 0; client < 40; client++) {
      double median = 500 * Math.exp(3 * random.nextDouble());
      double cut = random.nextBoolean() ? 1e9 : median * (1 + 4 * random.nextDouble());
      Sizes s = Sizes.NONE;
      for (int k = 0; k < 1000; k++) {
        double length = Math.max(50, Math.min(cut, median * Math.exp(random.nextGaussian())));
        double estimate = length * Math.exp(DEVIATION * random.nextGaussian());
        asked++;
        longer += length > s.most(Math.log(estimate), DEVIATION, RARE) ? 1 : 0;
        s = s.after((long) length);
      }
    }
    assertThat(longer).isLessThan((int) (2 * RARE * asked));
  }

  @Test
  void whatItMayNeedGrowsWithTheEstimate() {
    Sizes s = Sizes.NONE;
    Random random = new Random(2);
    for (int k = 0; k < 300; k++) {
      s = s.after(100 + random.nextInt(20_000));
    }
    double before = 0;
    for (double estimate = 100; estimate < 60_000; estimate *= 1.07) {
      double most = s.most(Math.log(estimate), DEVIATION, RARE);
      assertThat(most).isGreaterThanOrEqualTo(before);
      before = most;
    }
  }
}
