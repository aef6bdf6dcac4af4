package org.infinilm.svc.babysitter;

import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Lines on their way to where writing may take for ever (a file on a dead network, a pipe that
/// nobody reads): who adds never waits, what finds no room is dropped and counted. Thread-safe.
final class LineQueue implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger("babysitter");

  private static final Duration LAST = Duration.ofSeconds(1);

  /// An empty one ends the queue.
  private final BlockingQueue<Optional<String>> lines;

  private final AtomicLong dropped = new AtomicLong();
  private final String where;
  private final Consumer<String> to;
  private final Thread pump;

  /// @param where named when lines are lost
  LineQueue(String where, int room, Consumer<String> to) {
    this.where = where;
    this.lines = new ArrayBlockingQueue<>(room);
    this.to = to;
    // Writing to a file would hold a virtual thread's carrier.
    pump = Thread.ofPlatform().daemon().name("lines").start(this::pump);
  }

  /// Ends once what is waiting was taken, or after a second.
  @Override
  public void close() {
    try {
      if (lines.offer(Optional.empty(), LAST.toMillis(), TimeUnit.MILLISECONDS)) {
        pump.join(LAST);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    pump.interrupt();
  }

  void add(String line) {
    if (!lines.offer(Optional.of(line)) && dropped.getAndIncrement() == 0) {
      log.warn("{}: takes no more lines; they are lost until it does", where);
    }
  }

  private void pump() {
    Background.untilDone("lines", this::move, Background.PAUSE);
  }

  private void move() throws InterruptedException {
    while (true) {
      Optional<String> line = lines.take();
      if (line.isEmpty()) {
        return;
      }
      to.accept(line.get());
      long lost = dropped.getAndSet(0);
      if (lost > 0) {
        log.warn("{}: takes lines again; {} were lost", where, lost);
      }
    }
  }
}
