package org.infinilm.svc.babysitter;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;

/// The last lines that the supervised process wrote, bounded in number and size. Thread-safe.
final class LogTail {
  static final int MAX_LINES = 2000;
  private static final int MAX_CHARS = 1 << 20;

  private final Deque<String> lines = new ArrayDeque<>();
  private int chars;

  synchronized void add(String line) {
    lines.addLast(line);
    chars += line.length();
    while (lines.size() > MAX_LINES || chars > MAX_CHARS) {
      chars -= lines.removeFirst().length();
    }
  }

  /// At most the last `n` lines, oldest first.
  synchronized List<String> last(int n) {
    List<String> out = new ArrayList<>(Math.min(n, lines.size()));
    Iterator<String> newestFirst = lines.descendingIterator();
    while (newestFirst.hasNext() && out.size() < n) {
      out.add(newestFirst.next());
    }
    return out.reversed();
  }

  /// The last line that says something, cut to so many characters; empty when there is none.
  synchronized String lastWords(int most) {
    Iterator<String> newestFirst = lines.descendingIterator();
    while (newestFirst.hasNext()) {
      String line = newestFirst.next().replaceAll("\\p{Cc}+", " ").strip();
      if (!line.isEmpty()) {
        return line.length() > most ? line.substring(0, most) + "..." : line;
      }
    }
    return "";
  }
}
