package org.infinilm.svc.babysitter;

import java.time.Duration;
import org.infinilm.svc.babysitter.Supervision.Limits;

/// How a server on demand rests after starts that failed: it is not started again for a while,
/// which doubles each time up to ten times the first. Immutable, pure.
///
/// @param known whether it can be listed while it does not run: its models are known
/// @param inARow rests since it was ready last
/// @param now whether it rests
/// @param untilNanos when a rest is over, on the clock of [Supervision]
/// @param cause of the failed start, in words that say nothing of this machine; empty after a start
///   that succeeded
record Rest(boolean known, int inARow, boolean now, long untilNanos, String cause) {
  static final Rest NONE = new Rest(false, 0, false, 0, "");

  private static final int MOST_TIMES = 10;

  /// It can be listed.
  Rest listed() {
    return new Rest(true, inARow, now, untilNanos, cause);
  }

  /// It was ready.
  Rest ready() {
    return known && inARow == 0 && cause.isEmpty() ? this : new Rest(true, 0, false, 0, "");
  }

  /// It may be started again.
  Rest over() {
    return new Rest(known, inARow, false, 0, cause);
  }

  /// From now on.
  Rest begun(long nowNanos, Limits limits, String why) {
    return new Rest(known, inARow + 1, true, nowNanos + pause(limits).toNanos(), why);
  }

  /// How long the next rest is: at first the longest pause between two starts.
  Duration pause(Limits limits) {
    Duration first =
        limits.maxRestartDelay().compareTo(limits.restartDelay()) < 0
            ? limits.restartDelay()
            : limits.maxRestartDelay();
    long times = inARow >= Integer.SIZE - 2 ? MOST_TIMES : Math.min(MOST_TIMES, 1L << inARow);
    return first.multipliedBy(times);
  }

  /// Nanoseconds until it may be started, 0 when that is now.
  long leftNanos(long nowNanos) {
    return now ? Math.max(0, untilNanos - nowNanos) : 0;
  }
}
