package org.infinilm.svc.router;

import io.netty.util.concurrent.FastThreadLocal;
import java.io.PrintStream;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.LockSupport;
import org.infinilm.svc.router.Decisions.Decision;

/// One line a request, worded where the request ends and written by a thread of its own; each event
/// loop has a queue of its own towards it. A log that cannot keep up loses lines and says how many.
/// Lines of one event loop are in the order of their ends; those of several interleave by what is
/// written at once. Thread-safe.
final class AccessLog implements AutoCloseable {
  private static final long PAUSE_NANOS = 50_000_000;
  private static final int FIRST_BYTES = 128 << 10;
  private static final int MOST_BYTES = 1 << 20;

  private final PrintStream out;
  private final Thread thread;
  private final FastThreadLocal<Lane> mine = new FastThreadLocal<>();
  private final List<Lane> lanes = new CopyOnWriteArrayList<>();
  private final Lane others;
  private final LongAdder lost = new LongAdder();
  private long toldLost;
  private volatile boolean stop;

  /// What one thread has for its lines.
  private static final class Lane {
    final AccessLine line = new AccessLine();
    final ByteQueue queue;

    Lane(Runnable halfFull) {
      queue = new ByteQueue(FIRST_BYTES, MOST_BYTES, halfFull);
    }
  }

  AccessLog(PrintStream out) {
    this.out = out;
    this.thread = Thread.ofPlatform().daemon().name("access-log").unstarted(this::run);
    this.others = lane();
  }

  void start() {
    thread.start();
  }

  private Lane lane() {
    Lane l = new Lane(() -> LockSupport.unpark(thread));
    lanes.add(l);
    return l;
  }

  /// Takes a request that ended. Never blocks and never fails: a line that cannot be worded or
  /// finds no room is counted as lost.
  void add(Decision d) {
    try {
      if (Thread.currentThread().isVirtual()) {
        // too many of them for a queue each
        synchronized (others) {
          add(d, others);
        }
      } else {
        Lane l = mine.get();
        if (l == null) {
          l = lane();
          mine.set(l);
        }
        add(d, l);
      }
    } catch (RuntimeException | Error e) {
      lost.increment();
      Endless.note("a line of the access log", e);
    }
  }

  private void add(Decision d, Lane to) {
    int length = to.line.word(d);
    if (!to.queue.append(to.line.bytes(), length)) {
      lost.increment();
    }
  }

  private void run() {
    while (!stop) {
      drain();
      if (!stop) {
        LockSupport.parkNanos(this, PAUSE_NANOS);
      }
    }
    drain();
  }

  /// Writes what waits. A fault costs the lines that were being written, not the thread.
  private void drain() {
    try {
      boolean any = false;
      for (Lane l : lanes) {
        any |= l.queue.drain(out::write);
      }
      long n = lost.sum();
      if (n > toldLost) {
        out.println("access log: " + (n - toldLost) + " lines lost");
        toldLost = n;
        any = true;
      }
      if (any) {
        out.flush();
      }
    } catch (RuntimeException | Error e) {
      Endless.note("the access log lost lines", e);
    }
  }

  /// Writes what is left, unless nobody reads it.
  @Override
  public void close() {
    stop = true;
    LockSupport.unpark(thread);
    try {
      thread.join(1000);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
