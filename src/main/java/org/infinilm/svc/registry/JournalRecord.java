package org.infinilm.svc.registry;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.registry.Event.Stored;
import org.jspecify.annotations.Nullable;

/// One line of the journal.
sealed interface JournalRecord {
  /// Of the year 9999.
  long LAST_SECOND = 253_402_300_799L;

  /// The whole entry, new or changed.
  record Put(Stored stored) implements JournalRecord {
    static Put of(Lease l) {
      return new Put(new Stored(l.entry(), l.registeredAt(), l.heartbeatAt()));
    }
  }

  /// A heartbeat; losing one costs nothing but age.
  record Beat(String name, Instant at) implements JournalRecord {}

  /// Both clocks at one moment; `nanos` is the monotonic clock of the machine's run `boot`.
  record Clock(String boot, long nanos, Instant at) implements JournalRecord {
    /// How far the wall clock has run ahead since, against the monotonic one; zero in another run
    /// of the machine.
    Duration stepUntil(Now now, String bootNow) {
      return boot.equals(bootNow)
          ? Duration.between(at, now.wall()).minusNanos(now.nanos() - nanos)
          : Duration.ZERO;
    }
  }

  /// Removed by DELETE.
  record Deleted(String name, Instant at) implements JournalRecord {}

  /// Removed by the clean-up.
  record Expired(String name) implements JournalRecord {}

  /// Whether it must be on disk before the change is confirmed.
  default boolean durable() {
    return !(this instanceof Beat || this instanceof Clock);
  }

  default Map<String, Object> json() {
    Map<String, Object> m = new HashMap<>();
    switch (this) {
      case Put(Stored s) -> {
        m.put("op", "put");
        m.put("name", s.entry().name());
        m.put("host", s.entry().host());
        m.put("port", s.entry().port());
        m.put("hostname", s.entry().hostname());
        m.put("url", s.entry().url());
        m.put("status", s.entry().status());
        m.put("metadata", s.entry().metadata());
        Integer weight = s.entry().weight();
        if (weight != null) {
          m.put("weight", weight);
        }
        String incarnation = s.entry().incarnation();
        if (incarnation != null) {
          m.put("incarnation", incarnation);
        }
        m.put("registered_at", s.registeredAt().getEpochSecond());
        m.put("at", s.heartbeatAt().getEpochSecond());
      }
      case Beat(String name, Instant at) -> {
        m.put("op", "beat");
        m.put("name", name);
        m.put("at", at.getEpochSecond());
      }
      case Clock(String boot, long nanos, Instant at) -> {
        m.put("op", "clock");
        m.put("name", boot);
        m.put("nanos", nanos);
        m.put("at", at.getEpochSecond());
      }
      case Deleted(String name, Instant at) -> {
        m.put("op", "delete");
        m.put("name", name);
        m.put("at", at.getEpochSecond());
      }
      case Expired(String name) -> {
        m.put("op", "expire");
        m.put("name", name);
      }
    }
    return m;
  }

  /// The record of a parsed line, or null when it is none.
  static @Nullable JournalRecord parse(JsonNode n) {
    JsonNode name = n.path("name");
    if (!name.isTextual()) {
      return null;
    }
    Instant at = instant(n.path("at"));
    return switch (n.path("op").asText()) {
      case "put" -> put(name.asText(), at, n);
      case "beat" -> at == null ? null : new Beat(name.asText(), at);
      case "delete" -> at == null ? null : new Deleted(name.asText(), at);
      case "clock" ->
          at == null || !n.path("nanos").canConvertToLong()
              ? null
              : new Clock(name.asText(), n.path("nanos").asLong(), at);
      case "expire" -> new Expired(name.asText());
      default -> null;
    };
  }

  private static @Nullable Put put(String name, @Nullable Instant at, JsonNode n) {
    Instant registered = instant(n.path("registered_at"));
    JsonNode weight = n.path("weight");
    if (at == null
        || registered == null
        || !n.path("host").isTextual()
        || !n.path("port").canConvertToInt()
        || !n.path("hostname").isTextual()
        || !n.path("url").isTextual()
        || !n.path("status").isTextual()
        || !n.path("metadata").isObject()
        || !(weight.isMissingNode() || weight.canConvertToInt())) {
      return null;
    }
    return new Put(
        new Stored(
            new Entry(
                name,
                n.path("host").asText(),
                n.path("port").asInt(),
                n.path("hostname").asText(),
                n.path("url").asText(),
                n.path("status").asText(),
                Json.plain(n.path("metadata")),
                weight.isMissingNode() ? null : weight.asInt(),
                n.path("incarnation").isTextual() ? n.path("incarnation").asText() : null),
            registered,
            at));
  }

  /// Epoch seconds that can be worded as a date of four digits; null of all else.
  static @Nullable Instant instant(JsonNode n) {
    return n.isIntegralNumber()
            && n.canConvertToLong()
            && n.asLong() >= 0
            && n.asLong() <= LAST_SECOND
        ? Instant.ofEpochSecond(n.asLong())
        : null;
  }
}
