package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.infinilm.svc.router.Allowance.Denied;
import org.infinilm.svc.router.Allowance.Granted;
import org.infinilm.svc.router.Allowance.Limit;
import org.infinilm.svc.router.Allowance.Limits;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What a key may still do, as tables.
class AllowanceTest {
  private static final long START = -7_000_000_000L;

  private static long seconds(double s) {
    return (long) (s * 1e9);
  }

  /// Used before; limits; estimate; seconds that have passed; what is said; seconds to wait.
  @ParameterizedTest
  @CsvSource({
    // in flight, requests, tokens used | limits | estimate, passed | verdict, wait
    "0, 0, 0,      0, 0, 0,       50, 0,   GRANTED, 0",
    "9, 9, 9,      0, 0, 0,       50, 0,   GRANTED, 0",
    "1, 0, 0,      2, 0, 0,       50, 0,   GRANTED, 0",
    "2, 0, 0,      2, 0, 0,       50, 0,   IN_FLIGHT, 0",
    "2, 0, 0,      2, 0, 0,       50, 60,  IN_FLIGHT, 0",
    "0, 59, 0,     0, 60, 0,      50, 0,   GRANTED, 0",
    "0, 60, 0,     0, 60, 0,      50, 0,   REQUESTS, 1",
    "0, 60, 0,     0, 60, 0,      50, 1,   GRANTED, 0",
    "0, 60, 0,     0, 60, 0,      50, 0.5, REQUESTS, 0.5",
    "0, 1, 0,      0, 1, 0,       50, 30,  REQUESTS, 30",
    "0, 0, 900,    0, 0, 1000,    100, 0,  GRANTED, 0",
    "0, 0, 901,    0, 0, 1000,    100, 0,  TOKENS, 0.06",
    "0, 0, 1000,   0, 0, 1000,    0, 0,    TOKENS, 0.06",
    "0, 0, 3000,   0, 0, 1000,    100, 0,  TOKENS, 126",
    "0, 0, 3000,   0, 0, 1000,    100, 126.1, GRANTED, 0",
    // more than a minute's worth waits for a whole minute's worth
    "0, 0, 0,      0, 0, 1000,    5000, 0, GRANTED, 0",
    "0, 0, 1,      0, 0, 1000,    5000, 0, TOKENS, 0.06",
    // the first limit that is met is told
    "2, 60, 1000,  2, 60, 1000,   1, 0,    IN_FLIGHT, 0",
    "1, 60, 1000,  2, 60, 1000,   1, 0,    REQUESTS, 1",
  })
  void aRequestIsGrantedOrToldWhichLimitItMeets(
      long inFlight,
      double requests,
      double tokens,
      long mostInFlight,
      long mostRequests,
      long mostTokens,
      long estimate,
      double passed,
      String verdict,
      double wait) {
    Limits l = new Limits(mostInFlight, mostRequests, mostTokens);
    Allowance before = new Allowance(inFlight, requests, tokens, START);
    Allowance.Verdict v = before.ask(l, estimate, START + seconds(passed));
    if (v instanceof Denied d) {
      assertThat(d.limit().name()).isEqualTo(verdict);
      assertThat(d.retryNanos() / 1e9).isBetween(wait - 1e-6, wait + 1e-6);
      Allowance.Verdict later = d.now().ask(l, estimate, d.now().nanos() + d.retryNanos());
      assertThat(later instanceof Granted || d.limit() == Limit.IN_FLIGHT)
          .as("granted when it was told")
          .isTrue();
    } else {
      assertThat(verdict).isEqualTo("GRANTED");
    }
  }

  @Test
  void whatIsDeniedUsesNothing() {
    Limits l = new Limits(0, 2, 100);
    Allowance full = new Allowance(1, 2, 10, START);
    Denied d = (Denied) full.ask(l, 10, START);
    assertThat(d.now().inFlight()).isEqualTo(1);
    assertThat(d.now().requests()).isEqualTo(2);
    assertThat(d.now().tokens()).isEqualTo(10);
  }

  /// Estimate taken; what it came to; what is used afterwards.
  @ParameterizedTest
  @CsvSource({"100, 100, 100", "100, 30, 30", "100, 0, 0", "100, 700, 700", "5000, 20, 20"})
  void theDifferenceToTheEstimateIsSettled(long estimate, long came, double used) {
    Limits l = new Limits(3, 0, 1000);
    Granted g = (Granted) Allowance.fresh(START).ask(l, estimate, START);
    assertThat(g.now().inFlight()).isEqualTo(1);
    assertThat(g.now().tokens()).isEqualTo((double) Math.min(estimate, 1000));
    Allowance after = g.now().settled(l, g.reserved(), came, START);
    assertThat(after.inFlight()).isZero();
    assertThat(after.tokens()).isEqualTo(used);
  }

  @Test
  void whatAnAnswerTookBeyondAMinutesWorthIsPaidBackByTime() {
    Limits l = new Limits(0, 0, 60);
    Granted g = (Granted) Allowance.fresh(START).ask(l, 1, START);
    Allowance a = g.now().settled(l, g.reserved(), 240, START);
    assertThat(a.tokensLeft(l)).isZero();
    assertThat(a.ask(l, 1, START + seconds(180))).isInstanceOf(Denied.class);
    assertThat(a.ask(l, 1, START + seconds(181.1))).isInstanceOf(Granted.class);
  }

  @Test
  void aMinutesWorthComesBackInAMinuteAndNoMore() {
    Limits l = new Limits(0, 30, 600);
    Allowance used = new Allowance(0, 30, 600, START);
    assertThat(used.requestsResetNanos(l)).isEqualTo(Duration.ofMinutes(1).toNanos());
    assertThat(used.at(l, START + seconds(20)).requestsLeft(l)).isEqualTo(10);
    assertThat(used.at(l, START + seconds(20)).tokensLeft(l)).isEqualTo(200);
    assertThat(used.at(l, START + seconds(500)).requestsLeft(l)).isEqualTo(30);
    assertThat(used.at(l, START + seconds(500)).tokensResetNanos(l)).isZero();
  }

  @Test
  void aClockThatStandsBehindGivesNothingBack() {
    Limits l = new Limits(0, 1, 0);
    Allowance used = new Allowance(0, 1, 0, START);
    assertThat(used.at(l, START - seconds(60)).requests()).isEqualTo(1);
    assertThat(used.at(l, START - seconds(60)).nanos()).isEqualTo(START);
  }

  /// What was used drains as before; what is used meanwhile is not metered.
  @Test
  void aLimitThatIsTakenAwayAndPutBackKeepsWhatWasUsed() {
    Limits l = new Limits(0, 60, 600);
    Allowance full = new Allowance(0, 60, 600, START).at(l, START + seconds(20));
    Granted free = (Granted) full.ask(Limits.NONE, 500, START + seconds(30));
    assertThat(free.reserved()).isZero();
    Allowance after = free.now().settled(Limits.NONE, 0, 9000, START + seconds(40));
    assertThat(after.requests()).isEqualTo(20);
    assertThat(after.tokens()).isEqualTo(200);
    assertThat(after.at(l, START + seconds(50)).tokens()).isEqualTo(100);
    assertThat(after.at(Limits.NONE, START + seconds(60)).isUnused()).isTrue();
  }

  /// Used before under limits of 600 and 6,000, what counts under 6 and 60, and seconds until one
  /// is free again.
  @ParameterizedTest
  @CsvSource({"3, 30, 3, 30, 0", "600, 0, 6, 0, 10", "0, 6000, 0, 60, 1", "0, 12000, 0, 120, 61"})
  void aLimitThatIsLoweredIsUsedUpForNoLongerThanAnother(
      double requests, double tokens, double r, double t, double wait) {
    Limits high = new Limits(0, 600, 6000);
    Limits low = new Limits(0, 6, 60);
    Allowance a = new Allowance(0, requests, tokens, START).at(high, START);
    Allowance after = a.lowered(high, low).at(low, START);
    assertThat(after.requests()).isEqualTo(r);
    assertThat(after.tokens()).isEqualTo(t);
    if (wait == 0) {
      assertThat(after.ask(low, 1, START)).isInstanceOf(Granted.class);
    } else {
      assertThat(((Denied) after.ask(low, 1, START)).retryNanos()).isEqualTo(seconds(wait));
    }
  }

  /// What goes from one router to another forgives no debt.
  @Test
  void aPartThatMovesLeavesWhatIsOverdrawnAsItIs() {
    Limits whole = new Limits(0, 0, 1000);
    Limits part = new Limits(0, 0, 500);
    Allowance a = new Allowance(0, 0, 1500, START).at(whole, START).moved(whole, part);
    assertThat(a.at(part, START).tokens()).as("500 beyond what it may").isEqualTo(1000);
    assertThat(a.at(part, START).moved(part, whole).at(whole, START).tokens()).isEqualTo(1500);
  }

  /// Estimate that was taken while there was a limit, what it came to when there was none any more,
  /// what is used then.
  @ParameterizedTest
  @CsvSource({"100, 30, 30", "100, 100, 100", "100, 900, 100", "100, 0, 0"})
  void whatWasTakenIsGivenBackWhenTheLimitIsGone(long estimate, long came, double used) {
    Granted g = (Granted) Allowance.fresh(START).ask(new Limits(0, 0, 1000), estimate, START);
    Allowance after = g.now().settled(Limits.NONE, g.reserved(), came, START);
    assertThat(after.tokens()).isEqualTo(used);
  }

  @Test
  void requestsWithoutALimitAreInFlightWhenOneIsPutOn() {
    Allowance a = Allowance.fresh(START);
    for (int k = 0; k < 4; k++) {
      a = ((Granted) a.ask(Limits.NONE, 10, START)).now();
    }
    Limits two = new Limits(2, 0, 0);
    assertThat(a.inFlight()).isEqualTo(4);
    assertThat(a.ask(two, 10, START)).isInstanceOf(Denied.class);
    for (int k = 0; k < 3; k++) {
      a = a.settled(two, 0, 10, START);
    }
    a = ((Granted) a.ask(two, 10, START)).now();
    assertThat(a.ask(two, 10, START)).isInstanceOf(Denied.class);
  }
}
