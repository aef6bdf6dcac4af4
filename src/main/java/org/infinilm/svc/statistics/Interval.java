package org.infinilm.svc.statistics;

/// A 95 % interval.
public record Interval(double low, double high) {
  public boolean excludesZero() {
    return low > 0 || high < 0;
  }

  /// Half its width: the number after a `±`.
  public double half() {
    return (high - low) / 2;
  }
}
