package org.infinilm.svc.babysitter;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
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

class SupervisionTest {
  private static final Limits LIMITS =
      new Limits(
          10,
          Duration.ofSeconds(5),
          Duration.ofSeconds(60),
          5,
          Duration.ofSeconds(100),
          Duration.ofSeconds(5),
          4,
          Duration.ofSeconds(40),
          Duration.ofSeconds(60),
          Duration.ofMinutes(5),
          false);

  private double luck;
  private State state = State.INITIAL;
  private List<Action> actions = List.of();

  private SupervisionTest at(double seconds, Event event) {
    Decision d = Supervision.decide(state, event, nanos(seconds), LIMITS, luck);
    state = d.state();
    actions = d.actions();
    return this;
  }

  private void expect(Phase phase, Action... expected) {
    assertThat(state.phase()).isEqualTo(phase);
    assertThat(actions).containsExactly(expected);
  }

  private static long nanos(double seconds) {
    return Math.round(seconds * 1e9);
  }

  private static Event probed(int generation, Verdict v) {
    return new Event.Probed(generation, v, "GET /health: status 503");
  }

  private SupervisionTest ready() {
    at(0, new Event.Begin(false)).at(0.05, new Event.Due()).at(0.06, probed(1, Verdict.OK));
    return this;
  }

  @Test
  void aProbeThatCouldNotBeMadeSaysNothingOfTheServer() {
    ready();
    double now = 6;
    for (int n = 0; n < 3 * LIMITS.healthFailures(); n++, now += 6) {
      at(now, new Event.Due()).expect(Phase.READY, new Action.Probe(1));
      at(now + 0.1, probed(1, Verdict.UNASKED)).expect(Phase.READY);
      assertThat(state.dueNanos()).isEqualTo(nanos(now + 5.1));
    }
    at(now, new Event.Due()).at(now, probed(1, Verdict.REFUSES));
    assertThat(state.phase()).isEqualTo(Phase.UNHEALTHY);
    at(now + 6, new Event.Due()).at(now + 6, probed(1, Verdict.UNASKED)).expect(Phase.UNHEALTHY);
    assertThat(state.probeFailures()).isOne();
    at(now + 12, new Event.Due()).at(now + 12, probed(1, Verdict.OK));
    assertThat(state.phase()).isEqualTo(Phase.READY);
  }

  @Test
  void aStartThatCannotBeAskedIsAskedOn() {
    at(0, new Event.Begin(false)).at(0.05, new Event.Due()).at(0.06, probed(1, Verdict.UNASKED));
    expect(Phase.STARTING);
    assertThat(state.dueNanos()).isEqualTo(nanos(0.11));
    at(0.11, new Event.Due()).expect(Phase.STARTING, new Action.Probe(1));
  }

  @Test
  void aStartIsProbedEvery50MillisAndPublishedWhenItAnswers() {
    at(0, new Event.Begin(false)).expect(Phase.STARTING, new Action.Spawn(1));
    assertThat(state.dueNanos()).isEqualTo(nanos(0.05));
    at(0.05, new Event.Due()).expect(Phase.STARTING, new Action.Probe(1));
    at(0.06, probed(1, Verdict.SILENT)).expect(Phase.STARTING);
    assertThat(state.dueNanos()).isEqualTo(nanos(0.11));
    at(0.11, new Event.Due()).expect(Phase.STARTING, new Action.Probe(1));
    at(0.12, probed(1, Verdict.OK)).expect(Phase.READY, new Action.Serve(1));
    assertThat(state.dueNanos()).isEqualTo(nanos(5.12));
  }

  @Test
  void aSlowStartIsProbedEveryMoreSlowlyAndNeverForcedReady() {
    at(0, new Event.Begin(false)).at(40, new Event.Due()).at(40, probed(1, Verdict.REFUSES));
    assertThat(state.phase()).isEqualTo(Phase.LOADING);
    assertThat(state.dueNanos()).isEqualTo(nanos(41));
  }

  @Test
  void aStartThatAnswersIsLoadingAndAStrangersAnswerIsNone() {
    at(0, new Event.Begin(false)).at(1, new Event.Due()).at(1, probed(1, Verdict.SILENT));
    assertThat(state.word()).isEqualTo("starting");
    at(2, new Event.Due()).at(2, probed(1, Verdict.FOREIGN));
    assertThat(state.word()).isEqualTo("starting");
    assertThat(state.wasReady()).isFalse();
    at(3, new Event.Due()).at(3, probed(1, Verdict.REFUSES)).expect(Phase.LOADING);
    assertThat(state.word()).isEqualTo("loading");
    assertThat(state.wasReady()).isFalse();
    at(4, new Event.Due()).at(4, probed(1, Verdict.OK)).expect(Phase.READY, new Action.Serve(1));
    assertThat(state.wasReady()).isTrue();
    at(9, new Event.Due()).at(9, probed(1, Verdict.FOREIGN));
    expect(Phase.UNHEALTHY, new Action.Withdraw("unhealthy"));
  }

  @Test
  void aStartThatLoadsForTooLongOrEndsIsAsFailedAsOneThatIsSilent() {
    at(0, new Event.Begin(false)).at(1, new Event.Due()).at(1, probed(1, Verdict.REFUSES));
    at(100, new Event.Due());
    assertThat(state.phase()).isEqualTo(Phase.RESTARTING);
    assertThat(actions).singleElement().isInstanceOf(Action.Kill.class);
    state = State.INITIAL;
    at(0, new Event.Begin(false)).at(1, new Event.Due()).at(1, probed(1, Verdict.REFUSES));
    at(2, new Event.Exited(1, "x")).expect(Phase.RESTARTING, new Action.Withdraw("restarting"));
    assertThat(state.failedStarts()).isEqualTo(1);
  }

  @Test
  void restartsOfManyAreSpread() {
    luck = 1;
    ready().at(1, new Event.Exited(1, "x"));
    assertThat(state.dueNanos()).isEqualTo(nanos(6.5));
  }

  @Test
  void aStartPastItsTimeLimitIsKilledAndCountsAsFailed() {
    at(0, new Event.Begin(false)).at(100, new Event.Due());
    assertThat(state.phase()).isEqualTo(Phase.RESTARTING);
    assertThat(actions).singleElement().isInstanceOf(Action.Kill.class);
    at(101, new Event.Exited(1, "the process was ended by signal 9"));
    assertThat(state.failedStarts()).isEqualTo(1);
    assertThat(state.reason()).contains("not ready within 100 s").contains("signal 9");
  }

  @Test
  void anEarlyExitIsNoticedAtOnceAndRestartedAfterTheDelay() {
    at(0, new Event.Begin(false)).at(0.2, new Event.Exited(1, "the process ended with status 1"));
    expect(Phase.RESTARTING, new Action.Withdraw("restarting"));
    assertThat(state.dueNanos()).isEqualTo(nanos(5.2));
    at(0.3, new Event.Cleared(1)).expect(Phase.RESTARTING);
    at(5.2, new Event.Due()).expect(Phase.STARTING, new Action.Spawn(2));
    assertThat(state.restarts()).isEqualTo(1);
  }

  @Test
  void aTreeThatDoesNotEndIsEndedAgainAndSaidOnce() throws InterruptedException {
    int[] ends = {0};
    int[] said = {0};
    Babysitter.untilGone(() -> ++ends[0] == 4, () -> said[0]++, Duration.ofMillis(1));
    assertThat(ends[0]).isEqualTo(4);
    assertThat(said[0]).isEqualTo(1);
  }

  @Test
  void aRestartWaitsUntilTheOldTreeIsGone() {
    ready().at(70, new Event.Exited(1, "x")).at(75, new Event.Due()).expect(Phase.RESTARTING);
    at(78, new Event.Cleared(1));
    assertThat(state.dueNanos()).isEqualTo(nanos(78));
    at(78, new Event.Due()).expect(Phase.STARTING, new Action.Spawn(2));
  }

  @Test
  void exitsInQuickSuccessionBackOffAndLongServiceForgives() {
    ready().at(1, new Event.Exited(1, "x")).at(1, new Event.Cleared(1));
    assertThat(state.dueNanos()).isEqualTo(nanos(6));
    at(6, new Event.Due()).at(7, probed(2, Verdict.OK)).at(8, new Event.Exited(2, "x"));
    assertThat(state.dueNanos()).isEqualTo(nanos(18));
    at(8, new Event.Cleared(2)).at(18, new Event.Due()).at(19, probed(3, Verdict.OK));
    at(200, new Event.Exited(3, "x"));
    assertThat(state.dueNanos()).isEqualTo(nanos(205));
  }

  @Test
  void fiveStartsInARowThatNeverBecomeReadyEndIt() {
    List<Double> delays = new ArrayList<>();
    at(0, new Event.Begin(false));
    double t = 0;
    for (int generation = 1; generation <= 4; generation++) {
      at(t, new Event.Exited(generation, "status 1")).at(t, new Event.Cleared(generation));
      delays.add(state.dueNanos() / 1e9 - t);
      t = state.dueNanos() / 1e9;
      at(t, new Event.Due());
    }
    assertThat(delays).containsExactly(5.0, 10.0, 20.0, 40.0);
    at(t, new Event.Exited(5, "status 1")).expect(Phase.GAVE_UP, new Action.Withdraw("failed"));
    at(t, new Event.Cleared(5));
    assertThat(actions).singleElement().isInstanceOf(Action.GiveUp.class);
    assertThat(state.reason()).contains("5 starts in a row").contains("status 1");
  }

  @Test
  void aCommandThatCannotBeStartedGivesUpToo() {
    at(0, new Event.Begin(false));
    double t = 0;
    for (int generation = 1; generation <= 4; generation++) {
      at(t, new Event.SpawnFailed(generation, "command \"x\" not found"));
      t = state.dueNanos() / 1e9;
      at(t, new Event.Due());
    }
    at(t, new Event.SpawnFailed(5, "command \"x\" not found"));
    assertThat(state.phase()).isEqualTo(Phase.GAVE_UP);
    assertThat(actions).singleElement().isInstanceOf(Action.GiveUp.class);
  }

  @Test
  void maxRestartsBoundsTheWholeLife() {
    ready();
    double t = 100;
    for (int generation = 1; generation <= 10; generation++) {
      at(t, new Event.Exited(generation, "x")).at(t, new Event.Cleared(generation));
      t = state.dueNanos() / 1e9;
      at(t, new Event.Due()).at(t + 1, probed(generation + 1, Verdict.OK));
      assertThat(state.phase()).isEqualTo(Phase.READY);
      t += 100;
    }
    at(t, new Event.Exited(11, "x"));
    assertThat(state.phase()).isEqualTo(Phase.GAVE_UP);
    assertThat(state.reason()).contains("max_restarts (10)");
  }

  @Test
  void aServerThatSaysNoIsWithdrawnAtOnceAndKilledAfterNFailures() {
    ready().at(5.06, new Event.Due()).expect(Phase.READY, new Action.Probe(1));
    at(5.1, probed(1, Verdict.REFUSES)).expect(Phase.UNHEALTHY, new Action.Withdraw("unhealthy"));
    at(10.1, new Event.Due()).at(10.1, probed(1, Verdict.REFUSES)).expect(Phase.UNHEALTHY);
    at(15.1, new Event.Due()).at(15.1, probed(1, Verdict.SILENT)).expect(Phase.UNHEALTHY);
    at(20.1, new Event.Due()).at(20.1, probed(1, Verdict.SILENT));
    assertThat(state.phase()).isEqualTo(Phase.RESTARTING);
    assertThat(actions).singleElement().isInstanceOf(Action.Kill.class);
    at(21, new Event.Exited(1, "x"));
    assertThat(state.failedStarts()).isZero();
  }

  @Test
  void oneSilentProbeIsForgivenTwoAreNot() {
    ready().at(6, probed(1, Verdict.SILENT)).expect(Phase.READY);
    at(11, probed(1, Verdict.SILENT)).expect(Phase.UNHEALTHY, new Action.Withdraw("unhealthy"));
    at(16, probed(1, Verdict.OK)).expect(Phase.READY, new Action.Serve(1));
    assertThat(state.probeFailures()).isZero();
  }

  @Test
  void eventsOfAnOlderStartChangeNothing() {
    ready().at(1, new Event.Exited(1, "x")).at(1, new Event.Cleared(1)).at(6, new Event.Due());
    State before = state;
    at(6.1, probed(1, Verdict.OK)).at(6.1, new Event.Exited(1, "x"));
    at(6.1, new Event.Cleared(1)).at(6.1, new Event.SpawnFailed(1, "x"));
    assertThat(state).isEqualTo(before);
  }

  @Test
  void onlyOneProbeIsUnderWay() {
    ready().at(6, new Event.Due()).at(20, new Event.Due());
    assertThat(actions).isEmpty();
    assertThat(state.probing()).isTrue();
  }

  @Test
  void aProbeWithoutAnOutcomeIsASilentOneAndTheNextIsAsked() {
    ready().at(6, new Event.Due());
    expect(Phase.READY, new Action.Probe(1));
    at(47, new Event.Due());
    assertThat(state.probing()).isFalse();
    assertThat(state.probeFailures()).isEqualTo(1);
    at(53, new Event.Due()).expect(Phase.READY, new Action.Probe(1));
    at(94, new Event.Due());
    expect(Phase.UNHEALTHY, new Action.Withdraw("unhealthy"));
    assertThat(state.reason()).isEqualTo("no outcome within 40 s");
  }

  @Test
  void stopKillsWhatRunsAndEndsWhenItIsGone() {
    ready().at(3, new Event.Stop());
    expect(Phase.STOPPING, new Action.Kill(1, "asked to stop"));
    at(3.1, new Event.Stop()).expect(Phase.STOPPING);
    at(3.2, new Event.Exited(1, "x")).expect(Phase.STOPPING);
    assertThat(state.tree()).isEqualTo(Tree.ENDING);
    at(3.3, new Event.Cleared(1)).expect(Phase.STOPPING);
    assertThat(state.tree()).isEqualTo(Tree.NONE);
  }

  @Test
  void aDrainLastsOverFlapsAndRestartsUntilItIsUndone() {
    ready().at(1, new Event.Drain(true)).expect(Phase.READY, new Action.Withdraw("draining"));
    assertThat(state.word()).isEqualTo("draining");
    at(1.1, new Event.Drain(true)).expect(Phase.READY);
    at(6, probed(1, Verdict.REFUSES)).expect(Phase.UNHEALTHY, new Action.Withdraw("unhealthy"));
    at(11, probed(1, Verdict.OK)).expect(Phase.READY, new Action.Serve(1));
    assertThat(state.serving()).as("published as draining").isFalse();
    at(12, new Event.Exited(1, "x")).at(12, new Event.Cleared(1)).at(30, new Event.Due());
    at(31, probed(2, Verdict.OK)).expect(Phase.READY, new Action.Serve(2));
    assertThat(state.draining()).isTrue();
    at(32, new Event.Drain(false)).expect(Phase.READY, new Action.Serve(2));
    assertThat(state.serving()).isTrue();
    at(32, new Event.Drain(false)).expect(Phase.READY);
  }

  @Test
  void aDrainBeforeTheStartIsDoneIsRemembered() {
    at(0, new Event.Begin(false)).at(0.01, new Event.Drain(true)).expect(Phase.STARTING);
    at(0.05, new Event.Due())
        .at(0.06, probed(1, Verdict.OK))
        .expect(Phase.READY, new Action.Serve(1));
    assertThat(state.serving()).isFalse();
  }

  @Test
  void stopDuringBackOffStartsNothing() {
    ready().at(1, new Event.Exited(1, "x")).at(1, new Event.Cleared(1)).at(2, new Event.Stop());
    expect(Phase.STOPPING);
    assertThat(state.tree()).isEqualTo(Tree.NONE);
    assertThat(state.dueNanos()).isEqualTo(Supervision.NEVER);
  }
}
