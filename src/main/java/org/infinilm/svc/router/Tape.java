package org.infinilm.svc.router;

import io.netty.util.concurrent.FastThreadLocal;
import java.util.ArrayDeque;
import java.util.Arrays;

/// What is kept of one answer while it passes: its last bytes, and how long its pieces were apart.
/// Each event loop lends the same few again and again, so that an answer allocates none.
final class Tape {
  static final int TAIL_BYTES = 2048;

  /// Upper bounds of the times between two pieces of a stream, in nanoseconds.
  static final long[] GAP_NANOS = {
    1_000_000L,
    2_500_000L,
    5_000_000L,
    10_000_000L,
    20_000_000L,
    30_000_000L,
    50_000_000L,
    75_000_000L,
    100_000_000L,
    150_000_000L,
    250_000_000L,
    500_000_000L,
    1_000_000_000L,
    2_500_000_000L,
    10_000_000_000L
  };

  /// Idle ones that a loop keeps.
  private static final int MOST_KEPT = 256;

  private static final class Shelf {
    final ArrayDeque<Tape> idle = new ArrayDeque<>();
    final byte[] scratch = new byte[TAIL_BYTES];
  }

  private static final FastThreadLocal<Shelf> SHELF =
      new FastThreadLocal<>() {
        @Override
        protected Shelf initialValue() {
          return new Shelf();
        }
      };

  final byte[] tail = new byte[TAIL_BYTES];

  /// How many times were up to each bound; the last counts those above all.
  final int[] gaps = new int[GAP_NANOS.length + 1];

  long gapNanos;
  boolean hasGaps;

  /// One that is nobody else's until [#giveBack].
  static Tape take() {
    Tape t = SHELF.get().idle.pollFirst();
    return t == null ? new Tape() : t;
  }

  /// Room of this loop for the end of an answer, until somebody asks for it again.
  static byte[] scratch() {
    return SHELF.get().scratch;
  }

  void giveBack() {
    if (hasGaps) {
      Arrays.fill(gaps, 0);
      gapNanos = 0;
      hasGaps = false;
    }
    ArrayDeque<Tape> idle = SHELF.get().idle;
    if (idle.size() < MOST_KEPT) {
      idle.addFirst(this);
    }
  }

  /// A piece came so long after the one before.
  void gap(long nanos) {
    int k = 0;
    while (k < GAP_NANOS.length && nanos > GAP_NANOS[k]) {
      k++;
    }
    gaps[k]++;
    gapNanos += nanos;
    hasGaps = true;
  }
}
