package org.infinilm.svc.history;

/// Which requests are kept one by one. Up to the rate all of them; above it, in a second after one
/// that had more, a tenth of the rate as they come and a tenth of those that waited longest for
/// their first token. What failed or took several attempts has the whole rate for itself. For one
/// thread.
/*
 * What is late is told by a running estimate of the 99th percentile (stochastic approximation, Robbins and Monro
 * 1951): a step of 5 % up, divided between the two directions so that one value in a hundred lies above.
 */
final class Sample {
  private static final double STEP = 0.05;
  private static final double ABOVE = 0.01;

  private final int rate;
  private final int busyRate;
  private long second = Long.MIN_VALUE;
  private boolean busy;
  private int seen;
  private int plain;
  private int late;
  private int special;
  private double lateNanos;

  /// @param rate requests a second
  Sample(int rate) {
    this.rate = rate;
    this.busyRate = Math.ceilDiv(rate, 10);
  }

  boolean keeps(Ended e) {
    turn(Math.floorDiv(e.epochMillis(), 1000L));
    seen++;
    boolean isLate = isLate(e);
    if (e.end() == Entry.End.ERROR || e.attempts() > 1) {
      return special++ < rate;
    }
    if (busy && isLate) {
      return late++ < busyRate;
    }
    return plain++ < (busy ? busyRate : rate);
  }

  /// Requests end on several threads: one of the second before counts as one of this.
  private void turn(long s) {
    if (s > second || s < second - 1) {
      busy = s == second + 1 && seen > rate;
      second = s;
      seen = 0;
      plain = 0;
      late = 0;
      special = 0;
    }
  }

  private boolean isLate(Ended e) {
    long nanos = e.ttftNanos();
    if (nanos <= 0 || e.end() != Entry.End.WELL) {
      return false;
    }
    boolean above = nanos > lateNanos;
    if (lateNanos == 0) {
      lateNanos = nanos;
      return false;
    }
    lateNanos *= above ? 1 + STEP * (1 - ABOVE) : 1 - STEP * ABOVE;
    return above;
  }
}
