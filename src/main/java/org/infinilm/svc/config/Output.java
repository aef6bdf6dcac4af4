package org.infinilm.svc.config;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/// An output stream that never blocks its writers: a thread passes on what they wrote, and what
/// finds no room while nobody reads is dropped and counted. Thread-safe.
final class Output extends OutputStream {
  private static final int ROOM_BYTES = 1 << 20;

  private final OutputStream to;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private final Deque<byte[]> pieces = new ArrayDeque<>();
  private int bytes;
  private long dropped;
  private boolean writing;

  Output(OutputStream to) {
    this.to = to;
    Thread.ofPlatform().daemon().name("output").start(this::pump);
  }

  private static final class Standard {
    private static final Output OUT = new Output(new FileOutputStream(FileDescriptor.out));
    private static final Output ERR = new Output(new FileOutputStream(FileDescriptor.err));
  }

  private static volatile boolean taken;

  /// Takes over standard output and error of this process.
  static void neverBlocks() {
    if (!taken) {
      taken = true;
      System.out.flush();
      System.err.flush();
      System.setOut(new PrintStream(Standard.OUT, false, StandardCharsets.UTF_8));
      System.setErr(new PrintStream(Standard.ERR, false, StandardCharsets.UTF_8));
    }
  }

  /// Gives what was written `limit` to be passed on.
  static void flush(Duration limit) {
    if (taken) {
      System.out.flush();
      System.err.flush();
      long half = limit.toNanos() / 2;
      Standard.OUT.drained(half);
      Standard.ERR.drained(half);
    }
  }

  @Override
  public void write(int b) {
    write(new byte[] {(byte) b}, 0, 1);
  }

  @Override
  public void write(byte[] b, int from, int length) {
    lock.lock();
    try {
      if (bytes + length > ROOM_BYTES) {
        dropped++;
      } else if (length > 0) {
        if (dropped > 0) {
          add(
              ("... (" + dropped + " pieces of output dropped: nobody read)\n")
                  .getBytes(StandardCharsets.UTF_8));
          dropped = 0;
        }
        add(Arrays.copyOfRange(b, from, from + length));
      }
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private void add(byte[] piece) {
    pieces.add(piece);
    bytes += piece.length;
  }

  /// @return whether everything has been passed on
  boolean drained(long nanos) {
    long left = nanos;
    lock.lock();
    try {
      while ((!pieces.isEmpty() || writing) && left > 0) {
        left = changed.awaitNanos(left);
      }
      return pieces.isEmpty() && !writing;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    } finally {
      lock.unlock();
    }
  }

  private void pump() {
    try {
      while (true) {
        byte[] next = take();
        try {
          to.write(next);
          to.flush();
        } catch (IOException nobodyThere) {
          // a closed pipe: what comes is lost, as it always was
          TimeUnit.MILLISECONDS.sleep(1);
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private byte[] take() throws InterruptedException {
    lock.lockInterruptibly();
    try {
      writing = false;
      changed.signalAll();
      while (pieces.isEmpty()) {
        changed.await();
      }
      byte[] next = pieces.removeFirst();
      bytes -= next.length;
      writing = true;
      return next;
    } finally {
      lock.unlock();
    }
  }
}
