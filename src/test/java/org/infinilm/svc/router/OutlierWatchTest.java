package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.router.Circuit.Event;
import org.junit.jupiter.api.Test;

class OutlierWatchTest {
  private static final long SECOND = 1_000_000_000L;

  private final Roster roster = new Roster(3, 0);
  private final Slots slots = new Slots();
  private final OutlierWatch watch = new OutlierWatch(roster, slots, new SplittableRandom(1));

  private Roster.Entry listed(String name, int port) {
    roster.fixed(
        new Known(
            name,
            "h",
            port,
            "http://h:" + port,
            List.of("m"),
            null,
            Map.of(),
            1,
            true,
            true,
            true,
            null,
            null));
    return Objects.requireNonNull(roster.entry(name));
  }

  private void answers(Roster.Entry e, int good, int bad) {
    for (int k = 0; k < good; k++) {
      slots.at(e.slot).good(0);
    }
    for (int k = 0; k < bad; k++) {
      slots.at(e.slot).bad(0);
    }
  }

  /// Its failures led to a verdict: they count in no other one.
  @Test
  void whoIsBackIsJudgedByWhatItDoesFromThenOn() {
    Roster.Entry a = listed("a", 1);
    Roster.Entry b = listed("b", 2);
    long now = SECOND;
    watch.wake();
    watch.look(now);
    answers(a, 40, 0);
    answers(b, 0, 20);
    watch.look(now);
    assertThat(b.state()).isEqualTo(State.EJECTED);
    now += 8 * SECOND;
    roster.saw("b", b.slot, Event.TIME, now, 0.5);
    assertThat(b.state()).isEqualTo(State.TRIAL);
    watch.look(now);
    roster.saw("b", b.slot, Event.ANSWERED, now, 0.5);
    answers(a, 25, 0);
    answers(b, 25, 0);
    watch.look(now + SECOND);
    assertThat(b.state()).isEqualTo(State.ROUTABLE);
    answers(a, 25, 0);
    answers(b, 0, 60);
    watch.look(now + 2 * SECOND);
    assertThat(b.state()).as("and by that").isEqualTo(State.EJECTED);
  }

  /// One window follows another: what comes between their looks counts on both sides.
  @Test
  void answersBetweenTwoWindowsCountAsTheFailuresDo() {
    Roster.Entry a = listed("a", 1);
    Roster.Entry b = listed("b", 2);
    long now = SECOND;
    watch.wake();
    watch.look(now);
    answers(a, 40, 5);
    answers(b, 40, 5);
    watch.look(now + 10 * SECOND);
    answers(a, 40, 0);
    answers(b, 40, 8);
    watch.look(now + 11 * SECOND);
    answers(a, 40, 0);
    watch.look(now + 12 * SECOND);
    assertThat(b.state()).isEqualTo(State.ROUTABLE);
  }
}
