package org.infinilm.svc.comparison;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.infinilm.svc.comparison.ComparisonRow.Method;
import org.infinilm.svc.comparison.ComparisonRow.Verdict;
import org.infinilm.svc.results.Metric;
import org.infinilm.svc.results.ResultFile;
import org.infinilm.svc.results.ResultRouting;
import org.infinilm.svc.statistics.CompareStatistics;
import org.infinilm.svc.statistics.Interval;

/// A comparison in words: plain text for a terminal, Markdown, or plain values for JSON. Pure.
public record ComparisonReport(CompareInputs inputs, List<Comparison> pairs) {
  private static final int WIDTH = 100;
  private static final String RULE = "-".repeat(WIDTH);

  /// Every later side against every earlier one.
  public static ComparisonReport of(CompareInputs inputs) {
    List<List<Side>> pairs = new ArrayList<>();
    List<Side> sides = inputs.sides();
    for (int later = 1; later < sides.size(); later++) {
      for (int earlier = 0; earlier < later; earlier++) {
        pairs.add(List.of(sides.get(earlier), sides.get(later)));
      }
    }
    return new ComparisonReport(inputs, Comparison.of(pairs));
  }

  public List<String> text() {
    List<String> out = new ArrayList<>();
    out.add("=".repeat(WIDTH));
    out.add(title());
    out.add("=".repeat(WIDTH));
    inputs.warnings().forEach(w -> out.add("warning: " + w));
    for (Side side : inputs.sides()) {
      out.add("");
      out.add(side.title());
      facts(side).forEach((k, v) -> out.add("  " + k + ": " + v));
    }
    for (Comparison c : pairs) {
      out.add("");
      out.add("Performance Comparison" + (pairs.size() > 1 ? ": " + versus(c) : ""));
      out.add(RULE);
      out.add(
          String.format(
              Locale.ROOT,
              "%-20s %14s %14s %11s %22s  %s",
              "Metric",
              c.base().column(),
              c.other().column(),
              "Change",
              "95 % interval",
              "Winner"));
      out.add(RULE);
      for (ComparisonRow r : c.rows()) {
        out.add(
            String.format(
                Locale.ROOT,
                "%-20s %14.2f %14.2f %11s %22s  %s",
                r.metric().label(),
                r.base(),
                r.other(),
                change(r),
                r.interval().map(ComparisonReport::words).orElse("-"),
                winner(c, r)));
      }
      out.add("");
      out.add("By size of request" + (pairs.size() > 1 ? ": " + versus(c) : ""));
      out.add(RULE);
      bySize(c).forEach(line -> out.add("  " + line));
    }
    out.add("");
    out.add("Summary");
    out.add(RULE);
    for (Comparison c : pairs) {
      summary(c).forEach(out::add);
    }
    if (inputs.kind() == CompareKind.STRATEGIES) {
      out.add("");
      out.add("Improvement Analysis");
      out.add(RULE);
      pairs.forEach(c -> improvements(c).forEach(line -> out.add("  " + line)));
    }
    out.add("");
    out.add(inputs.kind() == CompareKind.CACHE_ROUTING ? "Insights" : "Conclusion");
    out.add(RULE);
    pairs.forEach(c -> out.add(conclusion(c)));
    out.add("");
    note().forEach(out::add);
    return out;
  }

  public List<String> markdown() {
    List<String> out = new ArrayList<>();
    out.add("# " + title());
    out.add("");
    inputs.warnings().forEach(w -> out.add("> warning: " + w));
    if (!inputs.warnings().isEmpty()) {
      out.add("");
    }
    for (Side side : inputs.sides()) {
      out.add("**" + side.title() + "**");
      out.add("");
      facts(side).forEach((k, v) -> out.add("- " + k + ": " + v.replace("|", "\\|")));
      out.add("");
    }
    for (Comparison c : pairs) {
      out.add("## " + versus(c));
      out.add("");
      out.add(
          "| Metric | "
              + c.base().column()
              + " | "
              + c.other().column()
              + " | Change | 95 % interval | Winner |");
      out.add("|---|---:|---:|---:|---:|---|");
      for (ComparisonRow r : c.rows()) {
        out.add(
            String.format(
                Locale.ROOT,
                "| %s | %.2f | %.2f | %s | %s | %s |",
                r.metric().label(),
                r.base(),
                r.other(),
                change(r),
                r.interval().map(ComparisonReport::words).orElse("-"),
                winner(c, r)));
      }
      out.add("");
      bySize(c).forEach(line -> out.add("- " + line));
      out.add("");
      out.add(conclusion(c));
      out.add("");
    }
    out.add(String.join(" ", note()));
    return out;
  }

  /// Keys: each side by its name, `pairs`, `warnings`, `kind`; with two sides also `metrics`.
  public Map<String, Object> plain() {
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("kind", inputs.kind().word);
    out.put("warnings", inputs.warnings());
    inputs.sides().forEach(s -> out.put(s.key(), plain(s)));
    List<Object> all = new ArrayList<>();
    for (Comparison c : pairs) {
      Map<String, Object> pair = new LinkedHashMap<>();
      pair.put("base", c.base().key());
      pair.put("other", c.other().key());
      pair.put("metrics", c.rows().stream().map(r -> plain(c, r)).toList());
      pair.put("by_size", c.bySize().stream().map(ComparisonReport::plain).toList());
      all.add(pair);
      if (pairs.size() == 1) {
        out.put("metrics", pair.get("metrics"));
        out.put("by_size", pair.get("by_size"));
      }
    }
    out.put("pairs", all);
    return out;
  }

  private String title() {
    List<Side> sides = inputs.sides();
    return switch (inputs.kind()) {
      case CACHE_TYPES, STRATEGIES -> inputs.kind().title;
      case CACHE_ROUTING ->
          sides.size() > 2
              ? inputs.kind().title
              : "Benchmark Comparison: "
                  + sides.getFirst().title()
                  + " vs "
                  + sides.getLast().title();
      case RUNS -> sides.getFirst().title() + " vs " + sides.getLast().title();
    };
  }

  private static Map<String, String> facts(Side side) {
    Map<String, String> out = new LinkedHashMap<>();
    ResultFile f = side.newest();
    int n = side.runs().size();
    out.put("File", f.path() + (n > 1 ? " (newest of " + n + " runs)" : ""));
    out.put("Date", f.date());
    out.put("Completed", total(side, true) + (n > 1 ? " in " + n + " runs" : ""));
    out.put("Failed", total(side, false) + (n > 1 ? " in " + n + " runs" : ""));
    if (!f.complete()) {
      out.put("Partial", "yes, interrupted");
    }
    cached(side).text().ifPresent(t -> out.put("Cached tokens", t));
    f.routing()
        .ifPresent(r ->
            r.accuracyText().ifPresent(text -> out.put("Routing accuracy", text + counters(r))));
    return out;
  }

  private static String counters(ResultRouting r) {
    return r.countersAgree()
        .map(a -> a ? "; the instances' counters agree" : "; the instances' counters DISAGREE")
        .orElse("");
  }

  private static ResultFile.CachedTokens cached(Side side) {
    ResultFile.CachedTokens sum = new ResultFile.CachedTokens(0, 0);
    for (ResultFile f : side.runs()) {
      sum = sum.plus(f.cached());
    }
    return sum;
  }

  private static long total(Side side, boolean completed) {
    return side.runs().stream().mapToLong(f -> completed ? f.completed() : f.failed()).sum();
  }

  private static String versus(Comparison c) {
    return c.other().title() + " against " + c.base().title();
  }

  private static String change(ComparisonRow r) {
    return r.changePercent().isPresent()
        ? String.format(Locale.ROOT, "%+.2f %%", r.changePercent().getAsDouble())
        : "n/a";
  }

  private static String words(Interval i) {
    return String.format(Locale.ROOT, "%+.1f to %+.1f %%", i.low(), i.high());
  }

  private static String winner(Comparison c, ComparisonRow r) {
    return switch (r.verdict()) {
      case BASE -> c.base().key();
      case OTHER -> c.other().key();
      case TIE -> "tie";
      case UNTESTED -> "untested";
    };
  }

  /// The three sentences, or one when none says anything.
  public static List<String> bySize(Comparison c) {
    List<Optional<String>> why =
        c.bySize().stream().map(ComparisonBySize::nothing).distinct().toList();
    if (why.size() == 1 && why.getFirst().isPresent()) {
      return List.of("no verdict by size: " + why.getFirst().get());
    }
    return c.bySize().stream().map(ComparisonBySize::text).toList();
  }

  private List<String> summary(Comparison c) {
    List<String> out = new ArrayList<>();
    if (pairs.size() > 1) {
      out.add(versus(c));
    }
    for (Verdict v : List.of(Verdict.BASE, Verdict.OTHER)) {
      Side side = v == Verdict.BASE ? c.base() : c.other();
      List<ComparisonRow> ahead = c.with(v);
      out.add(
          side.title()
              + ": better in "
              + ahead.size()
              + " of "
              + c.rows().size()
              + (ahead.isEmpty() ? "" : ":"));
      ahead.forEach(r -> out.add("  " + r.metric().label() + " (" + change(r) + ")"));
    }
    out.add(
        "Ties: " + c.with(Verdict.TIE).size() + ", untested: " + c.with(Verdict.UNTESTED).size());
    return out;
  }

  private static List<String> improvements(Comparison c) {
    return c.rows().stream()
        .filter(r -> r.changePercent().isPresent())
        .map(r -> {
          double percent = r.changePercent().getAsDouble();
          boolean better = (percent > 0) == r.metric().higherIsBetter();
          String claim =
              switch (r.verdict()) {
                case BASE, OTHER -> better ? "better" : "worse";
                case TIE -> "no difference beyond the noise";
                case UNTESTED -> "untested";
              };
          return String.format(
              Locale.ROOT, "%s: %+.1f %% (%s)", r.metric().label(), percent, claim);
        })
        .toList();
  }

  public static String conclusion(Comparison c) {
    int base = c.with(Verdict.BASE).size();
    int other = c.with(Verdict.OTHER).size();
    String versus = c.other().title() + " against " + c.base().title() + ": ";
    if (!c.base().doubts().isEmpty() || !c.other().doubts().isEmpty()) {
      return versus + "nothing is claimed: a run cannot be trusted, see the warnings.";
    }
    if (Side.otherWork(c.base(), c.other()).isPresent()) {
      return versus + "nothing is claimed: their answers differ in length, see the warnings.";
    }
    if (!c.tested()) {
      return versus + "nothing is claimed: that takes two runs a side or more, better five.";
    }
    if (base == 0 && other == 0) {
      return versus + "no difference beyond the noise.";
    }
    if (base == 0 || other == 0) {
      Side side = base == 0 ? c.other() : c.base();
      return versus + side.title() + " is better wherever a difference is beyond the noise.";
    }
    return versus
        + "each is better in something: "
        + c.base().title()
        + " in "
        + base
        + ", "
        + c.other().title()
        + " in "
        + other
        + " of "
        + c.rows().size()
        + " metrics.";
  }

  private List<String> note() {
    List<Method> methods =
        pairs.stream().flatMap(c -> c.rows().stream()).map(ComparisonRow::method).toList();
    List<String> out = new ArrayList<>();
    out.add(
        "Note: change is "
            + (pairs.size() == 1
                ? pairs.getFirst().other().key() + " against " + pairs.getFirst().base().key()
                : "the first named against the second")
            + "; all winners of a table together are wrong in at most 5 % of the cases (Holm),");
    out.add("and a winner's change is 1 % or more. Each interval stands for itself, at 95 %.");
    if (methods.contains(Method.PAIRED_RUNS)) {
      out.add("Intervals over paired runs: Student's t of the log ratios.");
    }
    if (methods.contains(Method.RUNS)) {
      out.add("Intervals over repeated runs: Welch's t of the logarithms.");
    }
    if (methods.contains(Method.BATCHES)) {
      out.add(
          "Intervals within one run a side are weak (five batches over its time): requests wait");
      out.add("behind each other, and what changes from run to run is not in them.");
    }
    if (methods.stream().noneMatch(Method::overRuns)) {
      out.add("One run a side is no test: \"untested\" says that nothing is claimed.");
    }
    boolean few =
        inputs.sides().stream().anyMatch(s -> s.leastCompleted() < CompareStatistics.LEAST_P99);
    if (few) {
      out.add(
          "P99 has no interval below " + CompareStatistics.LEAST_P99 + " answered requests a run.");
    }
    return out;
  }

  private static Map<String, Object> plain(Side side) {
    ResultFile f = side.newest();
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("file", f.path().toString());
    out.put("files", side.runs().stream().map(r -> r.path().toString()).toList());
    out.put("label", f.label());
    out.put("date", f.date());
    out.put("complete", f.complete());
    out.put("completed", total(side, true));
    out.put("failed", total(side, false));
    out.put("truncated", side.runs().stream().mapToLong(ResultFile::truncated).sum());
    ResultFile.CachedTokens cached = cached(side);
    if (cached.prompt() > 0) {
      out.put("cached_tokens", cached.cached());
      out.put("prompt_tokens", cached.prompt());
    }
    f.routing()
        .filter(r -> r.correct() > 0 || (r.checked() > 0 && r.claimed() == 0))
        .ifPresent(r -> out.put("accuracy", (double) r.correct() / r.sent()));
    Map<String, Object> intervals = new LinkedHashMap<>();
    for (Metric m : Metric.values()) {
      CompareStatistics.ofMean(side.figures(m))
          .ifPresent(i -> intervals.put(m.key(), List.of(i.low(), i.high())));
    }
    out.put("intervals", intervals);
    return out;
  }

  private static Map<String, Object> plain(Comparison c, ComparisonRow r) {
    Map<String, Object> row = new LinkedHashMap<>();
    row.put("name", r.metric().key());
    row.put(c.base().key(), r.base());
    row.put(c.other().key(), r.other());
    row.put(
        "change_percent", r.changePercent().isPresent() ? r.changePercent().getAsDouble() : null);
    row.put("interval_percent", r.interval().map(i -> List.of(i.low(), i.high())).orElse(null));
    row.put("interval_over", r.method().word);
    row.put("p", Double.isNaN(r.p()) ? null : r.p());
    row.put(
        "better",
        switch (r.verdict()) {
          case BASE -> c.base().key();
          case OTHER -> c.other().key();
          case TIE, UNTESTED -> null;
        });
    row.put("verdict", winner(c, r));
    row.put("higher_is_better", r.metric().higherIsBetter());
    return row;
  }

  private static Map<String, Object> plain(ComparisonBySize s) {
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("time", s.kind().label);
    out.put("verdict", s.text());
    out.put("cut", s.cut().isPresent() ? s.cut().getAsLong() : null);
    out.put("unit", s.unit());
    if (s.nothing().isEmpty()) {
      out.put("all", plain(s.whole()));
      out.put("up_to_cut", s.low().map(ComparisonReport::plain).orElse(null));
      out.put("above_cut", s.high().map(ComparisonReport::plain).orElse(null));
    }
    return out;
  }

  private static Map<String, Object> plain(ComparisonBySize.Effect e) {
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("requests", e.requests());
    out.put("change_percent", e.percent());
    out.put("interval_percent", e.interval().map(i -> List.of(i.low(), i.high())).orElse(null));
    out.put("p", Double.isNaN(e.p()) ? null : e.p());
    return out;
  }
}
