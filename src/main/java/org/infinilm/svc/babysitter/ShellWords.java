package org.infinilm.svc.babysitter;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Splits a command as a shell would where it holds quotes, else at white space.
final class ShellWords {
  /// A word without its quotes is never empty by accident: `''` is an empty word. What repeats
  /// gives nothing back, so that a long word costs no stack.
  private static final Pattern PIECE =
      Pattern.compile("'([^']*+)'|\"((?:[^\"\\\\]++|\\\\.)*+)\"|\\\\([\\s'\"\\\\])|([^\\s'\"])");

  private ShellWords() {}

  /// @throws IllegalArgumentException for a quote that is not closed
  static List<String> split(String command) {
    List<String> out = new ArrayList<>();
    StringBuilder word = new StringBuilder();
    boolean begun = false;
    Matcher m = PIECE.matcher(command);
    for (int at = 0; at < command.length(); ) {
      if (Character.isWhitespace(command.charAt(at))) {
        if (begun) {
          out.add(word.toString());
        }
        begun = false;
        word.setLength(0);
        at++;
      } else if (m.region(at, command.length()).lookingAt()) {
        begun = true;
        word.append(text(m));
        at = m.end();
      } else {
        throw new IllegalArgumentException("a quote that is not closed");
      }
    }
    if (begun) {
      out.add(word.toString());
    }
    return out;
  }

  private static String text(Matcher m) {
    if (m.group(1) != null) {
      return m.group(1);
    }
    if (m.group(2) != null) {
      return m.group(2).replaceAll("\\\\([\"\\\\$`])", "$1");
    }
    return m.group(3) != null ? m.group(3) : m.group(4);
  }
}
