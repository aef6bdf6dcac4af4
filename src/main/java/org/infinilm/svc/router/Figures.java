package org.infinilm.svc.router;

import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.infinilm.svc.policy.Facts.Usage;
import org.infinilm.svc.router.Decisions.Decision;
import org.jspecify.annotations.Nullable;

/// Figures of the decisions of the last minute, as far as the ring reaches: percentiles by key, and
/// errors by what they have in common. Pure.
final class Figures {
  static final long WINDOW_NANOS = 60_000_000_000L;
  private static final int MOST_ERRORS = 50;

  /// Seconds below which a part of the requests lies; null when there were none.
  ///
  /// @param n requests that it is of
  record Spread(int n, @Nullable Double p50, @Nullable Double p95) {
    static final Spread NONE = new Spread(0, null, null);
  }

  /// Figures of the requests of one pool or instance.
  ///
  /// @param requests how many ended in the window
  /// @param errors of those by nobody's but our side's fault
  record Of(
      int requests,
      int errors,
      Spread ttft,
      Spread tpot,
      Spread queue,
      @Nullable Double cachedShare) {
    static final Of NONE = new Of(0, 0, Spread.NONE, Spread.NONE, Spread.NONE, null);
  }

  /// Errors alike.
  ///
  /// @param code of the router's own; null where an instance answered so
  record Errors(
      @Nullable String instance,
      Outcome outcome,
      int status,
      @Nullable String code,
      int count,
      long firstMillis,
      long lastMillis,
      String lastRequestId) {}

  private static final class Sums {
    int requests;
    int errors;
    final Values ttft = new Values();
    final Values tpot = new Values();
    final Values queue = new Values();
    long prompt;
    long cached;

    Of of() {
      Double share = prompt == 0 ? null : (Double) ((double) cached / prompt);
      return new Of(requests, errors, ttft.spread(), tpot.spread(), queue.spread(), share);
    }
  }

  private static final class Values {
    private long[] nanos = new long[16];
    private int n;

    void add(long value) {
      if (n == nanos.length) {
        nanos = Arrays.copyOf(nanos, n * 2);
      }
      nanos[n++] = value;
    }

    Spread spread() {
      if (n == 0) {
        return Spread.NONE;
      }
      Arrays.sort(nanos, 0, n);
      return new Spread(n, at(0.5), at(0.95));
    }

    /// By nearest rank.
    private double at(double part) {
      return nanos[Math.max(0, (int) Math.ceil(part * n) - 1)] / 1e9;
    }
  }

  private Figures() {}

  /// Whether a decision is of the last minute: by the monotonic clock, for the other one is set
  /// back and forth.
  ///
  /// @param nowNanos the router's monotonic clock
  static boolean isOfLastMinute(Decision d, long nowNanos) {
    return nowNanos - d.endNanos() <= WINDOW_NANOS;
  }

  /// Of the decisions of the window, by what `key` says of each; null leaves one out.
  ///
  /// @param nowNanos as [#isOfLastMinute]
  static <K> Map<K, Of> by(
      List<Decision> newestFirst, long nowNanos, Function<Decision, @Nullable K> key) {
    Map<K, Sums> sums = new HashMap<>();
    for (Decision d : newestFirst) {
      if (!isOfLastMinute(d, nowNanos)) {
        continue;
      }
      K k = key.apply(d);
      if (k != null) {
        add(sums.computeIfAbsent(k, x -> new Sums()), d);
      }
    }
    Map<K, Of> out = new HashMap<>();
    sums.forEach((k, s) -> out.put(k, s.of()));
    return out;
  }

  private static void add(Sums s, Decision d) {
    s.requests++;
    s.errors += isError(d.outcome()) ? 1 : 0;
    s.queue.add(d.queueNanos());
    if (d.outcome() == Outcome.OK && d.ttftNanos() > 0) {
      s.ttft.add(d.ttftNanos());
    }
    long tpot = d.tpotNanos();
    if (d.outcome() == Outcome.OK && tpot > 0) {
      s.tpot.add(tpot);
    }
    Usage u = d.usage();
    if (u != null) {
      s.prompt += u.promptTokens();
      s.cached += u.cachedTokens();
    }
  }

  /// Whether a request failed by no fault of its client.
  static boolean isError(Outcome o) {
    return switch (o) {
      case OK, CLIENT_ERROR, CLIENT_GONE -> false;
      case UPSTREAM_ERROR, UPSTREAM_GONE, TIMEOUT, REJECTED, INTERNAL -> true;
    };
  }

  /// What did not end well, whoever's fault, grouped; the latest group first.
  ///
  /// @param newestFirst of those that did not
  static List<Errors> errors(List<Decision> newestFirst) {
    Map<List<Object>, Errors> groups = new LinkedHashMap<>();
    for (Decision d : newestFirst) {
      String code = d.said() == null ? null : d.said().code();
      List<Object> key =
          List.of(
              d.instance() == null ? "" : d.instance(),
              d.outcome(),
              d.status(),
              code == null ? "" : code);
      Errors e = groups.get(key);
      if (e != null) {
        groups.put(
            key,
            new Errors(
                e.instance(),
                e.outcome(),
                e.status(),
                code,
                e.count() + 1,
                d.epochMillis(),
                e.lastMillis(),
                e.lastRequestId()));
      } else if (groups.size() < MOST_ERRORS) {
        groups.put(
            key,
            new Errors(
                d.instance(),
                d.outcome(),
                d.status(),
                code,
                1,
                d.epochMillis(),
                d.epochMillis(),
                d.requestId()));
      }
    }
    return List.copyOf(groups.values());
  }
}
