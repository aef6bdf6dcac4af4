package org.infinilm.svc.http;

import java.util.Arrays;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.VectorSpecies;

/// Tells what the bytes of a piece are, 64 at a time. Stateless. The only class that needs the
/// module `jdk.incubator.vector`; nothing may touch it where that is missing.
final class BlockVectors {
  private static final VectorSpecies<Byte> SPECIES = ByteVector.SPECIES_PREFERRED;

  /// One vector is a block; else two are.
  private static final boolean WIDE = SPECIES.length() == Blocks.BLOCK_BYTES;

  /// Narrower vectors win nothing over words.
  static final boolean USABLE = WIDE || SPECIES.length() == Blocks.BLOCK_BYTES / 2;

  private static final long EVEN = 0x5555555555555555L;
  private static final long LAST = 1L << 63;
  private static final long LAST_THREE = 7L << 61;
  private static final long LAST_FOUR = 15L << 60;

  private BlockVectors() {}

  /// Fills the sets of a piece.
  ///
  /// @param escaped whether a backslash stands right before it
  static void mark(byte[] b, int from, int n, boolean escaped, boolean kinds, Blocks out) {
    int whole = n / Blocks.BLOCK_BYTES;
    int rest = n % Blocks.BLOCK_BYTES;
    out.open = escaped ? 1 : 0;
    out.due = 0;
    out.leads = 0;
    passes(b, from, 0, whole, kinds, out);
    if (rest > 0) {
      Arrays.fill(out.last, (byte) 0);
      System.arraycopy(b, from + n - rest, out.last, 0, rest);
      passes(out.last, 0, whole, 1, kinds, out);
    } else {
      out.stops[whole] |= out.open << 63 | (out.due == 0 ? 0 : out.leads & LAST_THREE);
      out.stops[whole + 1] = 1;
    }
  }

  /// Fills the sets of `n` blocks that stand behind `before` others. A pass for each matter: the
  /// compiler gives up on more of them together, and there are not enough registers for their
  /// constants.
  private static void passes(byte[] b, int from, int before, int n, boolean kinds, Blocks out) {
    out.anyRare = 0;
    out.anyWide = 0;
    all(b, from, before, n, out);
    if ((out.anyWide | out.due) != 0) {
      characters(b, from, before, n, out);
    }
    if (out.anyRare != 0) {
      escapes(b, from, before, n, out);
    }
    if (kinds) {
      kinds(b, from, before, n, out);
    }
  }

  private static void all(byte[] b, int from, int before, int n, Blocks out) {
    long[] stops = out.stops;
    long[] silent = out.silent;
    long[] wides = out.wide;
    long[] rares = out.rare;
    long open = out.open;
    long anyRare = 0;
    long anyWide = 0;
    for (int k = 0; k < n; k++) {
      int at = from + k * Blocks.BLOCK_BYTES;
      int set = before + k + 1;
      ByteVector lo = ByteVector.fromArray(SPECIES, b, at);
      ByteVector hi = WIDE ? lo : ByteVector.fromArray(SPECIES, b, at + Blocks.BLOCK_BYTES / 2);
      long quote = equal(lo, hi, (byte) '"');
      long slash = equal(lo, hi, (byte) '\\');
      long low = below(lo, hi, (byte) 0x20);
      long wide = below(lo, hi, (byte) 0);
      anyWide |= wide;
      wides[set] = wide;
      if ((slash | open) == 0) {
        // no escapes, as in most of what people write
        rares[set] = 0;
        silent[set] = 0;
        stops[set] = quote | low & ~wide;
        continue;
      }
      long known =
          quote
              | slash
              | equal(lo, hi, (byte) 'n')
              | equal(lo, hi, (byte) 't')
              | equal(lo, hi, (byte) 'r');

      // escaped are those behind backslashes at an even distance from where their run begins
      long starts = slash & ~open;
      long behind = starts << 1 | open;
      long odd = starts & ~EVEN & ~behind;
      long sum = odd + starts;
      open = (odd & starts | (odd | starts) & ~sum) >>> 63;
      long character = (EVEN ^ sum << 1) & behind;
      long rare = character & ~known;
      anyRare |= rare;

      rares[set] = rare;
      silent[set] = slash & ~character;
      stops[set - 1] |= rare << 63;
      stops[set] = quote & ~character | low & ~wide | rare >>> 1;
    }
    out.open = open;
    out.anyRare = anyRare;
    out.anyWide = anyWide;
  }

  /// Stops at what is not well-formed UTF-8 (RFC 3629), or not all here.
  private static void characters(byte[] b, int from, int before, int n, Blocks out) {
    long[] stops = out.stops;
    long due = out.due;
    long leads = out.leads;
    for (int k = 0; k < n; k++) {
      int set = before + k + 1;
      long wide = out.wide[set];
      if ((wide | due) == 0) {
        leads = 0;
        continue;
      }
      int at = from + k * Blocks.BLOCK_BYTES;
      ByteVector lo = ByteVector.fromArray(SPECIES, b, at);
      ByteVector hi = WIDE ? lo : ByteVector.fromArray(SPECIES, b, at + Blocks.BLOCK_BYTES / 2);
      long more = below(lo, hi, (byte) 0xc0);
      long lead = wide & ~more;
      long three = lead & ~below(lo, hi, (byte) 0xe0);
      long four = lead & ~below(lo, hi, (byte) 0xf0);
      long wrong = (lead << 1 | three << 2 | four << 3 | due) ^ more;
      due = lead >>> 63 | three >>> 62 | four >>> 61;
      wrong |= lead & below(lo, hi, (byte) 0xc2);
      long e0 = equal(lo, hi, (byte) 0xe0);
      long ed = equal(lo, hi, (byte) 0xed);
      // the only characters whose second byte has bounds of its own
      if ((e0 | ed | four) != 0) {
        long belowA0 = below(lo, hi, (byte) 0xa0);
        long below90 = below(lo, hi, (byte) 0x90);
        long f0 = equal(lo, hi, (byte) 0xf0);
        long f4 = equal(lo, hi, (byte) 0xf4);
        wrong |= e0 << 1 & belowA0 | ed << 1 & ~belowA0 | f0 << 1 & below90 | f4 << 1 & ~below90;
        wrong |= four & ~below(lo, hi, (byte) 0xf5);
        stops[set] |= (e0 | ed | f0 | f4) & LAST;
      }
      if (wrong != 0) {
        stops[set] |= wide;
        stops[set - 1] |= leads & LAST_THREE;
      }
      leads = lead;
    }
    out.due = due;
    out.leads = leads;
  }

  /// Takes back the stops at escapes that are of one character, or of Unicode, all in one block and
  /// beyond ASCII: the last digits stand for as many bytes as the character has.
  private static void escapes(byte[] b, int from, int before, int n, Blocks out) {
    long[] stops = out.stops;
    for (int k = 0; k < n; k++) {
      int set = before + k + 1;
      long rare = out.rare[set];
      if (rare == 0) {
        continue;
      }
      int at = from + k * Blocks.BLOCK_BYTES;
      ByteVector lo = ByteVector.fromArray(SPECIES, b, at);
      ByteVector hi = WIDE ? lo : ByteVector.fromArray(SPECIES, b, at + Blocks.BLOCK_BYTES / 2);
      long plain =
          rare
              & (equal(lo, hi, (byte) '/') | equal(lo, hi, (byte) 'b') | equal(lo, hi, (byte) 'f'));
      long unicode = rare & equal(lo, hi, (byte) 'u') & ~LAST_FOUR;
      long first = unicode << 1;
      long second = unicode << 2;
      long third = unicode << 3;
      long fourth = unicode << 4;
      ByteVector lower = lo.or((byte) 0x20);
      ByteVector higher = WIDE ? lower : hi.or((byte) 0x20);
      long octal = among(lo, hi, '0', 8);
      long hex = among(lo, hi, '0', 10) | among(lower, higher, 'a', 6);
      // all of the block's are left to words when one is wrong
      if (((first | second | third | fourth) & ~hex) == 0) {
        long zero = equal(lo, hi, (byte) '0');
        long zeros = (first & zero) << 1;
        long ascii = (zeros & zero) << 1 & octal;
        long surrogate = (first & equal(lower, higher, (byte) 'd')) << 1 & ~octal;
        long three = second & ~(zeros & octal) & ~surrogate;
        plain |= unicode & ~(ascii >>> 3);
        out.silent[set] |= unicode >>> 1 | unicode | first | second & ~three;
        out.wide[set] |= three | third | fourth;
      }
      stops[set] &= ~(plain >>> 1);
      stops[set - 1] &= ~(plain << 63);
    }
  }

  private static void kinds(byte[] b, int from, int before, int n, Blocks out) {
    long[] letters = out.letters;
    long[] digits = out.digits;
    for (int k = 0; k < n; k++) {
      int at = from + k * Blocks.BLOCK_BYTES;
      int set = before + k + 1;
      ByteVector lo = ByteVector.fromArray(SPECIES, b, at);
      ByteVector hi = WIDE ? lo : ByteVector.fromArray(SPECIES, b, at + Blocks.BLOCK_BYTES / 2);
      long other = out.silent[set] | out.wide[set];
      letters[set] =
          (among(lo.or((byte) 0x20), WIDE ? lo : hi.or((byte) 0x20), 'a', 26)
                  | equal(lo, hi, (byte) ' '))
              & ~other;
      digits[set] = among(lo, hi, '0', 10) & ~other;
    }
  }

  // No more than 35 bytes of code each: they have to be inlined, wherever they are called from.

  private static long equal(ByteVector lo, ByteVector hi, byte c) {
    long set = lo.eq(c).toLong();
    return WIDE ? set : set | hi.eq(c).toLong() << 32;
  }

  /// Signed: bytes beyond ASCII are below all of ASCII.
  private static long below(ByteVector lo, ByteVector hi, byte c) {
    long set = lo.lt(c).toLong();
    return WIDE ? set : set | hi.lt(c).toLong() << 32;
  }

  /// The `n` characters from `first` on, which an addition makes the smallest bytes that there are.
  private static long among(ByteVector lo, ByteVector hi, char first, int n) {
    byte shift = (byte) (Byte.MIN_VALUE - first);
    return below(lo.add(shift), WIDE ? lo : hi.add(shift), (byte) (Byte.MIN_VALUE + n));
  }
}
