package org.infinilm.svc.policy;

/// How many there were of late: each counts less with time, half after seven minutes. Written by
/// one thread, read by any.
final class Lately {
  private static final double BACK_NANOS = 600e9;
  private static final int MOST_RECALLED = 100;

  private record Count(double of, long atNanos) {
    double at(long nowNanos) {
      return of * Math.exp(-Math.max(0, nowNanos - atNanos) / BACK_NANOS);
    }
  }

  private volatile Count count = new Count(0, 0);

  /// One more.
  void one(long nowNanos) {
    count = new Count(count.at(nowNanos) + 1, nowNanos);
  }

  /// So many were before, of which a few count as of late.
  void recalled(int many, long nowNanos) {
    count = new Count(Math.min(many, MOST_RECALLED), nowNanos);
  }

  double count(long nowNanos) {
    return count.at(nowNanos);
  }
}
