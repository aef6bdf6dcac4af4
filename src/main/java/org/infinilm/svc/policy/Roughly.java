package org.infinilm.svc.policy;

import java.util.Arrays;
import org.infinilm.svc.fleet.Instance;
import org.jspecify.annotations.Nullable;

/// How fast instances are and how many they compute at once, for a first look at many of them: by
/// slot, without a search. Written by one thread, read by any.
final class Roughly {
  /// How many times as busy one is taken for that has no free place.
  private static final double FULL = 4;

  private static final double BACK_NANOS = 100e9;

  /// A speed fades by minutes, so that who was slow is looked at again.
  private record Of(String name, double heard, int places, long atNanos) {
    double factor(long nowNanos) {
      double left = 1 / (1 + Math.max(0, nowNanos - atNanos) / BACK_NANOS);
      return 1 + (heard - 1) * left * left;
    }
  }

  private volatile @Nullable Of[] all = new Of[0];

  /// How many times as long an instance takes.
  double factor(Instance i, long nowNanos) {
    Of r = of(i);
    return r == null ? 1 : r.factor(nowNanos);
  }

  /// How busy it is for its speed with so many in flight.
  double load(Instance i, int inFlight, long nowNanos) {
    Of r = of(i);
    return r == null
        ? 1.0 + inFlight
        : (1 + inFlight) * r.factor(nowNanos) * (inFlight < r.places() ? 1 : FULL);
  }

  private @Nullable Of of(Instance i) {
    @Nullable Of[] now = all;
    Of r = i.slot() < now.length ? now[i.slot()] : null;
    return r != null && r.name().equals(i.name()) ? r : null;
  }

  /// An instance was heard of.
  void heard(Instance i, double factor, int places, long nowNanos) {
    @Nullable Of[] next = Arrays.copyOf(all, Math.max(all.length, i.slot() + 1));
    next[i.slot()] = new Of(i.name(), factor, places, nowNanos);
    all = next;
  }
}
