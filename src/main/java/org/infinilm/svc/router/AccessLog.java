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
/// loop has a buffer of its own towards it. A log that cannot keep up loses lines and says how
/// many. Lines of one event loop are in the order of their ends; those of several interleave by
/// what is written at once. Thread-safe.
final class AccessLog implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(AccessLog.class);
  private static final byte[] END = {'\n'};
  private static final long PAUSE_NANOS = 50_000_000;
  private static final int FIRST_BYTES = 16 << 10;

  /// That wait in one buffer.
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

  /// What one thread has for its lines: a buffer that it fills while the log's thread writes the
  /// other. They meet when the two change places, 20 times a second or when one is half full.
  private final class Lane {
    private final AccessLine line = new AccessLine();
    private ByteBuffer in = ByteBuffer.allocateDirect(FIRST_BYTES);
    private ByteBuffer out = ByteBuffer.allocateDirect(FIRST_BYTES);

    /// A line, or nothing where there is no room.
    synchronized void add(Decision d) {
      int length = line.word(d);
      int before = in.position();
      int after = before + length;
      if (after > MOST_BYTES) {
        lost.increment();
        return;
      }
      if (after > in.capacity()) {
        in = ByteBuffer.allocateDirect(Math.max(2 * in.capacity(), after)).put(in.flip());
      }
      in.put(line.bytes(), 0, length);
      if (before <= MOST_BYTES / 2 && after > MOST_BYTES / 2) {
        LockSupport.unpark(thread);
      }
    }

    /// Whole lines, for the log's thread until it asks again.
    synchronized ByteBuffer taken() {
      ByteBuffer full = in;
      in = out.clear();
      out = full;
      return full.flip();
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
    Lane l = new Lane();
    lanes.add(l);
    return l;
  }

  /// Lines that were not written and never will be.
  long lost() {
    return lost.sum();
  }

  /// Takes a request that ended. Never blocks and never fails: a line that cannot be worded or
  /// finds no room is counted as lost.
  void add(Decision d) {
    try {
      own().add(d);
    } catch (RuntimeException | Error e) {
      lost.increment();
      Endless.note("a line of the access log", e);
    }
  }

  /// Virtual threads have one together: there are too many of them for one each.
  private Lane own() {
    if (Thread.currentThread().isVirtual()) {
      return others;
    }
    Lane l = mine.get();
    if (l == null) {
      l = lane();
      mine.set(l);
    }
    return l;
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
        lost.add(unwritten(l.taken()));
      }
      long n = lost();
      if (n > toldLost) {
        String told = "access log: " + (n - toldLost) + " lines lost\n";
        if (unwritten(ByteBuffer.wrap(told.getBytes(UTF_8))) == 0) {
          toldLost = n;
        }
      }
    } catch (RuntimeException | Error e) {
      Endless.note("the access log lost lines", e);
    }
  }

  /// Writes whole lines. Why something is refused is said once.
  ///
  /// @return how many were not written whole
  private int unwritten(ByteBuffer lines) {
    try {
      if (torn && lines.hasRemaining()) {
        // whatever came of the line that was begun, it ends here
        write(ByteBuffer.wrap(END));
        torn = false;
      }
      write(lines);
      return 0;
    } catch (IOException e) {
      int at = lines.position();
      if (at > 0) {
        torn = lines.get(at - 1) != '\n';
      }
      int gone = 0;
      for (int k = at; k < lines.limit(); k++) {
        gone += lines.get(k) == '\n' ? 1 : 0;
      }
      String why = String.valueOf(e.getMessage());
      if (!why.equals(refused)) {
        refused = why;
        LOG.warn("the access log cannot be written, lines are lost: {}", why);
      }
      return gone;
    }
  }

  private void write(ByteBuffer b) throws IOException {
    boolean some = b.hasRemaining();
    while (b.hasRemaining()) {
      if (out.write(b) == 0) {
        LockSupport.parkNanos(this, FULL_PIPE_NANOS);
      }
    }
    if (some) {
      refused = null;
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
