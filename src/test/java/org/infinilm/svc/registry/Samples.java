package org.infinilm.svc.registry;

import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import org.infinilm.svc.telemetry.Ticker;

/// Entries and a clock for tests.
final class Samples {
  static final Instant START = Instant.parse("2026-02-10T08:06:45Z");

  private Samples() {}

  static Entry entry(String name) {
    return entry(name, Entry.RUNNING, Map.of());
  }

  static Entry entry(String name, String status, Map<String, Object> metadata) {
    return new Entry(
        name, "10.0.0.1", 8100, "host-a", "http://10.0.0.1:8100", status, metadata, null);
  }

  /// `seconds` after the start, on both clocks; the monotonic one begins near its overflow.
  static Now at(double seconds) {
    long nanos = Math.round(seconds * 1e9);
    return new Now(START.plusNanos(nanos), Long.MAX_VALUE - 1_000_000_000L + nanos);
  }

  /// A clock that stands until it is moved.
  static final class Clock implements Ticker {
    private double seconds;

    synchronized void advance(Duration d) {
      seconds = seconds + d.toNanos() / 1e9;
    }

    @Override
    public synchronized long nanos() {
      return at(seconds).nanos();
    }

    @Override
    public synchronized Instant now() {
      return at(seconds).wall();
    }
  }
}
