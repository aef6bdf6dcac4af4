package org.infinilm.svc.evaluation;

import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// Lines of a file of UTF-8 text, with or without a byte order mark, of which none is held that is
/// longer than any that is meant. For one thread.
final class LineReader implements AutoCloseable {
  /// Characters of a line: far more than a decision among a thousand instances takes.
  static final int MOST = 4 << 20;

  private static final char MARK = '\uFEFF';

  private final Reader in;
  private final char[] read = new char[8192];
  private int at;
  private int until;
  private final StringBuilder line = new StringBuilder();
  private int number;
  private boolean tooLong;
  private boolean carriageReturn;
  private boolean first = true;

  LineReader(Path file) throws IOException {
    this.in = Files.newBufferedReader(file);
  }

  /// The next one without its end; of one that is too long its beginning, see [#isTooLong]. Null
  /// when there is none.
  @Nullable String next() throws IOException {
    line.setLength(0);
    tooLong = false;
    boolean some = false;
    while (at < until || fill()) {
      if (carriageReturn && read[at] == '\n') {
        at++;
        carriageReturn = false;
        continue;
      }
      carriageReturn = false;
      if (first && read[at] == MARK) {
        first = false;
        at++;
        continue;
      }
      first = false;
      some = true;
      if (ended()) {
        number++;
        return line.toString();
      }
    }
    number += some ? 1 : 0;
    return some ? line.toString() : null;
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
    int room = Math.min(at - from, MOST - line.length());
    line.append(read, from, room);
    tooLong |= room < at - from;
    if (at == until) {
      return false;
    }
    carriageReturn = read[at] == '\r';
    at++;
    return true;
  }

  /// Whether the last one had more than [#MOST] characters.
  boolean isTooLong() {
    return tooLong;
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
