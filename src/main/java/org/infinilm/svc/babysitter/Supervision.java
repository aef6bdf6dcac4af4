package org.infinilm.svc.babysitter;

import java.time.Duration;
import java.util.List;
import java.util.regex.Pattern;

/// What is done about one supervised process: `(state, event, now) -> (state, actions)`, without
/// threads, clocks or effects.
///
/// Times are nanoseconds of one monotonic clock.
final class Supervision {
  /* How it works
   *
   *           Begin                probe ok               probe failed
   * (nothing) ------> STARTING ---------------> READY <----------------> UNHEALTHY
   *                   LOADING                     |    probe ok             | N in a row: killed
   *                    ^   |                      |                         | or exit
   *         back-off   |   | exit, or killed      | exit                    |
   *         over       |   v after the time limit v                         v
   *                 RESTARTING <--------------------------------------------+
   *                    |
   *                    +--> GAVE_UP (no start succeeded several times in a row, or max_restarts)
   *                    +--> ASLEEP, at rest for a while (on demand: no start succeeded several times in a row)
   *
   * On demand, two more ways lead out of READY and back to STARTING:
   *
   *           idle for long             nothing came meanwhile        its tree is gone
   *   READY ----------------> DOZING -----------------------> ASLEEP ------------------> ASLEEP (none)
   *     ^                       |        (it is killed)          | Wake                     | Wake
   *     +-----------------------+                                v                          v
   *       Wake, or in use again                                WAKING -------------------> STARTING
   *                                                                   its tree is gone
   *
   * DOZING tells the registry that it sleeps while it still runs: who asks for it from then on wakes it.
   * LOADING is a start that answers, and says that it does not serve yet. Draining is beside the phases: it lasts over flaps and restarts. Stop leads from everywhere to
   * STOPPING. A generation is one start of the process; events of an
   * older one are ignored. A new start waits until the whole process tree of the last is gone.
   * Back-off is restart_delay doubled with each exit that came within the stable time, so a
   * process that served for long comes back after one plain restart_delay.
   */

  static final long NEVER = Long.MAX_VALUE;
  static final String DRAINING = "draining";
  private static final double JITTER = 0.1;

  /// What a client is told of a process that could not even be begun.
  private static final String UNSTARTED = "its command cannot be started";

  private static final Pattern DETAILS = Pattern.compile("\\s*\\(.*\\)");
  private static final long FIRST_POLL_NANOS = Duration.ofMillis(50).toNanos();
  private static final long SLOWEST_POLL_NANOS = Duration.ofSeconds(1).toNanos();

  private Supervision() {}

  enum Phase {
    STARTING("starting"),
    LOADING("loading"),
    READY("healthy"),
    /// Nobody uses it: it is stopped unless somebody does now.
    DOZING("dozing"),
    /// Stopped until it is asked for.
    ASLEEP("asleep"),
    /// Asked for; what is left of the last process is being ended.
    WAKING("waking"),
    UNHEALTHY("unhealthy"),
    RESTARTING("restarting"),
    STOPPING("stopping"),
    GAVE_UP("failed");

    private final String word;

    Phase(String word) {
      this.word = word;
    }

    /// The word in `/health` and in logs.
    String word() {
      return word;
    }

    /// Not ready yet.
    boolean isStart() {
      return this == STARTING || this == LOADING;
    }
  }

  /// Whether a process exists: none, one that runs, or one that ended and whose leftovers are still
  /// being ended.
  enum Tree {
    NONE,
    RUNNING,
    ENDING
  }

  /// @param maxRestarts restarts over the whole life before giving up
  /// @param restartDelay before the first restart; doubles up to `maxRestartDelay`
  /// @param maxFailedStarts starts in a row that never became ready before giving up
  /// @param startupTimeout a start that is not ready by then is killed
  /// @param healthInterval between probes of a ready process
  /// @param healthFailures failed probes in a row until the process is killed
  /// @param probeLimit a probe without an outcome by then is a silent one
  /// @param stable a process ready for so long is no part of a crash loop
  /// @param idleStop a process that nobody has used for so long is put to sleep; zero for never
  /// @param onDemand whether one that cannot be started rests ([Rest]) and is not given up
  record Limits(
      long maxRestarts,
      Duration restartDelay,
      Duration maxRestartDelay,
      int maxFailedStarts,
      Duration startupTimeout,
      Duration healthInterval,
      int healthFailures,
      Duration probeLimit,
      Duration stable,
      Duration idleStop,
      boolean onDemand) {}

  /// @param restarts starts after the first one
  /// @param failedStarts starts in a row that never became ready
  /// @param quickExits exits in a row that came within the stable time
  /// @param probeFailures failed probes in a row
  record Counts(long restarts, int failedStarts, int quickExits, int probeFailures) {
    Counts probes(int failures) {
      return new Counts(restarts, failedStarts, quickExits, failures);
    }
  }

  /// @param readyNanos when this generation became ready, or [#NEVER]
  /// @param dueNanos when [Event.Due] should come, or [#NEVER]
  /// @param usedNanos when it was in use, or asked for, last
  record Times(long startedNanos, long readyNanos, long dueNanos, long usedNanos) {
    Times due(long nanos) {
      return new Times(startedNanos, readyNanos, nanos, usedNanos);
    }

    Times used(long nanos) {
      return new Times(startedNanos, readyNanos, dueNanos, nanos);
    }
  }

  /// @param generation number of the start, from 1
  /// @param probing whether a probe is under way
  /// @param draining whether new requests are unwelcome; lasts over restarts until it is undone
  /// @param rest how it stands with a server on demand whose starts failed
  /// @param reason why the phase is not READY, for people
  record State(
      Phase phase,
      int generation,
      Tree tree,
      boolean probing,
      boolean draining,
      Counts counts,
      Times times,
      Rest rest,
      String reason) {
    static final State INITIAL =
        new State(
            Phase.STARTING,
            0,
            Tree.NONE,
            false,
            false,
            new Counts(0, 0, 0, 0),
            new Times(0, NEVER, NEVER, 0),
            Rest.NONE,
            "not started yet");

    long restarts() {
      return counts.restarts();
    }

    int failedStarts() {
      return counts.failedStarts();
    }

    int quickExits() {
      return counts.quickExits();
    }

    int probeFailures() {
      return counts.probeFailures();
    }

    long startedNanos() {
      return times.startedNanos();
    }

    long readyNanos() {
      return times.readyNanos();
    }

    long dueNanos() {
      return times.dueNanos();
    }

    long usedNanos() {
      return times.usedNanos();
    }

    /// Whether the process that runs was ready at some time.
    boolean wasReady() {
      return tree == Tree.RUNNING && readyNanos() != NEVER;
    }

    /// Ready, and new requests are welcome.
    boolean serving() {
      return phase == Phase.READY && !draining;
    }

    /// The word in `/health`.
    String word() {
      return draining && (phase == Phase.READY || phase == Phase.ASLEEP) ? DRAINING : phase.word();
    }

    State phase(Phase p, String why) {
      return new State(p, generation, tree, probing, draining, counts, times, rest, why);
    }

    State tree(Tree t) {
      return new State(phase, generation, t, probing, draining, counts, times, rest, reason);
    }

    State draining(boolean d) {
      return new State(phase, generation, tree, probing, d, counts, times, rest, reason);
    }

    State due(long nanos) {
      return new State(
          phase, generation, tree, probing, draining, counts, times.due(nanos), rest, reason);
    }

    State used(long now) {
      return new State(
          phase, generation, tree, probing, draining, counts, times.used(now), rest, reason);
    }

    State probes(boolean underWay, int failures) {
      return new State(
          phase,
          generation,
          tree,
          underWay,
          draining,
          counts.probes(failures),
          times,
          rest,
          reason);
    }

    State exits(int failed, int quick) {
      Counts c = new Counts(restarts(), failed, quick, 0);
      Times t = new Times(startedNanos(), NEVER, dueNanos(), usedNanos());
      return new State(phase, generation, tree, false, draining, c, t, rest, reason);
    }

    State rest(Rest r) {
      return new State(phase, generation, tree, probing, draining, counts, times, r, reason);
    }

    State ready(long now, long next) {
      Counts c = new Counts(restarts(), 0, quickExits(), 0);
      boolean first = readyNanos() == NEVER;
      Times t =
          new Times(startedNanos(), first ? now : readyNanos(), next, first ? now : usedNanos());
      return new State(Phase.READY, generation, tree, false, draining, c, t, rest.ready(), "");
    }

    /// The next generation, started now.
    State started(long now, long restartsNow) {
      return new State(
          Phase.STARTING,
          generation + 1,
          Tree.RUNNING,
          false,
          draining,
          new Counts(restartsNow, failedStarts(), quickExits(), 0),
          new Times(now, NEVER, now + FIRST_POLL_NANOS, usedNanos()),
          rest.over(),
          "not ready yet");
    }
  }

  /// What a probe of the process's HTTP found.
  enum Verdict {
    /// It serves.
    OK,
    /// It answered, and says that it does not serve.
    REFUSES,
    /// Another program answered.
    FOREIGN,
    /// Nothing answered in time.
    SILENT,
    /// It could not be asked: this process lacked what that takes, which says nothing of the
    /// server.
    UNASKED
  }

  sealed interface Event {
    /// @param asleep whether it waits until it is asked for
    record Begin(boolean asleep) implements Event {}

    /// The time that [State#dueNanos] named has come.
    record Due() implements Event {}

    record SpawnFailed(int generation, String why) implements Event {}

    record Probed(int generation, Verdict verdict, String said) implements Event {}

    /// The process that was started itself has ended.
    record Exited(int generation, String how) implements Event {}

    /// Nothing is left of its process tree.
    record Cleared(int generation) implements Event {}

    /// New requests become unwelcome, or welcome again.
    record Drain(boolean on) implements Event {}

    /// Somebody has a request for it.
    record Wake() implements Event {}

    /// Somebody has looked whether it is in use.
    record Looked(int generation, boolean used) implements Event {}

    /// The end of an [Action.Doze].
    ///
    /// @param usedNanos as there
    /// @param calm whether all know that it sleeps and nobody has used it since
    record Dozed(int generation, long usedNanos, boolean calm, String why) implements Event {}

    record Stop() implements Event {}
  }

  sealed interface Action {
    /// Whether it is about this start, or about none.
    default boolean isOf(int generation) {
      return switch (this) {
        case Spawn a -> a.generation() == generation;
        case Probe a -> a.generation() == generation;
        case Kill a -> a.generation() == generation;
        case Serve a -> a.generation() == generation;
        case Doze a -> a.generation() == generation;
        case Withdraw a -> true;
        case GiveUp a -> true;
      };
    }

    /// Whether it says what the registry is to hold: a later one takes its place.
    default boolean publishes() {
      return this instanceof Serve || this instanceof Withdraw;
    }

    record Spawn(int generation) implements Action {}

    record Probe(int generation) implements Action {}

    /// Ends the process tree.
    record Kill(int generation, String why) implements Action {}

    /// Publishes the instance: it takes requests, or finishes those it has when it drains.
    record Serve(int generation) implements Action {}

    /// Watches whether a process that is said to sleep is left alone; ends with [Event.Dozed].
    ///
    /// @param usedNanos tells this doze from others of the generation
    record Doze(int generation, long usedNanos) implements Action {}

    /// Takes the instance out of service under this status word.
    record Withdraw(String status) implements Action {}

    /// Ends the babysitter: not worth another try.
    record GiveUp(String why) implements Action {}
  }

  record Decision(State state, List<Action> actions) {
    static Decision of(State s, Action... actions) {
      return new Decision(s, List.of(actions));
    }
  }

  /// @param luck 0..1, spreads what would else be tried again by many at the same moment
  static Decision decide(State s, Event event, long now, Limits limits, double luck) {
    return switch (event) {
      case Event.Begin b -> b.asleep() ? asleep(s.rest(s.rest().listed())) : spawn(s, now, 0);
      case Event.Due d -> due(s, now, limits);
      case Event.SpawnFailed f ->
          f.generation() == s.generation()
              ? ended(s.tree(Tree.NONE), f.why(), UNSTARTED, now, limits, luck)
              : Decision.of(s);
      case Event.Probed p ->
          p.generation() == s.generation() ? probed(s, p, now, limits) : Decision.of(s);
      case Event.Exited e ->
          e.generation() == s.generation() ? exited(s, e, now, limits, luck) : Decision.of(s);
      case Event.Cleared c -> c.generation() == s.generation() ? cleared(s, now) : Decision.of(s);
      case Event.Drain d -> drain(s, d.on(), now, limits);
      case Event.Wake w -> wake(s, now, limits);
      case Event.Looked l ->
          l.generation() == s.generation() ? looked(s, l.used(), now, limits) : Decision.of(s);
      case Event.Dozed d ->
          d.generation() == s.generation() ? dozed(s, d, now, limits) : Decision.of(s);
      case Event.Stop stop -> stop(s);
    };
  }

  private static Decision spawn(State s, long now, long restarts) {
    State next = s.started(now, restarts);
    return Decision.of(next, new Action.Spawn(next.generation()));
  }

  private static Decision asleep(State s) {
    String cause = s.rest().cause();
    String why =
        "it sleeps until a request asks for it"
            + (cause.isEmpty() ? "" : "; its last start failed: " + cause);
    State asleep = s.phase(Phase.ASLEEP, why).due(NEVER);
    return Decision.of(asleep, new Action.Withdraw(asleep.word()));
  }

  private static Decision wake(State before, long now, Limits limits) {
    State s = before.draining() ? before : before.used(now);
    return switch (s.phase()) {
      case DOZING -> awake(s, now, limits);
      case ASLEEP -> {
        if (s.draining() || s.rest().leftNanos(now) > 0) {
          yield Decision.of(s);
        }
        if (s.tree() == Tree.NONE) {
          Decision d = spawn(s, now, s.restarts());
          yield Decision.of(
              d.state(), new Action.Withdraw(d.state().word()), d.actions().getFirst());
        }
        State waking = s.phase(Phase.WAKING, "its last process is being ended");
        yield Decision.of(waking, new Action.Withdraw(waking.word()));
      }
      case STARTING, LOADING, READY, WAKING, UNHEALTHY, RESTARTING, STOPPING, GAVE_UP ->
          Decision.of(s);
    };
  }

  /// Back in service before it slept.
  private static Decision awake(State s, long now, Limits limits) {
    State ready = s.used(now).ready(now, now + limits.healthInterval().toNanos());
    return Decision.of(ready, new Action.Serve(s.generation()));
  }

  private static Decision looked(State s, boolean used, long now, Limits limits) {
    if (used) {
      return s.phase() == Phase.DOZING ? awake(s, now, limits) : Decision.of(s.used(now));
    }
    boolean idle =
        s.phase() == Phase.READY
            && !s.draining()
            && !limits.idleStop().isZero()
            && now - s.usedNanos() >= limits.idleStop().toNanos();
    if (!idle) {
      return Decision.of(s);
    }
    State dozing =
        s.phase(Phase.DOZING, "nobody used it for " + seconds(limits.idleStop()) + " s").due(NEVER);
    return Decision.of(
        dozing,
        new Action.Withdraw(Phase.ASLEEP.word()),
        new Action.Doze(s.generation(), s.usedNanos()));
  }

  private static Decision dozed(State s, Event.Dozed d, long now, Limits limits) {
    if (s.phase() != Phase.DOZING || s.usedNanos() != d.usedNanos()) {
      return Decision.of(s);
    }
    return d.calm()
        ? Decision.of(
            asleep(s).state().probes(false, 0), new Action.Kill(s.generation(), s.reason()))
        : awake(s, now, limits);
  }

  private static Decision due(State s, long now, Limits limits) {
    if (now < s.dueNanos()) {
      return Decision.of(s);
    }
    return switch (s.phase()) {
      case STARTING, LOADING -> {
        if (now - s.startedNanos() >= limits.startupTimeout().toNanos()) {
          String why =
              "not ready within "
                  + seconds(limits.startupTimeout())
                  + " s of its start ("
                  + s.reason()
                  + ")";
          yield kill(s, why);
        }
        yield probe(s, now, limits);
      }
      case READY, UNHEALTHY -> probe(s, now, limits);
      case RESTARTING ->
          s.tree() == Tree.NONE ? spawn(s, now, s.restarts() + 1) : Decision.of(s.due(NEVER));
      case ASLEEP -> s.rest().now() ? asleep(s.rest(s.rest().over())) : Decision.of(s.due(NEVER));
      case DOZING, WAKING, STOPPING, GAVE_UP -> Decision.of(s.due(NEVER));
    };
  }

  /// One probe at a time; while it is under way only its time limit and a start's are due.
  private static Decision probe(State s, long now, Limits limits) {
    if (s.probing()) {
      String said = "no outcome within " + seconds(limits.probeLimit()) + " s";
      return probed(s, new Event.Probed(s.generation(), Verdict.SILENT, said), now, limits);
    }
    long next = now + limits.probeLimit().toNanos();
    if (s.phase().isStart()) {
      next = Math.min(next, s.startedNanos() + limits.startupTimeout().toNanos());
    }
    return Decision.of(
        s.probes(true, s.probeFailures()).due(next), new Action.Probe(s.generation()));
  }

  private static Decision probed(State before, Event.Probed p, long now, Limits limits) {
    if (p.verdict() == Verdict.UNASKED) {
      return unasked(before, now, limits);
    }
    boolean ok = p.verdict() == Verdict.OK;
    State s = before.probes(false, ok ? 0 : before.probeFailures() + 1);
    long next = now + limits.healthInterval().toNanos();
    return switch (s.phase()) {
      case STARTING, LOADING -> {
        if (ok) {
          yield Decision.of(s.ready(now, next), new Action.Serve(s.generation()));
        }
        Phase phase = p.verdict() == Verdict.REFUSES ? Phase.LOADING : s.phase();
        yield Decision.of(s.phase(phase, p.said()).due(now + pollNanos(now - s.startedNanos())));
      }
      case READY -> {
        if (ok) {
          yield Decision.of(s.due(next));
        }
        if (s.probeFailures() >= limits.healthFailures()) {
          yield failing(s, p, true);
        }
        // A busy server may miss one probe; one that answers "no" is believed at once.
        if (p.verdict() == Verdict.SILENT && s.probeFailures() < 2) {
          yield Decision.of(s.due(next));
        }
        yield Decision.of(
            s.phase(Phase.UNHEALTHY, p.said()).due(next),
            new Action.Withdraw(Phase.UNHEALTHY.word()));
      }
      case UNHEALTHY -> {
        if (ok) {
          yield Decision.of(s.ready(now, next), new Action.Serve(s.generation()));
        }
        yield s.probeFailures() >= limits.healthFailures()
            ? failing(s, p, false)
            : Decision.of(s.phase(Phase.UNHEALTHY, p.said()).due(next));
      }
      case DOZING, ASLEEP, WAKING, RESTARTING, STOPPING, GAVE_UP -> Decision.of(s);
    };
  }

  private static Decision unasked(State before, long now, Limits limits) {
    State s = before.probes(false, before.probeFailures());
    return switch (s.phase()) {
      case STARTING, LOADING -> Decision.of(s.due(now + pollNanos(now - s.startedNanos())));
      case READY, UNHEALTHY -> Decision.of(s.due(now + limits.healthInterval().toNanos()));
      case DOZING, ASLEEP, WAKING, RESTARTING, STOPPING, GAVE_UP -> Decision.of(s);
    };
  }

  private static Decision failing(State s, Event.Probed p, boolean published) {
    String why = s.probeFailures() + " failed health probes in a row (" + p.said() + ")";
    Decision d = kill(s, why);
    return published
        ? new Decision(
            d.state(),
            List.of(new Action.Withdraw(Phase.RESTARTING.word()), d.actions().getFirst()))
        : d;
  }

  private static Decision kill(State s, String why) {
    return Decision.of(
        s.phase(Phase.RESTARTING, why).due(NEVER), new Action.Kill(s.generation(), why));
  }

  private static Decision exited(State s, Event.Exited e, long now, Limits limits, double luck) {
    State gone = s.tree(Tree.ENDING);
    return switch (s.phase()) {
      case STOPPING, GAVE_UP -> Decision.of(gone);
      // it was to end
      case DOZING -> Decision.of(asleep(gone.exits(0, 0)).state());
      case ASLEEP, WAKING -> Decision.of(gone.exits(0, 0));
      case RESTARTING -> {
        String cause = DETAILS.matcher(s.reason()).replaceAll("") + ", " + e.how();
        yield ended(gone, s.reason() + ", " + e.how(), cause, now, limits, luck);
      }
      case STARTING, LOADING, READY, UNHEALTHY -> ended(gone, e.how(), e.how(), now, limits, luck);
    };
  }

  /// @param cause the same as `why`, without what is not for everybody
  private static Decision ended(
      State s, String why, String cause, long now, Limits limits, double luck) {
    boolean wasReady = s.readyNanos() != NEVER;
    boolean stable = wasReady && now - s.readyNanos() >= limits.stable().toNanos();
    State counted = s.exits(wasReady ? 0 : s.failedStarts() + 1, stable ? 1 : s.quickExits() + 1);
    if (s.phase() == Phase.STOPPING) {
      return Decision.of(counted);
    }
    boolean failing = counted.failedStarts() >= limits.maxFailedStarts();
    String failed = counted.failedStarts() + " starts in a row did not become ready; last: " + why;
    if (failing && !limits.onDemand()) {
      return giveUp(counted, failed);
    }
    if (s.restarts() >= limits.maxRestarts()) {
      return giveUp(counted, "max_restarts (" + limits.maxRestarts() + ") reached; last: " + why);
    }
    if (failing) {
      return rest(counted, failed, now, limits, cause);
    }
    long due = now + spread(backOffNanos(counted.quickExits(), limits), luck);
    return Decision.of(
        counted.phase(Phase.RESTARTING, why).due(due),
        new Action.Withdraw(Phase.RESTARTING.word()));
  }

  /// Not started again for a while, whoever asks; then one start shows whether it can be. One that
  /// cannot be listed is started by itself.
  private static Decision rest(State s, String why, long now, Limits limits, String cause) {
    String pause = "; not started again for " + seconds(s.rest().pause(limits)) + " s";
    Rest rest = s.rest().begun(now, limits, cause);
    State resting =
        s.rest(rest)
            .phase(rest.known() ? Phase.ASLEEP : Phase.RESTARTING, why + pause)
            .due(rest.untilNanos());
    return Decision.of(resting, new Action.Withdraw(resting.word()));
  }

  private static Decision giveUp(State s, String why) {
    State gone = s.phase(Phase.GAVE_UP, why).due(NEVER);
    return s.tree() == Tree.NONE
        ? Decision.of(gone, new Action.GiveUp(why))
        : Decision.of(gone, new Action.Withdraw(Phase.GAVE_UP.word()));
  }

  private static Decision cleared(State before, long now) {
    State s = before.tree(Tree.NONE);
    return switch (s.phase()) {
      case RESTARTING -> Decision.of(s.dueNanos() == NEVER ? s.due(now) : s);
      case GAVE_UP -> Decision.of(s, new Action.GiveUp(s.reason()));
      case WAKING -> spawn(s, now, s.restarts());
      case STARTING, LOADING, READY, DOZING, ASLEEP, UNHEALTHY, STOPPING -> Decision.of(s);
    };
  }

  private static Decision drain(State s, boolean on, long now, Limits limits) {
    State next = s.draining(on);
    if (s.phase() == Phase.ASLEEP && !on && s.rest().now()) {
      // who says that it is welcome says so of its next start, too
      return asleep(next.rest(next.rest().over()));
    }
    if (s.draining() == on) {
      return Decision.of(next);
    }
    return switch (s.phase()) {
      case READY ->
          on
              ? Decision.of(next, new Action.Withdraw(DRAINING))
              : Decision.of(next, new Action.Serve(s.generation()));
      case DOZING -> Decision.of(awake(next, now, limits).state(), new Action.Withdraw(DRAINING));
      case ASLEEP -> Decision.of(next, new Action.Withdraw(next.word()));
      case STARTING, LOADING, WAKING, UNHEALTHY, RESTARTING, STOPPING, GAVE_UP -> Decision.of(next);
    };
  }

  private static Decision stop(State s) {
    State stopping = s.phase(Phase.STOPPING, "asked to stop").due(NEVER);
    return s.tree() == Tree.RUNNING && s.phase() != Phase.STOPPING
        ? Decision.of(stopping, new Action.Kill(s.generation(), "asked to stop"))
        : Decision.of(stopping);
  }

  /// 50 ms for the first two seconds, then ever slower: a start that takes minutes is not hurried
  /// by twenty probes a second.
  private static long pollNanos(long sinceStartNanos) {
    return Math.clamp(sinceStartNanos / 40, FIRST_POLL_NANOS, SLOWEST_POLL_NANOS);
  }

  private static long backOffNanos(int quickExits, Limits limits) {
    long delay = limits.restartDelay().toNanos();
    long most = Math.max(delay, limits.maxRestartDelay().toNanos());
    for (int i = 1; i < quickExits && delay < most; i++) {
      delay *= 2;
    }
    return Math.min(delay, most);
  }

  private static long spread(long delay, double luck) {
    return delay + Math.round(delay * JITTER * luck);
  }

  private static String seconds(Duration d) {
    return Double.toString(d.toMillis() / 1000.0).replaceFirst("\\.0$", "");
  }
}
