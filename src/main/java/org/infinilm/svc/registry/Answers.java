package org.infinilm.svc.registry;

import java.io.IOException;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import org.infinilm.svc.http.Json;
import org.jspecify.annotations.Nullable;

/// The JSON that readers see: entries as bytes (see [Face]), everything else as plain maps, whose
/// keys the mapper sorts.
final class Answers {
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss'+00:00'").withZone(ZoneOffset.UTC);

  private Answers() {}

  static byte[] service(Lease l, Now now) {
    return new Listing("", List.of(l), "", now).bytes();
  }

  static Listing services(Collection<Lease> leases, Now now) {
    String end =
        "],\"timestamp\":" + Json.text(time(now.wall())) + ",\"total\":" + leases.size() + "}";
    return new Listing("{\"services\":[", leases, end, now);
  }

  /// @param trouble why it may be old, or null
  static Listing watch(Table t, String version, @Nullable String trouble, Now now) {
    String begin = "{\"deleted\":" + Json.text(t.deleted().keySet()) + ",\"services\":[";
    String told = trouble == null ? "" : ",\"trouble\":" + Json.text(trouble);
    String end = "]" + told + ",\"version\":" + Json.text(version) + "}";
    return new Listing(begin, t.all(), end, now);
  }

  static byte[] registered(Lease l, Now now) {
    return confirmed(l, "registered", now);
  }

  static byte[] updated(Lease l, Now now) {
    return confirmed(l, "updated", now);
  }

  private static byte[] confirmed(Lease l, String what, Now now) {
    String message = "Service '" + l.name() + "' " + what + " successfully";
    String begin = "{\"message\":" + Json.text(message) + ",\"service\":";
    return new Listing(begin, List.of(l), "}", now).bytes();
  }

  /// Entries with commas between, and what stands around them.
  record Listing(String begin, Collection<Lease> leases, String end, Now now) {
    /// More goes out piece by piece: who does not read must not hold it all.
    private static final int SMALL_BYTES = 256 << 10;

    /// Where pieces go.
    @FunctionalInterface
    interface Sink {
      void write(byte[] piece) throws IOException, InterruptedException;
    }

    boolean isSmall() {
      int most = begin.length();
      for (Lease l : leases) {
        most += l.face().mostBytes() + 1;
        if (most > SMALL_BYTES) {
          return false;
        }
      }
      return true;
    }

    /// All in one array of the right length.
    byte[] bytes() {
      byte[] before = utf8(begin);
      byte[] behind = utf8(end);
      int length = before.length + behind.length + Math.max(0, leases.size() - 1);
      for (Lease l : leases) {
        length = Math.addExact(length, l.face().length(l, now));
      }
      byte[] out = Arrays.copyOf(before, length);
      int at = before.length;
      boolean first = true;
      for (Lease l : leases) {
        if (!first) {
          out[at++] = ',';
        }
        first = false;
        at = l.face().write(l, now, out, at);
      }
      System.arraycopy(behind, 0, out, at, behind.length);
      return out;
    }

    /// The same bytes in pieces.
    ///
    /// @param pieceBytes of a piece, unless one entry is larger
    void writeTo(int pieceBytes, Sink sink) throws IOException, InterruptedException {
      byte[] piece = new byte[pieceBytes];
      int at = 0;
      sink.write(utf8(begin));
      boolean first = true;
      for (Lease l : leases) {
        int length = l.face().mostBytes() + 1;
        if (at + length > piece.length) {
          sink.write(Arrays.copyOf(piece, at));
          at = 0;
          piece = length > piece.length ? new byte[length] : piece;
        }
        if (!first) {
          piece[at++] = ',';
        }
        first = false;
        at = l.face().write(l, now, piece, at);
      }
      sink.write(Arrays.copyOf(piece, at));
      sink.write(utf8(end));
    }

    private static byte[] utf8(String s) {
      return s.getBytes(StandardCharsets.UTF_8);
    }
  }

  static Map<String, Object> unregistered(String name) {
    return Map.of("message", "Service '" + name + "' unregistered successfully");
  }

  static Map<String, Object> heartbeat(Now now) {
    return Map.of("message", "Heartbeat received", "timestamp", time(now.wall()));
  }

  static Map<String, Object> probed(Lease l, Now now) {
    return Map.of(
        "service",
        l.name(),
        "health_status",
        l.probe().word(),
        "is_healthy",
        l.isHealthy(now),
        "last_heartbeat",
        seconds(l.heartbeatAt()),
        "timestamp",
        time(now.wall()));
  }

  static Map<String, Object> health(Table t, Now now) {
    return Map.of(
        "status",
        "healthy",
        "registry",
        "running",
        "registered_services",
        t.all().size(),
        "healthy_services",
        healthy(t, now),
        "timestamp",
        time(now.wall()));
  }

  /// @param conflicts names that two registrants claim
  /// @param journal `on`, `off` or `failing`
  static Map<String, Object> stats(
      Table t, Now now, Duration uptime, Collection<String> conflicts, String journal) {
    long healthy = healthy(t, now);
    return Map.of(
        "conflicts",
        conflicts,
        "journal",
        journal,
        "type_distribution",
        types(t, now),
        "total_services",
        t.all().size(),
        "healthy_services",
        healthy,
        "unhealthy_services",
        t.all().size() - healthy,
        "host_distribution",
        counts(t, l -> l.entry().host()),
        "status_distribution",
        counts(t, l -> l.entry().status()),
        "uptime",
        uptime.toSeconds(),
        "timestamp",
        time(now.wall()));
  }

  /// By `metadata.type` (`other` without one): how many there are and how many are healthy.
  private static Map<String, Object> types(Table t, Now now) {
    Map<String, Integer> total = counts(t, l -> l.entry().type());
    Map<String, Integer> healthy = new TreeMap<>();
    t.all().stream()
        .filter(l -> l.isHealthy(now))
        .forEach(l -> healthy.merge(l.entry().type(), 1, Integer::sum));
    Map<String, Object> out = new TreeMap<>();
    total.forEach(
        (type, n) -> out.put(type, Map.of("healthy", healthy.getOrDefault(type, 0), "total", n)));
    return out;
  }

  static Map<String, Object> error(String text) {
    return Map.of("error", text);
  }

  /// RFC 3339 in UTC with `+00:00`, whole seconds.
  static String time(Instant t) {
    return TIME.format(t);
  }

  /// Epoch seconds with `.0`; a double would be written in scientific notation.
  static BigDecimal seconds(Instant t) {
    return BigDecimal.valueOf(t.getEpochSecond()).setScale(1);
  }

  private static long healthy(Table t, Now now) {
    return t.all().stream().filter(l -> l.isHealthy(now)).count();
  }

  private static Map<String, Integer> counts(Table t, Function<Lease, String> by) {
    Map<String, Integer> m = new TreeMap<>();
    t.all().forEach(l -> m.merge(by.apply(l), 1, Integer::sum));
    return m;
  }
}
