package org.infinilm.svc.top;

import org.jline.utils.WCWidth;

/// Text measured as a terminal does: East Asian wide characters and emoji take two columns, marks
/// that combine with the character before take none. Stateless.
final class Columns {
  private Columns() {}

  static int of(String s) {
    return s.codePoints().map(Columns::of).sum();
  }

  private static int of(int codePoint) {
    return Math.max(0, WCWidth.wcwidth(codePoint));
  }

  /// What of it fits, with the marks that belong to its last character; no character is cut.
  static String first(String s, int columns) {
    int left = columns;
    int end = 0;
    while (end < s.length()) {
      int c = s.codePointAt(end);
      left -= of(c);
      if (left < 0) {
        break;
      }
      end += Character.charCount(c);
    }
    return s.substring(0, end);
  }

  /// Exactly so wide, at the left.
  static String pad(String s, int columns) {
    String shown = first(s, Math.max(0, columns));
    return shown + " ".repeat(Math.max(0, columns - of(shown)));
  }

  /// At least so wide, at the right.
  static String right(String s, int columns) {
    return " ".repeat(Math.max(0, columns - of(s))) + s;
  }
}
