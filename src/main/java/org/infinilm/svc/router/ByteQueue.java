package org.infinilm.svc.router;

import java.util.concurrent.atomic.AtomicLongArray;
import org.jspecify.annotations.Nullable;

/// Bytes on their way from one thread to another, without a lock: what is appended at once is seen
/// whole or not at all, in order. It grows while what waits does not fit, up to a limit, and takes
/// no memory in steady state. For one thread that appends and one that takes.
/*
 * A ring whose ends are numbers that only grow; each is written by one side alone. They stand in the middle of a
 * larger array, so that the rings of two event loops share no cache line, whatever the heap puts beside them. A ring
 * that is too small is followed by a larger one, into which everything goes from then on.
 */
final class ByteQueue {
  /// Takes a part of what waits.
  interface Sink {
    void take(byte[] bytes, int from, int length);
  }

  private static final int PUT = 16;

  /// Where the other side was when the appending one last looked.
  private static final int SEEN = 17;

  private static final int TAKEN = 32;
  private static final int CELLS = 48;

  private static final class Ring {
    final byte[] bytes;
    final AtomicLongArray ends = new AtomicLongArray(CELLS);
    volatile @Nullable Ring next;

    /// @param size a power of two
    Ring(int size) {
      bytes = new byte[size];
    }
  }

  private final int mostBytes;
  private final Runnable halfFull;
  private Ring in;
  private Ring out;

  /// @param firstBytes before it grows; both are powers of two
  /// @param mostBytes that wait in one ring
  /// @param halfFull called by the appending thread a few times a round while more than half of the
  ///   ring waits; never blocks
  ByteQueue(int firstBytes, int mostBytes, Runnable halfFull) {
    this.mostBytes = mostBytes;
    this.halfFull = halfFull;
    in = new Ring(firstBytes);
    out = in;
  }

  /// Appends all of it, or nothing where it finds no room.
  ///
  /// @return whether it found room
  boolean append(byte[] from, int length) {
    Ring r = in;
    long put = r.ends.getPlain(PUT);
    int size = r.bytes.length;
    if (put + length - r.ends.getPlain(SEEN) > size) {
      long taken = r.ends.getAcquire(TAKEN);
      r.ends.setPlain(SEEN, taken);
      if (put + length - taken > size) {
        return grown(r, length) && append(from, length);
      }
    }
    int at = (int) put & (size - 1);
    int first = Math.min(length, size - at);
    System.arraycopy(from, 0, r.bytes, at, first);
    System.arraycopy(from, first, r.bytes, 0, length - first);
    long end = put + length;
    r.ends.setRelease(PUT, end);
    long step = size >> 3;
    if (((put ^ end) & -step) != 0 && end - r.ends.getAcquire(TAKEN) > size >> 1) {
      halfFull.run();
    }
    return true;
  }

  private boolean grown(Ring full, int length) {
    long size = full.bytes.length * 2L;
    while (size < length) {
      size *= 2;
    }
    if (size > mostBytes) {
      return false;
    }
    Ring larger = new Ring((int) size);
    full.next = larger;
    in = larger;
    return true;
  }

  /// Passes all that waits to a sink, in at most two parts a ring. What a sink fails on counts as
  /// taken.
  ///
  /// @return whether there was anything
  boolean drain(Sink to) {
    boolean any = false;
    while (true) {
      Ring r = out;
      // before its end is read: nothing is put into a ring that has a next one
      Ring next = r.next;
      long end = r.ends.getAcquire(PUT);
      long taken = r.ends.getPlain(TAKEN);
      if (end != taken) {
        any = true;
        try {
          pass(r.bytes, taken, (int) (end - taken), to);
        } finally {
          r.ends.setRelease(TAKEN, end);
        }
      }
      if (next == null) {
        return any;
      }
      out = next;
    }
  }

  private static void pass(byte[] ring, long from, int length, Sink to) {
    int at = (int) from & (ring.length - 1);
    int first = Math.min(length, ring.length - at);
    to.take(ring, at, first);
    if (length > first) {
      to.take(ring, 0, length - first);
    }
  }
}
