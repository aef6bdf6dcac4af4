package org.infinilm.svc.babysitter;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;

/// Cuts a stream of bytes into lines of text. Any byte is welcome: what is no UTF-8 becomes U+FFFD,
/// control characters are dropped, and a line longer than [#MAX_LINE_BYTES] is cut. Thread-safe.
final class LineReader {
  static final int MAX_LINE_BYTES = 8192;

  private final byte[] line = new byte[MAX_LINE_BYTES];
  private final Consumer<String> sink;
  private int length;
  private long dropped;
  private boolean stood;

  LineReader(Consumer<String> sink) {
    this.sink = sink;
  }

  /// Reads `in` to its end; lines end with LF or CR (progress bars rewrite theirs).
  static void drain(InputStream in, Consumer<String> sink) throws IOException {
    new LineReader(sink).drain(in);
  }

  /// Reads `in` to its end.
  void drain(InputStream in) throws IOException {
    byte[] piece = new byte[8192];
    try (in) {
      for (int n = in.read(piece); n >= 0; n = in.read(piece)) {
        feed(piece, n);
      }
    } finally {
      end();
    }
  }

  synchronized void feed(byte[] piece, int n) {
    stood = false;
    for (int i = 0; i < n; i++) {
      byte b = piece[i];
      if (b == '\n' || b == '\r') {
        end();
      } else if (length < MAX_LINE_BYTES) {
        line[length++] = b;
      } else {
        dropped++;
      }
    }
  }

  /// Called at intervals: hands over what has stood unfinished since the last call, such as a
  /// prompt.
  synchronized void pause() {
    if (stood) {
      end();
    }
    stood = length > 0;
  }

  /// Hands over what is left as a line. One that cannot be taken is lost: who stops to read holds
  /// up the server.
  synchronized void end() {
    try {
      if (length > 0) {
        String text = new String(line, 0, length, StandardCharsets.UTF_8);
        sink.accept(printable(text) + (dropped > 0 ? " ... (" + dropped + " bytes cut)" : ""));
      }
    } catch (RuntimeException | Error e) {
      Background.say(() -> "a line of the server is lost", e);
    }
    length = 0;
    dropped = 0;
  }

  private static String printable(String s) {
    StringBuilder out = new StringBuilder(s.length());
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      if (c == '\t' || !Character.isISOControl(c)) {
        out.append(c);
      }
    }
    return out.toString();
  }
}
