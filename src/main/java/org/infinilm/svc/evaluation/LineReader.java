package org.infinilm.svc.evaluation;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// Lines of a file of UTF-8 text, with or without a byte order mark, of which none is held that is
/// longer than any that is meant. A line that is no UTF-8 costs no other. For one thread.
final class LineReader implements AutoCloseable {
  /// Bytes of a line: far more than a decision among a thousand instances takes.
  static final int MOST = 4 << 20;

  private static final String MARK = "\uFEFF";

  private final InputStream in;
  private final byte[] read = new byte[8192];
  private int at;
  private int until;
  private final ByteArrayOutputStream line = new ByteArrayOutputStream();
  private int number;
  private boolean tooLong;
  private boolean text;
  private boolean carriageReturn;

  LineReader(Path file) throws IOException {
    this.in = Files.newInputStream(file);
  }

  /// The next one without its end; of one that is too long its beginning, see [#isTooLong]; of one
  /// that is no text something like it, see [#isText]. Null when there is none.
  @Nullable String next() throws IOException {
    line.reset();
    tooLong = false;
    boolean some = false;
    boolean ended = false;
    while (!ended && (at < until || fill())) {
      if (carriageReturn && read[at] == '\n') {
        at++;
        carriageReturn = false;
        continue;
      }
      carriageReturn = false;
      some = true;
      ended = ended();
    }
    String decoded = decoded();
    boolean marked = number == 0 && decoded.startsWith(MARK);
    String s = marked ? decoded.substring(MARK.length()) : decoded;
    if (!some || (!ended && marked && s.isEmpty())) {
      return null;
    }
    number++;
    return s;
  }

  private String decoded() {
    ByteBuffer bytes = ByteBuffer.wrap(line.toByteArray());
    try {
      String s = UTF_8.newDecoder().decode(bytes).toString();
      text = true;
      return s;
    } catch (CharacterCodingException e) {
      text = tooLong; // cut off, perhaps within a character
      return line.toString(UTF_8);
    }
  }

  private boolean fill() throws IOException {
    at = 0;
    until = Math.max(0, in.read(read));
    return until > 0;
  }

  /// Takes what is there up to the line's end, and whether it was.
  private boolean ended() {
    int from = at;
    while (at < until && read[at] != '\n' && read[at] != '\r') {
      at++;
    }
    int room = Math.min(at - from, MOST - line.size());
    line.write(read, from, room);
    tooLong |= room < at - from;
    if (at == until) {
      return false;
    }
    carriageReturn = read[at] == '\r';
    at++;
    return true;
  }

  /// Whether the last one had more than [#MOST] bytes.
  boolean isTooLong() {
    return tooLong;
  }

  /// Whether the last one was UTF-8.
  boolean isText() {
    return text;
  }

  /// Of the last one, from 1.
  int number() {
    return number;
  }

  @Override
  public void close() throws IOException {
    in.close();
  }
}
