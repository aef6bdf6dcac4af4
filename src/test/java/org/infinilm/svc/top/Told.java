package org.infinilm.svc.top;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.infinilm.svc.http.Json;

/// Events as a router tells them.
final class Told {
  private Told() {}

  static Map<String, Object> instance(String name, String pool, String state, double p95) {
    Map<String, Object> m = new TreeMap<>();
    m.put("name", name);
    m.put("pool", pool);
    m.put("state", state);
    m.put("in_flight", 1);
    m.put("seats", pool.equals("static") ? 2 : null);
    m.put("ttft_p95", p95 < 0 ? null : p95);
    m.put("errors_last_minute", 0);
    m.put("requests_last_minute", p95 < 0 ? 0 : 5);
    m.put("requests_total", 12);
    m.put("kv_cache_usage", p95 < 0 ? null : 0.425);
    m.put("restarts", p95 < 0 ? null : 3);
    m.put("models", List.of("m"));
    m.put("drained_here", state.equals("draining"));
    return m;
  }

  private static Map<String, Object> pool(String name, Object rate) {
    Map<String, Object> m = new TreeMap<>();
    m.put("pool", name);
    m.put("requests_per_second", rate);
    m.put("ttft_p50", 0.024);
    m.put("ttft_p95", null);
    m.put("tpot_p50", 0.0066);
    m.put("in_flight", 1);
    m.put("seats", null);
    Map<String, Object> tokens = new TreeMap<>();
    tokens.put("completion", 57.25);
    m.put("tokens_per_second", tokens);
    return m;
  }

  private static Map<String, Object> decision(long sequence, String instance) {
    Map<String, Object> m = new TreeMap<>();
    m.put("sequence", sequence);
    m.put("time", "2026-11-28T20:31:05.250Z");
    m.put("size", 51_200);
    m.put("instance", instance);
    m.put("pool", "paged");
    m.put("reason", "size");
    m.put("ttft_seconds", 0.5);
    m.put("total_seconds", null);
    m.put("outcome", "ok");
    m.put("status", 200);
    return m;
  }

  static Map<String, Object> explained() {
    Map<String, Object> m = decision(1, "s");
    m.put("request_id", "mine");
    m.put("method", "POST");
    m.put("path", "/v1/chat/completions");
    m.put("model", "m");
    m.put("metric", "body");
    m.put("size", 60_174);
    m.put("threshold", 51_200);
    m.put("pool", "static");
    m.put("attempts", 2);
    m.put("failed_instances", List.of("t"));
    m.put("queue_seconds", 1.0);
    m.put("ttft_seconds", 3.0);
    m.put("total_seconds", 4.0);
    m.put("prompt_tokens", 70);
    m.put("completion_tokens", 9);
    Map<String, Object> p =
        new TreeMap<>(Map.of("instance", "p", "pool", "paged", "why", "other pool"));
    p.put("capacity_tokens", 1000);
    m.put("candidates", List.of(p));
    m.put("candidates_total", 1);
    return m;
  }

  static byte[] data(boolean whole, Object rate, List<Map<String, Object>> instances) {
    Map<String, Object> m = new TreeMap<>();
    m.put("epoch_ms", 1_795_897_865_000L);
    m.put(
        "summary",
        Map.of(
            "status",
            "serving",
            "instances",
            2,
            "routable",
            1,
            "in_flight",
            2,
            "queued",
            3,
            "errors_last_minute",
            0));
    m.put("pools", List.of(pool("paged", rate), pool("static", rate)));
    m.put("instances", instances);
    m.put(
        "flights",
        Map.of("queued", 1, "prefill", 2, "decode", 3, "oldest", List.of(), "whole", true));
    m.put("reasons", Map.of("size", 1));
    List<Object> decisions = new ArrayList<>();
    decisions.add(decision(whole ? 7 : 8, "a"));
    m.put("decisions", decisions);
    if (whole) {
      m.put("router", Map.of("policy", "cache-type", "metric", "body"));
      m.put(
          "events",
          List.of(
              Map.of(
                  "sequence",
                  1,
                  "epoch_ms",
                  1L,
                  "instance",
                  "a",
                  "state",
                  "ejected",
                  "why",
                  "gone \u001b[31m")));
    }
    return Json.bytes(m);
  }

  static Board board(List<Map<String, Object>> instances) {
    Board b = new Board();
    try {
      b.take("snapshot", Json.tree(data(true, null, instances)), 1);
      b.take("tick", Json.tree(data(false, 4.0, instances)), 2);
      b.take("tick", Json.tree(data(false, 8.0, List.of())), 3);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return b;
  }

  /// A fleet of which most are out, and whose requests fail.
  static Board bad(List<Map<String, Object>> instances) {
    Board b = new Board();
    Map<String, Object> m = new TreeMap<>();
    m.put("epoch_ms", 1_795_897_865_000L);
    Map<String, Object> summary = new TreeMap<>();
    summary.put("status", "degraded");
    summary.put("instances", 16);
    summary.put("routable", 12);
    summary.put("in_flight", 1234);
    summary.put("queued", 345);
    summary.put("errors_last_minute", 6789);
    summary.put("requests_per_second", 123.4);
    m.put("summary", summary);
    m.put("pools", List.of(pool("paged", 123.4)));
    m.put("instances", instances);
    Map<String, Object> decision = decision(7, "a");
    decision.put("outcome", "upstream_error");
    decision.put("status", 502);
    m.put("decisions", List.of(decision));
    try {
      b.take("snapshot", Json.tree(Json.bytes(m)), 1);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return b;
  }

  static byte[] event(String name, byte[] data) {
    return ("event: " + name + "\ndata: " + new String(data, StandardCharsets.UTF_8) + "\n\n")
        .getBytes(StandardCharsets.UTF_8);
  }
}
