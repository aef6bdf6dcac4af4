package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.router.Circuit.Event;
import org.junit.jupiter.api.Test;

/// What is seen on the data path, and whom it takes out.
class RosterCircuitTest extends RosterHarness {
  /// C6: what answers at the babysitter's port is another process.
  @Test
  void aHealthyBabysitterDoesNotBringBackAnInstanceWhosePortRefuses() {
    table(0, ok("a"));
    refuse("a", 1);
    assertThat(state("a")).isEqualTo(State.EJECTED);
    for (int second = 2; second < 60; second++) {
      assertThat(roster.up("a", 0.01, false, second * SECOND, 0.5)).isFalse();
      assertThat(state("a")).isEqualTo(State.EJECTED);
      assertThat(entry("a").suspect()).as("it is watched").isTrue();
    }
    assertThat(roster.up("a", 0.01, true, 60 * SECOND, 0.5)).isTrue();
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
  }

  /// Killed with requests on it, whose second instances answered them: its new process sat out the
  /// pause of the one that died, up to two minutes.
  @Test
  void whoDiedWithRequestsOnItIsTriedAsSoonAsItsPortAnswersAgain() {
    table(0, ok("a"), ok("b"), ok("c"));
    for (int k = 0; k < 6; k++) {
      strike("a", 1 + k);
      saw("a", Event.ANSWERED, 1 + k);
    }
    assertThat(state("a")).isEqualTo(State.EJECTED);
    roster.down("a", "it refuses", false, false, 10 * SECOND, 0.5);
    assertThat(roster.up("a", 0.01, false, 11 * SECOND, 0.5)).isFalse();
    assertThat(state("a")).as("its babysitter alone answers").isEqualTo(State.EJECTED);
    roster.down("a", "it refuses", false, false, 12 * SECOND, 0.5);
    assertThat(roster.up("a", 0.01, true, 13 * SECOND, 0.5)).isTrue();
    assertThat(state("a")).isEqualTo(State.TRIAL);
  }

  @Test
  void refusalsThatTheProberSeesCountWithThoseOfRequests() {
    table(0, ok("a"));
    saw("a", Event.REFUSED, 1);
    roster.up("a", 0.01, false, 2 * SECOND, 0.5);
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
    roster.up("a", 0.01, false, 3 * SECOND, 0.5);
    assertThat(state("a")).isEqualTo(State.EJECTED);
  }

  @Test
  void atMostHalfOfThoseThatServeAModelAreOutForWhatTheyAnswered() {
    table(0, ok("a"), ok("b"), ok("c"), ok("d"), ok("e"));
    for (String name : List.of("a", "b", "c", "d", "e")) {
      strike(name, 1);
    }
    assertThat(state("a")).isEqualTo(State.EJECTED);
    assertThat(state("b")).isEqualTo(State.EJECTED);
    for (String name : List.of("c", "d", "e")) {
      assertThat(state(name)).as(name).isEqualTo(State.ROUTABLE);
    }
    refuse("c", 1);
    refuse("d", 1);
    refuse("e", 1);
    assertThat(state("e"))
        .as("a port that refuses is no matter of shares")
        .isEqualTo(State.EJECTED);
  }

  /// Counted twice, a broken server that is listed twice could not leave under its second name.
  @Test
  void aServerUnderTwoNamesTakesOneShareOfThoseThatMayBeOut() {
    table(0, ok("a"), ok("b"), ok("b2"));
    entry("a").server = "1";
    entry("b").server = "2";
    entry("b2").server = "2";
    strike("b", 1);
    strike("b2", 1);
    assertThat(state("b")).isEqualTo(State.EJECTED);
    assertThat(state("b2")).isEqualTo(State.EJECTED);
    strike("a", 1);
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
  }

  @Test
  void twoNamesOfTheOnlyServerAreNoReasonToTakeItOut() {
    table(0, ok("a"), ok("b"));
    entry("a").server = "1";
    entry("b").server = "1";
    strike("a", 1);
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
  }

  @Test
  void theOnlyOneInServiceIsNeverTakenOutForWhatItAnswered() {
    table(0, ok("a"));
    strike("a", 1);
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
    table(1, ok("a"), ok("b"));
    refuse("b", 2);
    strike("a", 3);
    assertThat(state("a")).as("the other is out already").isEqualTo(State.ROUTABLE);
  }

  @Test
  void afterThePauseOneTrialDecides() {
    table(0, ok("a"), ok("b"));
    strike("a", 1);
    saw("a", Event.ANSWERED, 2);
    assertThat(state("a")).as("an answer from before").isEqualTo(State.EJECTED);
    assertThat(saw("a", Event.TIME, 7)).isTrue();
    assertThat(state("a")).isEqualTo(State.TRIAL);
    saw("a", Event.STRIKE, 8);
    assertThat(state("a")).isEqualTo(State.EJECTED);
    saw("a", Event.TIME, 30);
    saw("a", Event.ANSWERED, 31);
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
  }

  @Test
  void anAnswerDoesNotOverruleAServerThatSaysItIsNotWell() {
    table(0, ok("a"), ok("b"));
    for (int k = 0; k < 3; k++) {
      down("a");
      roster.down("b", "answers 503", true, null, 0, 0.5);
    }
    saw("a", Event.ANSWERED, 1);
    saw("b", Event.ANSWERED, 1);
    assertThat(state("a")).isEqualTo(State.ROUTABLE);
    assertThat(state("b")).isEqualTo(State.EJECTED);
  }
}
