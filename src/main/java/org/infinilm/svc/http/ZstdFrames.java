package org.infinilm.svc.http;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.Objects;

/// The frames of a zstd body (RFC 8878) without those that are to be skipped (section 3.1.2), which
/// the decoder does not know; says so when a frame needs a larger window than the decoder has. What
/// is no zstd passes as it is, for the decoder to refuse. Not thread-safe.
final class ZstdFrames extends InputStream {
  /// What the RFC recommends decoders to support at least (section 3.1.1.1.2).
  static final long LARGEST_WINDOW = 8L << 20;

  private static final int MAGIC = 0xfd2fb528;
  private static final int SKIPPABLE = 0x184d2a50;
  private static final int SKIPPABLE_MASK = 0xfffffff0;
  private static final int LONGEST_HEADER = 18;
  private static final int[] DICTIONARY_ID_BYTES = {0, 1, 2, 4};
  private static final int RLE = 1;
  private static final int RESERVED = 3;

  private final InputStream in;

  /// What was read to find the way, and is still to be handed on.
  private final byte[] held = new byte[LONGEST_HEADER];

  private int heldFrom;
  private int heldTo;

  /// Bytes to hand on before the next header.
  private long passing;

  private boolean inFrame;
  private boolean checksum;

  ZstdFrames(InputStream in) {
    this.in = in;
  }

  @Override
  public int read() throws IOException {
    byte[] one = new byte[1];
    return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
  }

  @Override
  public int read(byte[] b, int off, int len) throws IOException {
    Objects.checkFromIndexSize(off, len, b.length);
    if (len == 0) {
      return 0;
    }
    if (heldFrom == heldTo && passing == 0) {
      heldFrom = 0;
      heldTo = 0;
      if (inFrame) {
        block();
      } else {
        frame();
      }
    }
    if (heldFrom < heldTo) {
      int n = Math.min(len, heldTo - heldFrom);
      System.arraycopy(held, heldFrom, b, off, n);
      heldFrom += n;
      return n;
    }
    int n = in.read(b, off, (int) Math.min(len, passing));
    passing -= Math.max(0, n);
    return n;
  }

  private void frame() throws IOException {
    while (hold(4)) {
      int magic = (int) number(0, 4);
      if ((magic & SKIPPABLE_MASK) != SKIPPABLE) {
        inFrame = magic == MAGIC && header();
        passing = inFrame ? 0 : Long.MAX_VALUE;
        return;
      }
      if (!hold(4)) {
        throw new EOFException("inside a frame to skip");
      }
      in.skipNBytes(number(4, 4));
      heldTo = 0;
    }
    passing = Long.MAX_VALUE;
  }

  /// Holds the rest of a frame's header; false when it is cut.
  private boolean header() throws IOException {
    if (!hold(1)) {
      return false;
    }
    int descriptor = held[4];
    boolean single = (descriptor & 0x20) != 0;
    checksum = (descriptor & 4) != 0;
    int dictionary = DICTIONARY_ID_BYTES[descriptor & 3];
    int sizeFlag = descriptor >> 6 & 3;
    int sizeBytes = sizeFlag == 0 ? single ? 1 : 0 : 1 << sizeFlag;
    int windowBytes = single ? 0 : 1;
    if (!hold(windowBytes + dictionary + sizeBytes)) {
      return false;
    }
    long window;
    if (single) {
      window = number(5 + dictionary, sizeBytes);
    } else {
      long base = 1L << 10 + (held[5] >> 3 & 0x1f);
      window = base + base / 8 * (held[5] & 7);
    }
    if (window < 0 || window > LARGEST_WINDOW) {
      throw new ContentCoding.Refused(
          "zstd with a window of "
              + Long.toUnsignedString(window)
              + " bytes (expected: at most "
              + LARGEST_WINDOW
              + ")");
    }
    return true;
  }

  private void block() throws IOException {
    if (!hold(3)) {
      passing = Long.MAX_VALUE;
      return;
    }
    int header = (int) number(0, 3);
    int type = header >> 1 & 3;
    passing = type == RESERVED ? Long.MAX_VALUE : type == RLE ? 1 : header >> 3;
    if ((header & 1) != 0 && type != RESERVED) {
      inFrame = false;
      passing += checksum ? 4 : 0;
    }
  }

  /// Reads so many bytes more to hold; false at the input's end.
  private boolean hold(int bytes) throws IOException {
    int n = in.readNBytes(held, heldTo, bytes);
    heldTo += n;
    return n == bytes;
  }

  private long number(int from, int bytes) {
    long n = 0;
    for (int k = 0; k < bytes; k++) {
      n |= (held[from + k] & 0xffL) << 8 * k;
    }
    return n;
  }

  @Override
  public void close() throws IOException {
    in.close();
  }
}
