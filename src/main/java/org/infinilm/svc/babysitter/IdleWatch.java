package org.infinilm.svc.babysitter;

import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.infinilm.svc.babysitter.Supervision.Event;
import org.infinilm.svc.babysitter.Supervision.Phase;
import org.infinilm.svc.babysitter.Supervision.State;
import org.infinilm.svc.telemetry.Ticker;

/// Looks whether a server on demand is in use, by its own word ([InFlight]): what it works on, and
/// whether it has done anything since the last look. Its users are all seen by that, those that
/// came past every router too.
final class IdleWatch {
  private static final Duration SLOWEST = Duration.ofSeconds(2);
  private static final Duration FASTEST = Duration.ofMillis(100);

  /// Looks in one idle time.
  private static final int LOOKS = 20;

  /// How long the registry may take to hear that the instance sleeps.
  private static final Duration MOST_TELLING = Duration.ofSeconds(10);

  private static final Duration STEP = Duration.ofMillis(100);

  /// Looks after the registry was told: routers that follow it have heard by then, and what they
  /// sent before has come in.
  private static final int CALM_STEPS = 10;

  private final InFlight inFlight;
  private final Supplier<State> state;
  private final Consumer<Event> supervisor;
  private final BooleanSupplier told;
  private final Duration pause;
  private final Ticker ticker;
  private int generation;
  private double done;

  /// @param told whether the registry has the entry as it is wanted
  IdleWatch(
      Duration idleStop,
      InFlight inFlight,
      Supplier<State> state,
      Consumer<Event> supervisor,
      BooleanSupplier told,
      Ticker ticker) {
    this.inFlight = inFlight;
    this.state = state;
    this.supervisor = supervisor;
    this.told = told;
    this.ticker = ticker;
    Duration part = idleStop.dividedBy(LOOKS);
    this.pause =
        part.compareTo(FASTEST) < 0 ? FASTEST : part.compareTo(SLOWEST) > 0 ? SLOWEST : part;
  }

  /// Looks now and then, until it is interrupted.
  void run() throws InterruptedException {
    while (true) {
      State s = state.get();
      if (s.phase() == Phase.READY) {
        supervisor.accept(new Event.Looked(s.generation(), used(s.generation())));
      }
      TimeUnit.NANOSECONDS.sleep(pause.toNanos());
    }
  }

  /// Whether anything is under way, or was since the last look.
  private synchronized boolean used(int now) throws InterruptedException {
    InFlight.Seen seen = inFlight.look();
    boolean used = seen.underWay() > 0 || seen.done() != done || now != generation;
    done = seen.done();
    generation = now;
    return used;
  }

  /// Has the registry told, and watches for a while that nobody comes all the same.
  Event.Dozed doze(int of, long usedNanos) throws InterruptedException {
    long end = ticker.nanos() + MOST_TELLING.toNanos();
    while (!told.getAsBoolean()) {
      if (ticker.nanos() - end >= 0) {
        return new Event.Dozed(of, usedNanos, false, "the registry could not be told");
      }
      TimeUnit.NANOSECONDS.sleep(FASTEST.toNanos());
    }
    for (int k = 0; k < CALM_STEPS; k++) {
      if (state.get().usedNanos() != usedNanos) {
        return new Event.Dozed(of, usedNanos, false, "it was asked for");
      }
      if (used(of)) {
        return new Event.Dozed(of, usedNanos, false, "it is in use");
      }
      TimeUnit.NANOSECONDS.sleep(STEP.toNanos());
    }
    return new Event.Dozed(of, usedNanos, true, "");
  }
}
