package org.infinilm.svc.engine;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

/// A choice of texts as a grammar, common beginnings written once: llama.cpp follows every
/// alternative that fits so far, so that a thousand texts which begin alike would be a thousand
/// ways.
///
/// @param expression in GBNF; alternatives are not in brackets
/// @param ways the most ways to go on at one place
record Literals(String expression, int ways) {
  /// @param texts at least one
  static Literals of(Collection<String> texts) {
    List<String> sorted = texts.stream().distinct().sorted().toList();
    int[] most = {1};
    return new Literals(choice(sorted, 0, true, most), most[0]);
  }

  /// @param texts sorted, alike up to `at`
  /// @param bare whether alternatives may stand without brackets
  private static String choice(List<String> texts, int at, boolean bare, int[] most) {
    String first = texts.getFirst();
    if (texts.size() == 1) {
      return JsonRules.literal(first.substring(at));
    }
    int end = alike(first, texts.getLast(), at);
    boolean complete = first.length() == end;
    List<String> alternatives = new ArrayList<>();
    for (int from = complete ? 1 : 0; from < texts.size(); ) {
      int c = texts.get(from).codePointAt(end);
      int to = from + 1;
      while (to < texts.size() && texts.get(to).codePointAt(end) == c) {
        to++;
      }
      alternatives.add(choice(texts.subList(from, to), end, false, most));
      from = to;
    }
    most[0] = Math.max(most[0], alternatives.size() + (complete ? 1 : 0));
    String all = String.join(" | ", alternatives);
    String before = end > at ? JsonRules.literal(first.substring(at, end)) + " " : "";
    boolean open = bare && before.isEmpty() && !complete;
    return open ? all : before + "(" + all + ")" + (complete ? "?" : "");
  }

  /// Where two texts begin to differ, not within a character.
  private static int alike(String a, String b, int from) {
    int end = from;
    while (end < a.length() && end < b.length() && a.codePointAt(end) == b.codePointAt(end)) {
      end += Character.charCount(a.codePointAt(end));
    }
    return end;
  }
}
