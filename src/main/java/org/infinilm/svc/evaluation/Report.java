package org.infinilm.svc.evaluation;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import org.infinilm.svc.evaluation.Figures.Interval;

/// What a study found, as a table for people and JSON for tools.
///
/// @param rate the common one, requests a second
record Report(
    String traffic,
    FleetPlan plan,
    double target,
    double rate,
    List<Study.Result> results,
    List<Course> courses,
    Map<String, List<Share>> shares) {
  Report {
    results = List.copyOf(results);
    courses = List.copyOf(courses);
    shares = Map.copyOf(shares);
  }

  String table() {
    boolean capacities = !results.getFirst().capacity().isEmpty();
    StringBuilder b = new StringBuilder();
    b.append(
        String.format(
            Locale.ROOT,
            "%s before %s, limits: first token %.3g s, each further token %.3g ms; %d seeds%n%n",
            traffic,
            plan.name(),
            plan.ttftNanos() / 1e9,
            plan.tpotNanos() / 1e6,
            results.getFirst().atRate().size()));
    b.append("| policy |");
    if (capacities) {
      b.append(
          String.format(
              Locale.ROOT,
              " capacity, requests/s (%.0f %% within limits) | over %s |",
              100 * target,
              results.getFirst().label()));
    }
    b.append(
        String.format(
            Locale.ROOT,
            " goodput at %.3g/s | mean TTFT, ms | p99 TTFT, ms | mean TPOT, ms | mean time, ms | to static | cut |%n",
            rate));
    b.append(capacities ? "|---|---|---|" : "|---|").append("---|---|---|---|---|---|---|\n");
    for (Study.Result r : results) {
      b.append("| ").append(r.label()).append(" |");
      if (capacities) {
        Interval i = r.over(results.getFirst());
        b.append(
            String.format(
                Locale.ROOT,
                " %s | %s |",
                r.meanCapacity() > 0
                    ? (r.isOpen() ? "> " : "")
                        + String.format(Locale.ROOT, "%.3g", r.meanCapacity())
                    : "none",
                ratio(i)));
      }
      b.append(
          String.format(
              Locale.ROOT,
              " %.1f %% | %.0f | %.0f | %.2f | %.0f | %.0f %% | %.0f |%n",
              100 * mean(r, Figures::goodput),
              mean(r, Figures::meanTtft) / 1e6,
              mean(r, Figures::p99Ttft) / 1e6,
              mean(r, Figures::meanTpot) / 1e6,
              mean(r, Figures::meanWhole) / 1e6,
              100 * mean(r, Figures::toStatic),
              r.atRate().stream().mapToInt(f -> f.cut() + f.refused()).sum() * 1.0));
    }
    for (Course c : courses) {
      b.append(line(c));
    }
    return b.append('\n').toString();
  }

  /// When it is as good as it gets.
  private String line(Course c) {
    int after = c.settledAfter();
    String from = c.what() == Course.What.RUN ? "the start" : "the slow-down";
    String when =
        after == 0
            ? "within 5 % of that from the first " + Course.WINDOW + " requests on"
            : after < 0
                ? "does not stay within 5 % of that in its first half"
                : String.format(
                    Locale.ROOT,
                    "within 5 %% of that after %d requests (%.0f s)",
                    after,
                    after / rate);
    return String.format(
        Locale.ROOT, "%n%s from %s on: finally %.1f %%, %s", c.label(), from, 100 * c.last(), when);
  }

  private static String ratio(Interval i) {
    if (Double.isNaN(i.mean())) {
      return "-";
    }
    String middle = String.format(Locale.ROOT, "%.2f", Math.exp(i.mean()));
    return Double.isNaN(i.half())
        ? middle
        : middle
            + String.format(
                Locale.ROOT,
                " (%.2f to %.2f)",
                Math.exp(i.mean() - i.half()),
                Math.exp(i.mean() + i.half()));
  }

  /// A number, or null where there is none.
  private static void put(ObjectNode o, String field, double value) {
    if (Double.isFinite(value)) {
      o.put(field, value);
    } else {
      o.putNull(field);
    }
  }

  private static double mean(Study.Result r, ToDoubleFunction<Figures> what) {
    return r.atRate().stream().mapToDouble(what).average().orElse(Double.NaN);
  }

  String json() {
    JsonMapper mapper = JsonMapper.builder().build();
    ObjectNode root = mapper.createObjectNode();
    root.put("kind", "infini evaluation");
    root.put("traffic", traffic);
    root.put("fleet", plan.name());
    root.put("ttft_limit_seconds", plan.ttftNanos() / 1e9);
    root.put("tpot_limit_seconds", plan.tpotNanos() / 1e9);
    root.put("threshold_bytes", plan.thresholdBytes());
    root.put("target", target);
    root.put("rate_per_second", rate);
    ArrayNode arms = root.putArray("policies");
    for (Study.Result r : results) {
      ObjectNode a = arms.addObject();
      a.put("policy", r.label());
      if (!r.capacity().isEmpty()) {
        ArrayNode c = a.putArray("capacity_per_second");
        r.capacity().forEach(c::add);
        a.put("capacity_beyond_search", r.isOpen());
        Interval i = r.over(results.getFirst());
        ObjectNode o = a.putObject("capacity_over_" + results.getFirst().label());
        put(o, "ratio", Math.exp(i.mean()));
        put(o, "low", Math.exp(i.mean() - i.half()));
        put(o, "high", Math.exp(i.mean() + i.half()));
      }
      each(a, "goodput", r, Figures::goodput);
      each(a, "mean_ttft_seconds", r, f -> f.meanTtft() / 1e9);
      each(a, "p99_ttft_seconds", r, f -> f.p99Ttft() / 1e9);
      each(a, "mean_tpot_seconds", r, f -> f.meanTpot() / 1e9);
      each(a, "mean_e2el_seconds", r, f -> f.meanWhole() / 1e9);
      each(a, "static_share", r, Figures::toStatic);
      each(a, "cut", r, Figures::cut);
      each(a, "refused", r, Figures::refused);
      List<Share> of = shares.getOrDefault(r.label(), List.of());
      if (!of.isEmpty()) {
        ArrayNode load = a.putArray("load");
        for (Share s : of) {
          ObjectNode i = load.addObject();
          i.put("instance", s.instance());
          i.put("cache_type", s.isStatic() ? "static" : "paged");
          i.put("requests", s.requests());
          i.put("at_once", s.atOnce());
        }
      }
    }
    if (!courses.isEmpty()) {
      ObjectNode by = root.putObject("course");
      by.put("window_requests", Course.WINDOW);
      ArrayNode of = by.putArray("courses");
      for (Course c : courses) {
        ObjectNode one = of.addObject();
        one.put("policy", c.label());
        one.put("from", c.what().label());
        one.put("final", c.last());
        one.put("settled_after_requests", c.settledAfter());
        ArrayNode w = one.putArray("goodput");
        c.windows().forEach(w::add);
      }
    }
    return root.toPrettyString() + "\n";
  }

  private static void each(
      ObjectNode of, String name, Study.Result r, ToDoubleFunction<Figures> what) {
    ArrayNode a = of.putArray(name);
    r.atRate().forEach(f -> a.add(what.applyAsDouble(f)));
  }
}
