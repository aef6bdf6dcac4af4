package org.infinilm.svc.trace;

import static java.nio.charset.StandardCharsets.UTF_8;

import org.jspecify.annotations.Nullable;

/// What a receiver says of a message that it took, perhaps not all of it: `partial_success` of an
/// `ExportTraceServiceResponse` (OTLP 1.x, section Partial Success).
///
/// @param rejected spans that it did not take
/// @param words its own, empty for none
record Taken(long rejected, String words) {
  static final Taken ALL = new Taken(0, "");

  private static final int VARINT = 0;
  private static final int FIXED64 = 1;
  private static final int LENGTH = 2;
  private static final int FIXED32 = 5;

  /// Reads the published protobuf; what cannot be read says nothing.
  static Taken of(byte @Nullable [] body) {
    if (body == null || body.length == 0) {
      return ALL;
    }
    try {
      Reader r = new Reader(body, 0, body.length);
      Taken out = ALL;
      while (r.more()) {
        long tag = r.varint();
        out = tag == (1 << 3 | LENGTH) ? partial(r.inner()) : r.skip(tag, out);
      }
      return out;
    } catch (IndexOutOfBoundsException | IllegalArgumentException e) {
      return ALL;
    }
  }

  private static Taken partial(Reader r) {
    long rejected = 0;
    String words = "";
    while (r.more()) {
      long tag = r.varint();
      if (tag == (1 << 3 | VARINT)) {
        rejected = Math.max(0, r.varint());
      } else if (tag == (2 << 3 | LENGTH)) {
        Reader text = r.inner();
        words = new String(text.of, text.at, text.end - text.at, UTF_8);
      } else {
        r.skip(tag, ALL);
      }
    }
    return new Taken(rejected, words);
  }

  /// A message of protobuf, from its first byte to its last.
  private static final class Reader {
    final byte[] of;
    final int end;
    int at;

    Reader(byte[] of, int at, int end) {
      this.of = of;
      this.at = at;
      this.end = end;
    }

    boolean more() {
      return at < end;
    }

    long varint() {
      long v = 0;
      for (int shift = 0; shift < 64; shift += 7) {
        if (at >= end) {
          throw new IndexOutOfBoundsException("a number without its end");
        }
        byte b = of[at++];
        v |= (long) (b & 0x7f) << shift;
        if (b >= 0) {
          return v;
        }
      }
      throw new IllegalArgumentException("a number of more than ten bytes");
    }

    Reader inner() {
      long n = varint();
      if (n < 0 || n > end - at) {
        throw new IndexOutOfBoundsException("longer than its message");
      }
      Reader r = new Reader(of, at, at + (int) n);
      at += (int) n;
      return r;
    }

    /// Passes over a field of another kind.
    Taken skip(long tag, Taken as) {
      switch ((int) (tag & 7)) {
        case VARINT -> varint();
        case LENGTH -> inner();
        case FIXED64 -> over(8);
        case FIXED32 -> over(4);
        default -> throw new IllegalArgumentException("no kind of a field");
      }
      return as;
    }

    private void over(int bytes) {
      if (bytes > end - at) {
        throw new IndexOutOfBoundsException("longer than its message");
      }
      at += bytes;
    }
  }
}
