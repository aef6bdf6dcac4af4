package org.infinilm.svc.engine;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/// The rules of JSON (RFC 8259) in llama.cpp's GBNF, and a builder of grammars on top of them.
/// White space, digits of a number and its exponent are bounded, so that a weak model cannot go on
/// with them for ever; bytes that are no UTF-8 (halves of surrogate pairs, past U+10FFFF) fit
/// nowhere. One thread.
final class JsonRules {
  private static final Pattern NAME = Pattern.compile("[a-z][a-z0-9-]*");

  /* Possessive: other repetitions of alternatives take a frame of the stack for each character. */
  private static final Pattern QUOTED =
      Pattern.compile("\"(?:[^\"\\\\]|\\\\.)*+\"|\\[(?:[^\\]\\\\]|\\\\.)*+\\]", Pattern.DOTALL);

  private static final Pattern REPEATED = Pattern.compile("\\{(\\d+)(?:,(\\d*))?\\}");

  /// Characters that a repetition weighs: llama.cpp writes each out as a rule.
  private static final int REPETITION = 12;

  /// Characters of a rule's line beside its name and expression.
  private static final int LINE = 6;

  private static final Map<String, String> STANDARD =
      Map.ofEntries(
          Map.entry("ws", "(\" \" | \"\\n\" \" \"{0,16})?"),
          Map.entry(
              "value",
              "any-object | any-array | string | number | \"true\" | \"false\" | \"null\""),
          Map.entry("any-object", "\"{\" ws (member (\",\" ws member)* ws)? \"}\""),
          Map.entry("member", "string \":\" ws value"),
          Map.entry("any-array", "\"[\" ws (value (\",\" ws value)* ws)? \"]\""),
          Map.entry("string", "\"\\\"\" char* \"\\\"\""),
          Map.entry(
              "char",
              "[^\"\\\\\\x7F\\x00-\\x1F\\uD800-\\uDFFF\\U00110000-\\U003FFFFF] | \"\\\\\" ([\"\\\\/bfnrt] | \"u\" ([0-9a-cA-CefEF] hex | [dD]"
                  + " [0-7]) hex hex)"),
          Map.entry("hex", "[0-9a-fA-F]"),
          Map.entry("integer", "\"-\"? (\"0\" | [1-9] [0-9]{0,14})"),
          Map.entry("number", "integer (\".\" [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?"),
          Map.entry("boolean", "\"true\" | \"false\""),
          Map.entry("null", "\"null\""),
          Map.entry(
              "date-text",
              "[0-9]{4} \"-\" ((\"0\" [13578] | \"1\" [02]) \"-\" (\"0\" [1-9] | [12] [0-9] | \"3\" [01])"
                  + " | (\"0\" [469] | \"11\") \"-\" (\"0\" [1-9] | [12] [0-9] | \"30\")"
                  + " | \"02-\" (\"0\" [1-9] | \"1\" [0-9] | \"2\" [0-8]))"),
          Map.entry(
              "time-text",
              "hour \":\" [0-5] [0-9] \":\" [0-5] [0-9] (\".\" [0-9]{1,6})? (\"Z\" | [-+] zone \":\""
                  + " [0-5] [0-9])"),
          Map.entry("zone", "\"0\" [0-9] | \"1\" [0-3]"),
          Map.entry("hour", "[01] [0-9] | \"2\" [0-3]"),
          Map.entry("date", "\"\\\"\" date-text \"\\\"\""),
          Map.entry("time", "\"\\\"\" time-text \"\\\"\""),
          Map.entry("date-time", "\"\\\"\" date-text \"T\" time-text \"\\\"\""),
          Map.entry(
              "uuid",
              "\"\\\"\" hex{8} \"-\" hex{4} \"-\" hex{4} \"-\" hex{4} \"-\" hex{12} \"\\\"\""));

  private final SequencedMap<String, String> own = new LinkedHashMap<>();

  /// A rule of one's own; the last one of a name counts.
  void add(String name, String expression) {
    own.put(name, expression);
  }

  int count() {
    return own.size();
  }

  /// Forgets the rules that were added after the first `count`.
  void cutBack(int count) {
    while (own.size() > count) {
      own.pollLastEntry();
    }
  }

  /// What the rules weigh that were added after the first `count`.
  long weightAfter(int count) {
    return own.entrySet().stream()
        .skip(count)
        .mapToLong(e -> e.getKey().length() + LINE + weight(e.getValue()))
        .sum();
  }

  /// Puts another in place of the rules from one place on, the first of which keeps its name.
  void replace(int from, int to, String expression) {
    List<String> names = own.sequencedKeySet().stream().skip(from).limit(to - from).toList();
    own.put(names.getFirst(), expression);
    names.stream().skip(1).forEach(own::remove);
  }

  /// What a grammar takes, in characters: those of its text, and more for each repetition.
  static long weight(String grammar) {
    long repetitions =
        REPEATED
            .matcher(QUOTED.matcher(grammar).replaceAll(" "))
            .results()
            .mapToLong(r -> {
              String most = r.group(2);
              return Long.parseLong(most == null || most.isEmpty() ? r.group(1) : most);
            })
            .sum();
    return grammar.length() + REPETITION * repetitions;
  }

  /// The whole grammar: one's own rules and those of JSON that they need.
  String text() {
    Set<String> needed = new TreeSet<>();
    own.values().forEach(e -> need(e, needed));
    StringBuilder out = new StringBuilder();
    own.forEach((name, e) -> out.append(name).append(" ::= ").append(e).append('\n'));
    for (String name : needed) {
      out.append(name).append(" ::= ").append(STANDARD.get(name)).append('\n');
    }
    return out.toString();
  }

  private static void need(String expression, Set<String> needed) {
    for (String name : names(expression)) {
      String rule = STANDARD.get(name);
      if (rule != null && needed.add(name)) {
        need(rule, needed);
      }
    }
  }

  private static List<String> names(String expression) {
    return NAME.matcher(QUOTED.matcher(expression).replaceAll(" "))
        .results()
        .map(MatchResult::group)
        .toList();
  }

  /// `text` as a literal.
  static String literal(String text) {
    return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
  }
}
