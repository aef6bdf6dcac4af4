package org.infinilm.svc.babysitter;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.function.Predicate;

/// The last lines that the supervised process wrote, bounded in number and size, each with the
/// start that it came from. Thread-safe.
final class LogTail {
  static final int MAX_LINES = 2000;
  private static final int MAX_CHARS = 1 << 20;

  private record Line(int generation, String text) {}

  private final Deque<Line> lines = new ArrayDeque<>();
  private int chars;

  /// @param generation number of the start
  synchronized void add(int generation, String line) {
    lines.addLast(new Line(generation, line));
    chars += line.length();
    while (lines.size() > MAX_LINES || chars > MAX_CHARS) {
      chars -= lines.removeFirst().text().length();
    }
  }

  /// At most the last `n` lines, oldest first, of whichever start.
  List<String> last(int n) {
    return last(n, line -> true);
  }

  /// The same of one start; none where that wrote none.
  List<String> last(int n, int generation) {
    return last(n, line -> line.generation() == generation);
  }

  private synchronized List<String> last(int n, Predicate<Line> which) {
    List<String> out = new ArrayList<>(Math.min(n, lines.size()));
    Iterator<Line> newestFirst = lines.descendingIterator();
    while (newestFirst.hasNext() && out.size() < n) {
      Line line = newestFirst.next();
      if (which.test(line)) {
        out.add(line.text());
      }
    }
    return out.reversed();
  }
}
