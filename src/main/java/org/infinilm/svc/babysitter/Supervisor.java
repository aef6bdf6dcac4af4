package org.infinilm.svc.babysitter;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import org.infinilm.svc.babysitter.Supervision.Action;
import org.infinilm.svc.babysitter.Supervision.Decision;
import org.infinilm.svc.babysitter.Supervision.Event;
import org.infinilm.svc.babysitter.Supervision.Limits;
import org.infinilm.svc.babysitter.Supervision.Phase;
import org.infinilm.svc.babysitter.Supervision.State;
import org.infinilm.svc.babysitter.Supervision.Tree;
import org.infinilm.svc.telemetry.Ticker;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Owns the life of one process: a virtual thread that drains a queue of events through
/// [Supervision] and carries out its actions. [#tell] and [#state] are thread-safe.
final class Supervisor {
  /// What the decisions do to the world. Called on the supervisor's thread; must not block for
  /// long. Results come back through [#tell].
  interface Effects {
    void carryOut(Action action);

    /// The phase changed; called before the actions of the same decision.
    void changed(State before, State after);
  }

  private static final Logger log = LoggerFactory.getLogger(Supervisor.class);

  private final Limits limits;
  private final Effects effects;
  private final Ticker ticker;
  private final LinkedBlockingQueue<Event> events = new LinkedBlockingQueue<>();
  private final CountDownLatch ended = new CountDownLatch(1);
  private final RandomGenerator random;
  private volatile State state = State.INITIAL;

  Supervisor(Limits limits, Effects effects, Ticker ticker, RandomGenerator random) {
    this.random = random;
    this.limits = limits;
    this.effects = effects;
    this.ticker = ticker;
  }

  void start() {
    tell(new Event.Begin());
    Thread.ofVirtual().name("supervisor").start(this::run);
  }

  void tell(Event event) {
    events.add(event);
  }

  State state() {
    return state;
  }

  /// Ends the process tree; returns when it is gone or the time is over.
  ///
  /// @return whether it is gone
  boolean stop(long timeoutNanos) throws InterruptedException {
    tell(new Event.Stop());
    return ended.await(timeoutNanos, TimeUnit.NANOSECONDS);
  }

  private void run() {
    try {
      while (!(state.phase() == Phase.STOPPING && state.tree() == Tree.NONE)) {
        step(next());
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      ended.countDown();
    }
  }

  private Event next() throws InterruptedException {
    long due = state.dueNanos();
    if (due == Supervision.NEVER) {
      return events.take();
    }
    Event e = events.poll(due - ticker.nanos(), TimeUnit.NANOSECONDS);
    return e == null ? new Event.Due() : e;
  }

  private void step(Event event) {
    State before = state;
    Decision d = Supervision.decide(before, event, ticker.nanos(), limits, random.nextDouble());
    state = d.state();
    try {
      if (before.phase() != state.phase()) {
        effects.changed(before, state);
      }
      for (Action a : d.actions()) {
        effects.carryOut(a);
      }
    } catch (RuntimeException e) {
      log.error("supervision of {} failed", event, e);
    }
  }
}
