package org.infinilm.svc.router;

import java.util.concurrent.atomic.AtomicLongArray;
import org.jspecify.annotations.Nullable;

/// Which sessions were there since it was cleared, by a bit for the hash of each key: one that is
/// new may be taken for one that was there. Lock-free; takes memory when a key comes.
final class Sessions {
  static final int BITS = 1024;

  /// From so many on nothing is told any more: of that many, one session is a small part.
  static final int MOST = BITS / 2;

  private static final int COUNT = BITS / Long.SIZE;

  private volatile @Nullable AtomicLongArray bits;

  /// Whether a request is the first of its session, or its sessions are not told.
  ///
  /// @param key hash of the session's key; 0 for none
  boolean first(long key) {
    if (key == 0) {
      return true;
    }
    AtomicLongArray b = bits;
    if (b == null) {
      b = new AtomicLongArray(COUNT + 1);
      bits = b;
    }
    int bit = (int) (key >>> 32) & (BITS - 1);
    long mask = 1L << bit;
    int word = bit / Long.SIZE;
    if ((b.get(word) & mask) != 0) {
      return b.get(COUNT) >= MOST;
    }
    b.accumulateAndGet(word, mask, (x, m) -> x | m);
    b.incrementAndGet(COUNT);
    return true;
  }

  /// Takes one back that was the first; false when none was since it was cleared. Those without a
  /// session always are.
  boolean takeBack(long key) {
    AtomicLongArray b = bits;
    if (key == 0 || b == null) {
      return key == 0;
    }
    int bit = (int) (key >>> 32) & (BITS - 1);
    long mask = 1L << bit;
    return (b.getAndAccumulate(bit / Long.SIZE, ~mask, (x, m) -> x & m) & mask) != 0;
  }

  void clear() {
    if (bits != null) {
      bits = null;
    }
  }
}
