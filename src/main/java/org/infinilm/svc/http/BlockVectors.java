package org.infinilm.svc.http;

import java.util.Arrays;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/// Tells what the bytes of a piece are, 64 at a time. Stateless. The only class that needs the module
/// `jdk.incubator.vector`; nothing may touch it where that is missing.
final class BlockVectors {
  private static final VectorSpecies<Byte> SPECIES = ByteVector.SPECIES_PREFERRED;

  /// One vector is a block; else two are.
  private static final boolean WIDE = SPECIES.length() == Blocks.BLOCK_BYTES;

  /// Narrower vectors win nothing over words.
  static final boolean USABLE = WIDE || SPECIES.length() == Blocks.BLOCK_BYTES / 2;

  private static final long EVEN = 0x5555555555555555L;
  private static final long LAST = 1L << 63;
  private static final long LAST_THREE = 7L << 61;

  private BlockVectors() {}

  /// @param escaped whether a backslash stands right before the piece
  static void mark(byte[] b, int from, int n, boolean escaped, boolean kinds, Blocks out) {
    long[] stops = out.stops;
    long[] escapes = out.escapes;
    int blocks = (n + Blocks.BLOCK_BYTES - 1) / Blocks.BLOCK_BYTES;
    byte[] source = b;
    int at = from;
    long open = escaped ? 1 : 0;
    long due = 0;
    long leads = 0;
    for (int k = 1; k <= blocks; k++) {
      if (from + n - at < Blocks.BLOCK_BYTES) {
        Arrays.fill(out.last, (byte) 0);
        System.arraycopy(b, at, out.last, 0, from + n - at);
        source = out.last;
        at = 0;
      }
      ByteVector lo = ByteVector.fromArray(SPECIES, source, at);
      ByteVector hi = WIDE ? lo : ByteVector.fromArray(SPECIES, source, at + 32);
      at += Blocks.BLOCK_BYTES;

      long quote = equal(lo, hi, (byte) '"');
      long slash = equal(lo, hi, (byte) '\\');
      long known = quote | slash | equal(lo, hi, (byte) 'n') | equal(lo, hi, (byte) 't') | equal(lo, hi, (byte) 'r');
      long low = below(lo, hi, (byte) 0x20);
      long wide = below(lo, hi, (byte) 0);

      // escaped characters stand behind backslashes that begin at an even distance from the start of their run
      long starts = slash & ~open;
      long behind = starts << 1 | open;
      long odd = starts & ~EVEN & ~behind;
      long sum = odd + starts;
      open = (odd & starts | (odd | starts) & ~sum) >>> 63;
      long character = (EVEN ^ sum << 1) & behind;
      long rare = character & ~known;

      long stop = quote & ~character | low & ~wide | rare >>> 1;
      stops[k - 1] |= rare << 63;
      escapes[k] = slash & ~character;

      if ((wide | due) != 0) {
        long more = below(lo, hi, (byte) 0xc0);
        long lead = wide & ~more;
        long three = lead & ~below(lo, hi, (byte) 0xe0);
        long four = lead & ~below(lo, hi, (byte) 0xf0);
        long wrong = (lead << 1 | three << 2 | four << 3 | due) ^ more;
        due = lead >>> 63 | three >>> 62 | four >>> 61;
        long e0 = equal(lo, hi, (byte) 0xe0);
        long ed = equal(lo, hi, (byte) 0xed);
        long f0 = equal(lo, hi, (byte) 0xf0);
        long f4 = equal(lo, hi, (byte) 0xf4);
        long belowA0 = below(lo, hi, (byte) 0xa0);
        long below90 = below(lo, hi, (byte) 0x90);
        wrong |= (e0 << 1) & belowA0 | (ed << 1) & ~belowA0 | (f0 << 1) & below90 | (f4 << 1) & ~below90;
        wrong |= lead & below(lo, hi, (byte) 0xc2) | lead & ~below(lo, hi, (byte) 0xf5);
        stop |= (e0 | ed | f0 | f4) & LAST;
        if (wrong != 0) {
          stop |= wide;
          stops[k - 1] |= leads & LAST_THREE;
        }
        leads = lead;
      } else {
        leads = 0;
      }
      stops[k] = stop;
      if (kinds) {
        out.letters[k] = above(lo.or((byte) 0x20), hi.or((byte) 0x20), 'z', 26) | equal(lo, hi, (byte) ' ');
        out.digits[k] = above(lo, hi, '9', 10);
        out.wide[k] = wide;
      }
    }
    if (n % Blocks.BLOCK_BYTES == 0) {
      stops[blocks] |= open << 63 | (due == 0 ? 0 : leads & LAST_THREE);
      stops[blocks + 1] = 1;
    }
  }

  private static long equal(ByteVector lo, ByteVector hi, byte c) {
    return WIDE ? lo.eq(c).toLong() : lo.eq(c).toLong() | hi.eq(c).toLong() << 32;
  }

  /// Signed: bytes beyond ASCII are below all of ASCII.
  private static long below(ByteVector lo, ByteVector hi, byte c) {
    return WIDE ? lo.lt(c).toLong() : lo.lt(c).toLong() | hi.lt(c).toLong() << 32;
  }

  /// The `n` characters up to `last`, which become the largest numbers that there are.
  private static long above(ByteVector lo, ByteVector hi, char last, int n) {
    byte shift = (byte) (Byte.MAX_VALUE - last);
    byte limit = (byte) (Byte.MAX_VALUE - n);
    return WIDE
        ? lo.add(shift).compare(VectorOperators.GT, limit).toLong()
        : lo.add(shift).compare(VectorOperators.GT, limit).toLong()
            | hi.add(shift).compare(VectorOperators.GT, limit).toLong() << 32;
  }
}
