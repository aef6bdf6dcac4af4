package org.infinilm.svc.engine;

import io.prometheus.metrics.core.datapoints.CounterDataPoint;
import io.prometheus.metrics.core.datapoints.DistributionDataPoint;
import io.prometheus.metrics.core.datapoints.GaugeDataPoint;
import io.prometheus.metrics.core.metrics.Counter;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.infinilm.svc.telemetry.Metrics;

/// What the engine counts, under vLLM's names where vLLM has one. Thread-safe.
final class EngineMetrics {
  /// How a generation request ended.
  enum Outcome {
    OK,
    CLIENT_ERROR,
    CLIENT_GONE,
    REJECTED,
    INTERNAL
  }

  private static final double NANOS = 1e9;
  private static final double[] FIRST_TOKEN_SECONDS = {
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80
  };
  private static final double[] REQUEST_SECONDS = {
    0.05, 0.1, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480
  };

  private final Metrics metrics = new Metrics();
  private final Counter requests =
      metrics.counter("infini_engine_requests_total", "Finished generation requests.", "outcome");
  private final GaugeDataPoint running;
  private final GaugeDataPoint waiting;
  private final GaugeDataPoint cacheUsage;
  private final CounterDataPoint promptTokens;
  private final CounterDataPoint generatedTokens;
  private final CounterDataPoint prefixHits;
  private final CounterDataPoint prefixQueries;
  private final DistributionDataPoint firstToken;
  private final DistributionDataPoint request;

  /// @param model the served model's name
  EngineMetrics(String model, int blockTokens, int blocks) {
    for (Outcome o : Outcome.values()) {
      requests.initLabelValues(label(o));
    }
    String label = "model_name";
    running =
        metrics
            .gauge("vllm:num_requests_running", "Requests with a sequence.", label)
            .labelValues(model);
    waiting =
        metrics
            .gauge("vllm:num_requests_waiting", "Requests in the queue.", label)
            .labelValues(model);
    cacheUsage =
        metrics
            .gauge(
                "vllm:kv_cache_usage_perc",
                "Share of the cache that running requests hold, 0 to 1.",
                label)
            .labelValues(model);
    promptTokens = counter("vllm:prompt_tokens_total", "Tokens of prompts.", model);
    generatedTokens = counter("vllm:generation_tokens_total", "Tokens generated.", model);
    prefixHits =
        counter("vllm:prefix_cache_hits_total", "Tokens of prompts found in the cache.", model);
    prefixQueries =
        counter("vllm:prefix_cache_queries_total", "Tokens looked up in the cache.", model);
    firstToken =
        metrics
            .histogram(
                "vllm:time_to_first_token_seconds",
                "From arrival to the first token.",
                FIRST_TOKEN_SECONDS,
                label)
            .labelValues(model);
    request =
        metrics
            .histogram(
                "vllm:e2e_request_latency_seconds",
                "From arrival to the last token.",
                REQUEST_SECONDS,
                label)
            .labelValues(model);
    metrics.info(
        "vllm:cache_config",
        "Layout of the cache.",
        new TreeMap<>(
            Map.of(
                "block_size",
                Integer.toString(blockTokens),
                "num_gpu_blocks",
                Integer.toString(blocks))));
  }

  private CounterDataPoint counter(String name, String help, String model) {
    return metrics.counter(name, help, "model_name").labelValues(model);
  }

  private static String label(Outcome o) {
    return o.name().toLowerCase(Locale.ROOT);
  }

  void finished(Outcome outcome) {
    requests.labelValues(label(outcome)).inc();
  }

  void admitted(int tokens, int cachedTokens) {
    promptTokens.inc(tokens);
    prefixQueries.inc(tokens);
    prefixHits.inc(cachedTokens);
  }

  void generated(int tokens) {
    generatedTokens.inc(tokens);
  }

  void firstToken(long nanos) {
    firstToken.observe(nanos / NANOS);
  }

  void ended(long nanos) {
    request.observe(nanos / NANOS);
  }

  void waiting(int requests) {
    waiting.set(requests);
  }

  void running(int requests, double cacheShare) {
    running.set(requests);
    cacheUsage.set(cacheShare);
  }

  byte[] scrape() {
    return metrics.scrape();
  }
}
