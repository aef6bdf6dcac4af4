package org.infinilm.svc.load;

import java.util.Arrays;

/// Reads server-sent events from pieces of bytes, cut anywhere; lines end with LF or CRLF. Only the
/// `data` of an event matters here. Not thread-safe.
final class SseReader {
  private static final int MOST_EVENT_BYTES = 16 << 20;

  /// Takes the data of one event; the bytes are valid during the call only.
  @FunctionalInterface
  interface Sink {
    void event(byte[] data, int length);
  }

  private final Sink sink;
  private byte[] line = new byte[512];
  private int lineLength;
  private byte[] data = new byte[512];
  private int dataLength;
  private boolean any;
  private boolean otherLines;

  SseReader(Sink sink) {
    this.sink = sink;
  }

  void begin() {
    lineLength = 0;
    dataLength = 0;
    any = false;
    otherLines = false;
  }

  /// Whether something that is no line of an event stream has come, a JSON document for example.
  boolean strange() {
    return otherLines;
  }

  void feed(byte[] b, int from, int to) throws ResponseReader.Nonsense {
    int at = from;
    while (at < to) {
      int end = at;
      while (end < to && b[end] != '\n') {
        end++;
      }
      if (end == to) {
        line = append(line, lineLength, b, at, to);
        lineLength += to - at;
        return;
      }
      if (lineLength == 0) {
        line(b, at, end);
      } else {
        line = append(line, lineLength, b, at, end);
        int length = lineLength + end - at;
        lineLength = 0;
        line(line, 0, length);
      }
      at = end + 1;
    }
  }

  /// The body has ended; an event without its last blank line counts too.
  void end() throws ResponseReader.Nonsense {
    if (lineLength > 0) {
      int length = lineLength;
      lineLength = 0;
      line(line, 0, length);
    }
    dispatch();
  }

  private void line(byte[] b, int from, int end) throws ResponseReader.Nonsense {
    int to = end > from && b[end - 1] == '\r' ? end - 1 : end;
    if (from == to) {
      dispatch();
    } else if (startsWithData(b, from, to)) {
      int start = from + 5;
      if (start < to && b[start] == ' ') {
        start++;
      }
      if (any) {
        data = append(data, dataLength, new byte[] {'\n'}, 0, 1);
        dataLength++;
      }
      data = append(data, dataLength, b, start, to);
      dataLength += to - start;
      any = true;
    } else if (!known(b, from, to)) {
      otherLines = true;
    }
  }

  private void dispatch() {
    if (any) {
      int length = dataLength;
      dataLength = 0;
      any = false;
      sink.event(data, length);
    }
  }

  private static boolean startsWithData(byte[] b, int from, int to) {
    return to - from >= 5
        && b[from] == 'd'
        && b[from + 1] == 'a'
        && b[from + 2] == 't'
        && b[from + 3] == 'a'
        && b[from + 4] == ':';
  }

  /// A comment, or another field of an event.
  private static boolean known(byte[] b, int from, int to) {
    return b[from] == ':'
        || begins(b, from, to, "event")
        || begins(b, from, to, "id")
        || begins(b, from, to, "retry")
        || begins(b, from, to, "data");
  }

  private static boolean begins(byte[] b, int from, int to, String word) {
    if (to - from < word.length()) {
      return false;
    }
    for (int k = 0; k < word.length(); k++) {
      if (b[from + k] != word.charAt(k)) {
        return false;
      }
    }
    return to - from == word.length() || b[from + word.length()] == ':';
  }

  private static byte[] append(byte[] to, int length, byte[] b, int from, int end)
      throws ResponseReader.Nonsense {
    int need = length + end - from;
    if (need > MOST_EVENT_BYTES) {
      throw new ResponseReader.Nonsense("an event of more than " + MOST_EVENT_BYTES + " bytes");
    }
    byte[] room = need > to.length ? Arrays.copyOf(to, Math.max(need, to.length * 2)) : to;
    System.arraycopy(b, from, room, length, end - from);
    return room;
  }
}
