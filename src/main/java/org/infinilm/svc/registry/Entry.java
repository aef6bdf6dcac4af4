package org.infinilm.svc.registry;

import java.net.URI;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.http.BaseUrl;
import org.jspecify.annotations.Nullable;

/// What a service said of itself; immutable.
///
/// @param metadata plain JSON values; may hold nulls
/// @param weight null when none was registered
/// @param incarnation tells one registrant from another of the same name; null for old clients
record Entry(
    String name,
    String host,
    int port,
    String hostname,
    String url,
    String status,
    Map<String, Object> metadata,
    @Nullable Integer weight,
    @Nullable String incarnation) {
  /// In place of the incarnation of an entry that a client without one has changed.
  static final String ALTERED = "";

  static final String RUNNING = "running";
  static final String DRAINING = "draining";
  static final String ASLEEP = "asleep";

  Entry {
    metadata = Collections.unmodifiableMap(new LinkedHashMap<>(metadata));
  }

  Entry(
      String name,
      String host,
      int port,
      String hostname,
      String url,
      String status,
      Map<String, Object> metadata,
      @Nullable Integer weight) {
    this(name, host, port, hostname, url, status, metadata, weight, null);
  }

  /// Whether this entry may be spoken for by one that says `other`; those that say nothing, may.
  /// Who says something speaks for no entry that was registered without.
  boolean isOf(@Nullable String other) {
    return other == null || other.equals(incarnation) || isAltered();
  }

  /// Whether somebody without identity has made another thing of it than its registrant wants: that
  /// one's next heartbeat is told to register again.
  boolean isAltered() {
    return ALTERED.equals(incarnation);
  }

  /// `metadata.type`, or `other`.
  String type() {
    return metadata.get("type") instanceof String s ? s : "other";
  }

  boolean isOpenAi() {
    return "openai-api".equals(metadata.get("type"));
  }

  /// Whether it differs from `other` in its status at most.
  boolean isAtSamePlaceAs(Entry other) {
    return equals(other.withStatus(status));
  }

  /// Roughly what it costs in memory.
  long sizeBytes() {
    return 256L
        + name.length()
        + host.length()
        + hostname.length()
        + url.length()
        + status.length()
        + sizeBytes(metadata);
  }

  private static long sizeBytes(@Nullable Object value) {
    return switch (value) {
      case Map<?, ?> m -> {
        long sum = 64;
        for (Map.Entry<?, ?> e : m.entrySet()) {
          sum += 48 + sizeBytes(e.getKey()) + sizeBytes(e.getValue());
        }
        yield sum;
      }
      case List<?> l -> {
        long sum = 32;
        for (Object e : l) {
          sum += 8 + sizeBytes(e);
        }
        yield sum;
      }
      case String s -> 40 + 2L * s.length();
      case null, default -> 24;
    };
  }

  Entry withStatus(String s) {
    return new Entry(name, host, port, hostname, url, s, metadata, weight, incarnation);
  }

  Entry withIncarnation(String i) {
    return new Entry(name, host, port, hostname, url, status, metadata, weight, i);
  }

  private String scheme() {
    return "https".equals(metadata.get(Registration.BABYSITTER_SCHEME)) ? "https" : "http";
  }

  /// Where its health is asked: the babysitter on port + 1 for an `openai-api` entry, else below
  /// its own URL; null when that is no address.
  @Nullable URI healthUri() {
    try {
      if (isOpenAi()) {
        if (port <= 0 || port >= 65535) {
          return null;
        }
        return URI.create(
            scheme() + "://" + BaseUrl.bracketed(host) + ":" + (port + 1) + "/health");
      }
      return URI.create((url.endsWith("/") ? url.substring(0, url.length() - 1) : url) + "/health");
    } catch (IllegalArgumentException notAnAddress) {
      return null;
    }
  }
}
