package org.infinilm.svc.engine;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.stream.LongStream;

/// Which characters stand beside each other in a token of a vocabulary. A tokenizer that merges
/// pieces into larger ones never merges over two characters that do not. Immutable.
final class Neighbours {
  private static final int CODE_POINT_BITS = 21;
  private static final int CONTINUED = 0x80;
  private static final int CONTINUED_MASK = 0xC0;

  /// Pairs of whole characters, sorted.
  private final long[] pairs;

  /// Last byte of a character and first byte of the next, where one of both is not whole.
  private final BitSet bytes = new BitSet();

  /// @param pieces bytes of the tokens
  /// @param texts of tokens that have no bytes there
  Neighbours(byte[][] pieces, List<String> texts) {
    LongStream.Builder all = LongStream.builder();
    for (byte[] piece : pieces) {
      add(piece, all);
    }
    texts.forEach(t -> add(t.getBytes(StandardCharsets.UTF_8), all));
    pairs = all.build().sorted().distinct().toArray();
  }

  private void add(byte[] piece, LongStream.Builder all) {
    int before = -1;
    int start = 0;
    for (int i = 0; i <= piece.length; i++) {
      if (i == piece.length || (piece[i] & CONTINUED_MASK) != CONTINUED) {
        int here = i == start ? -1 : character(piece, start, i);
        if (start > 0 && i > start) {
          if (before >= 0 && here >= 0) {
            all.add(pair(before, here));
          } else {
            bytes.set(bytePair(piece[start - 1], piece[start]));
          }
        }
        before = here;
        start = i;
      }
    }
  }

  /// The one character of these bytes, -1 when they are not all of one.
  private static int character(byte[] piece, int from, int to) {
    try {
      String s =
          StandardCharsets.UTF_8
              .newDecoder()
              .decode(ByteBuffer.wrap(piece, from, to - from))
              .toString();
      return s.codePointCount(0, s.length()) == 1 ? s.codePointAt(0) : -1;
    } catch (CharacterCodingException e) {
      return -1;
    }
  }

  private static long pair(int left, int right) {
    return (long) left << CODE_POINT_BITS | right;
  }

  private static int bytePair(byte left, byte right) {
    return Byte.toUnsignedInt(left) << Byte.SIZE | Byte.toUnsignedInt(right);
  }

  /// Whether a token can hold `left` and `right` beside each other.
  boolean adjacent(int left, int right) {
    if (Arrays.binarySearch(pairs, pair(left, right)) >= 0) {
      return true;
    }
    byte[] l = Character.toString(left).getBytes(StandardCharsets.UTF_8);
    byte[] r = Character.toString(right).getBytes(StandardCharsets.UTF_8);
    return bytes.get(bytePair(l[l.length - 1], r[0]));
  }
}
