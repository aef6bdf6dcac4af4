package org.infinilm.svc.router;

import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One thread that writes what it is handed, in order, so that a file that takes long (a pipe that
/// nobody reads, a folder on a network) holds nobody else up. What finds no room in its line is
/// lost and counted. [#offer] and [#lost] are thread-safe; one thread starts and ends it.
final class FileThread {
  private static final Logger LOG = LoggerFactory.getLogger(FileThread.class);
  private static final int MOST = 4096;

  /// One that writes; empty for the end.
  private record Write(Optional<Runnable> does) {}

  private final BlockingQueue<Write> line = new ArrayBlockingQueue<>(MOST);
  private final AtomicLong lost = new AtomicLong();
  private final Thread thread;
  private volatile boolean losing;

  FileThread(String name) {
    this.thread = Thread.ofPlatform().daemon().name(name).unstarted(this::run);
  }

  void start() {
    thread.start();
  }

  /// Has it done, or loses it when too much waits already.
  ///
  /// @param what for the log, the setting and the file
  void offer(String what, Runnable write) {
    if (line.offer(new Write(Optional.of(write)))) {
      losing &= line.size() > MOST / 2;
      return;
    }
    lost.incrementAndGet();
    if (!losing) {
      losing = true;
      LOG.warn("{} takes too long to be written; what does not fit is lost", what);
    }
  }

  /// Writes that were lost.
  long lost() {
    return lost.get();
  }

  private void run() {
    try {
      for (Write w = line.take(); w.does().isPresent(); w = line.take()) {
        Runnable write = w.does().get();
        Endless.step("writing a file", write::run);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// Ends it behind what waits, and waits for that: so long for room in its line, and so long for
  /// it.
  void end(Duration most) throws InterruptedException {
    if (line.offer(new Write(Optional.empty()), most.toNanos(), TimeUnit.NANOSECONDS)) {
      thread.join(most);
    }
    if (thread.isAlive()) {
      LOG.warn("files that take too long to be written are left as they are");
    }
  }
}
