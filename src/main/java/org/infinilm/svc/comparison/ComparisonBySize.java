package org.infinilm.svc.comparison;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Predicate;
import org.hipparchus.stat.StatUtils;
import org.infinilm.svc.results.TimeKind;
import org.infinilm.svc.statistics.CompareStatistics;
import org.infinilm.svc.statistics.CompareStatistics.Found;
import org.infinilm.svc.statistics.Interval;

/// Which side is faster for which size of request.
///
/// @param low, high the classes up to the cut and above it; empty where no cut was found
/// @param differ p of the test whether they differ; NaN where it was not made
/// @param split whether the two classes are told apart
/// @param nothing why no verdict is given
/*
 * Each request was served by both sides, so its two times give one ratio in which its size and its
 * place in the load cancel out. The size N at which the ratio changes is looked for on every other
 * request in order of size (the cut with the least squared error of two means); whether the two
 * classes differ, and by how much, is measured on the remaining requests. A cut that was chosen and
 * tested on the same data would find a difference in noise. Requests of one run wait behind each
 * other, so tests are over runs only: of one run a side the ratios are told, and nothing is claimed.
 */
record ComparisonBySize(
    TimeKind kind,
    String unit,
    OptionalLong cut,
    Effect whole,
    Optional<Effect> low,
    Optional<Effect> high,
    double differ,
    boolean split,
    Optional<String> nothing,
    String base,
    String other) {
  /// Requests of one class and half below which no class is looked at.
  private static final int LEAST_CLASS = 6;

  /// Requests below which not even one verdict over all sizes is given.
  private static final int LEAST = 8;

  /// Change from base to other of the geometric mean, in percent; below zero the other is faster.
  ///
  /// @param interval over runs
  /// @param p of the test over runs; NaN where it was not made
  /// @param finding whether the test stands among all that were made
  record Effect(
      int requests, double percent, Optional<Interval> interval, double p, boolean finding) {
    static final Effect NONE = new Effect(0, 0, Optional.empty(), Double.NaN, false);

    /// What may be said of it: the faster side, or nothing.
    String claim() {
      return !certain() ? "none" : percent < 0 ? "other" : "base";
    }

    boolean certain() {
      return finding && Math.abs(percent) >= ComparisonRow.LEAST_PERCENT;
    }

    Effect judged(boolean stands) {
      return new Effect(requests, percent, interval, p, stands);
    }
  }

  /// One request: log of its time on the other side over that on the base side.
  private record Ratio(int index, long size, double log) {}

  static ComparisonBySize of(TimeKind kind, Side base, Side other) {
    if (!base.oneWorkload()
        || !other.oneWorkload()
        || !CompareWorkload.same(base.newest(), other.newest())) {
      return empty(kind, base, other, "different workloads: their requests cannot be paired");
    }
    if (!base.doubts().isEmpty() || !other.doubts().isEmpty()) {
      return empty(kind, base, other, "a run that cannot be trusted");
    }
    if (Side.otherWork(base, other).isPresent()) {
      return empty(kind, base, other, "answers of other lengths");
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
    Optional<Effect> low = Optional.empty();
    Optional<Effect> high = Optional.empty();
    double differ = Double.NaN;
    if (cut.isPresent()) {
      long n = cut.getAsLong();
      double[] below = byRun(measure, r -> r.size() <= n, kind, base, other);
      double[] above = byRun(measure, r -> r.size() > n, kind, base, other);
      low = Optional.of(effect(measure, r -> r.size() <= n, below));
      high = Optional.of(effect(measure, r -> r.size() > n, above));
      double[] gap = new double[below.length];
      for (int i = 0; i < gap.length; i++) {
        gap[i] = above[i] - below[i];
      }
      differ = CompareStatistics.ofPairs(gap).map(Found::p).orElse(Double.NaN);
    }
    return new ComparisonBySize(
        kind,
        bytes ? "bytes" : "tokens",
        cut,
        effect(ratios, r -> true, byRun(ratios, r -> true, kind, base, other)),
        low,
        high,
        differ,
        false,
        Optional.empty(),
        base.key(),
        other.key());
  }

  /// The p of each test that was made or could have been made, always in this order.
  List<Double> tests() {
    return List.of(
        whole.p(),
        low.map(Effect::p).orElse(Double.NaN),
        high.map(Effect::p).orElse(Double.NaN),
        differ);
  }

  /// With verdicts.
  ///
  /// @param findings which of [#tests] stand among all that were made
  ComparisonBySize judged(boolean[] findings) {
    Optional<Effect> lower = low.map(e -> e.judged(findings[1]));
    Optional<Effect> upper = high.map(e -> e.judged(findings[2]));
    boolean apart =
        lower.isPresent()
            && upper.isPresent()
            && findings[3]
            && !lower.get().claim().equals(upper.get().claim());
    return new ComparisonBySize(
        kind,
        unit,
        cut,
        whole.judged(findings[0]),
        lower,
        upper,
        differ,
        apart,
        nothing,
        base,
        other);
  }

  private static ComparisonBySize empty(TimeKind kind, Side base, Side other, String why) {
    return new ComparisonBySize(
        kind,
        "bytes",
        OptionalLong.empty(),
        Effect.NONE,
        Optional.empty(),
        Optional.empty(),
        Double.NaN,
        false,
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

  private static Effect effect(List<Ratio> from, Predicate<Ratio> which, double[] overRuns) {
    double[] logs = from.stream().filter(which).mapToDouble(Ratio::log).toArray();
    Optional<Found> found = CompareStatistics.ofPairs(overRuns);
    return new Effect(
        logs.length,
        CompareStatistics.percent(StatUtils.mean(logs)),
        found.map(Found::percent),
        found.map(Found::p).orElse(Double.NaN),
        false);
  }

  /// The mean log ratio of each run of the one side with the run of the same place on the other.
  private static double[] byRun(
      List<Ratio> from, Predicate<Ratio> which, TimeKind kind, Side base, Side other) {
    int runs = Math.min(base.runs().size(), other.runs().size());
    double[] out = new double[runs];
    for (int k = 0; k < runs; k++) {
      Map<Integer, Double> before = one(base, k).byIndex(kind::served);
      Map<Integer, Double> after = one(other, k).byIndex(kind::served);
      out[k] =
          from.stream()
              .filter(which)
              .mapToDouble(r ->
                  Math.log(
                      after.getOrDefault(r.index(), Double.NaN)
                          / before.getOrDefault(r.index(), Double.NaN)))
              .average()
              .orElse(Double.NaN);
    }
    return out;
  }

  private static Side one(Side side, int run) {
    return new Side(side.key(), side.title(), side.column(), List.of(side.runs().get(run)));
  }

  /// The verdict as one sentence, in ASCII.
  String text() {
    String head = kind.label + ": ";
    if (nothing.isPresent()) {
      return head + "no verdict by size: " + nothing.get();
    }
    if (Double.isNaN(whole.p())) {
      return head + told();
    }
    if (!split || cut.isEmpty() || low.isEmpty() || high.isEmpty()) {
      return head
          + (whole.certain()
              ? winner(whole) + " wins at every size by " + amount(whole)
              : "no difference beyond the noise at any size")
          + " ("
          + whole.requests()
          + " requests)";
    }
    Effect above = high.get();
    Effect below = low.get();
    return head
        + part(above, "above " + size(cut.getAsLong()))
        + "; "
        + part(below, "up to there")
        + " ("
        + above.requests()
        + " and "
        + below.requests()
        + " requests)";
  }

  /// What one run a side shows, without a claim.
  private String told() {
    String seen =
        cut.isPresent() && low.isPresent() && high.isPresent()
            ? change(high.get())
                + " above "
                + size(cut.getAsLong())
                + ", "
                + change(low.get())
                + " up to there"
            : change(whole);
    return "one run a side, nothing is claimed (seen: " + seen + ")";
  }

  private String change(Effect e) {
    return String.format(Locale.ROOT, "%s %+.1f %% against %s", other, e.percent(), base);
  }

  private String size(long n) {
    return String.format(Locale.ROOT, "%,d %s", n, unit);
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
