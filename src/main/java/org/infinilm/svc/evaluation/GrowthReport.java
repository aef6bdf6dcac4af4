package org.infinilm.svc.evaluation;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

/// What many routers came to, as a table for people and JSON for tools. Pure.
final class GrowthReport {
  private GrowthReport() {}

  static String table(Growth g, List<Growth.Row> rows) {
    StringBuilder b = new StringBuilder();
    b.append(
        String.format(
            Locale.ROOT,
            "%s before %s at %.0f/s, limits: first token %.3g s, each further token %.3g ms; %d seeds%n%n",
            g.traffic().name(),
            g.plan().name(),
            g.rate(),
            g.plan().ttftNanos() / 1e9,
            g.plan().tpotNanos() / 1e6,
            g.seeds()));
    b.append(
        "| policy | goodput | TTFT p50, ms | p99, ms | busiest / mean | variation | key stays | cached | refused | over its seats | back / mean |\n");
    b.append("|---|---|---|---|---|---|---|---|---|---|---|\n");
    for (Growth.Row r : rows) {
      b.append(
          String.format(
              Locale.ROOT,
              "| %s | %.1f %% | %.0f | %.0f | %.2f | %.2f | %.1f %% | %.1f %% | %.0f | %.1f %% | %.1f |%n",
              r.label(),
              100 * mean(r.figures(), Figures::goodput),
              mean(r.figures(), Figures::p50Ttft) / 1e6,
              mean(r.figures(), Figures::p99Ttft) / 1e6,
              mean(r.spread(), Spread::maxOverMean),
              mean(r.spread(), Spread::variation),
              100 * mean(r.spread(), Spread::stayed),
              100 * mean(r.spread(), Spread::cachedShare),
              mean(r.figures(), Figures::refused),
              100 * mean(r.spread(), Spread::overSeats),
              mean(r.spread(), Spread::herd)));
    }
    return b.append('\n').toString();
  }

  static String json(Growth g, List<Growth.Row> rows) {
    JsonMapper mapper = JsonMapper.builder().build();
    ObjectNode root = mapper.createObjectNode();
    root.put("kind", "infini evaluation");
    root.put("traffic", g.traffic().name());
    root.put("fleet", g.plan().name());
    root.put("ttft_limit_seconds", g.plan().ttftNanos() / 1e9);
    root.put("tpot_limit_seconds", g.plan().tpotNanos() / 1e9);
    root.put("threshold_bytes", g.plan().thresholdBytes());
    root.put("rate_per_second", g.rate());
    ArrayNode arms = root.putArray("policies");
    for (Growth.Row r : rows) {
      ObjectNode a = arms.addObject();
      a.put("policy", r.label());
      a.put("routers", r.routers());
      a.put("sharing", r.sharing().label());
      each(a, "goodput", r.figures(), Figures::goodput);
      each(a, "mean_ttft_seconds", r.figures(), f -> f.meanTtft() / 1e9);
      each(a, "p50_ttft_seconds", r.figures(), f -> f.p50Ttft() / 1e9);
      each(a, "p99_ttft_seconds", r.figures(), f -> f.p99Ttft() / 1e9);
      each(a, "mean_tpot_seconds", r.figures(), f -> f.meanTpot() / 1e9);
      each(a, "mean_e2el_seconds", r.figures(), f -> f.meanWhole() / 1e9);
      each(a, "refused", r.figures(), Figures::refused);
      each(a, "cut", r.figures(), Figures::cut);
      each(a, "mean_load", r.spread(), Spread::meanLoad);
      each(a, "busiest_over_mean", r.spread(), Spread::maxOverMean);
      each(a, "load_variation", r.spread(), Spread::variation);
      each(a, "key_stays", r.spread(), Spread::stayed);
      each(a, "cached_share", r.spread(), Spread::cachedShare);
      each(a, "over_seats", r.spread(), Spread::overSeats);
      each(a, "back_over_mean", r.spread(), Spread::herd);
    }
    return root.toPrettyString() + "\n";
  }

  private static <T> double mean(List<T> of, ToDoubleFunction<T> what) {
    return of.stream().mapToDouble(what).average().orElse(Double.NaN);
  }

  private static <T> void each(ObjectNode to, String name, List<T> of, ToDoubleFunction<T> what) {
    ArrayNode a = to.putArray(name);
    of.forEach(f -> a.add(what.applyAsDouble(f)));
  }
}
