package org.infinilm.svc.router;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import org.infinilm.svc.policy.Facts;
import org.infinilm.svc.policy.Policy;
import org.jspecify.annotations.Nullable;

/// One thread that takes the facts of finished exchanges from a bounded queue (full: the facts are
/// lost), learns bytes per token of each model and tells the policy. Event loops only read.
final class Learner implements AutoCloseable {
  private static final int QUEUE = 8192;
  private static final Duration PAUSE = Duration.ofMillis(20);
  private static final double FIRST_GUESS = 4;
  private static final double STEP = 0.05;
  private static final int MOST_MODELS = 1024;

  /// Facts with the end of the answer, in which `usage` may stand.
  private record Item(Facts facts, byte @Nullable [] tail) {}

  private final BlockingQueue<Item> queue = new ArrayBlockingQueue<>(QUEUE);
  private final Map<String, Double> bytesPerToken = new ConcurrentHashMap<>();
  private final Policy policy;
  private final Thread thread;

  Learner(Policy policy) {
    this.policy = policy;
    this.thread = Thread.ofPlatform().daemon().name("learner").unstarted(this::run);
  }

  void start() {
    thread.start();
  }

  void offer(Facts facts, byte @Nullable [] tail) {
    queue.offer(new Item(facts, tail));
  }

  /// Bytes of request body per prompt token of a model; 4 until answers have said.
  double bytesPerToken(@Nullable String model) {
    return model == null ? FIRST_GUESS : bytesPerToken.getOrDefault(model, FIRST_GUESS);
  }

  private void run() {
    try {
      while (true) {
        Item i = queue.poll();
        if (i == null) {
          Thread.sleep(PAUSE);
          continue;
        }
        Facts f = i.facts();
        Facts.Usage usage = i.tail() == null ? null : UsageReader.read(i.tail());
        if (usage != null && usage.promptTokens() > 0) {
          learn(f, usage);
          f =
              new Facts(
                  f.instance(),
                  f.model(),
                  f.requestBytes(),
                  f.dispatchNanos(),
                  f.firstByteNanos(),
                  f.lastByteNanos(),
                  f.sseEvents(),
                  f.responseBytes(),
                  usage,
                  f.complete());
        }
        policy.settled(f);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void learn(Facts f, Facts.Usage usage) {
    if (f.model().isEmpty()
        || (bytesPerToken.size() >= MOST_MODELS && !bytesPerToken.containsKey(f.model()))) {
      return;
    }
    double seen = Math.clamp(f.requestBytes() / (double) usage.promptTokens(), 0.5, 64);
    bytesPerToken.merge(f.model(), seen, (old, now) -> old + STEP * (now - old));
  }

  @Override
  public void close() {
    thread.interrupt();
  }
}
