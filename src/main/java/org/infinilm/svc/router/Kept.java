package org.infinilm.svc.router;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import org.infinilm.svc.policy.Facts;
import org.infinilm.svc.policy.Policy;
import org.infinilm.svc.router.Decisions.Decision;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// What the learner's thread does beside learning: figures, and the file that keeps what was
/// learned.
final class Kept implements Learner.Keeping {
  private static final Duration EVERY = Duration.ofSeconds(30);
  private static final Duration END = Duration.ofSeconds(5);
  private static final Duration WRITE_END = Duration.ofSeconds(2);

  private final Policy policy;
  private final LearnedMetrics metrics;
  private final @Nullable LearnedState state;
  private final @Nullable DecisionLog log;
  private final Ticker ticker;
  private final Supplier<Learner> learner;
  private final FileThread logging = new FileThread("decision-log");
  private final FileThread saving = new FileThread("learned-state");

  /// A state that waits to be written; the one before it need not be.
  private final AtomicReference<byte @Nullable []> newest = new AtomicReference<>();

  private long savedNanos;
  private long savedFacts;
  private long flushedFacts;

  Kept(
      Policy policy,
      LearnedMetrics metrics,
      @Nullable LearnedState state,
      @Nullable DecisionLog log,
      Ticker ticker,
      Supplier<Learner> learner) {
    this.policy = policy;
    this.metrics = metrics;
    this.state = state;
    this.log = log;
    this.ticker = ticker;
    this.learner = learner;
    this.savedNanos = ticker.nanos();
    metrics.losing(this::lost);
    if (state != null) {
      saving.start();
    }
    if (log != null) {
      logging.start();
    }
  }

  private long lost() {
    return logging.lost()
        + saving.lost()
        + (log == null ? 0 : log.lostLines())
        + (state == null ? 0 : state.lost());
  }

  @Override
  public void settled(Facts facts, @Nullable Decision decision) {
    metrics.settled(facts);
    DecisionLog to = log;
    if (to != null && decision != null) {
      byte[] line = to.worded(facts, decision);
      logging.offer("decision_log: " + to.file(), () -> to.write(line));
    }
  }

  @Override
  public void idle(long facts) {
    if (log != null && facts != flushedFacts) {
      flushedFacts = facts;
      logging.offer("decision_log: " + log.file(), log::flush);
    }
    if (facts != savedFacts && ticker.nanos() - savedNanos >= EVERY.toNanos()) {
      savedFacts = facts;
      save();
    }
  }

  private void save() {
    savedNanos = ticker.nanos();
    LearnedState to = state;
    if (to != null) {
      byte[] all =
          LearnedState.worded(policy.remembered(ticker.nanos()), learner.get().remembered());
      if (newest.getAndSet(all) == null) {
        saving.offer("learned_state: " + to.file(), () -> saveNewest(to));
      }
    }
  }

  private void saveNewest(LearnedState to) {
    byte[] all = newest.getAndSet(null);
    if (all != null) {
      to.save(all);
    }
  }

  /// Takes over what an earlier router has learned, before anything is asked.
  void load() {
    if (state != null) {
      state.load((learned, rates) -> {
        Runnable take = learner.get().recalled(rates);
        policy.recall(learned, ticker.nanos());
        take.run();
      });
    }
  }

  /// Saves once more when the learner has ended.
  void close() {
    if (state == null && log == null) {
      return;
    }
    try {
      learner.get().join(END);
      save();
      if (state != null) {
        saving.offer("learned_state: " + state.file(), state::close);
      }
      if (log != null) {
        logging.offer("decision_log: " + log.file(), log::close);
      }
      if (state != null) {
        saving.end(WRITE_END);
      }
      if (log != null) {
        logging.end(WRITE_END);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
