package org.infinilm.svc.babysitter;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Keeps secrets out of what is shown: the values of flags whose names say that they are some.
final class Secrets {
  private static final String MASK = "...";
  private static final Pattern FLAG =
      Pattern.compile("--?[a-z0-9_-]*(api-?keys?|key|token|secret|password|passwd|credentials?)");

  private static final Pattern ASSIGNMENT = Pattern.compile("([A-Za-z_]\\w*=).*", Pattern.DOTALL);

  private Secrets() {}

  /// A command's first word; of `NAME=value`, which a shell would take for the environment, the
  /// name alone.
  static String program(String word) {
    Matcher m = ASSIGNMENT.matcher(word);
    return m.matches() ? m.group(1) + MASK : word;
  }

  /// The words of a command line, `--api-key ...` and `--api-key=...` without their values.
  static List<String> masked(List<String> words) {
    List<String> out = new ArrayList<>();
    boolean next = false;
    for (String w : words) {
      int eq = w.indexOf('=');
      String name = (eq < 0 ? w : w.substring(0, eq)).toLowerCase(Locale.ROOT).replace('_', '-');
      boolean secret = FLAG.matcher(name).matches();
      if (next && !w.startsWith("-")) {
        out.add(MASK);
      } else {
        out.add(secret && eq >= 0 ? w.substring(0, eq + 1) + MASK : w);
      }
      next = secret && eq < 0;
    }
    return out;
  }
}
