package org.infinilm.svc.deploy;

import java.io.Console;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/// Where a command writes for people: colours and progress only on a terminal, no colours with
/// `NO_COLOR`.
///
/// @param interactive whether `out` is a terminal
/// @param colours whether words may be coloured
record Terminal(PrintStream out, boolean interactive, boolean colours) {

  static Terminal standard(Map<String, String> env) {
    boolean tty = isTerminal();
    String none = env.getOrDefault("NO_COLOR", "");
    return new Terminal(System.out, tty, tty && none.isEmpty() && !"dumb".equals(env.get("TERM")));
  }

  private static boolean isTerminal() {
    Path stdout = Path.of("/proc/self/fd/1");
    if (Files.exists(stdout)) {
      try {
        String at = Files.readSymbolicLink(stdout).toString();
        return at.startsWith("/dev/pts/") || at.startsWith("/dev/tty") || at.equals("/dev/console");
      } catch (IOException notLinux) {
        return false;
      }
    }
    return Optional.ofNullable(System.console()).map(Console::isTerminal).orElse(false);
  }

  String green(String word) {
    return paint(word, 32);
  }

  String red(String word) {
    return paint(word, 31);
  }

  String bold(String word) {
    return paint(word, 1);
  }

  private String paint(String word, int code) {
    return colours ? "\u001b[" + code + "m" + word + "\u001b[0m" : word;
  }

  synchronized void line(String text) {
    out.println(text);
    out.flush();
  }

  /// A line that only a person at a terminal wants to see.
  void progress(String text) {
    if (interactive) {
      line(text);
    }
  }
}
