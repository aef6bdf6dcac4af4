package org.infinilm.svc.engine;

import java.util.ArrayList;
import java.util.BitSet;
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
  private final List<String> tags;

  /// Lengths of the control texts that begin with a character, the longest first.
  private final Map<Character, List<Integer>> lengths = new HashMap<>();

  PromptText(List<String> controls) {
    this(controls, List.of());
  }

  /// @param tags texts of tokens that a vocabulary finds in plain text as well
  PromptText(List<String> controls, List<String> tags) {
    Set<String> every = new HashSet<>(controls);
    every.addAll(tags);
    this.controls = Set.copyOf(every);
    this.tags = List.copyOf(tags);
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
    return of(messages, List.of(), answerTurn, vocabulary);
  }

  /// @param tools JSON, one each; only with a vocabulary that has a form for them
  List<Part> of(
      List<Vocabulary.Message> messages,
      List<String> tools,
      boolean answerTurn,
      Vocabulary vocabulary) {
    ToolForm form = vocabulary.toolForm();
    List<String> all = new ArrayList<>(tools);
    for (Vocabulary.Message m : messages) {
      all.add(m.content());
      m.calls().forEach(c -> all.add(c.arguments()));
    }
    boolean clean = all.stream().allMatch(s -> controlsIn(s).isEmpty());
    char mark = clean ? 0 : unused(all);
    List<Vocabulary.Message> marked =
        clean ? messages : messages.stream().map(m -> marked(m, mark)).toList();
    List<String> markedTools = clean ? tools : tools.stream().map(t -> marked(t, mark)).toList();
    String prompt =
        vocabulary.prompt(form == null ? marked : form.written(marked, markedTools), answerTurn);
    if (clean) {
      return List.of(new Part(prompt, false));
    }
    List<Part> out = new ArrayList<>();
    for (String part : prompt.split(String.valueOf(mark), -1)) {
      out.add(new Part(part, out.size() % 2 == 1));
    }
    return out;
  }

  private Vocabulary.Message marked(Vocabulary.Message m, char mark) {
    return new Vocabulary.Message(
        m.role(),
        marked(m.content(), mark),
        m.calls().stream()
            .map(c -> new Vocabulary.Call(c.name(), marked(c.arguments(), mark)))
            .toList());
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

  private String marked(String text, char mark) {
    List<int[]> stretches = controlsIn(text);
    StringBuilder out = new StringBuilder(text.length() + 2 * stretches.size());
    int at = 0;
    for (int[] s : stretches) {
      String plain = cut(text.substring(s[0], s[1]), mark);
      out.append(text, at, s[0]).append(mark).append(plain).append(mark);
      at = s[1];
    }
    return out.append(text, at, text.length()).toString();
  }

  /// Takes tags apart, with nothing between.
  private String cut(String text, char mark) {
    String out = text;
    for (String tag : tags) {
      out = out.replace(tag, tag.charAt(0) + "" + mark + mark + tag.substring(1));
    }
    return out;
  }

  /// A character for private use that no message has.
  private static char unused(List<String> texts) {
    BitSet used = new BitSet();
    texts.forEach(t -> t.chars().filter(c -> c >= FIRST_MARK && c <= LAST_MARK).forEach(used::set));
    int mark = used.previousClearBit(LAST_MARK);
    if (mark >= FIRST_MARK) {
      return (char) mark;
    }
    throw new IllegalArgumentException(
        "every character for private use (expected: one that is not used)");
  }
}
