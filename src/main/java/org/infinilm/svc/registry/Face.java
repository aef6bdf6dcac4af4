package org.infinilm.svc.registry;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import org.infinilm.svc.http.Json;

/// One entry as its readers see it, rendered once: what changes with time stands between two fixed
/// pieces. Compact JSON, keys in alphabetical order. Immutable.
final class Face {
  private static final byte[] HEALTH = ascii("{\"health_status\":\"");
  private static final byte[] TRUE = ascii("true,\"last_heartbeat\":");
  private static final byte[] FALSE = ascii("false,\"last_heartbeat\":");
  private static final int CHANGING = 80;

  /// From behind the word of the health status to `is_healthy`.
  private final byte[] first;

  /// From behind the last heartbeat to the end.
  private final byte[] second;

  private Face(byte[] first, byte[] second) {
    this.first = first;
    this.second = second;
  }

  static Face of(Entry e, Instant registeredAt) {
    StringBuilder a = new StringBuilder("\",\"host\":").append(Json.text(e.host()));
    a.append(",\"hostname\":").append(Json.text(e.hostname()));
    if (e.incarnation() != null) {
      a.append(",\"incarnation\":").append(Json.text(e.incarnation()));
    }
    a.append(",\"is_healthy\":");
    StringBuilder b = new StringBuilder(".0,\"metadata\":").append(Json.text(e.metadata()));
    b.append(",\"name\":").append(Json.text(e.name()));
    b.append(",\"port\":").append(e.port());
    b.append(",\"status\":").append(Json.text(e.status()));
    b.append(",\"timestamp\":").append(Json.text(Answers.time(registeredAt)));
    b.append(",\"url\":").append(Json.text(e.url()));
    if (e.weight() != null) {
      b.append(",\"weight\":").append(e.weight());
    }
    b.append('}');
    return new Face(utf8(a), utf8(b));
  }

  int sizeBytes() {
    return first.length + second.length + CHANGING;
  }

  void write(Lease l, Now now, ByteArrayOutputStream out) {
    out.writeBytes(HEALTH);
    out.writeBytes(ascii(l.probe().word()));
    out.writeBytes(first);
    out.writeBytes(l.isHealthy(now) ? TRUE : FALSE);
    out.writeBytes(ascii(Long.toString(l.heartbeatAt().getEpochSecond())));
    out.writeBytes(second);
  }

  private static byte[] utf8(StringBuilder s) {
    return s.toString().getBytes(StandardCharsets.UTF_8);
  }

  private static byte[] ascii(String s) {
    return s.getBytes(StandardCharsets.US_ASCII);
  }
}
