package org.infinilm.svc.babysitter;

import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Lines on their way to where writing may take for ever (a file on a dead network, a pipe that
/// nobody reads): who adds never waits, what finds no room is dropped and counted. Thread-safe.
final class LineQueue {
  private static final Logger log = LoggerFactory.getLogger("babysitter");

  private final BlockingQueue<String> lines;
  private final AtomicLong dropped = new AtomicLong();
  private final String where;
  private final Consumer<String> to;

  /// @param where named when lines are lost
  LineQueue(String where, int room, Consumer<String> to) {
    this.where = where;
    this.lines = new ArrayBlockingQueue<>(room);
    this.to = to;
    // Writing to a file would hold a virtual thread's carrier.
    Thread.ofPlatform().daemon().name("lines").start(this::pump);
  }

  void add(String line) {
    if (!lines.offer(line) && dropped.getAndIncrement() == 0) {
      log.warn("{}: takes no more lines; they are lost until it does", where);
    }
  }

  private void pump() {
    try {
      while (true) {
        to.accept(lines.take());
        long lost = dropped.getAndSet(0);
        if (lost > 0) {
          log.warn("{}: takes lines again; {} were lost", where, lost);
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
