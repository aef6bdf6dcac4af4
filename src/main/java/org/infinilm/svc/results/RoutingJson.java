package org.infinilm.svc.results;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.util.Map;
import org.infinilm.svc.accuracy.Routing;
import org.jspecify.annotations.Nullable;

/// The `routing` member of a result file.
final class RoutingJson {
  private RoutingJson() {}

  static void write(JsonGenerator g, @Nullable Routing r) throws IOException {
    if (r == null) {
      g.writeNull();
      return;
    }
    g.writeStartObject();
    number(g, "threshold", r.threshold());
    text(g, "metric", r.metric());
    g.writeNumberField("sent", r.sent());
    g.writeNumberField("answered", r.answered());
    g.writeNumberField("checked", r.checked());
    g.writeNumberField("correct", r.correct());
    g.writeNumberField("claimed", r.claimed());
    g.writeNumberField("proven", r.proven());
    g.writeNumberField("misattributed", r.misattributed());
    BenchResult.number(g, "accuracy", r.accuracy());
    g.writeNumberField("size_mismatches", r.sizeMismatches());
    g.writeObjectFieldStart("pools");
    for (Map.Entry<String, Routing.PoolShare> e : r.pools().entrySet()) {
      g.writeObjectFieldStart(e.getKey());
      g.writeNumberField("requests", e.getValue().requests());
      g.writeNumberField("min_bytes", e.getValue().minBytes());
      g.writeNumberField("median_bytes", e.getValue().medianBytes());
      g.writeNumberField("max_bytes", e.getValue().maxBytes());
      g.writeEndObject();
    }
    g.writeEndObject();
    g.writeObjectFieldStart("instances");
    for (Map.Entry<String, Routing.InstanceShare> e : r.instances().entrySet()) {
      g.writeObjectFieldStart(e.getKey());
      g.writeStringField("pool", e.getValue().pool());
      g.writeNumberField("requests", e.getValue().requests());
      number(g, "counted", e.getValue().counted());
      g.writeEndObject();
    }
    g.writeEndObject();
    g.writeObjectFieldStart("reasons");
    for (Map.Entry<String, Integer> e : r.reasons().entrySet()) {
      g.writeNumberField(e.getKey(), e.getValue());
    }
    g.writeEndObject();
    g.writeArrayFieldStart("exceptions");
    for (Routing.Astray a : r.exceptions()) {
      g.writeStartObject();
      g.writeNumberField("index", a.index());
      text(g, "request_id", a.requestId());
      g.writeNumberField("size", a.size());
      g.writeStringField("expected", a.expected());
      g.writeStringField("pool", a.pool());
      text(g, "instance", a.instance());
      text(g, "reason", a.reason());
      g.writeEndObject();
    }
    g.writeEndArray();
    g.writeNumberField("exceptions_total", r.exceptionsTotal());
    if (r.countersAgree() == null) {
      g.writeNullField("counters_agree");
    } else {
      g.writeBooleanField("counters_agree", r.countersAgree());
    }
    g.writeEndObject();
  }

  private static void number(JsonGenerator g, String name, @Nullable Long n) throws IOException {
    if (n == null) {
      g.writeNullField(name);
    } else {
      g.writeNumberField(name, n);
    }
  }

  private static void text(JsonGenerator g, String name, @Nullable String value)
      throws IOException {
    if (value == null) {
      g.writeNullField(name);
    } else {
      g.writeStringField(name, value);
    }
  }
}
