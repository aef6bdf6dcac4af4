package org.infinilm.svc.results;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.util.List;
import org.infinilm.svc.load.LoadSample;
import org.jspecify.annotations.Nullable;

/// The arrays of a result file, one element a request.
final class ResultArrays {
  private ResultArrays() {}

  static void lengths(JsonGenerator g, List<LoadSample> all) throws IOException {
    g.writeArrayFieldStart("input_lens");
    for (LoadSample s : all) {
      g.writeNumber(Math.max(0, s.promptTokens()));
    }
    g.writeEndArray();
    g.writeArrayFieldStart("output_lens");
    for (LoadSample s : all) {
      g.writeNumber(s.ok() ? s.answerTokens() : 0);
    }
    g.writeEndArray();
  }

  static void ttfts(JsonGenerator g, List<LoadSample> all) throws IOException {
    g.writeArrayFieldStart("ttfts");
    for (LoadSample s : all) {
      g.writeNumber(s.first() < 0 ? 0.0 : s.ttftSeconds());
    }
    g.writeEndArray();
  }

  static void itls(JsonGenerator g, List<LoadSample> all) throws IOException {
    g.writeArrayFieldStart("itls");
    for (LoadSample s : all) {
      g.writeStartArray();
      for (int k = 0; k < s.gapCount(); k++) {
        g.writeNumber(s.gap(k));
      }
      g.writeEndArray();
    }
    g.writeEndArray();
  }

  static void latencies(JsonGenerator g, List<LoadSample> all) throws IOException {
    g.writeArrayFieldStart("latencies");
    for (LoadSample s : all) {
      g.writeNumber(s.ok() ? s.latencySeconds() : 0.0);
    }
    g.writeEndArray();
  }

  static void starts(JsonGenerator g, List<LoadSample> all) throws IOException {
    g.writeArrayFieldStart("start_times");
    for (LoadSample s : all) {
      g.writeNumber(s.sent() / 1e9);
    }
    g.writeEndArray();
  }

  static void queueTimes(JsonGenerator g, List<LoadSample> all) throws IOException {
    g.writeArrayFieldStart("queue_times");
    for (LoadSample s : all) {
      g.writeNumber(s.queueSeconds());
    }
    g.writeEndArray();
  }

  static void texts(JsonGenerator g, List<LoadSample> all, boolean texts) throws IOException {
    g.writeArrayFieldStart("generated_texts");
    for (LoadSample s : all) {
      g.writeString(texts && s.text() != null ? s.text() : "");
    }
    g.writeEndArray();
  }

  static void errors(JsonGenerator g, List<LoadSample> all) throws IOException {
    g.writeArrayFieldStart("errors");
    for (LoadSample s : all) {
      g.writeString(s.ok() || s.detail() == null ? "" : s.detail());
    }
    g.writeEndArray();
  }

  static void request(JsonGenerator g, LoadSample s) throws IOException {
    boolean ok = s.ok();
    g.writeStartObject();
    g.writeNumberField("index", s.index());
    g.writeNumberField("start_s", s.intended() / 1e9);
    g.writeNumberField("size_bytes", s.bodyBytes());
    g.writeNumberField("status", s.status());
    g.writeStringField("outcome", s.outcome() == null ? "client_gone" : s.outcome().label());
    text(g, "pool", s.pool());
    text(g, "instance", s.instance());
    text(g, "reason", s.reason());
    count(g, "attempts", s.attempts());
    count(g, "input_tokens", s.promptTokens());
    count(g, "output_tokens", ok || s.truncated() ? s.answerTokens() : -1);
    count(g, "cached_tokens", s.cachedTokens());
    count(g, "asked_tokens", s.askedTokens() > 0 ? s.askedTokens() : -1);
    text(g, "finish_reason", s.finishReason());
    BenchResult.number(g, "ttft_s", s.first() < 0 ? Double.NaN : (s.first() - s.intended()) / 1e9);
    BenchResult.number(
        g, "tpot_s", ok && s.answerTokens() > 1 ? LoadFigures.tpotSeconds(s) : Double.NaN);
    long last = s.last() >= 0 ? s.last() : s.end();
    BenchResult.number(g, "e2e_s", last < 0 ? Double.NaN : (last - s.intended()) / 1e9);
    g.writeNumberField("late_s", (s.sent() - s.intended()) / 1e9);
    count(g, "conversation", s.item().conversation());
    text(g, "request_id", s.requestId());
    if (s.rampUp()) {
      g.writeBooleanField("ramp_up", true);
    }
    if (!ok && s.failure() != null) {
      g.writeStringField("error", s.failure());
    }
    g.writeEndObject();
  }

  private static void text(JsonGenerator g, String name, @Nullable String value)
      throws IOException {
    if (value == null) {
      g.writeNullField(name);
    } else {
      g.writeStringField(name, value);
    }
  }

  /// -1 is null.
  private static void count(JsonGenerator g, String name, int n) throws IOException {
    if (n < 0) {
      g.writeNullField(name);
    } else {
      g.writeNumberField(name, n);
    }
  }
}
