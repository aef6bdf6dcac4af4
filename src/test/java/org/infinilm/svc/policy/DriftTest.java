package org.infinilm.svc.policy;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.api.Test;

/// When an instance counts as another one than before.
class DriftTest {
  private static final double THREE_TIMES = Math.log(3);

  @Test
  void threeTimesAsSlowIsNoticedByTheSecondAnswerOrTheThird() {
    Drift d = new Drift();
    int answers = 1;
    while (!d.after(THREE_TIMES)) {
      answers++;
    }
    assertThat(answers).isBetween(2, 3);
  }

  @Test
  void fasterIsNoticedAsSlowerIs() {
    Drift slower = new Drift();
    Drift faster = new Drift();
    Random random = new Random(3);
    for (int k = 0; k < 500; k++) {
      double off = random.nextGaussian();
      assertThat(faster.after(-off)).isEqualTo(slower.after(off));
    }
  }

  @Test
  void whatIsOffByLittleIsNeverAShift() {
    Drift d = new Drift();
    Random random = new Random(5);
    for (int k = 0; k < 20_000; k++) {
      assertThat(d.after(0.15 * random.nextGaussian())).isFalse();
    }
  }

  @Test
  void oneOutlierIsNone() {
    Drift d = new Drift();
    for (int k = 0; k < 10; k++) {
      assertThat(d.after(0)).isFalse();
    }
    assertThat(d.after(1.5)).isFalse();
    for (int k = 0; k < 10; k++) {
      assertThat(d.after(0)).isFalse();
    }
  }

  @Test
  void aShiftCountsForAFewAnswersAndNotForEver() {
    Drift d = new Drift();
    int before = 1;
    while (!d.after(THREE_TIMES)) {
      before++;
    }
    assertThat(before).isLessThan(10);
    int quick = 1;
    while (d.after(0)) {
      quick++;
    }
    assertThat(quick).isEqualTo(4);
    assertThat(d.after(0)).isFalse();
  }
}
