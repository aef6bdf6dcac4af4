package org.infinilm.svc.bench;

/// A 95 % interval.
record Interval(double low, double high) {
  boolean excludesZero() {
    return low > 0 || high < 0;
  }

  /// Half its width: the number after a `±`.
  double half() {
    return (high - low) / 2;
  }
}
