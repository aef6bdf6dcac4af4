package org.infinilm.svc.babysitter;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
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
import org.jspecify.annotations.Nullable;

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

  private static final Duration RETRY = Duration.ofSeconds(1);

  private final Limits limits;
  private final Effects effects;
  private final Ticker ticker;
  private final LinkedBlockingQueue<Event> events = new LinkedBlockingQueue<>();
  private final CountDownLatch ended = new CountDownLatch(1);
  private final RandomGenerator random;
  private volatile State state = State.INITIAL;

  /// What was decided and is not carried out yet; of the one thread, as the next two.
  private List<Action> owed = new ArrayList<>();

  private @Nullable Event current;

  private boolean told;

  Supervisor(Limits limits, Effects effects, Ticker ticker, RandomGenerator random) {
    this.random = random;
    this.limits = limits;
    this.effects = effects;
    this.ticker = ticker;
  }

  /// @param asleep whether nothing is to run until it is asked for
  void start(boolean asleep) {
    tell(new Event.Begin(asleep));
    Background.start("supervisor", this::run);
  }

  /// Returns when it is in the queue: no event is lost to a shortage of memory.
  void tell(Event event) {
    while (true) {
      try {
        events.add(event);
        return;
      } catch (OutOfMemoryError e) {
        Thread.onSpinWait();
      }
    }
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

  /// Begun again where an error breaks it off; what it was about to do is in fields.
  private void run() throws InterruptedException {
    while (!(state.phase() == Phase.STOPPING && state.tree() == Tree.NONE && owed.isEmpty())) {
      if (current == null) {
        current = next();
      }
      Event event = current;
      if (event != null) {
        try {
          step(event);
        } catch (RuntimeException e) {
          Background.say(() -> "supervision of " + event + " failed", e);
        }
        current = null;
      }
      settle();
    }
    ended.countDown();
  }

  /// Null when it is time to try again what failed.
  private @Nullable Event next() throws InterruptedException {
    long due = state.dueNanos();
    if (due == Supervision.NEVER && owed.isEmpty()) {
      return events.take();
    }
    long left = due == Supervision.NEVER ? Long.MAX_VALUE : due - ticker.nanos();
    boolean retries = !owed.isEmpty() && left > RETRY.toNanos();
    Event e = events.poll(retries ? RETRY.toNanos() : left, TimeUnit.NANOSECONDS);
    return e == null && !retries ? new Event.Due() : e;
  }

  private void step(Event event) {
    State before = state;
    Decision d = Supervision.decide(before, event, ticker.nanos(), limits, random.nextDouble());
    owed = owed(d);
    state = d.state();
    if (before.phase() != d.state().phase()) {
      try {
        effects.changed(before, d.state());
      } catch (RuntimeException | Error e) {
        Background.say(() -> "supervision: " + event + " is not told", e);
      }
    }
  }

  /// What is owed after a decision. What was owed of an earlier start is not owed any more: its
  /// process is gone, and another one has its place.
  private List<Action> owed(Decision d) {
    List<Action> all = new ArrayList<>(owed);
    boolean publishes = d.actions().stream().anyMatch(Action::publishes);
    all.removeIf(a -> !a.isOf(d.state().generation()) || (publishes && a.publishes()));
    all.addAll(d.actions());
    return all;
  }

  /// Carries out what is owed; what fails is tried again until it does not.
  private void settle() {
    owed.removeIf(a -> {
      try {
        effects.carryOut(a);
        told = false;
        return true;
      } catch (RuntimeException | Error e) {
        if (!told) {
          Background.say(() -> "supervision: " + a + " failed; trying again", e);
        }
        told = true;
        return false;
      }
    });
  }
}
