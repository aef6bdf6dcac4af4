package org.infinilm.svc.top;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/// What other thresholds would have come to, for people. Stateless.
final class WhatIfTable {
  private WhatIfTable() {}

  static void print(JsonNode said, PrintStream out) {
    JsonNode ttft = said.path("fit").path("ttft");
    boolean streams = ttft.path("requests").asInt() > 0;
    JsonNode fit = streams ? ttft : said.path("fit").path("total");
    out.printf(
        Locale.ROOT,
        "the last %d answered requests of %s, simulated; of the time to %s it misses %s on average (%s; median recorded %s, simulated %s)%n",
        said.path("requests").asInt(),
        Words.printable(said.path("model").asText()),
        streams ? "the first token" : "the whole answer",
        Words.percent(fit.path("error_share")),
        Words.seconds(fit.path("error_seconds")),
        Words.seconds(fit.path("recorded_p50")),
        Words.seconds(fit.path("simulated_p50")));
    if (!said.path("policy").asText().equals("cache-type")) {
      out.println(
          "this router decides by "
              + Words.printable(said.path("policy").asText())
              + "; these are the size rule's");
    }
    List<String[]> rows = new ArrayList<>();
    rows.add(
        new String[] {
          "THRESHOLD",
          "TO STATIC",
          "TTFT P50",
          "TTFT P95",
          "PAGED P95",
          "AT ONCE",
          "STATIC P95",
          "AT ONCE",
          "TOTAL P95",
          ""
        });
    JsonNode was = said.path("recorded");
    rows.add(
        new String[] {
          "recorded",
          "-",
          Words.seconds(was.path("ttft_p50")),
          Words.seconds(was.path("ttft_p95")),
          "-",
          "-",
          "-",
          "-",
          Words.seconds(was.path("total_p95")),
          ""
        });
    for (JsonNode c : said.path("thresholds")) {
      rows.add(
          new String[] {
            c.path("threshold").asText(),
            Words.percent(c.path("static").path("share")),
            Words.seconds(c.path("ttft_p50")),
            Words.seconds(c.path("ttft_p95")),
            Words.seconds(c.path("paged").path("ttft_p95")),
            atOnce(c.path("paged")),
            Words.seconds(c.path("static").path("ttft_p95")),
            atOnce(c.path("static")),
            Words.seconds(c.path("total_p95")),
            notes(c)
          });
    }
    InstancePrograms.table(rows, out);
  }

  private static String atOnce(JsonNode pool) {
    return String.format(Locale.ROOT, "%.1f", pool.path("at_once").asDouble());
  }

  private static String notes(JsonNode c) {
    List<String> out = new ArrayList<>();
    for (String w : List.of("in_force", "learned", "asked")) {
      if (c.path(w).asBoolean()) {
        out.add(w.replace('_', ' '));
      }
    }
    int lost = c.path("not_held").asInt();
    if (lost > 0) {
      out.add(lost + " not held");
    }
    return String.join(", ", out);
  }
}
