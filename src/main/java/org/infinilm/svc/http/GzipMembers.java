package org.infinilm.svc.http;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.Objects;
import java.util.zip.CRC32;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;
import java.util.zip.ZipException;

/// Undoes gzip (RFC 1952), of any number of members, each as cheap as its bytes: the JDK's stream
/// calls itself for every empty one. What follows the last member and begins no other is passed
/// over. Not thread-safe.
final class GzipMembers extends InputStream {
  private static final int MAGIC = 0x8b1f;
  private static final int DEFLATE = 8;
  private static final int HEADER_CRC = 2;
  private static final int EXTRA = 4;
  private static final int NAME = 8;
  private static final int COMMENT = 16;
  private static final int RESERVED = 0xe0;

  private final InputStream in;
  private final Inflater inflater = new Inflater(true);
  private final CRC32 sum = new CRC32();
  private final byte[] buffer = new byte[8192];
  private int at;
  private int end;
  private boolean first = true;
  private boolean inside;
  private boolean over;

  GzipMembers(InputStream in) {
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
    while (inside || header()) {
      int n = inflated(b, off, len);
      if (n > 0) {
        sum.update(b, off, n);
        return n;
      }
      if (inflater.finished()) {
        trailer();
      } else if (inflater.needsInput()) {
        if (!fill()) {
          throw new EOFException("inside a member");
        }
        inflater.setInput(buffer, at, end - at);
      } else {
        throw new ZipException("a dictionary is needed");
      }
    }
    return -1;
  }

  private int inflated(byte[] b, int off, int len) throws ZipException {
    try {
      return inflater.inflate(b, off, len);
    } catch (DataFormatException e) {
      throw new ZipException(e.getMessage());
    }
  }

  /// Reads the header of a member; false when none begins here.
  private boolean header() throws IOException {
    if (over) {
      return false;
    }
    sum.reset();
    int b0 = headerByte();
    int b1 = b0 < 0 ? -1 : headerByte();
    if (b1 < 0 || (b1 << 8 | b0) != MAGIC) {
      over = true;
      if (first) {
        throw new ZipException("no gzip");
      }
      return false;
    }
    int method = needed(headerByte());
    int flags = needed(headerByte());
    if (method != DEFLATE || (flags & RESERVED) != 0) {
      throw new ZipException("an unknown kind of gzip");
    }
    skip(6);
    if ((flags & EXTRA) != 0) {
      skip(needed(headerByte()) | needed(headerByte()) << 8);
    }
    for (int text = flags & (NAME | COMMENT); text != 0; text &= text - 1) {
      while (needed(headerByte()) != 0) {
        // up to its zero
      }
    }
    if ((flags & HEADER_CRC) != 0) {
      int told = (int) sum.getValue() & 0xffff;
      if (number(2) != told) {
        throw new ZipException("a damaged header");
      }
    }
    sum.reset();
    first = false;
    inside = true;
    inflater.reset();
    inflater.setInput(buffer, at, end - at);
    return true;
  }

  private void trailer() throws IOException {
    at = end - inflater.getRemaining();
    if (number(4) != sum.getValue() || number(4) != (inflater.getBytesWritten() & 0xffffffffL)) {
      throw new ZipException("a damaged member");
    }
    inside = false;
  }

  /// A little-endian number.
  private long number(int bytes) throws IOException {
    long n = 0;
    for (int k = 0; k < bytes; k++) {
      n |= (long) needed(next()) << 8 * k;
    }
    return n;
  }

  private void skip(int bytes) throws IOException {
    for (int k = 0; k < bytes; k++) {
      needed(headerByte());
    }
  }

  private int headerByte() throws IOException {
    int b = next();
    if (b >= 0) {
      sum.update(b);
    }
    return b;
  }

  private static int needed(int b) throws EOFException {
    if (b < 0) {
      throw new EOFException("inside a member");
    }
    return b;
  }

  private int next() throws IOException {
    return at < end || fill() ? buffer[at++] & 0xff : -1;
  }

  private boolean fill() throws IOException {
    int n = in.read(buffer, 0, buffer.length);
    at = 0;
    end = Math.max(0, n);
    return n > 0;
  }

  @Override
  public void close() {
    inflater.end();
  }
}
