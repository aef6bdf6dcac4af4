package org.infinilm.svc.engine;

import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// Whether the engine's thread gets on: it says so at every step, and any thread may ask whether it
/// has work and has been silent for too long. Thread-safe.
final class Progress {
  private final Ticker ticker;
  private final long mostNanos;
  private volatile long latestNanos;
  private volatile boolean working;

  /// @param mostNanos the longest that one step may take
  Progress(Ticker ticker, long mostNanos) {
    this.ticker = ticker;
    this.mostNanos = mostNanos;
    this.latestNanos = ticker.nanos();
  }

  /// A step begins or has ended.
  ///
  /// @param hasWork whether requests are running
  void made(boolean hasWork) {
    latestNanos = ticker.nanos();
    working = hasWork;
  }

  /// How long the work at hand has made no progress; 0 without work.
  ///
  /// @param head the request that has waited longest
  long silentNanos(@Nullable Job head) {
    long now = ticker.nanos();
    if (working) {
      return now - latestNanos;
    }
    return head == null ? 0 : Math.min(now - latestNanos, now - head.arrivedNanos());
  }

  boolean stuck(@Nullable Job head) {
    return silentNanos(head) > mostNanos;
  }
}
