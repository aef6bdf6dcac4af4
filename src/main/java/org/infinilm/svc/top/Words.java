package org.infinilm.svc.top;

import com.fasterxml.jackson.databind.JsonNode;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.Instant;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;

/// Numbers of the event stream in few characters. What is not known is a dash, never zero.
final class Words {
  private static final DateTimeFormatter CLOCK = DateTimeFormatter.ofPattern("HH:mm:ss");

  private Words() {}

  static String seconds(JsonNode n) {
    return n.isNumber() ? seconds(n.asDouble()) : "-";
  }

  static String seconds(double s) {
    if (s == 0) {
      return "0 ms";
    }
    if (s < 0.01) {
      return fixed(s * 1e3, 1) + " ms";
    }
    if (s < 1) {
      return fixed(s * 1e3, 0) + " ms";
    }
    return s < 100 ? (s < 10 ? fixed(s, 2) : fixed(s, 1)) + " s" : fixed(s, 0) + " s";
  }

  static String percent(JsonNode n) {
    double p = n.asDouble() * 100;
    return n.isNumber() ? fixed(p, p > 0 && p < 10 ? 1 : 0) + " %" : "-";
  }

  static String rate(JsonNode n) {
    if (!n.isNumber()) {
      return "-";
    }
    double r = n.asDouble();
    return r >= 10_000 ? fixed(r / 1e3, 1) + "k" : r >= 100 ? fixed(r, 0) : fixed(r, 1);
  }

  static String count(JsonNode n) {
    if (!n.isNumber()) {
      return "-";
    }
    long v = n.asLong();
    return v < 100_000
        ? Long.toString(v)
        : v < 10_000_000 ? fixed(v / 1e3, 0) + "k" : fixed(v / 1e6, 1) + "M";
  }

  static String size(JsonNode n) {
    if (!n.isNumber()) {
      return "-";
    }
    long b = n.asLong();
    return b < 1000
        ? b + " B"
        : b < 1_000_000 ? fixed(b / 1e3, b < 10_000 ? 1 : 0) + " kB" : fixed(b / 1e6, 1) + " MB";
  }

  static String text(JsonNode n) {
    return n.isTextual() ? printable(n.asText()) : "-";
  }

  /// Control characters would be commands to the terminal.
  static String printable(String s) {
    return org.infinilm.svc.config.Words.printable(s);
  }

  static String clock(long epochMillis, ZoneId zone) {
    return CLOCK.format(Instant.ofEpochMilli(epochMillis).atZone(zone));
  }

  private static String fixed(double v, int digits) {
    return new BigDecimal(v).setScale(digits, RoundingMode.HALF_EVEN).toPlainString();
  }
}
