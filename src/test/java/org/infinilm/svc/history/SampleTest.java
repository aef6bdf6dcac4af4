package org.infinilm.svc.history;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.SplittableRandom;
import org.infinilm.svc.history.Entry.End;
import org.junit.jupiter.api.Test;

class SampleTest {
  private final Sample sample = new Sample(100);
  private int kept;

  private void send(int n, int second, End end, int attempts, long ttftNanos) {
    for (int k = 0; k < n; k++) {
      kept += sample.keeps(entry(second * 1000L + k * 999L / n, end, attempts, ttftNanos)) ? 1 : 0;
    }
  }

  private static Entry entry(long millis, End end, int attempts, long ttftNanos) {
    return new Entry(
        millis, "id", "", "m", "paged", "a", "size", "o", 200, end, attempts, ttftNanos, 9, null);
  }

  private int keptOf(Runnable what) {
    kept = 0;
    what.run();
    return kept;
  }

  @Test
  void upToTheRateAllAreKept() {
    for (int second = 0; second < 5; second++) {
      int s = second;
      assertThat(keptOf(() -> send(100, s, End.WELL, 1, 1_000_000 + s))).isEqualTo(100);
    }
  }

  @Test
  void aboveItATenthIsKeptFromTheNextSecondOnAndAllAgainAfterwards() {
    assertThat(keptOf(() -> send(5000, 1, End.WELL, 1, 0))).isEqualTo(100);
    assertThat(keptOf(() -> send(5000, 2, End.WELL, 1, 0))).isEqualTo(10);
    assertThat(keptOf(() -> send(50, 3, End.WELL, 1, 0))).isEqualTo(10);
    assertThat(keptOf(() -> send(50, 4, End.WELL, 1, 0))).isEqualTo(50);
    send(5000, 5, End.WELL, 1, 0);
    assertThat(keptOf(() -> send(50, 8, End.WELL, 1, 0))).as("after a pause").isEqualTo(50);
  }

  @Test
  void whatFailedOrWasRepeatedHasTheWholeRate() {
    send(5000, 1, End.WELL, 1, 0);
    send(20, 2, End.WELL, 1, 0);
    assertThat(keptOf(() -> send(60, 2, End.ERROR, 1, 0))).isEqualTo(60);
    assertThat(keptOf(() -> send(30, 2, End.WELL, 2, 0))).isEqualTo(30);
    assertThat(keptOf(() -> send(5000, 2, End.ERROR, 1, 0))).isEqualTo(10);
  }

  @Test
  void theSlowestAreAmongThoseThatAreKept() {
    SplittableRandom random = new SplittableRandom(7);
    int usual = 0;
    int slow = 0;
    for (int second = 1; second <= 60; second++) {
      for (int k = 0; k < 1000; k++) {
        boolean isSlow = k == 500;
        long ttft = isSlow ? 900_000_000 : 10_000_000 + random.nextLong(10_000_000);
        boolean is = sample.keeps(entry(second * 1000L + k, End.WELL, 1, ttft));
        slow += is && isSlow && second > 5 ? 1 : 0;
        usual += is && !isSlow && second > 5 ? 1 : 0;
      }
    }
    assertThat(slow).isBetween(30, 55);
    assertThat(usual).isBetween(55 * 10, 55 * 20);
  }

  @Test
  void oneOfTheSecondBeforeThatComesLateIsOneOfThis() {
    send(5000, 1, End.WELL, 1, 0);
    send(1, 2, End.WELL, 1, 0);
    send(1, 1, End.WELL, 1, 0);
    assertThat(keptOf(() -> send(5000, 2, End.WELL, 1, 0))).isEqualTo(8);
    assertThat(keptOf(() -> send(20, -4000, End.WELL, 1, 0)))
        .as("a clock that was set back")
        .isEqualTo(20);
  }

  @Test
  void aRateOfNothingKeepsNothing() {
    Sample none = new Sample(0);
    assertThat(none.keeps(entry(1, End.WELL, 1, 1))).isFalse();
    assertThat(none.keeps(entry(2, End.ERROR, 1, 1))).isFalse();
  }
}
