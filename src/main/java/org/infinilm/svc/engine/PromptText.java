package org.infinilm.svc.engine;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/// Keeps the texts of control tokens in messages what they are: text. Without it, a message that
/// holds the text of the token that ends a turn would end its turn and begin another one.
/// Immutable.
final class PromptText {
  /// A stretch of a prompt.
  ///
  /// @param plain whether control tokens in it are plain text
  record Part(String text, boolean plain) {}

  private static final char FIRST_MARK = '\uE000';
  private static final char LAST_MARK = '\uF8FF';

  private final Set<String> controls;

  /// Lengths of the control texts that begin with a character, the longest first.
  private final Map<Character, List<Integer>> lengths = new HashMap<>();

  PromptText(List<String> controls) {
    this.controls = Set.copyOf(new HashSet<>(controls));
    Map<Character, Set<Integer>> sizes = new HashMap<>();
    this.controls.forEach(
        c -> sizes.computeIfAbsent(c.charAt(0), k -> new TreeSet<>()).add(c.length()));
    sizes.forEach(
        (c, all) -> lengths.put(c, List.copyOf(((TreeSet<Integer>) all).descendingSet())));
  }

  /// Puts messages through a chat template.
  ///
  /// @throws IllegalArgumentException when the template cannot render them
  List<Part> of(List<Vocabulary.Message> messages, boolean answerTurn, Vocabulary vocabulary) {
    List<List<int[]>> found = messages.stream().map(m -> controlsIn(m.content())).toList();
    if (found.stream().allMatch(List::isEmpty)) {
      return List.of(new Part(vocabulary.prompt(messages, answerTurn), false));
    }
    char mark = unused(messages);
    List<Vocabulary.Message> marked = new ArrayList<>();
    for (int i = 0; i < messages.size(); i++) {
      Vocabulary.Message m = messages.get(i);
      marked.add(new Vocabulary.Message(m.role(), marked(m.content(), found.get(i), mark)));
    }
    List<Part> out = new ArrayList<>();
    for (String part : vocabulary.prompt(marked, answerTurn).split(String.valueOf(mark), -1)) {
      out.add(new Part(part, out.size() % 2 == 1));
    }
    return out;
  }

  /// Begin and end of the stretches of control texts, those that overlap as one.
  private List<int[]> controlsIn(String text) {
    List<int[]> out = new ArrayList<>();
    for (int i = 0; i < text.length(); i++) {
      for (int n : lengths.getOrDefault(text.charAt(i), List.of())) {
        if (i + n <= text.length() && controls.contains(text.substring(i, i + n))) {
          int[] last = out.isEmpty() ? new int[] {-1, -1} : out.getLast();
          if (i < last[1]) {
            last[1] = Math.max(last[1], i + n);
          } else {
            out.add(new int[] {i, i + n});
          }
          break;
        }
      }
    }
    return out;
  }

  private static String marked(String text, List<int[]> stretches, char mark) {
    StringBuilder out = new StringBuilder(text.length() + 2 * stretches.size());
    int at = 0;
    for (int[] s : stretches) {
      out.append(text, at, s[0]).append(mark).append(text, s[0], s[1]).append(mark);
      at = s[1];
    }
    return out.append(text, at, text.length()).toString();
  }

  /// A character for private use that no message has.
  private static char unused(List<Vocabulary.Message> messages) {
    for (char c = LAST_MARK; c >= FIRST_MARK; c--) {
      char mark = c;
      if (messages.stream().allMatch(m -> m.content().indexOf(mark) < 0)) {
        return mark;
      }
    }
    throw new IllegalArgumentException(
        "every character for private use (expected: one that is not used)");
  }
}
