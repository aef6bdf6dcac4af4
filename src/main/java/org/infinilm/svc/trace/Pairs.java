package org.infinilm.svc.trace;

import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.infinilm.svc.config.ConfigException;

/// `NAME=VALUE,...` as OpenTelemetry's variables have it: the form of W3C Baggage without
/// properties. Messages name names and positions, never values. Stateless.
final class Pairs {
  private static final int MOST = 128;
  private static final Pattern TOKEN = Pattern.compile("[!#$%&'*+.^_`|~0-9A-Za-z-]+");
  private static final Pattern VISIBLE = Pattern.compile("[\\x20-\\x7e]*");

  /// What the exporter sets itself.
  private static final Set<String> OURS =
      Set.of(
          "host",
          "content-type",
          "content-length",
          "content-encoding",
          "transfer-encoding",
          "connection");

  private Pairs() {}

  /// @param place where it was given, for errors
  static Map<String, String> of(String text, String place) throws ConfigException {
    Map<String, String> out = new LinkedHashMap<>();
    int number = 0;
    for (String pair : text.split(",", -1)) {
      if (pair.isBlank()) {
        continue;
      }
      number++;
      int at = pair.indexOf('=');
      String name = at < 1 ? "" : pair.substring(0, at).strip();
      if (name.isEmpty() || number > MOST) {
        throw new ConfigException(
            place + ": entry " + number + " (expected: NAME=VALUE,... of at most " + MOST + ")");
      }
      try {
        // a + stands for itself in these
        String value = pair.substring(at + 1).strip().replace("+", "%2B");
        out.put(name, URLDecoder.decode(value, StandardCharsets.UTF_8));
      } catch (IllegalArgumentException e) {
        throw new ConfigException(
            place + ": the value of " + name + " (expected: % before two hexadecimal digits)");
      }
    }
    return out;
  }

  /// The same as fields of requests.
  static Map<String, String> headers(String text, String place) throws ConfigException {
    Map<String, String> out = of(text, place);
    for (Map.Entry<String, String> e : out.entrySet()) {
      String name = e.getKey();
      if (!TOKEN.matcher(name).matches() || OURS.contains(name.toLowerCase(Locale.ROOT))) {
        throw new ConfigException(
            place
                + ": "
                + name
                + " (expected: a field's name that the exporter does not set itself)");
      }
      if (!VISIBLE.matcher(e.getValue()).matches()) {
        throw new ConfigException(
            place + ": the value of " + name + " (expected: visible ASCII characters)");
      }
    }
    return Map.copyOf(out);
  }
}
