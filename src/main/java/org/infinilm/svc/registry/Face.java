package org.infinilm.svc.registry;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import org.infinilm.svc.http.Json;

/// One entry as its readers see it, rendered once: what changes with time stands between two fixed
/// pieces. Compact JSON, keys in alphabetical order. Immutable.
final class Face {
  private static final byte[] HEALTH = ascii("{\"health_status\":\"");
  private static final byte[] UNKNOWN = ascii(Lease.Probe.UNKNOWN.word());
  private static final byte[] HEALTHY = ascii(Lease.Probe.HEALTHY.word());
  private static final byte[] UNHEALTHY = ascii(Lease.Probe.UNHEALTHY.word());
  private static final byte[] TRUE = ascii("true,\"last_heartbeat\":");
  private static final byte[] FALSE = ascii("false,\"last_heartbeat\":");
  private static final int CHANGING = 100;

  /// From behind the word of the health status to `is_healthy`.
  private final byte[] first;

  /// From behind the last heartbeat to the end.
  private final byte[] second;

  private Face(byte[] first, byte[] second) {
    this.first = first;
    this.second = second;
  }

  static Face of(Entry e, Instant registeredAt) {
    StringBuilder a = new StringBuilder("\",\"host\":").append(quoted(e.host()));
    a.append(",\"hostname\":").append(quoted(e.hostname()));
    if (e.incarnation() != null) {
      a.append(",\"incarnation\":").append(quoted(e.incarnation()));
    }
    a.append(",\"is_healthy\":");
    StringBuilder b = new StringBuilder(".0,\"metadata\":").append(Json.text(e.metadata()));
    b.append(",\"name\":").append(quoted(e.name()));
    b.append(",\"port\":").append(e.port());
    b.append(",\"status\":").append(quoted(e.status()));
    b.append(",\"timestamp\":").append(quoted(Answers.time(registeredAt)));
    b.append(",\"url\":").append(quoted(e.url()));
    if (e.weight() != null) {
      b.append(",\"weight\":").append(e.weight());
    }
    b.append('}');
    return new Face(utf8(a), utf8(b));
  }

  /// How many bytes [#write] writes.
  int length(Lease l, Now now) {
    return HEALTH.length
        + l.probe().word().length()
        + first.length
        + (l.isHealthy(now) ? TRUE : FALSE).length
        + digits(l).length()
        + second.length;
  }

  /// At most so many bytes, without looking at what changes.
  int mostBytes() {
    return first.length + second.length + CHANGING;
  }

  /// @return the place behind what was written
  int write(Lease l, Now now, byte[] to, int at) {
    int p = put(HEALTH, to, at);
    p = put(word(l.probe()), to, p);
    p = put(first, to, p);
    p = put(l.isHealthy(now) ? TRUE : FALSE, to, p);
    p = digits(l.heartbeatAt().getEpochSecond(), to, p);
    return put(second, to, p);
  }

  private static byte[] word(Lease.Probe probe) {
    return switch (probe) {
      case UNKNOWN -> UNKNOWN;
      case HEALTHY -> HEALTHY;
      case UNHEALTHY -> UNHEALTHY;
    };
  }

  private static String digits(Lease l) {
    return Long.toString(l.heartbeatAt().getEpochSecond());
  }

  private static int digits(long value, byte[] to, int at) {
    if (value < 0) {
      return put(ascii(Long.toString(value)), to, at);
    }
    int end = at + 1;
    for (long v = value; v >= 10; v /= 10) {
      end++;
    }
    long v = value;
    for (int p = end - 1; p >= at; p--) {
      to[p] = (byte) ('0' + v % 10);
      v /= 10;
    }
    return end;
  }

  private static int put(byte[] piece, byte[] to, int at) {
    System.arraycopy(piece, 0, to, at, piece.length);
    return at + piece.length;
  }

  /// A JSON string; most hold nothing that must be escaped.
  private static String quoted(String s) {
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      if (c < ' ' || c > '~' || c == '"' || c == '\\') {
        return Json.text(s);
      }
    }
    return '"' + s + '"';
  }

  private static byte[] utf8(StringBuilder s) {
    return s.toString().getBytes(StandardCharsets.UTF_8);
  }

  private static byte[] ascii(String s) {
    return s.getBytes(StandardCharsets.US_ASCII);
  }
}
