package org.infinilm.svc.config;

import java.util.Collection;
import java.util.Optional;
import java.util.regex.Pattern;

/// What is told: nearest-word suggestions for mistyped keys, by edit distance (Wagner and Fischer
/// 1974), and others' words made fit for a terminal. Pure.
public final class Words {
  private static final Pattern COMMANDS =
      Pattern.compile(
          "[\\p{Cntrl}\\x{80}-\\x{9f}\\x{2028}\\x{2029}\\x{202a}-\\x{202e}\\x{2066}-\\x{2069}]");

  private Words() {}

  /// What others wrote, in one line, as a terminal or a log may show it: characters that command a
  /// terminal (C0 and C1 controls), break lines or turn the direction of a text are question marks.
  public static String printable(String text) {
    return COMMANDS.matcher(text).replaceAll("?");
  }

  /// The known word nearest to `word` when it is near enough to be meant (distance at most a third
  /// of its length).
  public static Optional<String> nearest(String word, Collection<String> known) {
    String best = null;
    int bestDistance = Math.max(1, word.length() / 3) + 1;
    for (String k : known) {
      int d = distance(word, k);
      if (d < bestDistance) {
        best = k;
        bestDistance = d;
      }
    }
    return Optional.ofNullable(best);
  }

  /// ` (did you mean "x"?)`, or nothing.
  public static String hint(String word, Collection<String> known) {
    return nearest(word, known).map(k -> " (did you mean \"" + k + "\"?)").orElse("");
  }

  private static int distance(String a, String b) {
    int[] row = new int[b.length() + 1];
    for (int j = 0; j <= b.length(); j++) {
      row[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int substitute = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        diagonal = row[j];
        row[j] = Math.min(substitute, 1 + Math.min(row[j], row[j - 1]));
      }
    }
    return row[b.length()];
  }
}
