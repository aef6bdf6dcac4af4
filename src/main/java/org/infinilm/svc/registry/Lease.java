package org.infinilm.svc.registry;

import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// One entry of the table with its signs of life; immutable.
///
/// @param serial changes with each registration and update, so that a late probe is recognised
/// @param registeredAt whole seconds
/// @param heartbeatAt whole seconds, what readers see
/// @param heartbeatNanos the same moment on the monotonic clock, what decisions use
/// @param fresh whether the last decision found the heartbeat fresh
/// @param traits what follows from the entry
record Lease(
    Entry entry,
    Probe probe,
    long serial,
    Instant registeredAt,
    Instant heartbeatAt,
    long heartbeatNanos,
    boolean fresh,
    Traits traits) {
  /// A heartbeat this old no longer counts, unless the registry is told otherwise.
  static final Duration FRESH = Duration.ofMinutes(2);

  Lease(
      Entry entry,
      Probe probe,
      long serial,
      Instant registeredAt,
      Instant heartbeatAt,
      long heartbeatNanos,
      boolean fresh) {
    this(
        entry,
        probe,
        serial,
        registeredAt,
        heartbeatAt,
        heartbeatNanos,
        fresh,
        new Traits(entry, registeredAt));
  }

  /// What is computed once for an entry, not for each reader. Thread-safe.
  static final class Traits {
    private final Entry entry;
    private final Instant registeredAt;
    private final long sizeBytes;
    private volatile @Nullable Face face;

    private Traits(Entry entry, Instant registeredAt) {
      this.entry = entry;
      this.registeredAt = registeredAt;
      // its face has about half of it: a byte for each character of two
      this.sizeBytes = entry.sizeBytes() * 3 / 2;
    }

    /// Roughly what the entry costs in memory.
    long sizeBytes() {
      return sizeBytes;
    }

    /// Made for the first reader: who only follows the table has none.
    Face face() {
      Face f = face;
      if (f == null) {
        f = Face.of(entry, registeredAt);
        face = f;
      }
      return f;
    }
  }

  /// What the last probe said.
  enum Probe {
    UNKNOWN("unknown"),
    HEALTHY("healthy"),
    UNHEALTHY("unhealthy");

    private final String word;

    Probe(String word) {
      this.word = word;
    }

    String word() {
      return word;
    }
  }

  long sizeBytes() {
    return traits.sizeBytes();
  }

  Face face() {
    return traits.face();
  }

  /// See [Entry#healthUri].
  @Nullable URI healthUri() {
    return entry.healthUri();
  }

  String name() {
    return entry.name();
  }

  Duration age(Now now) {
    return Duration.ofNanos(now.nanos() - heartbeatNanos);
  }

  boolean isFresh(Now now) {
    return now.nanos() - heartbeatNanos < now.leaseNanos();
  }

  boolean isHealthy(Now now) {
    return entry.status().equals(Entry.RUNNING) && isFresh(now) && probe != Probe.UNHEALTHY;
  }

  /// The same entry, alive now.
  Lease beat(Now now) {
    return new Lease(entry, probe, serial, registeredAt, now.second(), now.nanos(), true, traits);
  }

  /// The same entry with the sign of life of `other`.
  Lease heardAs(Lease other) {
    return new Lease(
        entry,
        probe,
        serial,
        registeredAt,
        other.heartbeatAt,
        other.heartbeatNanos,
        other.fresh,
        traits);
  }

  Lease with(Entry e) {
    return new Lease(e, probe, serial, registeredAt, heartbeatAt, heartbeatNanos, fresh);
  }

  Lease with(Probe p) {
    return new Lease(entry, p, serial, registeredAt, heartbeatAt, heartbeatNanos, fresh, traits);
  }

  Lease withSerial(long s) {
    return new Lease(entry, probe, s, registeredAt, heartbeatAt, heartbeatNanos, fresh, traits);
  }

  Lease withFresh(boolean f) {
    return new Lease(entry, probe, serial, registeredAt, heartbeatAt, heartbeatNanos, f, traits);
  }
}
