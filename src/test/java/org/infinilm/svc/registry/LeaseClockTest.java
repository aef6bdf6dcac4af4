package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class LeaseClockTest {
  private final Samples.Clock hand = new Samples.Clock();
  private final JournalStore store = new JournalStore(hand, "boot", null);

  private void beatFor(Duration d) {
    for (long left = d.toMillis(); left > 0; left -= LeaseClock.BEAT.toMillis()) {
      hand.advance(LeaseClock.BEAT);
      store.clock().beat();
    }
  }

  private void register(String name) {
    store.apply(new Event.Register(Samples.entry(name)));
  }

  @Test
  void whatThisProcessSleptIsNobodysSilence() {
    register("a");
    store.clock().beat();
    beatFor(Duration.ofSeconds(100));

    hand.advance(Duration.ofHours(2));

    assertThat(store.table().all()).allMatch(l -> l.isHealthy(store.now()));
    assertThat(store.cleanUp()).isEmpty();
    store.apply(new Event.Aged());
    assertThat(store.table().all()).allMatch(Lease::fresh);
    beatFor(Duration.ofSeconds(21));
    store.apply(new Event.Aged());
    assertThat(store.table().all()).as("its lease goes on where it stood").noneMatch(Lease::fresh);
  }

  @Test
  void whoIsSilentWhileItIsAwakeIsRemovedAllTheSame() {
    register("a");
    beatFor(Duration.ofSeconds(301));
    assertThat(store.cleanUp()).containsExactly("a");
  }

  @Test
  void aPauseIsToldOnceWithItsLength() {
    LeaseClock clock = store.clock();
    assertThat(clock.beat()).isZero();
    hand.advance(Duration.ofMillis(900));
    assertThat(clock.beat()).as("late, not asleep").isZero();
    hand.advance(Duration.ofSeconds(10).plus(LeaseClock.BEAT));
    assertThat(clock.beat()).isEqualTo(Duration.ofSeconds(10));
    assertThat(clock.beat()).isZero();
  }

  @Test
  void aClockThatIsHeldStandsStillAndTellsOfNoPause() {
    LeaseClock clock = store.clock();
    clock.beat();
    long before = clock.nanos();
    clock.hold();
    clock.hold();
    beatFor(Duration.ofSeconds(500));
    assertThat(clock.nanos()).isEqualTo(before);
    clock.release();
    beatFor(Duration.ofSeconds(2));
    assertThat(Duration.ofNanos(clock.nanos() - before)).isEqualTo(Duration.ofSeconds(2));
    assertThat(clock.beat()).isZero();
  }
}
