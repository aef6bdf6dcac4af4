package org.infinilm.svc.bench;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;

/// A paged and a static result side by side. Pure.
///
/// @param pagedFiles how many files of that side were given; the newest is compared
record Comparison(ResultFile paged, ResultFile statik, int pagedFiles, int staticFiles) {
  /// Differences up to this share count as equal.
  private static final double TIE_PERCENT = 1.0;

  private static final int WIDTH = 78;

  /// Change from paged to static in percent; empty when the paged figure is zero.
  OptionalDouble change(Metric m) {
    double from = figure(paged, m);
    return from == 0
        ? OptionalDouble.empty()
        : OptionalDouble.of((figure(statik, m) - from) / Math.abs(from) * 100);
  }

  /// The side with the better figure, or null for a difference of at most 1 %.
  @Nullable Side better(Metric m) {
    double p = figure(paged, m);
    double s = figure(statik, m);
    OptionalDouble change = change(m);
    if (p == s || (change.isPresent() && Math.abs(change.getAsDouble()) <= TIE_PERCENT)) {
      return null;
    }
    return (s > p) == m.higherIsBetter() ? Side.STATIC : Side.PAGED;
  }

  List<String> report() {
    List<String> out = new ArrayList<>();
    out.add("=".repeat(WIDTH));
    out.add("Cache Type Comparison: Paged vs Static");
    out.add("=".repeat(WIDTH));
    block(out, Side.PAGED, paged, pagedFiles);
    block(out, Side.STATIC, statik, staticFiles);
    out.add("");
    out.add("Performance Comparison");
    out.add("-".repeat(WIDTH));
    out.add(
        String.format(
            Locale.ROOT,
            "%-24s %16s %16s %12s  %s",
            "Metric",
            "Paged",
            "Static",
            "Change",
            "Better"));
    out.add("-".repeat(WIDTH));
    for (Metric m : Metric.values()) {
      Side better = better(m);
      out.add(
          String.format(
              Locale.ROOT,
              "%-24s %16.2f %16.2f %12s  %s",
              m.label(),
              figure(paged, m),
              figure(statik, m),
              percent(change(m)),
              better == null ? "-" : better.label()));
    }
    out.add("");
    out.add("Summary");
    out.add("-".repeat(WIDTH));
    for (Side side : Side.values()) {
      List<String> ahead = new ArrayList<>();
      for (Metric m : Metric.values()) {
        if (better(m) == side) {
          ahead.add("  " + m.label() + " (" + percent(change(m)) + ")");
        }
      }
      out.add(
          side.title()
              + " better by more than 1 % in "
              + ahead.size()
              + " of "
              + Metric.values().length
              + (ahead.isEmpty() ? "" : ":"));
      out.addAll(ahead);
    }
    out.add("");
    out.add("Note: change is static against paged. One run of each: without repeats, small");
    out.add("differences are noise. Two sides that served different sizes of request are not");
    out.add("rivals; compare each with itself under another threshold.");
    return out;
  }

  private static void block(List<String> out, Side side, ResultFile f, int files) {
    out.add("");
    out.add(side.title());
    out.add("  File: " + f.path() + (files > 1 ? " (newest of " + files + ")" : ""));
    out.add("  Date: " + f.date());
    out.add("  Completed: " + f.completed());
    out.add("  Failed: " + f.failed());
  }

  /// The same as plain values for JSON.
  Map<String, Object> plain() {
    List<Object> metrics = new ArrayList<>();
    for (Metric m : Metric.values()) {
      Map<String, Object> row = new LinkedHashMap<>();
      row.put("name", m.key());
      row.put("paged", figure(paged, m));
      row.put("static", figure(statik, m));
      OptionalDouble change = change(m);
      row.put("change_percent", change.isPresent() ? change.getAsDouble() : null);
      Side better = better(m);
      row.put("better", better == null ? null : better.label());
      row.put("higher_is_better", m.higherIsBetter());
      metrics.add(row);
    }
    return Map.of("paged", plain(paged), "static", plain(statik), "metrics", metrics);
  }

  private static Map<String, Object> plain(ResultFile f) {
    return Map.of(
        "file",
        f.path().toString(),
        "label",
        f.label(),
        "date",
        f.date(),
        "completed",
        f.completed(),
        "failed",
        f.failed());
  }

  private static double figure(ResultFile f, Metric m) {
    Double v = f.figures().get(m);
    if (v == null) {
      throw new IllegalArgumentException(f.path() + " has no " + m.key());
    }
    return v;
  }

  private static String percent(OptionalDouble change) {
    return change.isPresent()
        ? String.format(Locale.ROOT, "%+.2f %%", change.getAsDouble())
        : "n/a";
  }
}
