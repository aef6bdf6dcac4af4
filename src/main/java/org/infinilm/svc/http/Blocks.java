package org.infinilm.svc.http;

import io.netty.util.concurrent.FastThreadLocal;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// What the bytes of a piece of a JSON document are, as sets of 64 bits, one bit a byte. One object
/// for each thread, filled by [BlockVectors] and read by [JsonString]. Not thread-safe.
/*
 * The idea is stage 1 of simdjson (Langdale and Lemire, Parsing Gigabytes of JSON per Second, The
 * VLDB Journal 28, 2019, sections 3.1.1 and 3.2): classes of bytes as bit sets, and escapes by the carry of
 * an addition. What differs: strings are counted, not built, so that what a string holds is the number of bits
 * between its ends; and whatever is odd is only found here, and read by the one reader that knows all of it.
 */
final class Blocks {
  private static final FastThreadLocal<Blocks> OWN =
      new FastThreadLocal<>() {
        @Override
        protected Blocks initialValue() {
          return new Blocks();
        }
      };

  /// Shorter pieces are read by words as fast.
  private static final int LEAST_BYTES = 128;

  private static final int SAMPLES = 16;

  /// What strings are read by.
  enum By {
    /// Blocks where they have been found faster, else words.
    FASTER,
    WORDS,
    /// Blocks where they are possible.
    BLOCKS
  }

  /// Whether reading by blocks has been found faster.
  static volatile boolean fast;

  private static volatile @Nullable BlockWarming warming;

  /// Most bytes of a piece.
  static final int PIECE_BYTES = 16 << 10;

  static final int BLOCK_BYTES = 64;
  private static final int SETS = PIECE_BYTES / BLOCK_BYTES + 2;

  /// Quotes that are not escaped, and all that the other sets say nothing of: control characters,
  /// backslashes of rare or wrong escapes, bytes that are not well formed or not all here; the
  /// first bit behind the piece. The sets of a block stand behind an unused one.
  final long[] stops = new long[SETS];

  /// Bytes of escapes that count nothing: one of an escape stands for each byte of what it means.
  final long[] silent = new long[SETS];

  /// Bytes beyond ASCII, and those that stand for them.
  final long[] wide = new long[SETS];

  /// ASCII letters and blanks, ASCII digits: filled where kinds are told.
  final long[] letters = new long[SETS];

  final long[] digits = new long[SETS];

  /// What stands behind the backslash of an escape that is not one of the most common; only while
  /// the other sets are filled.
  final long[] rare = new long[SETS];

  long anyRare;
  long anyWide;

  /// What goes over from one block to the next: whether its first byte is escaped, which of its
  /// first bytes continue a character, where characters of several bytes began.
  long open;

  long due;
  long leads;

  /// The last block of a piece, filled up with zeros.
  final byte[] last = new byte[BLOCK_BYTES];

  private int from;

  /// Of what [#stopCounting] passed over.
  int silentBefore;

  Blocks() {}

  /// From now on it is found out whether blocks are possible and faster.
  static void warm(LongSupplier nanos) {
    warming = new BlockWarming(nanos);
  }

  /// Asked for only where it matters: to answer loads the vectors' classes.
  private static final class Possible {
    static final boolean VALUE =
        ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent() && BlockVectors.USABLE;
  }

  /// Whether this JVM was started with vectors and its CPU has some that are wide enough.
  static boolean possible() {
    return Possible.VALUE;
  }

  /// The sets of a piece, or null where words are to be read.
  ///
  /// @param escaped whether a backslash stands right before the piece
  static @Nullable Blocks of(byte[] b, int from, int to, boolean escaped, boolean kinds, By by) {
    if (by == By.FASTER) {
      if (to - from < LEAST_BYTES) {
        return null;
      }
      if (!fast) {
        BlockWarming w = warming;
        if (w != null) {
          w.seen(to - from);
        }
        return null;
      }
      if (isMostlyWide(b, from, to)) {
        return null;
      }
    } else if (by == By.WORDS || !possible()) {
      return null;
    }
    Blocks k = OWN.get();
    k.from = from;
    BlockVectors.mark(b, from, to - from, escaped, kinds, k);
    return k;
  }

  /// Whether most of a few bytes of it are beyond ASCII: words read such text twice as fast, since
  /// they need not tell its bytes apart.
  static boolean isMostlyWide(byte[] b, int from, int to) {
    int wide = 0;
    for (int k = 0; k < SAMPLES; k++) {
      wide += b[from + (int) ((long) (to - from) * k / SAMPLES)] < 0 ? 1 : 0;
    }
    return wide > SAMPLES / 2;
  }

  /// The first byte from `i` on that stops plain text, or the end of the piece.
  int stop(int i) {
    int bit = i - from;
    int k = 1 + (bit >> 6);
    long s = stops[k] & -1L << bit;
    while (s == 0) {
      s = stops[++k];
    }
    return from + (k - 1 << 6) + Long.numberOfTrailingZeros(s);
  }

  /// The same, with [#silentBefore] of the bytes from `i` to before it: one loop costs one wrong
  /// guess of its end.
  int stopCounting(int i) {
    int bit = i - from;
    int k = 1 + (bit >> 6);
    long mask = -1L << bit;
    long s = stops[k] & mask;
    long quiet = silent[k] & mask;
    int n = 0;
    while (s == 0) {
      n += Long.bitCount(quiet);
      s = stops[++k];
      quiet = silent[k];
    }
    int last = Long.numberOfTrailingZeros(s);
    silentBefore = n + Long.bitCount(quiet & ~(-1L << last));
    return from + (k - 1 << 6) + last;
  }

  /// How many of the bytes from `i` to before `to` are in a set.
  int count(long[] set, int i, int to) {
    int first = i - from;
    int end = to - from;
    int k = 1 + (first >> 6);
    int last = 1 + (end >> 6);
    long s = set[k] & -1L << first;
    int n = 0;
    while (k < last) {
      n += Long.bitCount(s);
      s = set[++k];
    }
    return n + Long.bitCount(s & ~(-1L << end));
  }
}
