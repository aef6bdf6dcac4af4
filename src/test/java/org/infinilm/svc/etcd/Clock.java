package org.infinilm.svc.etcd;

import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.atomic.AtomicLong;
import org.infinilm.svc.telemetry.Ticker;

/// A clock that stands still until it is told. Thread-safe.
final class Clock implements Ticker {
  private final AtomicLong nanos = new AtomicLong();

  @Override
  public long nanos() {
    return nanos.get();
  }

  @Override
  public Instant now() {
    return Instant.EPOCH.plusNanos(nanos());
  }

  void advance(Duration by) {
    nanos.addAndGet(by.toNanos());
  }
}
