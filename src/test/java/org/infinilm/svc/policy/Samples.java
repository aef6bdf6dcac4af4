package org.infinilm.svc.policy;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.jspecify.annotations.Nullable;

/// Instances, asks and loads for the tests of policies.
final class Samples {
  static final Load IDLE = slot -> 0;

  /// What is in flight, and what gauges tell of others, as a test puts it there.
  static class Desk implements Load {
    final Map<Integer, List<Flight>> flights = new HashMap<>();
    final Map<Integer, Others> others = new HashMap<>();
    long now;

    Desk(long nowNanos) {
      this.now = nowNanos;
    }

    final void add(int slot, Flight f) {
      flights.computeIfAbsent(slot, s -> new ArrayList<>()).add(f);
    }

    @Override
    public int inFlight(int slot) {
      return flights(slot).size();
    }

    @Override
    public List<? extends Flight> flights(int slot) {
      return flights.getOrDefault(slot, List.of());
    }

    @Override
    public Others others(int slot) {
      return others.getOrDefault(slot, Others.NONE);
    }

    @Override
    public long nowNanos() {
      return now;
    }
  }

  /// One whose first token has not come.
  record Waiting(long promptTokens, long dispatchNanos, Forecast forecast) implements Flight {
    @Override
    public long maxTokens() {
      return 0;
    }

    @Override
    public long firstNanos() {
      return 0;
    }

    @Override
    public long tokens() {
      return 0;
    }
  }

  private Samples() {}

  static Instance instance(
      String name, @Nullable CacheType type, long capacity, int weight, int slot) {
    return new Instance(
        name,
        "h",
        1,
        "http://" + name + ":1",
        List.of("m"),
        type,
        capacity,
        weight,
        State.ROUTABLE,
        slot,
        Map.of());
  }

  static Instance paged(String name, int slot) {
    return instance(name, CacheType.PAGED, Instance.UNKNOWN, 1, slot);
  }

  static Instance statics(String name, int slot) {
    return instance(name, CacheType.STATIC, Instance.UNKNOWN, 1, slot);
  }

  static Instance untyped(String name, int slot) {
    return instance(name, null, Instance.UNKNOWN, 1, slot);
  }

  static Candidates among(Instance... instances) {
    return Candidates.of("m", List.of(instances));
  }

  static Ask size(long size, long threshold) {
    return new Ask(size, threshold, 0, 0, 0);
  }

  static Ask key(String key) {
    return new Ask(0, 0, 0, 0, Policies.affinity(key));
  }

  static Load load(Map<Integer, Integer> bySlot) {
    return slot -> bySlot.getOrDefault(slot, 0);
  }

  static Choice.Send send(Policy p, Ask ask, Candidates among, Load load) {
    return (Choice.Send) p.choose(ask, among, load, new SplittableRandom(1));
  }

  static String chosen(Policy p, Ask ask, Candidates among, Load load) {
    return send(p, ask, among, load).instance().name();
  }

  /// Names in the order of `n` choices.
  static List<String> sequence(Policy p, Ask ask, Candidates among, int n) {
    List<String> out = new ArrayList<>();
    for (int k = 0; k < n; k++) {
      out.add(chosen(p, ask, among, IDLE));
    }
    return out;
  }

  static Map<String, Integer> counts(List<String> names) {
    Map<String, Integer> out = new HashMap<>();
    names.forEach(n -> out.merge(n, 1, Integer::sum));
    return out;
  }

  /// What is remembered as a file has it: arrays become lists, numbers as they are.
  static Map<String, Object> asFile(Map<String, Object> m) {
    Map<String, Object> out = new HashMap<>();
    m.forEach((k, v) -> out.put(k, plain(v)));
    return out;
  }

  private static Object plain(Object v) {
    if (v instanceof double[] d) {
      List<Object> l = new ArrayList<>();
      for (double x : d) {
        l.add(x);
      }
      return l;
    }
    if (v instanceof Map<?, ?> m) {
      Map<String, Object> out = new HashMap<>();
      m.forEach((k, x) -> out.put(String.valueOf(k), plain(x)));
      return out;
    }
    return v;
  }
}
