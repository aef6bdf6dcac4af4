package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import java.util.Random;
import org.infinilm.svc.policy.Others;
import org.infinilm.svc.router.GaugeWatch.OwnPeak;
import org.infinilm.svc.router.GaugeWatch.Patience;
import org.infinilm.svc.telemetry.GaugeReading;
import org.junit.jupiter.api.Test;

/// What of an engine's gauges is taken for others' requests.
class GaugeWatchTest {
  private static final long SECOND = 1_000_000_000L;

  private static GaugeReading reading(double running, double waiting) {
    return new GaugeReading("vllm", running, waiting, 0.5);
  }

  @Test
  void whatTheRouterMayHaveSentIsNobodyElses() {
    assertThat(GaugeWatch.others(reading(3, 2), 5, 2)).isEqualTo(Others.NONE);
    assertThat(GaugeWatch.others(reading(3, 2), 9, 0)).isEqualTo(Others.NONE);
    assertThat(GaugeWatch.others(reading(0, 0), 0, 0)).isEqualTo(Others.NONE);
  }

  @Test
  void theRestIsOthersWaitingOnesFirst() {
    assertThat(GaugeWatch.others(reading(8, 6), 0, 0)).isEqualTo(new Others(8, 6));
    assertThat(GaugeWatch.others(reading(8, 6), 4, 1)).isEqualTo(new Others(5, 5));
    assertThat(GaugeWatch.others(reading(8, 6), 12, 6)).isEqualTo(new Others(2, 0));
    assertThat(GaugeWatch.others(reading(2, 6), 7, 0)).isEqualTo(new Others(0, 1));
  }

  @Test
  void howLongGaugesHaveToldTheVerySameIsCounted() {
    GaugeWatch.Steady s = new GaugeWatch.Steady();
    assertThat(s.nanos(reading(3, 1000), SECOND)).isZero();
    assertThat(s.nanos(reading(3, 1000), 61 * SECOND)).isEqualTo(60 * SECOND);
    assertThat(s.nanos(reading(4, 999), 62 * SECOND)).as("the same in all, and it moved").isZero();
    assertThat(s.nanos(reading(4, 999), 64 * SECOND)).isEqualTo(2 * SECOND);
  }

  @Test
  void theMostOfTheLastSecondsCountsAndNoOlderOne() {
    Random random = new Random(1);
    for (int round = 0; round < 50; round++) {
      OwnPeak peak = new OwnPeak();
      int[] seen = new int[200];
      long window = OwnPeak.WINDOW.toNanos() / SECOND;
      for (int t = 0; t < seen.length; t++) {
        seen[t] = random.nextInt(20);
        peak.look(seen[t], t * SECOND);
        int most = 0;
        for (int k = (int) Math.max(0, t - window); k <= t; k++) {
          most = Math.max(most, seen[k]);
        }
        assertThat(peak.most()).isEqualTo(most);
      }
    }
  }

  @Test
  void whoHasGaugesAndIsTooBusyToTellThemIsAskedAsBefore() {
    Duration every = Duration.ofSeconds(1);
    Patience p = new Patience();
    assertThat(p.after(true, true, every)).isEqualTo(every);
    for (int k = 0; k < 20; k++) {
      assertThat(p.after(false, false, every)).isEqualTo(every);
    }
  }

  @Test
  void whoHasNoneIsAskedSeldomAndWhoNeverAnsweredNotSoSeldom() {
    Duration every = Duration.ofSeconds(1);
    Patience none = new Patience();
    none.after(true, true, every);
    assertThat(List.of(none.after(true, false, every), none.after(true, false, every)))
        .containsOnly(every);
    assertThat(none.after(true, false, every)).isEqualTo(Duration.ofMinutes(1));
    assertThat(none.after(true, true, every)).isEqualTo(every);
    Patience silent = new Patience();
    silent.after(false, false, every);
    silent.after(false, false, every);
    assertThat(silent.after(false, false, every)).isBetween(every, Duration.ofSeconds(10));
    assertThat(silent.after(false, true, every)).isEqualTo(every);
  }

  @Test
  void manyThatAreOnlyShownAreReadAtAPaceThatCostsLittle() {
    assertThat(GaugeWatch.pace(2)).isEqualTo(Duration.ofSeconds(1));
    assertThat(GaugeWatch.pace(1000)).isEqualTo(Duration.ofSeconds(20));
  }

  @Test
  void whatWasToldCountsForAWhileAlone() {
    Slot slot = new Slot();
    assertThat(slot.others(SECOND)).isEqualTo(Others.NONE);
    slot.tell(new Others(3, 1), 5 * SECOND);
    assertThat(slot.others(4 * SECOND)).isEqualTo(new Others(3, 1));
    assertThat(slot.others(5 * SECOND)).isEqualTo(Others.NONE);
    slot.tell(new Others(3, 1), 9 * SECOND);
    slot.reuse();
    assertThat(slot.others(6 * SECOND)).isEqualTo(Others.NONE);
  }
}
