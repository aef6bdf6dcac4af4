package org.infinilm.svc.top;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Instant;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.Locale;

/// Numbers of the event stream in few characters. What is not known is a dash, never zero.
final class Words {
  private static final DateTimeFormatter CLOCK = DateTimeFormatter.ofPattern("HH:mm:ss");

  private Words() {}

  static String seconds(JsonNode n) {
    if (!n.isNumber()) {
      return "-";
    }
    double s = n.asDouble();
    if (s == 0) {
      return "0 ms";
    }
    if (s < 0.01) {
      return format("%.1f ms", s * 1e3);
    }
    if (s < 1) {
      return format("%.0f ms", s * 1e3);
    }
    return s < 100 ? format(s < 10 ? "%.2f s" : "%.1f s", s) : format("%.0f s", s);
  }

  static String rate(JsonNode n) {
    if (!n.isNumber()) {
      return "-";
    }
    double r = n.asDouble();
    return r >= 10_000
        ? format("%.1fk", r / 1e3)
        : r >= 100 ? format("%.0f", r) : format("%.1f", r);
  }

  static String count(JsonNode n) {
    if (!n.isNumber()) {
      return "-";
    }
    long v = n.asLong();
    return v < 100_000
        ? Long.toString(v)
        : v < 10_000_000 ? format("%.0fk", v / 1e3) : format("%.1fM", v / 1e6);
  }

  static String size(JsonNode n) {
    if (!n.isNumber()) {
      return "-";
    }
    long b = n.asLong();
    return b < 1000
        ? b + " B"
        : b < 1_000_000
            ? format(b < 10_000 ? "%.1f kB" : "%.0f kB", b / 1e3)
            : format("%.1f MB", b / 1e6);
  }

  static String text(JsonNode n) {
    return n.isTextual() ? printable(n.asText()) : "-";
  }

  /// Control characters would be commands to the terminal.
  static String printable(String s) {
    return s.replaceAll("[\\p{Cntrl}\\x{80}-\\x{9f}\\x{2028}\\x{2029}\\x{202a}-\\x{202e}]", "?");
  }

  static String state(JsonNode n) {
    return switch (n.asText()) {
      case "routable" -> "in service";
      case "ejected" -> "out";
      default -> text(n);
    };
  }

  static String clock(long epochMillis, ZoneId zone) {
    return CLOCK.format(Instant.ofEpochMilli(epochMillis).atZone(zone));
  }

  private static String format(String f, Object... values) {
    return String.format(Locale.ROOT, f, values);
  }
}
