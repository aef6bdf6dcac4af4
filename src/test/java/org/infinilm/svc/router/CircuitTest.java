package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import org.infinilm.svc.router.Circuit.Event;
import org.infinilm.svc.router.Circuit.Phase;
import org.infinilm.svc.router.Circuit.Rules;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The circuit as a table: events in, phase out. Pauses: 5 s after strikes, 1 s after refusals,
/// doubling to 40 s; a quiet minute takes a level off; slow start takes 10 s.
class CircuitTest {
  private static final long SECOND = 1_000_000_000L;
  private static final Rules RULES =
      new Rules(3, 5 * SECOND, SECOND, 40 * SECOND, 60 * SECOND, 10 * SECOND, 10 * SECOND);

  private Circuit circuit = Circuit.NEW;
  private long now;

  private void see(Event e) {
    circuit = circuit.next(e, true, now, 0.5, RULES);
  }

  /// Plays `A` answered, `S` strike, `R` refused, `C` connected, `O` outlier, `U` unasked, `N`
  /// restarted, `F` failed, `B` taken back; `+n` lets n seconds pass.
  private void play(String script) {
    for (String step : script.strip().split("\\s+")) {
      if (step.startsWith("+")) {
        now += Long.parseLong(step.substring(1)) * SECOND;
        see(Event.TIME);
        continue;
      }
      for (int k = 0; k < step.length(); k++) {
        see(
            switch (step.charAt(k)) {
              case 'A' -> Event.ANSWERED;
              case 'S' -> Event.STRIKE;
              case 'R' -> Event.REFUSED;
              case 'C' -> Event.CONNECTED;
              case 'O' -> Event.OUTLIER;
              case 'U' -> Event.UNASKED;
              case 'N' -> Event.RESTARTED;
              case 'F' -> Event.FAILED;
              case 'B' -> Event.TAKEN_BACK;
              default -> throw new IllegalArgumentException(step);
            });
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "A, CLOSED",
    "SS, CLOSED",
    "SSS, OPEN",
    "SSASS, CLOSED",
    "SSASSS, OPEN",
    "RR, CLOSED",
    "RRR, OPEN",
    "RRCRR, CLOSED",
    "RRARR, CLOSED",
    "SRSR, CLOSED",
    "SRSRR, OPEN",
    "SCSCS, OPEN",
    "O, OPEN",
    // strikes: the pause, then one trial
    "SSS +4, OPEN",
    "SSS A +4, OPEN",
    "SSS +5, HALF_OPEN",
    "SSS +5 A, SLOW_START",
    "SSS +5 A +9, SLOW_START",
    "SSS +5 A +10, CLOSED",
    "SSS +5 S, OPEN",
    "SSS +5 S +9, OPEN",
    "SSS +5 S +10, HALF_OPEN",
    "SSS +5 R, OPEN",
    "SSS +5 C, HALF_OPEN",
    "SSS +5 O, HALF_OPEN",
    "SSS +5 +9, HALF_OPEN",
    "SSS +5 +1000, HALF_OPEN",
    "SSS +5 U, SLOW_START",
    "U, CLOSED",
    "SSS U, OPEN",
    // refusals: the pause, then a connection, whatever else is said
    "RRR +1000, OPEN",
    "RRR C, OPEN",
    "RRR +1 C, SLOW_START",
    "RRR +1 A, SLOW_START",
    "RRR +1 S, OPEN",
    "RRR +1 C RRR +1 C, OPEN",
    "RRR +1 C RRR +2 C, SLOW_START",
    // a refusal while it is out for strikes: a connection brings it back to its trial (A45)
    "SSS R +1000, OPEN",
    "SSS R +5 C, HALF_OPEN",
    "SSS R +5 C A, SLOW_START",
    "SSS R +5 C S, OPEN",
    "SSS R +5 A, SLOW_START",
    "SSS +5 R +1 C, OPEN",
    "SSS +5 R +2 C, HALF_OPEN",
    "SSS +5 R +2 C S, OPEN",
    // a trial that failed says less than three requests that others answered: 20 s at most
    "SSS +5 S +10 S +20 S +19, OPEN",
    "SSS +5 S +10 S +20 S +20, HALF_OPEN",
    // who was gone, port and all, and is back is tried at once; a probe that failed alone says
    // little
    "SSS N, OPEN",
    "SSS +4 N, OPEN",
    "RRR N, OPEN",
    "SSS R N, HALF_OPEN",
    "SSS R N A, SLOW_START",
    "SSS R N S, OPEN",
    "SSS R N R, OPEN",
    "N, CLOSED",
    // a failure that nobody disproved takes no one out, and on trial not the first time
    "FFFFFF, CLOSED",
    "SSS F +5, HALF_OPEN",
    "SSS +5 F, HALF_OPEN",
    "SSS +5 F A, SLOW_START",
    "SSS +5 FF, OPEN",
    "SSS +5 FBFBFB, HALF_OPEN",
    "SSS +5 FBFF, OPEN",
    "SSS +5 FS, OPEN",
    "SSS +5 A FFF, SLOW_START",
    // slow start can fail
    "SSS +5 A SSS, OPEN",
    "SSS +5 A RRR, OPEN",
  })
  void follows(String script, Phase phase) {
    play(script);
    assertThat(circuit.phase()).isEqualTo(phase);
  }

  @Test
  void softEvidenceMovesItOnlyByPermissionAndHardEvidenceAlways() {
    for (int k = 0; k < 10; k++) {
      circuit = circuit.next(Event.STRIKE, false, now, 0.5, RULES);
      circuit = circuit.next(Event.OUTLIER, false, now, 0.5, RULES);
    }
    assertThat(circuit.phase()).isEqualTo(Phase.CLOSED);
    assertThat(circuit.next(Event.STRIKE, true, now, 0.5, RULES).phase()).isEqualTo(Phase.OPEN);
    for (int k = 0; k < 3; k++) {
      circuit = circuit.next(Event.REFUSED, false, now, 0.5, RULES);
    }
    assertThat(circuit.phase()).isEqualTo(Phase.OPEN);
  }

  private long pauseSeconds() {
    return (circuit.untilNanos() - now) / SECOND;
  }

  @Test
  void thePauseDoublesUpToItsCapAndQuietTimeTakesItBack() {
    play("SSS");
    long[] expected = {5, 10, 20, 20, 20};
    for (long seconds : expected) {
      assertThat(pauseSeconds()).isEqualTo(seconds);
      now = circuit.untilNanos();
      see(Event.TIME);
      see(Event.STRIKE);
    }
    now = circuit.untilNanos();
    play("+0 A +10 +180 SSS");
    assertThat(pauseSeconds()).as("three quiet minutes take three of six levels").isEqualTo(40);
    now = circuit.untilNanos();
    play("+0 A +10 +600 SSS");
    assertThat(pauseSeconds()).isEqualTo(5);
  }

  /// An instance that was killed time and again is not kept away for minutes for what its new
  /// process answers.
  @Test
  void refusedConnectionsMakeALaterPauseLongerUpToACap() {
    for (int k = 0; k < 10; k++) {
      play("RRR");
      assertThat(pauseSeconds()).isEqualTo(Math.min(8, 1 << k));
      now = circuit.untilNanos();
      see(Event.CONNECTED);
    }
    play("O");
    assertThat(pauseSeconds()).isEqualTo(40);
    now = circuit.untilNanos();
    play("+0 A RRR");
    assertThat(circuit.level()).as("what answers added is kept").isEqualTo(4);
  }

  @Test
  void jitterMakesAPauseAQuarterLongerOrShorter() {
    Circuit two =
        circuit.next(Event.STRIKE, true, 0, 0, RULES).next(Event.STRIKE, true, 0, 0, RULES);
    assertThat(two.next(Event.STRIKE, true, 0, 0, RULES).untilNanos()).isEqualTo(3_750_000_000L);
    assertThat(two.next(Event.STRIKE, true, 0, 0.5, RULES).untilNanos()).isEqualTo(5 * SECOND);
    assertThat(two.next(Event.STRIKE, true, 0, 1, RULES).untilNanos()).isEqualTo(6_250_000_000L);
  }

  @Test
  void itsShareGrowsFromATenthToAll() {
    play("RRR +1 C");
    assertThat(circuit.share(now, RULES)).isEqualTo(0.1);
    assertThat(circuit.share(now + 5 * SECOND, RULES)).isBetween(0.54, 0.56);
    assertThat(circuit.share(now + 10 * SECOND, RULES)).isEqualTo(1);
    play("+10");
    assertThat(circuit.share(now, RULES)).isEqualTo(1);
  }

  @Test
  void aConnectionIsWantedOnlyWhereConnectionsFailed() {
    assertThat(circuit.doubted()).isFalse();
    play("SSS");
    assertThat(circuit.doubted()).isFalse();
    assertThat(circuit.softlyOut()).isTrue();
    circuit = Circuit.NEW;
    play("R");
    assertThat(circuit.doubted()).isTrue();
    play("RR");
    assertThat(circuit.doubted()).isTrue();
    assertThat(circuit.softlyOut()).isFalse();
    play("+1 C");
    assertThat(circuit.doubted()).isFalse();
  }

  @Test
  void timeGoesOnAcrossTheEndOfTheClock() {
    now = Long.MAX_VALUE - SECOND;
    play("SSS");
    assertThat(circuit.untilNanos()).isNegative();
    play("+4");
    assertThat(circuit.phase()).isEqualTo(Phase.OPEN);
    play("+1");
    assertThat(circuit.phase()).isEqualTo(Phase.HALF_OPEN);
  }
}
