package org.infinilm.svc.babysitter;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.slf4j.event.Level;

/// The level that a line of a server's log says itself, behind a time stamp or a name in brackets:
/// vLLM writes everything to standard error, uvicorn `INFO: ...`, Python's logging `... - INFO -`,
/// Ollama `time=... level=INFO`, llama.cpp `0.00.014.808 I`.
final class LineLevel {
  private static final Pattern SAID =
      Pattern.compile(
          "(?:\\([^)]{0,60}\\)|\\[[0-9;]{0,8}m|\\[[^\\]]{0,60}\\]|time=|[-0-9:.,/|TZ+\" \\t])*"
              + "(?:\\[?(?<word>TRACE|DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL)"
              + "|level=\"?(?<pair>(?i:TRACE|DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL))"
              + "|(?<=\\.[0-9]{3} )(?<letter>[DIWE])(?= ))(?![A-Za-z0-9_])");

  /// A level stands near the beginning, or it is a word of the message.
  private static final int LOOKED_AT = 120;

  private LineLevel() {}

  static Level of(String line, Level otherwise) {
    Matcher m = SAID.matcher(line.substring(0, Math.min(line.length(), LOOKED_AT)));
    if (!m.lookingAt()) {
      return otherwise;
    }
    String said = m.group("word");
    if (said == null) {
      said = m.group("pair") == null ? m.group("letter") : m.group("pair");
    }
    return switch (String.valueOf(said).toUpperCase(Locale.ROOT)) {
      case "TRACE" -> Level.TRACE;
      case "DEBUG", "D" -> Level.DEBUG;
      case "INFO", "I" -> Level.INFO;
      case "WARN", "WARNING", "W" -> Level.WARN;
      default -> Level.ERROR;
    };
  }
}
