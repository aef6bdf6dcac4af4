package org.infinilm.svc.telemetry;

import java.time.Instant;

/// Time, passed in wherever it is read; thread-safe.
public interface Ticker {
  /// Monotonic nanoseconds from an arbitrary origin.
  long nanos();

  /// Wall-clock time.
  Instant now();

  /// Wall-clock time in milliseconds since 1970.
  default long epochMillis() {
    return now().toEpochMilli();
  }

  Ticker SYSTEM =
      new Ticker() {
        @Override
        public long nanos() {
          return System.nanoTime();
        }

        @Override
        public Instant now() {
          return Instant.now();
        }

        @Override
        public long epochMillis() {
          return System.currentTimeMillis();
        }
      };
}
