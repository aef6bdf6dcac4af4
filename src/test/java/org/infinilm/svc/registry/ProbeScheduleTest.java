package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.URI;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.infinilm.svc.registry.ProbeSchedule.Answer;
import org.infinilm.svc.registry.ProbeSchedule.Slot;
import org.junit.jupiter.api.Test;

/// When addresses are asked, as tables of (time, answers).
class ProbeScheduleTest {
  private static final Duration INTERVAL = Duration.ofSeconds(30);
  private final ProbeSchedule schedule =
      new ProbeSchedule(INTERVAL, new Random(1), Samples.at(0).nanos());
  private final Map<URI, List<Lease>> addresses = new HashMap<>();

  private static long nanos(double seconds) {
    return Samples.at(seconds).nanos();
  }

  private void add(String host, long serial) {
    Lease l =
        Table.EMPTY
            .apply(new Event.Register(Samples.entry(host)), Samples.at(0))
            .next()
            .all()
            .iterator()
            .next()
            .withSerial(serial);
    addresses.put(URI.create("http://" + host + "/health"), List.of(l));
  }

  private void set(boolean soon, double at) {
    schedule.set(addresses, soon, nanos(at));
  }

  /// The next time at which something is due, in steps of 10 ms.
  private double next(double from) {
    for (double t = from; t < from + 200; t += 0.01) {
      if (schedule.untilDueNanos(nanos(t), 1) == 0) {
        return t;
      }
    }
    throw new AssertionError("nothing is due");
  }

  private Slot only(double at) {
    List<Slot> due = schedule.due(nanos(at));
    assertThat(due).hasSize(1);
    return due.getFirst();
  }

  @Test
  void newAddressesAreAskedAfterAnIntervalThoseOfTheStartAtOnce() {
    add("a", 1);
    set(false, 0);
    assertThat(next(0)).isBetween(27.0, 33.01);
    ProbeSchedule restored = new ProbeSchedule(INTERVAL, new Random(1), nanos(0));
    restored.set(addresses, true, nanos(0));
    assertThat(restored.due(nanos(0))).hasSize(1);
  }

  @Test
  void jitterSpreadsThem() {
    for (int i = 0; i < 100; i++) {
      add("h" + i, i);
    }
    set(false, 0);
    assertThat(schedule.due(nanos(27))).hasSizeLessThan(5);
    int later = schedule.due(nanos(30)).size();
    assertThat(later).isBetween(30, 70);
    assertThat(schedule.due(nanos(33.01))).hasSize(100 - later - 0).hasSizeGreaterThan(20);
  }

  @Test
  void oneSilenceOfAnAddressThatServedIsNoVerdictTwoAre() {
    add("a", 1);
    set(true, 0);
    Slot a = only(0);
    assertThat(schedule.answered(a, Answer.OK, nanos(0))).isTrue();
    double second = next(0.02);
    assertThat(second).isBetween(27.0, 33.01);
    only(second);
    assertThat(schedule.answered(a, Answer.SILENT, nanos(second + 5))).isFalse();
    double third = next(second + 5);
    assertThat(third - second).isBetween(5.99, 6.02);
    only(third);
    assertThat(schedule.answered(a, Answer.SILENT, nanos(third + 5))).isTrue();
  }

  @Test
  void anAddressThatCouldNotBeAskedIsAskedASecondLaterAndNotJudged() {
    add("a", 1);
    set(true, 0);
    Slot a = only(0);
    assertThat(schedule.answered(a, Answer.OK, nanos(0))).isTrue();
    double at = next(0.02);
    for (int n = 0; n < 5; n++) {
      only(at);
      assertThat(schedule.answered(a, Answer.UNASKED, nanos(at))).isFalse();
      double then = next(at);
      assertThat(then - at).isBetween(0.99, 1.02);
      at = then;
    }
    only(at);
    assertThat(schedule.answered(a, Answer.SILENT, nanos(at))).as("the first silence").isFalse();
  }

  @Test
  void aSilentAddressThatNeverServedIsJudgedAtOnce() {
    add("a", 1);
    set(true, 0);
    assertThat(schedule.answered(only(0), Answer.SILENT, nanos(5))).isTrue();
  }

  @Test
  void whatSaysNoIsAskedAgainSoonAndThenEverLater() {
    add("a", 1);
    set(true, 0);
    double t = 0;
    double before = 0;
    for (int i = 0; i < 6; i++) {
      Slot a = only(t);
      assertThat(schedule.answered(a, Answer.NO, nanos(t))).isTrue();
      double again = next(t + 0.01);
      assertThat(again - t).as("pause " + i).isGreaterThan(before * 0.8).isLessThan(33.1);
      before = again - t;
      if (i == 0) {
        assertThat(before).isBetween(3.3, 4.2);
      }
      t = again;
    }
    assertThat(before).isGreaterThan(26);
  }

  @Test
  void anInstanceThatRegistersAgainIsAskedAtOnceWhenItHadFailed() {
    add("a", 1);
    set(true, 0);
    schedule.answered(only(0), Answer.NO, nanos(0));
    add("a", 2);
    set(false, 1);
    only(1);
  }

  @Test
  void aThousandHangingAddressesDelayNoOther() {
    for (int i = 0; i < 50; i++) {
      add("well" + i, i);
    }
    set(true, 0);
    schedule.due(nanos(0)).forEach(s -> schedule.answered(s, Answer.OK, nanos(0)));
    for (int i = 0; i < 1000; i++) {
      add("hangs" + i, 1000 + i);
    }
    set(false, 0);
    int hanging = 0;
    for (double t = 0; t < 34; t += 0.25) {
      for (Slot s : schedule.due(nanos(t))) {
        if (s.uri().getHost().startsWith("hangs")) {
          hanging++;
        } else {
          schedule.answered(s, Answer.OK, nanos(t));
        }
      }
    }
    assertThat(hanging).as("bounded").isEqualTo(128);
    long asked = addresses.keySet().stream().filter(u -> u.getHost().startsWith("well")).count();
    assertThat(asked).isEqualTo(50);
    schedule.set(addresses, false, nanos(34));
    int well = 0;
    for (double t = 34; t < 68; t += 0.25) {
      List<Slot> due = schedule.due(nanos(t));
      well += due.size();
      due.forEach(s -> schedule.answered(s, Answer.OK, nanos(68)));
    }
    assertThat(well).as("each of the well ones, once an interval").isGreaterThanOrEqualTo(50);
  }

  @Test
  void addressesThatLeftAreForgotten() {
    add("a", 1);
    set(true, 0);
    Slot a = only(0);
    addresses.clear();
    set(false, 1);
    schedule.answered(a, Answer.OK, nanos(1));
    assertThat(schedule.untilDueNanos(nanos(1000), 7)).isEqualTo(7);
  }
}
