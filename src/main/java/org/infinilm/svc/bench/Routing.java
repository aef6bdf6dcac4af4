package org.infinilm.svc.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// Where a router sent the requests of a run, and whether that is where its size rule sends them.
/// Pure.
///
/// Accuracy is the share of answered requests that the pool which the rule names has answered: size
/// at most the threshold is paged, above it static. The size is the router's own, in the unit of
/// its metric; where the metric is the body, it is the body that was sent. The pool is the cache
/// type of the instance that answered, as the fleet lists it. What the router says about instances
/// is held against the instances' own counters.
///
/// @param threshold null when the router said none, or several
/// @param metric `body`, `text`, `tokens`, or null when not known
/// @param accuracy NaN when nothing could be checked
/// @param countersAgree null when a counter could not be read
/// @param exceptionsTotal how many there were; only the first are kept
record Routing(
    @Nullable Long threshold,
    @Nullable String metric,
    int answered,
    int checked,
    int correct,
    double accuracy,
    int sizeMismatches,
    Map<String, PoolShare> pools,
    Map<String, InstanceShare> instances,
    Map<String, Integer> reasons,
    List<Astray> exceptions,
    int exceptionsTotal,
    @Nullable Boolean countersAgree,
    List<String> disagreements) {

  private static final int MOST_EXCEPTIONS = 1000;

  /// One request as it was answered.
  ///
  /// @param sentBytes body that was sent; -1 when not known
  /// @param size by the router, in the unit of its metric; -1 when not said, like threshold
  /// @param pool by the router; null when not said
  record Answer(
      int index,
      @Nullable String requestId,
      long sentBytes,
      long size,
      long threshold,
      @Nullable String pool,
      @Nullable String instance,
      @Nullable String reason,
      boolean ok) {}

  /// One instance as the fleet lists it.
  ///
  /// @param cacheType `paged`, `static` or empty
  /// @param before its counter of finished requests at the start; null when not readable, like
  ///   after
  record Member(String name, String cacheType, @Nullable Double before, @Nullable Double after) {
    /// By how much the counter moved; null when not known. One that went down began again at 0.
    @Nullable Long counted() {
      if (before == null || after == null) {
        return null;
      }
      double by = after - before;
      return Math.round(by < 0 ? after : by);
    }
  }

  record PoolShare(int requests, long minBytes, double medianBytes, long maxBytes) {}

  /// @param counted by the instance itself; null when not readable
  record InstanceShare(String pool, int requests, @Nullable Long counted) {}

  /// A request that another pool has answered than the rule names, or whose size the router took
  /// wrongly.
  record Astray(
      int index,
      @Nullable String requestId,
      long size,
      String expected,
      String pool,
      @Nullable String instance,
      @Nullable String reason) {}

  /// @param fleet every instance known before or after the run, by name
  static Routing of(List<Answer> all, Map<String, Member> fleet, @Nullable String metric) {
    List<Answer> routed = all.stream().filter(a -> a.instance() != null).toList();
    boolean typed =
        fleet.values().stream().anyMatch(m -> !m.cacheType().isEmpty())
            || routed.stream().anyMatch(a -> !"any".equals(a.pool()));
    int checked = 0;
    int correct = 0;
    int mismatches = 0;
    int answered = 0;
    List<Astray> astray = new ArrayList<>();
    int astrayTotal = 0;
    Map<String, List<Long>> sizes = new TreeMap<>();
    Map<String, Integer> reasons = new TreeMap<>();
    for (Answer a : routed) {
      String pool = poolOf(a, fleet);
      sizes.computeIfAbsent(pool, p -> new ArrayList<>()).add(bytes(a));
      if (a.reason() != null) {
        reasons.merge(a.reason(), 1, Integer::sum);
      }
      answered += a.ok() ? 1 : 0;
      if (!a.ok() || !typed || a.threshold() < 0 || a.size() < 0) {
        continue;
      }
      boolean mismatch = "body".equals(metric) && a.sentBytes() >= 0 && a.sentBytes() != a.size();
      long size = mismatch ? a.sentBytes() : a.size();
      String expected = size <= a.threshold() ? "paged" : "static";
      checked++;
      mismatches += mismatch ? 1 : 0;
      if (expected.equals(pool)) {
        correct++;
      } else if (astrayTotal++ < MOST_EXCEPTIONS) {
        astray.add(
            new Astray(a.index(), a.requestId(), size, expected, pool, a.instance(), a.reason()));
      }
    }
    Map<String, InstanceShare> instances = instances(routed, fleet);
    List<String> disagreements = disagreements(routed, fleet);
    boolean unread = instances.values().stream().anyMatch(i -> i.counted() == null);
    return new Routing(
        oneThreshold(routed),
        metric,
        answered,
        checked,
        correct,
        checked == 0 ? Double.NaN : (double) correct / checked,
        mismatches,
        pools(sizes),
        instances,
        reasons,
        List.copyOf(astray),
        astrayTotal,
        !disagreements.isEmpty() ? Boolean.FALSE : unread || routed.isEmpty() ? null : Boolean.TRUE,
        disagreements);
  }

  private static long bytes(Answer a) {
    return a.sentBytes() >= 0 ? a.sentBytes() : Math.max(0, a.size());
  }

  /// The cache type of the instance, else what the router says.
  private static String poolOf(Answer a, Map<String, Member> fleet) {
    Member m = a.instance() == null ? null : fleet.get(a.instance());
    if (m != null && !m.cacheType().isEmpty()) {
      return m.cacheType();
    }
    return a.pool() == null ? "any" : a.pool();
  }

  private static @Nullable Long oneThreshold(List<Answer> routed) {
    List<Long> all = routed.stream().map(Answer::threshold).filter(t -> t >= 0).distinct().toList();
    return all.size() == 1 ? all.getFirst() : null;
  }

  private static Map<String, PoolShare> pools(Map<String, List<Long>> sizes) {
    Map<String, PoolShare> out = new TreeMap<>();
    sizes.forEach((pool, of) -> {
      double[] sorted = of.stream().mapToDouble(Long::doubleValue).sorted().toArray();
      out.put(
          pool,
          new PoolShare(
              sorted.length,
              (long) sorted[0],
              LoadFigures.Stats.percentile(sorted, 50),
              (long) sorted[sorted.length - 1]));
    });
    return out;
  }

  private static Map<String, InstanceShare> instances(
      List<Answer> routed, Map<String, Member> fleet) {
    Map<String, InstanceShare> out = new TreeMap<>();
    for (Member m : fleet.values()) {
      String pool = m.cacheType().isEmpty() ? "any" : m.cacheType();
      out.put(m.name(), new InstanceShare(pool, 0, m.counted()));
    }
    for (Answer a : routed) {
      String name = String.valueOf(a.instance());
      InstanceShare i = out.getOrDefault(name, new InstanceShare(poolOf(a, fleet), 0, null));
      out.put(name, new InstanceShare(i.pool(), i.requests() + 1, i.counted()));
    }
    return out;
  }

  /// Instances that counted fewer requests than the router says they answered. More are no
  /// contradiction: there may be other traffic, and attempts that failed count too.
  private static List<String> disagreements(List<Answer> routed, Map<String, Member> fleet) {
    Map<String, Integer> claimed = new TreeMap<>();
    routed.stream()
        .filter(Answer::ok)
        .forEach(a -> claimed.merge(String.valueOf(a.instance()), 1, Integer::sum));
    List<String> out = new ArrayList<>();
    claimed.forEach((name, n) -> {
      Member m = fleet.get(name);
      Long counted = m == null ? null : m.counted();
      if (counted != null && counted < n) {
        out.add(name + " counted " + counted + " requests (expected: " + n + ")");
      }
    });
    return out;
  }
}
