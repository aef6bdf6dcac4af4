package org.infinilm.svc.bench;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Predicate;
import org.hipparchus.stat.StatUtils;

/// Which side is faster for which size of request.
/*
 * Each request was served by both sides, so its two times give one ratio in which its size and its
 * place in the load cancel out. The size N at which the ratio changes is looked for on every other
 * request in order of size (the cut with the least squared error of two means); whether the two
 * classes differ, and by how much, is measured on the remaining requests. A cut that was chosen and
 * tested on the same data would find a difference in noise. Two classes of which the same can be said
 * are not told apart.
 */
record ComparisonBySize(
    TimeKind kind,
    String unit,
    OptionalLong cut,
    Effect low,
    Optional<Effect> high,
    Optional<String> nothing,
    String base,
    String other) {
  /// Requests of one class and half below which no class is looked at.
  private static final int LEAST_CLASS = 6;

  /// Requests below which not even one verdict over all sizes is given.
  private static final int LEAST = 8;

  /// Runs a side from which on the intervals are over runs instead of requests.
  private static final int RUNS = 3;

  /// Change from base to other of the geometric mean, in percent; below zero the other is faster.
  record Effect(int requests, double percent, Optional<Interval> interval) {
    static final Effect NONE = new Effect(0, 0, Optional.empty());

    /// What may be said of it: the faster side, or nothing.
    String claim() {
      return !certain() ? "none" : percent < 0 ? "other" : "base";
    }

    boolean certain() {
      return interval.filter(Interval::excludesZero).isPresent()
          && Math.abs(percent) >= ComparisonRow.LEAST_PERCENT;
    }
  }

  /// One request: log of its time on the other side over that on the base side.
  private record Ratio(int index, long size, double log) {}

  static ComparisonBySize of(TimeKind kind, Side base, Side other) {
    if (!CompareWorkload.same(base.newest(), other.newest())) {
      return empty(kind, base, other, "different workloads: their requests cannot be paired");
    }
    List<Ratio> ratios = ratios(kind, base, other, true);
    boolean bytes = !ratios.isEmpty();
    if (!bytes) {
      ratios = ratios(kind, base, other, false);
    }
    if (ratios.size() < LEAST) {
      return empty(
          kind,
          base,
          other,
          ratios.isEmpty()
              ? "no file with the size and time of each request on both sides"
              : ratios.size()
                  + " requests on both sides are too few (expected: "
                  + LEAST
                  + " or more)");
    }
    List<Ratio> choose = new ArrayList<>();
    List<Ratio> measure = new ArrayList<>();
    for (int i = 0; i < ratios.size(); i++) {
      (i % 2 == 0 ? choose : measure).add(ratios.get(i));
    }
    OptionalLong cut = cut(choose, measure);
    String unit = bytes ? "bytes" : "tokens";
    if (cut.isPresent()) {
      long n = cut.getAsLong();
      Effect low = effect(measure, r -> r.size() <= n, kind, base, other);
      Effect high = effect(measure, r -> r.size() > n, kind, base, other);
      if (differ(measure, n) && !low.claim().equals(high.claim())) {
        return new ComparisonBySize(
            kind, unit, cut, low, Optional.of(high), Optional.empty(), base.key(), other.key());
      }
    }
    return new ComparisonBySize(
        kind,
        unit,
        OptionalLong.empty(),
        effect(ratios, r -> true, kind, base, other),
        Optional.empty(),
        Optional.empty(),
        base.key(),
        other.key());
  }

  private static ComparisonBySize empty(TimeKind kind, Side base, Side other, String why) {
    return new ComparisonBySize(
        kind,
        "bytes",
        OptionalLong.empty(),
        Effect.NONE,
        Optional.empty(),
        Optional.of(why),
        base.key(),
        other.key());
  }

  /// By size, smallest first.
  private static List<Ratio> ratios(TimeKind kind, Side base, Side other, boolean bytes) {
    Paired pairs = Paired.of(base, other, kind);
    Map<Integer, Long> sizes = base.sizes(bytes);
    Map<Integer, Long> check = other.sizes(bytes);
    List<Ratio> out = new ArrayList<>();
    for (int i = 0; i < pairs.size(); i++) {
      Long size = sizes.get(pairs.index()[i]);
      if (size != null && check.containsKey(pairs.index()[i])) {
        out.add(new Ratio(pairs.index()[i], size, Math.log(pairs.other()[i] / pairs.base()[i])));
      }
    }
    out.sort(Comparator.comparingLong(Ratio::size).thenComparingInt(Ratio::index));
    return out;
  }

  /// The size whose two classes have the least squared error; empty when a class would be small.
  private static OptionalLong cut(List<Ratio> choose, List<Ratio> measure) {
    int n = choose.size();
    double[] sum = new double[n + 1];
    for (int i = 0; i < n; i++) {
      sum[i + 1] = sum[i] + choose.get(i).log();
    }
    OptionalLong best = OptionalLong.empty();
    double most = Double.NEGATIVE_INFINITY;
    int below = 0;
    for (int k = LEAST_CLASS; k <= n - LEAST_CLASS; k++) {
      long size = choose.get(k - 1).size();
      if (choose.get(k).size() == size) {
        continue;
      }
      while (below < measure.size() && measure.get(below).size() <= size) {
        below++;
      }
      if (below < LEAST_CLASS || measure.size() - below < LEAST_CLASS) {
        continue;
      }
      double explained = sum[k] * sum[k] / k + (sum[n] - sum[k]) * (sum[n] - sum[k]) / (n - k);
      if (explained > most) {
        most = explained;
        best = OptionalLong.of(size);
      }
    }
    return best;
  }

  private static boolean differ(List<Ratio> measure, long cut) {
    return CompareStatistics.ofDifference(
            logs(measure, r -> r.size() <= cut), logs(measure, r -> r.size() > cut))
        .filter(Interval::excludesZero)
        .isPresent();
  }

  private static double[] logs(List<Ratio> from, Predicate<Ratio> which) {
    return from.stream().filter(which).mapToDouble(Ratio::log).toArray();
  }

  private static Effect effect(
      List<Ratio> from, Predicate<Ratio> which, TimeKind kind, Side base, Side other) {
    List<Ratio> chosen = from.stream().filter(which).toList();
    double[] logs = chosen.stream().mapToDouble(Ratio::log).toArray();
    double[] sample =
        Math.min(base.runs().size(), other.runs().size()) >= RUNS
            ? byRun(chosen, kind, base, other)
            : logs;
    Optional<Interval> interval =
        CompareStatistics.ofMean(sample)
            .map(i -> new Interval(percent(i.low()), percent(i.high())));
    return new Effect(logs.length, percent(StatUtils.mean(logs)), interval);
  }

  /// The mean log ratio of each run of the one side with the run of the same place on the other.
  private static double[] byRun(List<Ratio> chosen, TimeKind kind, Side base, Side other) {
    int runs = Math.min(base.runs().size(), other.runs().size());
    double[] out = new double[runs];
    for (int k = 0; k < runs; k++) {
      Map<Integer, Double> from = one(base, k).byIndex(kind::served);
      Map<Integer, Double> to = one(other, k).byIndex(kind::served);
      out[k] =
          chosen.stream()
              .mapToDouble(r ->
                  Math.log(
                      to.getOrDefault(r.index(), Double.NaN)
                          / from.getOrDefault(r.index(), Double.NaN)))
              .average()
              .orElse(Double.NaN);
    }
    return out;
  }

  private static Side one(Side side, int run) {
    return new Side(side.key(), side.title(), side.column(), List.of(side.runs().get(run)));
  }

  private static double percent(double log) {
    return Math.expm1(log) * 100;
  }

  /// The verdict as one sentence, in ASCII.
  String text() {
    String head = kind.label + ": ";
    if (nothing.isPresent()) {
      return head + "no verdict by size: " + nothing.get();
    }
    if (cut.isEmpty() || high.isEmpty()) {
      return head
          + (low.certain()
              ? winner(low) + " wins at every size by " + amount(low)
              : "no difference beyond the noise at any size")
          + " ("
          + low.requests()
          + " requests)";
    }
    Effect above = high.get();
    String n = String.format(Locale.ROOT, "%,d %s", cut.getAsLong(), unit);
    return head
        + part(above, "above " + n)
        + "; "
        + part(low, "up to there")
        + " ("
        + above.requests()
        + " and "
        + low.requests()
        + " requests)";
  }

  private String part(Effect e, String where) {
    return e.certain()
        ? winner(e) + " wins " + where + " by " + amount(e)
        : "no difference beyond the noise " + where;
  }

  private String winner(Effect e) {
    return e.percent() < 0 ? other : base;
  }

  /// How much shorter the winner's time is, in percent of the loser's.
  private static String amount(Effect e) {
    Interval i = e.interval().orElseThrow();
    boolean otherWins = e.percent() < 0;
    double shorter = otherWins ? -e.percent() : shorter(e.percent());
    double half = otherWins ? i.half() : (shorter(i.high()) - shorter(i.low())) / 2;
    return String.format(Locale.ROOT, "%.1f %% +- %.1f", shorter, half);
  }

  /// A time that is `percent` longer than another: how much shorter that one is.
  private static double shorter(double percent) {
    return 100 - 100 / (1 + percent / 100);
  }
}
