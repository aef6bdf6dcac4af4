package org.infinilm.svc.load;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;

/// Reads HTTP/1.1 answers from pieces of bytes, cut anywhere; one answer after the other. Not
/// thread-safe.
///
/// Framing as in RFC 9112 section 6.3: chunked, else Content-Length, else until the connection
/// closes. Interim answers (1xx) are skipped, trailers read and dropped.
final class ResponseReader {
  private static final int MOST_HEAD_BYTES = 64 << 10;

  /// Where the parts of an answer go.
  interface Sink {
    void status(int status, String reason);

    /// @param name in lower case
    void field(String name, String value);

    void body(byte[] bytes, int from, int to);

    /// @param keepAlive whether the connection serves another request
    void complete(boolean keepAlive);
  }

  /// What came is no HTTP answer, or ended too early.
  static final class Nonsense extends Exception {
    private final String said;

    Nonsense(String message) {
      super(message);
      this.said = message;
    }

    String said() {
      return said;
    }
  }

  private enum State {
    STATUS,
    FIELDS,
    LENGTH,
    CHUNK_SIZE,
    CHUNK,
    CHUNK_END,
    TRAILERS,
    UNTIL_CLOSE,
    IDLE
  }

  private final Sink sink;
  private State state = State.IDLE;
  private byte[] line = new byte[256];
  private int lineLength;
  private int headBytes;
  private long left;
  private int status;
  private boolean chunked;
  private boolean closeAfter;
  private long contentLength;
  private boolean started;

  ResponseReader(Sink sink) {
    this.sink = sink;
  }

  /// The next bytes belong to a new answer.
  void begin() {
    state = State.STATUS;
    started = false;
    reset();
  }

  private void reset() {
    lineLength = 0;
    headBytes = 0;
    chunked = false;
    closeAfter = false;
    contentLength = -1;
  }

  /// Whether an answer is awaited or under way.
  boolean busy() {
    return state != State.IDLE;
  }

  /// Whether any byte of the answer has come.
  boolean started() {
    return started;
  }

  /// Takes the next bytes.
  void feed(byte[] b, int from, int to) throws Nonsense {
    int at = from;
    while (at < to) {
      started = true;
      switch (state) {
        case IDLE -> throw new Nonsense("bytes after the end of the answer");
        case LENGTH, CHUNK -> {
          int take = (int) Math.min(left, to - at);
          sink.body(b, at, at + take);
          at += take;
          left -= take;
          if (left == 0) {
            if (state == State.CHUNK) {
              state = State.CHUNK_END;
            } else {
              finish();
            }
          }
        }
        case UNTIL_CLOSE -> {
          sink.body(b, at, to);
          at = to;
        }
        case STATUS, FIELDS, CHUNK_SIZE, CHUNK_END, TRAILERS -> {
          int end = at;
          while (end < to && b[end] != '\n') {
            end++;
          }
          keep(b, at, end);
          if (end == to) {
            at = to;
          } else {
            at = end + 1;
            int length =
                lineLength > 0 && line[lineLength - 1] == '\r' ? lineLength - 1 : lineLength;
            lineLength = 0;
            line(length);
          }
        }
      }
    }
  }

  /// The connection was closed by the server.
  void closed() throws Nonsense {
    if (state == State.UNTIL_CLOSE) {
      finish();
    } else if (state != State.IDLE) {
      throw new Nonsense(
          started ? "the answer was cut off" : "the connection was closed without an answer");
    }
  }

  private void keep(byte[] b, int from, int to) throws Nonsense {
    int n = to - from;
    headBytes += n;
    if (headBytes > MOST_HEAD_BYTES) {
      throw new Nonsense("a head of more than " + MOST_HEAD_BYTES + " bytes");
    }
    if (lineLength + n > line.length) {
      line = Arrays.copyOf(line, Math.max(lineLength + n, line.length * 2));
    }
    System.arraycopy(b, from, line, lineLength, n);
    lineLength += n;
    if (state == State.STATUS && !beginsLikeHttp()) {
      throw new Nonsense("not HTTP: " + shown(lineLength));
    }
  }

  private boolean beginsLikeHttp() {
    String http = "HTTP/1.";
    for (int k = 0; k < Math.min(lineLength, http.length()); k++) {
      if (line[k] != http.charAt(k)) {
        return false;
      }
    }
    return true;
  }

  private void line(int length) throws Nonsense {
    switch (state) {
      case STATUS -> statusLine(length);
      case FIELDS -> {
        if (length > 0) {
          fieldLine(length);
        } else {
          headEnded();
        }
      }
      case CHUNK_SIZE -> {
        left = chunkSize(length);
        headBytes = 0;
        state = left == 0 ? State.TRAILERS : State.CHUNK;
      }
      case CHUNK_END -> {
        if (length != 0) {
          throw new Nonsense("a chunk longer than it says");
        }
        state = State.CHUNK_SIZE;
      }
      case TRAILERS -> {
        if (length == 0) {
          finish();
        }
      }
      case LENGTH, CHUNK, UNTIL_CLOSE, IDLE -> throw new IllegalStateException(state.name());
    }
  }

  private void statusLine(int length) throws Nonsense {
    if (length < 12 || !beginsLikeHttp() || line[8] != ' ') {
      throw new Nonsense("not HTTP: " + shown(length));
    }
    status = 0;
    for (int k = 9; k < 12; k++) {
      if (line[k] < '0' || line[k] > '9') {
        throw new Nonsense("not HTTP: " + shown(length));
      }
      status = status * 10 + line[k] - '0';
    }
    closeAfter = line[7] == '0';
    String reason = length > 13 ? text(13, length) : "";
    state = State.FIELDS;
    if (status >= 200) {
      sink.status(status, reason);
    }
  }

  private void fieldLine(int length) throws Nonsense {
    int colon = 0;
    while (colon < length && line[colon] != ':') {
      colon++;
    }
    if (colon == length) {
      throw new Nonsense("a header line without a colon: " + shown(length));
    }
    String name = text(0, colon).toLowerCase(Locale.ROOT);
    String value = text(colon + 1, length).strip();
    switch (name) {
      case "content-length" -> {
        try {
          contentLength = Long.parseLong(value);
        } catch (NumberFormatException e) {
          throw new Nonsense("content-length: " + value + " (expected: a number)");
        }
        if (contentLength < 0) {
          throw new Nonsense("content-length: " + value + " (expected: 0 or more)");
        }
      }
      case "transfer-encoding" -> chunked = value.toLowerCase(Locale.ROOT).endsWith("chunked");
      case "connection" -> closeAfter |= value.toLowerCase(Locale.ROOT).contains("close");
      default -> {
        // the sink decides
      }
    }
    if (status >= 200) {
      sink.field(name, value);
    }
  }

  private void headEnded() {
    headBytes = 0;
    if (status < 200) {
      reset();
      state = State.STATUS;
    } else if (status == 204 || status == 304) {
      finish();
    } else if (chunked) {
      state = State.CHUNK_SIZE;
    } else if (contentLength == 0) {
      finish();
    } else if (contentLength > 0) {
      left = contentLength;
      state = State.LENGTH;
    } else {
      closeAfter = true;
      state = State.UNTIL_CLOSE;
    }
  }

  private long chunkSize(int length) throws Nonsense {
    long size = 0;
    int k = 0;
    for (; k < length; k++) {
      int digit = Character.digit(line[k], 16);
      if (digit < 0) {
        break;
      }
      size = size * 16 + digit;
      if (size > Integer.MAX_VALUE) {
        throw new Nonsense("a chunk of " + size + " bytes and more");
      }
    }
    if (k == 0 || (k < length && line[k] != ';' && line[k] != ' ')) {
      throw new Nonsense("not a chunk size: " + shown(length));
    }
    return size;
  }

  private void finish() {
    state = State.IDLE;
    sink.complete(!closeAfter);
  }

  private String text(int from, int to) {
    return new String(line, from, to - from, StandardCharsets.ISO_8859_1);
  }

  /// The beginning of the line for an error message, without control characters.
  private String shown(int length) {
    String t = text(0, Math.min(length, 40)).replaceAll("[^ -~]", "?");
    return length > 40 ? t + "..." : t;
  }
}
