package org.infinilm.svc.simulator;

import io.prometheus.metrics.core.metrics.Counter;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.Request;
import org.infinilm.svc.telemetry.Metrics;
import org.jspecify.annotations.Nullable;

/// Counts generation requests and remembers the last one. Thread-safe.
final class Book {
  /// How a generation request ended; the words are the metric's.
  enum Outcome {
    OK,
    CLIENT_ERROR,
    CLIENT_GONE,
    REJECTED,
    INTERNAL
  }

  private final Metrics metrics = new Metrics();

  /// Names this instance in its answers and in its metrics, and nowhere else.
  private final String fingerprint =
      "fp_" + HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextLong());

  private final Counter finished =
      metrics.counter(
          "infini_engine_requests_total", "Finished generation requests by outcome.", "outcome");
  private final AtomicLong requests = new AtomicLong();
  private final AtomicInteger running = new AtomicInteger();
  private final Map<Outcome, AtomicLong> outcomes = new LinkedHashMap<>();
  private volatile @Nullable Request last;

  Book(Pump pump, String cacheType) {
    for (Outcome o : Outcome.values()) {
      outcomes.put(o, new AtomicLong());
      finished.initLabelValues(label(o));
    }
    metrics.gauge(
        "vllm:num_requests_running",
        "Sequences in the engine's batch.",
        c -> c.call(pump.running()));
    metrics.gauge(
        "vllm:num_requests_waiting",
        "Requests in the engine's queue.",
        c -> c.call(pump.waiting()));
    metrics.gauge(
        "vllm:kv_cache_usage_perc",
        "Share of the KV cache in use, 0..1.",
        c -> c.call(pump.cacheUsage()));
    metrics.info(
        "infini_instance",
        "The system_fingerprint of this instance's answers, and what its KV cache is.",
        new TreeMap<>(Map.of("cache_type", cacheType, "fingerprint", fingerprint)));
  }

  /// The `system_fingerprint` of every answer.
  String fingerprint() {
    return fingerprint;
  }

  private static String label(Outcome o) {
    return o.name().toLowerCase(Locale.ROOT);
  }

  void begun(Request request) {
    last = request;
    requests.incrementAndGet();
    running.incrementAndGet();
  }

  void ended(Outcome outcome) {
    running.decrementAndGet();
    count(outcome).incrementAndGet();
    finished.labelValues(label(outcome)).inc();
  }

  private AtomicLong count(Outcome outcome) {
    AtomicLong n = outcomes.get(outcome);
    if (n == null) {
      throw new IllegalStateException(outcome.name());
    }
    return n;
  }

  long requests() {
    return requests.get();
  }

  /// Requests taken and not settled, those held by a fault included.
  int running() {
    return running.get();
  }

  /// Requests that ended so.
  long endedAs(Outcome outcome) {
    return count(outcome).get();
  }

  @Nullable Request last() {
    return last;
  }

  byte[] scrape() {
    return metrics.scrape();
  }

  /// What `/stats` shows; no request text and no credential.
  Map<String, Object> stats(String instance) {
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("name", instance);
    out.put("requests", requests());
    out.put("running", running());
    out.put("cancelled", endedAs(Outcome.CLIENT_GONE));
    Map<String, Object> byOutcome = new LinkedHashMap<>();
    outcomes.forEach((o, n) -> byOutcome.put(label(o), n.get()));
    out.put("outcomes", byOutcome);
    Request r = last;
    if (r != null) {
      out.put(
          "last",
          Map.of(
              "body_bytes",
              r.body().length,
              "headers",
              r.headers().fields().stream().map(Book::shown).toList(),
              "method",
              r.method(),
              "target",
              target(r)));
    }
    return out;
  }

  static String target(Request r) {
    return r.rawQuery() == null ? r.path() : r.path() + "?" + r.rawQuery();
  }

  private static Map<String, String> shown(Header h) {
    String name = h.name().toLowerCase(Locale.ROOT);
    boolean secret =
        name.contains("auth")
            || name.contains("cookie")
            || name.contains("key")
            || name.contains("token")
            || name.contains("secret");
    return Map.of("name", h.name(), "value", secret ? "(hidden)" : h.value());
  }
}
