package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.netty.util.concurrent.FastThreadLocal;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.LockSupport;
import org.infinilm.svc.router.Decisions.Decision;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One line a request, worded where the request ends and written by a thread of its own; each event
/// loop has a queue of its own towards it. A log that cannot keep up loses lines and says how many.
/// Lines of one event loop are in the order of their ends; those of several interleave by what is
/// written at once. Thread-safe.
final class AccessLog implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(AccessLog.class);
  private static final byte[] END = {'\n'};
  private static final long PAUSE_NANOS = 50_000_000;
  private static final int FIRST_BYTES = 128 << 10;
  private static final int MOST_BYTES = 1 << 20;

  private static final long FULL_PIPE_NANOS = 1_000_000;

  private final WritableByteChannel out;
  private final Thread thread;
  private final FastThreadLocal<Lane> mine = new FastThreadLocal<>();
  private final List<Lane> lanes = new CopyOnWriteArrayList<>();
  private final Lane others;
  private final LongAdder lost = new LongAdder();
  private long toldLost;

  /// Whether a line was begun and not ended.
  private boolean torn;

  /// Why nothing can be written, when it was last tried.
  private @Nullable String refused;

  private volatile boolean stop;

  /// What one thread has for its lines.
  private static final class Lane {
    final AccessLine line = new AccessLine();
    final ByteQueue queue;

    Lane(Runnable halfFull) {
      queue = new ByteQueue(FIRST_BYTES, MOST_BYTES, halfFull);
    }
  }

  /// @param out where lines go; one that takes nothing for now is tried again
  AccessLog(WritableByteChannel out) {
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
      for (Lane l : lanes) {
        l.queue.drain((lines, from, length) -> lost.add(unwritten(lines, from, length)));
      }
      long n = lost.sum();
      if (n > toldLost) {
        byte[] told = ("access log: " + (n - toldLost) + " lines lost\n").getBytes(UTF_8);
        if (unwritten(told, 0, told.length) == 0) {
          toldLost = n;
        }
      }
    } catch (RuntimeException | Error e) {
      Endless.note("the access log lost lines", e);
    }
  }

  /// Writes lines, the last perhaps in part: its rest comes next. Why something is refused is said
  /// once.
  ///
  /// @return how many lines ended in what was refused
  private int unwritten(byte[] lines, int from, int length) {
    ByteBuffer b = ByteBuffer.wrap(lines, from, length);
    try {
      if (torn) {
        // whatever came of the line that was begun, it ends here
        out.write(ByteBuffer.wrap(END));
        torn = false;
      }
      while (b.hasRemaining()) {
        if (out.write(b) == 0) {
          LockSupport.parkNanos(this, FULL_PIPE_NANOS);
        }
      }
      refused = null;
      return 0;
    } catch (IOException e) {
      int at = b.position();
      if (at > from) {
        torn = lines[at - 1] != '\n';
      }
      int gone = 0;
      for (int k = at; k < from + length; k++) {
        gone += lines[k] == '\n' ? 1 : 0;
      }
      String why = String.valueOf(e.getMessage());
      if (!why.equals(refused)) {
        refused = why;
        LOG.warn("the access log cannot be written, lines are lost: {}", why);
      }
      return gone;
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
