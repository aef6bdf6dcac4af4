package org.infinilm.svc.policy;

/// Whether what an instance takes has shifted: two cumulative sums of how far its answers are off
/// what was expected of it, one a side (Page, "Continuous inspection schemes", 1954). For one
/// thread.
final class Drift {
  /// As logarithms: so much an answer may be off without a meaning.
  private static final double SLACK = 0.25;

  /// Off by 3 times, the third answer in a row says so.
  private static final double ALARM = 1.5;

  /// So many answers count for more after that.
  private static final int QUICK = 4;

  private double slower;
  private double faster;
  private int quick;

  /// @param off logarithm of what an answer took over what was expected
  /// @return whether it has shifted of late
  boolean after(double off) {
    slower = Math.max(0, slower + off - SLACK);
    faster = Math.max(0, faster - off - SLACK);
    if (slower > ALARM || faster > ALARM) {
      slower = 0;
      faster = 0;
      quick = QUICK;
    }
    quick = Math.max(-1, quick - 1);
    return quick >= 0;
  }
}
