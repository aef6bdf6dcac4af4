package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import java.util.Arrays;

/// Words a head into bytes that are used again and again. One for each event loop.
final class HeadWriter {
  private static final int USUAL_BYTES = 2 << 10;

  /// A head that was larger is not kept.
  private static final int MOST_KEPT_BYTES = 64 << 10;

  private static final int LONGEST_NUMBER = 19;
  private static final char DELETE = 0x7f;

  private byte[] b = new byte[USUAL_BYTES];
  private int n;

  private void room(int more) {
    if (b.length - n < more) {
      b = Arrays.copyOf(b, Math.max(n + more, b.length * 2));
    }
  }

  void bytes(byte[] from, int at, int count) {
    room(count);
    System.arraycopy(from, at, b, n, count);
    n += count;
  }

  void bytes(byte[] from) {
    bytes(from, 0, from.length);
  }

  void text(String text) {
    room(text.length());
    latin1(text);
  }

  void field(String name, long value) {
    room(name.length() + LONGEST_NUMBER + 4);
    latin1(name);
    b[n++] = ':';
    b[n++] = ' ';
    int from = n;
    for (long left = value; left > 0 || n == from; left /= 10) {
      b[n++] = (byte) ('0' + left % 10);
    }
    for (int k = from, j = n - 1; k < j; k++, j--) {
      byte swapped = b[k];
      b[k] = b[j];
      b[j] = swapped;
    }
    crlf();
  }

  /// A field that is set, its characters one byte each, as a sender's value that it goes on from
  /// was read (RFC 9110 section 5.5); what no field can hold becomes a question mark.
  void field(String name, String value) {
    room(name.length() + value.length() + 4);
    latin1(name);
    b[n++] = ':';
    b[n++] = ' ';
    latin1(value);
    crlf();
  }

  void field(Header f) {
    byte[] line = f.line();
    if (line == null) {
      field(f.name(), f.value());
    } else {
      bytes(line);
    }
  }

  private void latin1(String text) {
    byte[] to = b;
    int from = n;
    int count = text.length();
    int odd = 0;
    for (int k = 0; k < count; k++) {
      char c = text.charAt(k);
      to[from + k] = (byte) c;
      odd |= (c - ' ') | ('~' - c);
    }
    if (odd < 0) {
      clean(text, to, from);
    }
    n = from + count;
  }

  private static void clean(String text, byte[] to, int from) {
    for (int k = 0; k < text.length(); k++) {
      char c = text.charAt(k);
      to[from + k] = (byte) ((c >= ' ' && c <= 0xff && c != DELETE) || c == '\t' ? c : '?');
    }
  }

  /// The end of a line.
  void crlf() {
    room(2);
    b[n++] = '\r';
    b[n++] = '\n';
  }

  /// Moves what was written to `out`.
  void into(ByteBuf out) {
    out.writeBytes(b, 0, n);
    clear();
  }

  /// What was written, as a copy.
  byte[] taken() {
    return Arrays.copyOf(b, n);
  }

  int size() {
    return n;
  }

  /// Forgets what was written.
  void clear() {
    n = 0;
    if (b.length > MOST_KEPT_BYTES) {
      b = new byte[USUAL_BYTES];
    }
  }
}
