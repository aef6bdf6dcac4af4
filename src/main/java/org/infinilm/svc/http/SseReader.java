package org.infinilm.svc.http;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Reads server-sent events (WHATWG HTML, section 9.2) from pieces of bytes, cut anywhere; lines
/// end with LF or CRLF. Not thread-safe.
public final class SseReader {
  private static final int FIRST_BYTES = 512;

  /// A buffer that one large event has grown beyond this is given up after it.
  private static final int MOST_KEPT_BYTES = 1 << 20;

  /// Takes what was read; what it throws goes through [#feed].
  @FunctionalInterface
  public interface Sink {
    /// One event with data.
    ///
    /// @param name its type; empty when not said
    /// @param data lines joined by LF, valid during the call only
    void event(String name, byte[] data, int length) throws IOException;

    /// The end of an event that carried an id, after its data.
    default void position(String id) throws IOException {}

    /// A line that only keeps the stream alive.
    default void comment() throws IOException {}
  }

  private final int mostEventBytes;
  private final Sink sink;
  private byte[] line = new byte[FIRST_BYTES];
  private int lineLength;
  private byte[] data = new byte[FIRST_BYTES];
  private int dataLength;
  private boolean any;
  private boolean otherLines;
  private String name = "";
  private String id = "";

  /// @param mostEventBytes an event of more is an error
  public SseReader(int mostEventBytes, Sink sink) {
    this.mostEventBytes = mostEventBytes;
    this.sink = sink;
  }

  /// The data of every event of a whole body.
  public static List<String> data(String body) {
    byte[] all = body.getBytes(StandardCharsets.UTF_8);
    List<String> out = new ArrayList<>();
    SseReader r =
        new SseReader(
            all.length + 1,
            (name, data, length) -> out.add(new String(data, 0, length, StandardCharsets.UTF_8)));
    try {
      r.feed(all, 0, all.length);
      r.end();
    } catch (IOException e) {
      throw new IllegalStateException("no event is longer than the body", e);
    }
    return out;
  }

  /// What comes next is the beginning of another stream.
  public void begin() {
    lineLength = 0;
    dataLength = 0;
    any = false;
    otherLines = false;
    name = "";
    id = "";
  }

  /// Whether something that is no line of an event stream has come, a JSON document for example.
  public boolean strange() {
    return otherLines;
  }

  /// @throws IOException of the sink, and for an event that is too long
  public void feed(byte[] b, int from, int to) throws IOException {
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
  public void end() throws IOException {
    if (lineLength > 0) {
      int length = lineLength;
      lineLength = 0;
      line(line, 0, length);
    }
    dispatch();
  }

  private void line(byte[] b, int from, int end) throws IOException {
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
    } else if (b[from] == ':') {
      sink.comment();
    } else if (begins(b, from, to, "event")) {
      name = value(b, from + "event".length(), to);
    } else if (begins(b, from, to, "id")) {
      id = value(b, from + "id".length(), to);
    } else if (!begins(b, from, to, "retry") && !begins(b, from, to, "data")) {
      otherLines = true;
    }
  }

  /// What stands after the colon and one space.
  private static String value(byte[] b, int colon, int to) {
    int at = Math.min(to, colon + 1);
    if (at < to && b[at] == ' ') {
      at++;
    }
    return new String(b, at, to - at, StandardCharsets.UTF_8);
  }

  private void dispatch() throws IOException {
    String type = name;
    name = "";
    if (any) {
      byte[] whole = data;
      int length = dataLength;
      dataLength = 0;
      any = false;
      if (data.length > MOST_KEPT_BYTES) {
        data = new byte[FIRST_BYTES];
      }
      sink.event(type, whole, length);
    }
    if (!id.isEmpty()) {
      String at = id;
      id = "";
      sink.position(at);
    }
    if (lineLength == 0 && line.length > MOST_KEPT_BYTES) {
      line = new byte[FIRST_BYTES];
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

  private byte[] append(byte[] to, int length, byte[] b, int from, int end) throws IOException {
    int need = length + end - from;
    if (need > mostEventBytes) {
      throw new IOException("an event of more than " + mostEventBytes + " bytes");
    }
    byte[] room = need > to.length ? Arrays.copyOf(to, Math.max(need, to.length * 2)) : to;
    System.arraycopy(b, from, room, length, end - from);
    return room;
  }
}
