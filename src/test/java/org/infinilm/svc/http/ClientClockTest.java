package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;

import org.infinilm.svc.http.ClientClock.Phase;
import org.infinilm.svc.http.ClientClock.Verdict;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class ClientClockTest {
  private static final ClientClock.Limits LIMITS = new ClientClock.Limits(10, 20, 5, 40, 30, 3);

  private final ClientClock clock = new ClientClock(LIMITS, 0);

  @ParameterizedTest
  @CsvSource({"IDLE, 40, IDLE_OVER", "HEAD, 10, HEAD_LATE", "BODY, 20, BODY_PAUSED"})
  void aPhaseHasItsLimit(Phase phase, int limit, Verdict then) {
    clock.enter(phase, 0);
    if (phase == Phase.BODY) {
      clock.read(1000, 0);
    }
    assertThat(clock.tick(limit, 0, 0)).isEqualTo(Verdict.GOES_ON);
    assertThat(clock.tick(limit + 1, 0, 0)).isEqualTo(then);
  }

  @ParameterizedTest
  @EnumSource(Phase.class)
  void aClientThatTakesNothingIsStalledWhateverTheConnectionDoes(Phase phase) {
    clock.enter(phase, 100);
    clock.tick(100, 0, 7);
    for (long now = 101; now <= 130; now++) {
      clock.read(1000, now);
      if (phase == Phase.HEAD) {
        clock.enter(phase, now);
      }
      assertThat(clock.tick(now, 5, 7)).isNotEqualTo(Verdict.STALLED);
    }
    assertThat(clock.tick(131, 5, 7)).isEqualTo(Verdict.STALLED);
  }

  @Test
  void aClientThatDripsIsTooSlowOverFiveLimits() {
    clock.enter(Phase.CLOSING, 0);
    for (long now = 1; now < 5 * 30; now++) {
      assertThat(clock.tick(now, 1000, now / 25)).isEqualTo(Verdict.GOES_ON);
      assertThat(clock.missing(now, now / 25)).isZero();
    }
    assertThat(clock.missing(150, 6)).isEqualTo(3 * 150 - 6);
  }

  /// The kernel takes in lumps: whoever is behind may catch up, and is measured from where it
  /// began.
  @Test
  void whoIsBehindIsToldSoUntilItHasCaughtUp() {
    for (long now = 150; now < 1000; now++) {
      assertThat(clock.missing(now, 0)).isEqualTo(3 * now);
    }
    assertThat(clock.missing(1000, 3000)).isZero();
    assertThat(clock.missing(1149, 3000)).isZero();
    assertThat(clock.missing(1150, 3000)).isEqualTo(3 * 150);
    clock.tick(1151, 0, 3001);
    assertThat(clock.missing(1300, 3001)).isZero();
  }

  @Test
  void aClientAtItsRateAndOneThatWaitsForUsAreNotStalled() {
    clock.enter(Phase.ANSWERING, 0);
    for (long now = 1; now < 1000; now++) {
      assertThat(clock.tick(now, 1000, 3 * now)).isEqualTo(Verdict.GOES_ON);
      assertThat(clock.missing(now, 3 * now)).isZero();
    }
    for (long now = 1000; now < 2000; now++) {
      assertThat(clock.tick(now, 0, 3000)).isEqualTo(Verdict.GOES_ON);
    }
  }

  @Test
  void whatTheKernelSentIsProgressButNoRate() {
    clock.enter(Phase.ANSWERING, 0);
    for (long now = 1; now <= 150; now++) {
      assertThat(clock.tick(now, 1000, 0)).isEqualTo(Verdict.GOES_ON);
      if (now % 30 == 0) {
        clock.kernelSent(now);
      }
    }
    assertThat(clock.missing(150, 0)).isEqualTo(3 * 150);
  }

  @Test
  void aBodyThatDripsIsTooSlowAndOneAtItsRateIsNot() {
    clock.enter(Phase.BODY, 0);
    for (long now = 1; now < 20; now++) {
      clock.read(1, now);
      assertThat(clock.tick(now, 0, 0)).isEqualTo(Verdict.GOES_ON);
    }
    assertThat(clock.tick(20, 0, 0)).isEqualTo(Verdict.BODY_SLOW);
    clock.enter(Phase.BODY, 20);
    for (long now = 21; now < 500; now++) {
      clock.read(5, now);
      assertThat(clock.tick(now, 0, 0)).isEqualTo(Verdict.GOES_ON);
    }
  }

  @Test
  void anUnreadAnswerIsNotIdleness() {
    for (long now = 1; now < 100; now++) {
      assertThat(clock.tick(now, 10, 4 * now)).isEqualTo(Verdict.GOES_ON);
    }
    assertThat(clock.tick(100 + 40, 0, 410)).isEqualTo(Verdict.IDLE_OVER);
  }

  @Test
  void lingeringEndsAfterAPauseOrInAllAfterTenSeconds() {
    clock.enter(Phase.LINGERING, 0);
    assertThat(clock.tick(8, 0, 0)).isEqualTo(Verdict.GOES_ON);
    assertThat(clock.tick(9, 0, 0)).isEqualTo(Verdict.LINGERED);
    for (long now = 0; now <= 40; now++) {
      clock.read(1, now);
      assertThat(clock.tick(now, 0, 0)).isEqualTo(Verdict.GOES_ON);
    }
    assertThat(clock.tick(41, 0, 0)).isEqualTo(Verdict.LINGERED);
  }
}
