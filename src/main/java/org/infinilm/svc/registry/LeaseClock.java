package org.infinilm.svc.registry;

import java.time.Duration;
import java.util.concurrent.locks.ReentrantLock;
import org.infinilm.svc.telemetry.Ticker;

/// The clock by which leases age: it stands still while this process does. In a pause of the whole
/// process (SIGSTOP, a paused machine, swap) nobody could be heard, so it is nobody's silence.
///
/// Such a pause is known by the [#beat] that does not come; a clock that has no beat is the
/// monotonic one. Thread-safe.
final class LeaseClock {
  /// How often it is to beat.
  static final Duration BEAT = Duration.ofMillis(250);

  /// A beat later than this was held up.
  private static final long MOST_NANOS = Duration.ofSeconds(1).toNanos();

  private final Ticker ticker;
  private final ReentrantLock lock = new ReentrantLock();
  private boolean beats;
  private long lastNanos;
  private long pausedNanos;
  private long toldNanos;
  private boolean held;

  LeaseClock(Ticker ticker) {
    this.ticker = ticker;
  }

  /// Monotonic nanoseconds without the pauses.
  long nanos() {
    lock.lock();
    try {
      return read();
    } finally {
      lock.unlock();
    }
  }

  /// From the first beat on the time between two readings that is longer than a beat can be late
  /// does not count.
  ///
  /// @return how long the pauses were that ended since the last beat, zero for none
  Duration beat() {
    lock.lock();
    try {
      if (!beats) {
        beats = true;
        lastNanos = ticker.nanos();
      }
      read();
      Duration untold = Duration.ofNanos(pausedNanos - toldNanos);
      toldNanos = pausedNanos;
      return untold;
    } finally {
      lock.unlock();
    }
  }

  /// Stands still until [#release]: nobody can be heard who speaks to others.
  void hold() {
    lock.lock();
    try {
      if (!held) {
        read();
        held = true;
        lastNanos = ticker.nanos();
      }
    } finally {
      lock.unlock();
    }
  }

  void release() {
    lock.lock();
    try {
      read();
      held = false;
    } finally {
      lock.unlock();
    }
  }

  private long read() {
    long now = ticker.nanos();
    if (held) {
      pausedNanos += now - lastNanos;
      toldNanos += now - lastNanos;
      lastNanos = now;
    } else if (beats) {
      long since = now - lastNanos;
      if (since > MOST_NANOS) {
        pausedNanos += since - BEAT.toNanos();
      }
      lastNanos = now;
    }
    return now - pausedNanos;
  }
}
