package org.infinilm.svc.babysitter;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import org.infinilm.svc.babysitter.Supervision.Action;
import org.infinilm.svc.babysitter.Supervision.Decision;
import org.infinilm.svc.babysitter.Supervision.Event;
import org.infinilm.svc.babysitter.Supervision.Limits;
import org.infinilm.svc.babysitter.Supervision.Phase;
import org.infinilm.svc.babysitter.Supervision.State;
import org.infinilm.svc.babysitter.Supervision.Tree;
import org.infinilm.svc.babysitter.Supervision.Verdict;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OnDemandSupervisionTest {
  private static final Limits LIMITS = limits(Duration.ofMinutes(5));

  private Limits limits = LIMITS;
  private State state = State.INITIAL;
  private List<Action> actions = List.of();

  private static Limits limits(Duration idleStop) {
    return new Limits(
        10,
        Duration.ofSeconds(5),
        Duration.ofSeconds(60),
        2,
        Duration.ofSeconds(100),
        Duration.ofSeconds(5),
        4,
        Duration.ofSeconds(40),
        Duration.ofSeconds(60),
        idleStop,
        true);
  }

  private OnDemandSupervisionTest at(double seconds, Event event) {
    Decision d = Supervision.decide(state, event, nanos(seconds), limits, 0);
    state = d.state();
    actions = d.actions();
    return this;
  }

  private OnDemandSupervisionTest expect(Phase phase, Action... expected) {
    assertThat(state.phase()).isEqualTo(phase);
    assertThat(actions).containsExactly(expected);
    return this;
  }

  private static long nanos(double seconds) {
    return Math.round(seconds * 1e9);
  }

  private static Event ok(int generation) {
    return new Event.Probed(generation, Verdict.OK, "");
  }

  private static Event looked(int generation, boolean used) {
    return new Event.Looked(generation, used);
  }

  private OnDemandSupervisionTest asleep() {
    return at(0, new Event.Begin(true));
  }

  /// Ready at 2 s, in its first generation.
  private OnDemandSupervisionTest awake() {
    return asleep().at(1, new Event.Wake()).at(1.5, new Event.Due()).at(2, ok(1));
  }

  /// Told to be asleep at 302 s, and running still.
  private OnDemandSupervisionTest dozing() {
    return awake().at(302, looked(1, false));
  }

  private Event dozed(boolean calm) {
    return new Event.Dozed(1, nanos(2), calm, "");
  }

  @Test
  void nothingRunsUntilItIsAskedFor() {
    asleep().expect(Phase.ASLEEP, new Action.Withdraw("asleep"));
    assertThat(state.dueNanos()).isEqualTo(Supervision.NEVER);
    assertThat(state.word()).isEqualTo("asleep");
    at(1, new Event.Wake())
        .expect(Phase.STARTING, new Action.Withdraw("starting"), new Action.Spawn(1));
    at(1.1, new Event.Wake()).expect(Phase.STARTING);
    at(2, ok(1)).expect(Phase.READY, new Action.Serve(1));
    at(3, new Event.Wake()).expect(Phase.READY);
    assertThat(state.restarts()).isZero();
  }

  @Test
  void whoIsLeftAloneDozesAndThenSleeps() {
    awake().at(301.9, looked(1, false)).expect(Phase.READY);
    at(302, looked(1, false))
        .expect(Phase.DOZING, new Action.Withdraw("asleep"), new Action.Doze(1, nanos(2)));
    assertThat(state.serving()).isFalse();
    at(303, dozed(true))
        .expect(Phase.ASLEEP, new Action.Kill(1, "nobody used it for 300 s"))
        .at(304, new Event.Exited(1, "ended"))
        .expect(Phase.ASLEEP)
        .at(305, new Event.Cleared(1))
        .expect(Phase.ASLEEP);
    assertThat(state.tree()).isEqualTo(Tree.NONE);
    assertThat(state.failedStarts() + state.quickExits()).isZero();
    at(400, new Event.Wake())
        .expect(Phase.STARTING, new Action.Withdraw("starting"), new Action.Spawn(2));
    assertThat(state.restarts()).isZero();
  }

  @Test
  void useAndRequestsPutTheEndOff() {
    awake().at(200, looked(1, true)).at(302, looked(1, false)).expect(Phase.READY);
    at(450, new Event.Wake()).at(500, looked(1, false)).expect(Phase.READY);
    at(749.9, looked(1, false)).expect(Phase.READY);
    at(750, looked(1, false));
    assertThat(state.phase()).isEqualTo(Phase.DOZING);
  }

  @Test
  void whoDozesIsBackAtOnceForARequestOrUse() {
    dozing().at(302.5, new Event.Wake()).expect(Phase.READY, new Action.Serve(1));
    assertThat(state.dueNanos()).isEqualTo(nanos(307.5));
    // the doze that was broken off says nothing any more
    at(303, dozed(true)).expect(Phase.READY);
    at(602.4, looked(1, false)).expect(Phase.READY);
    at(602.5, looked(1, false));
    at(603, dozed(true)).expect(Phase.DOZING);
    at(603, new Event.Dozed(1, nanos(302.5), false, "in use"))
        .expect(Phase.READY, new Action.Serve(1));
    assertThat(state.usedNanos()).isEqualTo(nanos(603));
  }

  @Test
  void aRequestDuringTheStopStartsItAgainOnceItsTreeIsGone() {
    dozing().at(303, dozed(true)).at(303.1, new Event.Wake());
    expect(Phase.WAKING, new Action.Withdraw("waking"));
    at(303.2, new Event.Wake()).expect(Phase.WAKING);
    at(303.3, ok(1)).expect(Phase.WAKING);
    at(304, new Event.Exited(1, "ended")).expect(Phase.WAKING);
    at(304.1, new Event.Wake()).expect(Phase.WAKING);
    at(305, new Event.Cleared(1)).expect(Phase.STARTING, new Action.Spawn(2));
    assertThat(state.restarts()).isZero();
  }

  @Test
  void oneThatEndsByItselfWhileItDozesSleeps() {
    dozing().at(302.5, new Event.Exited(1, "status 1")).expect(Phase.ASLEEP);
    at(302.6, dozed(true)).expect(Phase.ASLEEP);
    at(303, new Event.Cleared(1)).expect(Phase.ASLEEP);
    at(304, new Event.Wake())
        .expect(Phase.STARTING, new Action.Withdraw("starting"), new Action.Spawn(2));
  }

  /// At rest from 8 s on, for 60 s.
  private OnDemandSupervisionTest resting() {
    return asleep()
        .at(1, new Event.Wake())
        .at(2, new Event.Exited(1, "ended with status 3"))
        .at(2, new Event.Cleared(1))
        .at(7, new Event.Due())
        .at(8, new Event.Exited(2, "ended with status 3"));
  }

  @Test
  void aStartThatFailsBacksOffAsUsual() {
    asleep().at(1, new Event.Wake()).at(2, new Event.Exited(1, "status 1"));
    expect(Phase.RESTARTING, new Action.Withdraw("restarting"));
    at(2, new Event.Cleared(1)).at(3, new Event.Wake()).expect(Phase.RESTARTING);
    assertThat(state.dueNanos()).isEqualTo(nanos(7));
    at(7, new Event.Due()).expect(Phase.STARTING, new Action.Spawn(2));
    at(8, ok(2)).expect(Phase.READY, new Action.Serve(2));
    assertThat(state.failedStarts()).isZero();
  }

  @Test
  void oneThatCannotBeStartedSleepsAndIsNotWokenForAWhile() {
    resting().expect(Phase.ASLEEP, new Action.Withdraw("asleep"));
    assertThat(state.reason())
        .isEqualTo(
            "2 starts in a row did not become ready; last: ended with status 3; not started again"
                + " for 60 s");
    assertThat(state.rest().cause()).isEqualTo("ended with status 3");
    assertThat(state.rest().leftNanos(nanos(8))).isEqualTo(nanos(60));
    at(8.5, new Event.Cleared(2)).at(20, new Event.Wake()).expect(Phase.ASLEEP);
    assertThat(state.tree()).isEqualTo(Tree.NONE);
    at(67.9, new Event.Due()).expect(Phase.ASLEEP);
    at(68, new Event.Due()).expect(Phase.ASLEEP, new Action.Withdraw("asleep"));
    assertThat(state.rest().now()).isFalse();
    assertThat(state.reason()).endsWith("its last start failed: ended with status 3");
    assertThat(state.dueNanos()).isEqualTo(Supervision.NEVER);
    at(70, new Event.Wake())
        .expect(Phase.STARTING, new Action.Withdraw("starting"), new Action.Spawn(3));
    at(71, ok(3)).expect(Phase.READY, new Action.Serve(3));
    assertThat(state.rest().cause()).isEmpty();
    assertThat(state.rest().inARow()).isZero();
  }

  @Test
  void afterARestOneStartIsTriedAndTheNextRestIsLongerUpToTenTimes() {
    resting().at(8, new Event.Cleared(2));
    double now = 8;
    int generation = 2;
    for (int times : List.of(1, 2, 4, 8, 10, 10)) {
      assertThat(state.rest().leftNanos(nanos(now))).isEqualTo(nanos(60.0 * times));
      now += 60 * times;
      at(now, new Event.Due()).at(now + 1, new Event.Wake());
      assertThat(state.phase()).isEqualTo(Phase.STARTING);
      now += 2;
      at(now, new Event.Exited(++generation, "ended with status 3"))
          .expect(Phase.ASLEEP, new Action.Withdraw("asleep"));
      at(now, new Event.Cleared(generation));
    }
    assertThat(state.failedStarts()).isEqualTo(8);
  }

  @Test
  void oneThatDiesWhileItWarmsUpRestsAsWell() {
    asleep().at(1, new Event.Wake()).at(1.5, new Event.Due());
    at(2, new Event.Probed(1, Verdict.REFUSES, "GET http://h:1/health: status 503"));
    assertThat(state.phase()).isEqualTo(Phase.LOADING);
    at(3, new Event.Exited(1, "x")).at(3, new Event.Cleared(1)).at(8, new Event.Due());
    at(8.5, new Event.Probed(2, Verdict.REFUSES, "GET http://h:1/health: status 503"));
    // over the time limit of a start
    at(110, new Event.Due());
    assertThat(actions).singleElement().isInstanceOf(Action.Kill.class);
    at(111, new Event.Exited(2, "ended by signal 15"))
        .expect(Phase.ASLEEP, new Action.Withdraw("asleep"));
    assertThat(state.reason()).contains("not ready within 100 s", "status 503");
    assertThat(state.rest().cause())
        .as("nothing of where it is")
        .isEqualTo("not ready within 100 s of its start, ended by signal 15");
  }

  @Test
  void oneThatCannotEvenBeBegunRestsToo() {
    asleep().at(1, new Event.Wake()).at(1, new Event.SpawnFailed(1, "/x: error=13"));
    at(6, new Event.Due()).at(6, new Event.SpawnFailed(2, "/x: error=13"));
    assertThat(state.phase()).isEqualTo(Phase.ASLEEP);
    assertThat(state.reason()).contains("/x: error=13");
    assertThat(state.rest().cause()).isEqualTo("its command cannot be started");
    assertThat(state.tree()).isEqualTo(Tree.NONE);
  }

  @Test
  void whatIsStillThereOfTheLastStartIsWaitedForWhenARestIsOver() {
    resting()
        .at(68, new Event.Due())
        .at(69, new Event.Wake())
        .expect(Phase.WAKING, new Action.Withdraw("waking"));
    at(70, new Event.Cleared(2)).expect(Phase.STARTING, new Action.Spawn(3));
  }

  @Test
  void oneThatCannotBeListedIsStartedByItself() {
    at(0, new Event.Begin(false)).at(1, new Event.Exited(1, "x")).at(1, new Event.Cleared(1));
    at(6, new Event.Due()).at(7, new Event.Exited(2, "x"));
    expect(Phase.RESTARTING, new Action.Withdraw("restarting")).at(7, new Event.Cleared(2));
    at(66.9, new Event.Due()).expect(Phase.RESTARTING);
    at(67, new Event.Due()).expect(Phase.STARTING, new Action.Spawn(3));
    at(68, ok(3)).at(69, new Event.Exited(3, "x"));
    assertThat(state.rest().known()).as("its models are known now").isTrue();
  }

  @Test
  void undrainEndsARestAndADrainedOneRestsOn() {
    resting().at(9, new Event.Drain(true)).expect(Phase.ASLEEP, new Action.Withdraw("draining"));
    at(10, new Event.Drain(false)).expect(Phase.ASLEEP, new Action.Withdraw("asleep"));
    at(11, new Event.Wake());
    assertThat(state.phase()).isEqualTo(Phase.WAKING);
  }

  @Test
  void mostRestartsAreStillTheEnd() {
    limits = limits(Duration.ZERO);
    asleep().at(1, new Event.Wake());
    double now = 1;
    for (int k = 1; k <= 11; k++) {
      at(now + 1, ok(k))
          .at(now + 100, new Event.Exited(k, "x"))
          .at(now + 100, new Event.Cleared(k));
      now += 200;
      at(now, new Event.Due());
    }
    assertThat(state.phase()).isEqualTo(Phase.GAVE_UP);
  }

  @Test
  void aCrashAfterARestIsNoPartOfACrashLoop() {
    dozing().at(303, dozed(true)).at(303, new Event.Exited(1, "x")).at(303, new Event.Cleared(1));
    at(304, new Event.Wake()).at(305, ok(2)).at(306, new Event.Exited(2, "x"));
    assertThat(state.dueNanos()).isEqualTo(nanos(311));
    assertThat(state.restarts()).isZero();
  }

  @Test
  void oneThatIsDrainedIsNeitherStoppedNorWoken() {
    awake().at(3, new Event.Drain(true)).at(500, looked(1, false)).expect(Phase.READY);
    at(501, new Event.Drain(false)).at(501, looked(1, false));
    assertThat(state.phase()).isEqualTo(Phase.DOZING);
    at(501.5, new Event.Drain(true)).expect(Phase.READY, new Action.Withdraw("draining"));
    assertThat(state.word()).isEqualTo("draining");
  }

  @Test
  void oneThatSleepsAndIsDrainedSleepsOnUntilItIsUndrained() {
    asleep().at(1, new Event.Drain(true)).expect(Phase.ASLEEP, new Action.Withdraw("draining"));
    assertThat(state.word()).isEqualTo("draining");
    at(2, new Event.Wake()).expect(Phase.ASLEEP);
    at(3, new Event.Drain(false)).expect(Phase.ASLEEP, new Action.Withdraw("asleep"));
    at(4, new Event.Wake());
    assertThat(state.phase()).isEqualTo(Phase.STARTING);
  }

  @ParameterizedTest
  @CsvSource({"asleep, false", "dozing, true", "ending, true", "waking, true"})
  void itCanBeStoppedFromEverywhere(String from, boolean kills) {
    switch (from) {
      case "asleep" -> asleep();
      case "dozing" -> dozing();
      case "ending" -> dozing().at(303, dozed(true));
      default -> dozing().at(303, dozed(true)).at(303.1, new Event.Wake());
    }
    at(304, new Event.Stop());
    assertThat(state.phase()).isEqualTo(Phase.STOPPING);
    assertThat(actions.size()).isEqualTo(kills ? 1 : 0);
    at(305, new Event.Exited(1, "x")).at(305, new Event.Cleared(1)).expect(Phase.STOPPING);
    at(306, new Event.Wake()).expect(Phase.STOPPING);
  }

  @Test
  void withoutAnIdleTimeItIsNeverStopped() {
    limits = limits(Duration.ZERO);
    awake().at(1e6, looked(1, false)).expect(Phase.READY);
  }

  @Test
  void anUnhealthyOneIsNotTakenForAnIdleOne() {
    awake().at(3, new Event.Probed(1, Verdict.REFUSES, "no")).at(500, looked(1, false));
    assertThat(state.phase()).isEqualTo(Phase.UNHEALTHY);
  }
}
