package org.infinilm.svc.history;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// What pools did over time, in steps of whole minutes. What is not known, as while no router ran,
/// is null.
public final class Course {
  private static final class Step {
    long requests;
    long errors;
    long told;
    long prompt;
    long cached;
    long completion;
    @Nullable Spread ttft;
  }

  private final long fromMinute;
  private final int steps;
  private final int stepMinutes;
  private final long[] coveredMillis;
  private final Map<String, @Nullable Step[]> pools = new TreeMap<>();
  private final Map<String, long[]> reasons = new TreeMap<>();

  Course(long fromMinute, int steps, int stepMinutes) {
    this.fromMinute = fromMinute;
    this.steps = steps;
    this.stepMinutes = stepMinutes;
    this.coveredMillis = new long[steps];
  }

  private int at(ResultSet r) throws SQLException {
    return (int) ((r.getLong(1) - fromMinute) / stepMinutes);
  }

  void alive(ResultSet r) throws SQLException {
    coveredMillis[at(r)] += r.getLong(2);
  }

  void pool(ResultSet r) throws SQLException {
    @Nullable Step[] of = pools.computeIfAbsent(r.getString(2), k -> new Step[steps]);
    Step s = of[at(r)];
    if (s == null) {
      s = new Step();
      of[at(r)] = s;
    }
    s.requests += r.getLong(3);
    s.errors += r.getLong(4);
    s.told += r.getLong(5);
    s.prompt += r.getLong(6);
    s.cached += r.getLong(7);
    s.completion += r.getLong(8);
    byte[] spread = r.getBytes(9);
    if (spread != null) {
      Spread more = Spread.of(spread);
      if (s.ttft == null) {
        s.ttft = more;
      } else {
        s.ttft.add(more);
      }
    }
  }

  void reason(ResultSet r) throws SQLException {
    reasons.computeIfAbsent(r.getString(2), k -> new long[steps])[at(r)] += r.getLong(3);
  }

  /// As `/history` tells it.
  public Map<String, Object> json() {
    Map<String, Object> m = new HashMap<>();
    List<Object> t = new ArrayList<>();
    for (int k = 0; k < steps; k++) {
      t.add((fromMinute + (long) k * stepMinutes) * 60);
    }
    m.put("step_seconds", stepMinutes * 60);
    m.put("t", t);
    Map<String, Object> all = new TreeMap<>();
    pools.forEach((name, of) -> {
      if (!name.isEmpty()) {
        all.put(name, pool(of));
      }
    });
    m.put("pools", all);
    Map<String, Object> why = new TreeMap<>();
    reasons.forEach((name, of) -> {
      List<Object> counts = new ArrayList<>();
      for (int k = 0; k < steps; k++) {
        counts.add(known(k) ? (Object) of[k] : null);
      }
      why.put(name, counts);
    });
    m.put("reasons", why);
    return m;
  }

  private boolean known(int k) {
    return coveredMillis[k] > 0;
  }

  private Map<String, Object> pool(@Nullable Step[] of) {
    Map<String, Object> m = new HashMap<>();
    m.put("requests_per_second", rates(of, s -> s.requests));
    m.put("errors_per_second", rates(of, s -> s.errors));
    m.put("prompt_tokens_per_second", rates(of, s -> s.told == 0 ? null : s.prompt));
    m.put("cached_tokens_per_second", rates(of, s -> s.told == 0 ? null : s.cached));
    m.put("completion_tokens_per_second", rates(of, s -> s.told == 0 ? null : s.completion));
    m.put("ttft_p50_seconds", ttft(of, 0.5));
    m.put("ttft_p95_seconds", ttft(of, 0.95));
    return m;
  }

  /// While a router ran and nothing came, nothing came; while none ran, it is not known.
  private List<@Nullable Object> rates(@Nullable Step[] of, Function<Step, @Nullable Long> value) {
    List<@Nullable Object> out = new ArrayList<>();
    for (int k = 0; k < steps; k++) {
      Step s = of[k];
      Long n = s == null ? (Long) 0L : value.apply(s);
      out.add(
          !known(k) || n == null
              ? null
              : (Object) (n / (Math.max(1000, coveredMillis[k]) / 1000.0)));
    }
    return out;
  }

  private List<@Nullable Object> ttft(@Nullable Step[] of, double part) {
    List<@Nullable Object> out = new ArrayList<>();
    for (int k = 0; k < steps; k++) {
      Step s = of[k];
      out.add(s == null || s.ttft == null ? null : (Object) s.ttft.seconds(part));
    }
    return out;
  }
}
