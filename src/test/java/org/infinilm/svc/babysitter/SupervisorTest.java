package org.infinilm.svc.babysitter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.random.RandomGenerator;
import org.infinilm.svc.babysitter.Supervision.Action;
import org.infinilm.svc.babysitter.Supervision.Event;
import org.infinilm.svc.babysitter.Supervision.Limits;
import org.infinilm.svc.babysitter.Supervision.State;
import org.infinilm.svc.babysitter.Supervision.Verdict;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class SupervisorTest {
  private static final Duration SHORT = Duration.ofMillis(50);

  /// Effects that fail with an error the first time that each kind is asked for. What is killed
  /// ends.
  private static final class Failing implements Supervisor.Effects {
    private volatile @Nullable Supervisor supervisor;
    private final List<String> done = new CopyOnWriteArrayList<>();
    private final List<String> failed = new CopyOnWriteArrayList<>();

    @Override
    public void carryOut(Action action) {
      String kind = action.getClass().getSimpleName();
      if (!failed.contains(kind)) {
        failed.add(kind);
        throw new OutOfMemoryError("unable to create native thread");
      }
      done.add(kind);
      if (action instanceof Action.Kill kill) {
        Supervisor s = Objects.requireNonNull(supervisor);
        s.tell(new Event.Exited(kill.generation(), "killed"));
        s.tell(new Event.Cleared(kill.generation()));
      }
    }

    @Override
    public void changed(State before, State after) {
      throw new StackOverflowError();
    }
  }

  @Test
  void whatFailsWithAnErrorIsDoneLaterAndSupervisionGoesOn() throws InterruptedException {
    Limits limits =
        new Limits(
            10,
            SHORT,
            SHORT,
            5,
            Duration.ofSeconds(100),
            SHORT,
            4,
            Duration.ofSeconds(40),
            Duration.ofSeconds(60),
            Duration.ZERO,
            false);
    Failing effects = new Failing();
    Supervisor s = new Supervisor(limits, effects, Ticker.SYSTEM, RandomGenerator.getDefault());
    effects.supervisor = s;
    s.start(false);
    await().until(() -> effects.done.containsAll(List.of("Spawn", "Probe")));
    s.tell(new Event.Probed(1, Verdict.OK, ""));
    await().until(() -> effects.done.contains("Serve"));
    s.tell(new Event.Exited(1, "ended"));
    await().until(() -> effects.done.contains("Withdraw"));
    s.tell(new Event.Cleared(1));
    await().until(() -> s.state().generation() == 2);
    assertThat(s.stop(Duration.ofSeconds(30).toNanos())).isTrue();
    assertThat(effects.done).contains("Kill");
  }

  /// Effects whose kills and withdrawals fail until they may succeed.
  private static final class Stuck implements Supervisor.Effects {
    private volatile boolean works;
    private final List<Action> done = new CopyOnWriteArrayList<>();

    @Override
    public void carryOut(Action action) {
      if (!works && (action instanceof Action.Kill || action instanceof Action.Withdraw)) {
        throw new OutOfMemoryError("unable to create native thread");
      }
      done.add(action);
    }

    @Override
    public void changed(State before, State after) {}
  }

  @Test
  void whatIsOwedOfAnEarlierStartIsNotDoneToTheNextOne() throws InterruptedException {
    Duration never = Duration.ofHours(1);
    Limits limits =
        new Limits(10, SHORT, SHORT, 5, never, never, 2, never, never, Duration.ZERO, false);
    Stuck effects = new Stuck();
    Supervisor s = new Supervisor(limits, effects, Ticker.SYSTEM, RandomGenerator.getDefault());
    s.start(false);
    s.tell(new Event.Probed(1, Verdict.OK, ""));
    s.tell(new Event.Probed(1, Verdict.REFUSES, "no"));
    s.tell(new Event.Probed(1, Verdict.REFUSES, "no"));
    // its kill is owed when it ends by itself, and so is the word that it restarts
    s.tell(new Event.Exited(1, "ended"));
    s.tell(new Event.Cleared(1));
    await().until(() -> effects.done.contains(new Action.Spawn(2)));
    s.tell(new Event.Probed(2, Verdict.OK, ""));
    await().until(() -> effects.done.contains(new Action.Serve(2)));
    effects.works = true;
    // what is owed is tried again with each event
    s.tell(new Event.Probed(2, Verdict.REFUSES, "no"));
    await().until(() -> effects.done.contains(new Action.Withdraw("unhealthy")));
    assertThat(effects.done)
        .doesNotContain(new Action.Withdraw("restarting"))
        .noneMatch(Action.Kill.class::isInstance);
    s.tell(new Event.Stop());
    await().until(() -> effects.done.contains(new Action.Kill(2, "asked to stop")));
    s.tell(new Event.Exited(2, "ended"));
    s.tell(new Event.Cleared(2));
    assertThat(s.stop(Duration.ofSeconds(30).toNanos())).isTrue();
  }

  @Test
  void workIsDoneHoweverOftenItFails() {
    AtomicInteger tries = new AtomicInteger();
    Background.untilDone(
        "test",
        () -> {
          switch (tries.incrementAndGet()) {
            case 1 -> throw new OutOfMemoryError();
            case 2 -> throw new StackOverflowError();
            case 3 -> throw new IllegalStateException();
            default -> {}
          }
        },
        Duration.ZERO);
    assertThat(tries).hasValue(4);
  }
}
