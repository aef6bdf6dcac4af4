package org.infinilm.svc.policy;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.infinilm.svc.fleet.Instance;

/// From which length on instances cut answers off at their first token, though more was asked for:
/// what does not fit there, whatever they say of their capacity. Learned bounds are forgotten after
/// a while, and where a prompt as long gets an answer. Written by the learner's thread, read by
/// event loops without a lock.
final class Cuts {
  static final long KEPT_NANOS = 600_000_000_000L;

  /// Of more instances the oldest bound goes.
  private static final int MOST = 1024;

  /// @param tokens estimated length of the shortest prompt that was cut
  private record Bound(long tokens, long atNanos) {}

  private volatile Map<String, Bound> bounds = Map.of();

  /// An answer was cut at once.
  void cut(Instance i, long promptTokens, long nowNanos) {
    Map<String, Bound> next = new HashMap<>(bounds);
    next.values().removeIf(b -> nowNanos - b.atNanos() > KEPT_NANOS);
    Bound before = next.get(i.name());
    next.put(
        i.name(),
        new Bound(
            before == null ? promptTokens : Math.min(before.tokens(), promptTokens), nowNanos));
    if (next.size() > MOST) {
      next.entrySet().stream()
          .min(Comparator.comparingLong(e -> e.getValue().atNanos()))
          .map(Map.Entry::getKey)
          .ifPresent(next::remove);
    }
    bounds = Map.copyOf(next);
  }

  /// A prompt of this length has got an answer there.
  void answered(Instance i, long promptTokens) {
    Bound b = bounds.get(i.name());
    if (b != null && promptTokens >= b.tokens()) {
      Map<String, Bound> next = new HashMap<>(bounds);
      next.remove(i.name());
      bounds = Map.copyOf(next);
    }
  }

  /// Whether nothing says that a prompt of this length would be cut there.
  boolean fits(Instance i, long promptTokens, long nowNanos) {
    Bound b = bounds.get(i.name());
    return b == null || promptTokens < b.tokens() || nowNanos - b.atNanos() > KEPT_NANOS;
  }

  /// Those that such a prompt fits; all where it fits none, so that nobody is refused for it.
  List<Instance> fitting(List<Instance> among, long promptTokens, long nowNanos) {
    if (bounds.isEmpty()) {
      return among;
    }
    List<Instance> fit = new ArrayList<>(among);
    fit.removeIf(i -> !fits(i, promptTokens, nowNanos));
    return fit.isEmpty() ? among : fit;
  }

  /// By name of the instance, the estimated tokens from which on it cuts.
  Map<String, Long> known(long nowNanos) {
    Map<String, Long> out = new TreeMap<>();
    bounds.forEach((name, b) -> {
      if (nowNanos - b.atNanos() <= KEPT_NANOS) {
        out.put(name, b.tokens());
      }
    });
    return out;
  }
}
