package org.infinilm.svc.engine;

import io.prometheus.metrics.core.datapoints.CounterDataPoint;
import io.prometheus.metrics.core.datapoints.DistributionDataPoint;
import io.prometheus.metrics.core.datapoints.GaugeDataPoint;
import io.prometheus.metrics.core.metrics.Counter;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.BooleanSupplier;
import org.infinilm.svc.http.ApiError;
import org.infinilm.svc.telemetry.Metrics;

/// What the engine counts, under vLLM's names and labels where vLLM has one. Thread-safe.
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
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40,
    80, 160, 640
  };
  private static final double[] NEXT_TOKEN_SECONDS = {
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5,
    7.5, 10, 20, 40, 80
  };
  private static final double[] REQUEST_SECONDS = {
    0.01, 0.05, 0.1, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480,
    960, 1920, 7680
  };
  private static final double[] TOKENS = {
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000
  };
  private static final double[] STEP_TOKENS = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512};
  private static final double[] CANCEL_STEPS = {0, 1, 2, 4, 8};

  /// vLLM numbers its engines; a process here has one.
  private static final String ENGINE = "0";

  private final Metrics metrics = new Metrics();

  /// Names this process in its answers and in its metrics, and nowhere else: whoever has both knows
  /// which instance answered, whatever a proxy between says.
  private final String fingerprint =
      "fp_" + HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextLong());

  private final String model;
  private final Counter requests =
      metrics.counter("infini_engine_requests_total", "Finished generation requests.", "outcome");
  private final Counter embeddings =
      metrics.counter(
          "infini_engine_embedding_requests_total",
          "Finished requests for embeddings, where they are made.",
          "outcome");
  private final Counter success;
  private final GaugeDataPoint running;
  private final GaugeDataPoint waiting;
  private final GaugeDataPoint cacheUsage;
  private final GaugeDataPoint cells;
  private final CounterDataPoint promptTokens;
  private final CounterDataPoint generatedTokens;
  private final CounterDataPoint prefixHits;
  private final CounterDataPoint prefixQueries;
  private final CounterDataPoint steps;
  private final CounterDataPoint defragmentations;
  private final CounterDataPoint halvings;
  private final CounterDataPoint embeddingTokens;
  private final CounterDataPoint embeddingBatches;
  private final GaugeDataPoint kept;
  private final DistributionDataPoint stepTokens;
  private final DistributionDataPoint stepAnswers;
  private final DistributionDataPoint cancelSteps;
  private final DistributionDataPoint requestPromptTokens;
  private final DistributionDataPoint requestTokens;
  private final DistributionDataPoint firstToken;
  private final DistributionDataPoint nextToken;
  private final DistributionDataPoint endToEnd;
  private final DistributionDataPoint queued;
  private final DistributionDataPoint prefill;
  private final DistributionDataPoint decode;
  private final DistributionDataPoint inference;

  /// @param model the served model's name
  /// @param pooled paged cache, otherwise static
  EngineMetrics(String model, boolean pooled, int blockTokens, int blocks) {
    this.model = model;
    for (Outcome o : Outcome.values()) {
      requests.initLabelValues(label(o));
      embeddings.initLabelValues(label(o));
    }
    success =
        metrics.counter(
            "vllm:request_success_total",
            "Requests that have ended, by reason.",
            "engine",
            "finished_reason",
            "model_name");
    for (String reason : List.of("stop", "length", "abort")) {
      success.initLabelValues(ENGINE, reason, model);
    }
    running = gauge("vllm:num_requests_running", "Requests with a sequence.");
    waiting = gauge("vllm:num_requests_waiting", "Requests in the queue.");
    cacheUsage =
        gauge("vllm:kv_cache_usage_perc", "Share of the cache that running requests hold, 0 to 1.");
    cells = gauge("infini_engine_cache_tokens", "Tokens in the cache, by the library's count.");
    promptTokens = counter("vllm:prompt_tokens_total", "Tokens of prompts.");
    generatedTokens = counter("vllm:generation_tokens_total", "Tokens generated.");
    prefixHits = counter("vllm:prefix_cache_hits_total", "Tokens of prompts found in the cache.");
    prefixQueries = counter("vllm:prefix_cache_queries_total", "Tokens looked up in the cache.");
    counter("vllm:num_preemptions_total", "Requests put back into the queue: none, ever.");
    steps = counter("infini_engine_steps_total", "Batches computed.");
    defragmentations =
        counter(
            "infini_engine_defragmentations_total",
            "Times the cache's cells were moved together because a batch found no run of them.");
    halvings =
        counter("infini_engine_halvings_total", "Batches computed in halves for lack of a run.");
    embeddingTokens =
        counter("infini_engine_embedding_tokens_total", "Tokens computed for embeddings.");
    embeddingBatches =
        counter("infini_engine_embedding_batches_total", "Batches computed for embeddings.");
    kept =
        gauge("infini_engine_kept_tokens", "Tokens of finished requests kept for later prompts.");
    stepTokens = histogram("infini_engine_step_tokens", "Tokens of a step.", STEP_TOKENS);
    stepAnswers =
        histogram("infini_engine_batch_size", "Answers that one step went on with.", STEP_TOKENS);
    cancelSteps =
        histogram(
            "infini_engine_cancel_steps",
            "Batches begun between a client's leaving and the end of its running request.",
            CANCEL_STEPS);
    requestPromptTokens =
        histogram("vllm:request_prompt_tokens", "Prompt tokens of a request.", TOKENS);
    requestTokens =
        histogram("vllm:request_generation_tokens", "Tokens generated for a request.", TOKENS);
    firstToken =
        histogram(
            "vllm:time_to_first_token_seconds",
            "From arrival to the first token.",
            FIRST_TOKEN_SECONDS);
    nextToken =
        histogram(
            "vllm:inter_token_latency_seconds",
            "From one token of an answer to the next.",
            NEXT_TOKEN_SECONDS);
    endToEnd = requestSeconds("e2e_request_latency", "From arrival to the last token.");
    queued = requestSeconds("request_queue_time", "From arrival to a sequence.");
    prefill = requestSeconds("request_prefill_time", "From a sequence to the first token.");
    decode = requestSeconds("request_decode_time", "From the first token to the last.");
    inference = requestSeconds("request_inference_time", "From a sequence to the last token.");
    metrics.info(
        "vllm:cache_config",
        "Layout of the cache.",
        new TreeMap<>(
            Map.of(
                "block_size",
                Integer.toString(blockTokens),
                "num_gpu_blocks",
                Integer.toString(blocks))));
    metrics.info(
        "infini_instance",
        "The system_fingerprint of this process's answers, and what its KV cache is.",
        new TreeMap<>(
            Map.of("cache_type", pooled ? "paged" : "static", "fingerprint", fingerprint)));
  }

  /// The `system_fingerprint` of every answer.
  String fingerprint() {
    return fingerprint;
  }

  private CounterDataPoint counter(String name, String help) {
    return metrics.counter(name, help, "engine", "model_name").labelValues(ENGINE, model);
  }

  private GaugeDataPoint gauge(String name, String help) {
    return metrics.gauge(name, help, "engine", "model_name").labelValues(ENGINE, model);
  }

  private DistributionDataPoint histogram(String name, String help, double[] bounds) {
    return metrics.histogram(name, help, bounds, "engine", "model_name").labelValues(ENGINE, model);
  }

  private DistributionDataPoint requestSeconds(String name, String help) {
    return histogram("vllm:" + name + "_seconds", help, REQUEST_SECONDS);
  }

  private static String label(Outcome o) {
    return o.name().toLowerCase(Locale.ROOT);
  }

  /// Reads at each scrape whether the engine's thread hangs; once.
  void stuck(BooleanSupplier stuck) {
    metrics.gauge(
        "infini_engine_stuck",
        "1 while the engine has work and makes no progress.",
        callback -> callback.call(stuck.getAsBoolean() ? 1 : 0, ENGINE, model),
        "engine",
        "model_name");
  }

  void finished(Outcome outcome) {
    requests.labelValues(label(outcome)).inc();
  }

  /// A request for embeddings has ended.
  void embeddingsFinished(Outcome outcome) {
    embeddings.labelValues(label(outcome)).inc();
  }

  /// A batch of texts for embeddings was computed.
  void embedded(int tokens) {
    embeddingTokens.inc(tokens);
    embeddingBatches.inc();
  }

  /// How a request ends that is refused so before it is computed.
  static Outcome outcome(ApiError refusal) {
    return switch (refusal.status()) {
      case 429 -> Outcome.REJECTED;
      case 499 -> Outcome.CLIENT_GONE;
      case 500, 503 -> Outcome.INTERNAL;
      default -> Outcome.CLIENT_ERROR;
    };
  }

  /// A job has its sequence, and shares so much of its prompt.
  void admitted(Job job) {
    promptTokens.inc(job.promptTokens());
    prefixQueries.inc(job.promptTokens());
    prefixHits.inc(job.cachedTokens());
  }

  /// A running job shares so many tokens more.
  void cached(int tokens) {
    prefixHits.inc(tokens);
  }

  /// A job has its next token; its times are those before.
  void token(Job job, long nowNanos) {
    generatedTokens.inc();
    if (job.produced == 1) {
      firstToken.observe((nowNanos - job.arrivedNanos()) / NANOS);
    } else {
      nextToken.observe((nowNanos - job.latestNanos) / NANOS);
    }
  }

  /// A job has its last token.
  void ended(Job job, String reason) {
    success.labelValues(ENGINE, reason, model).inc();
    requestPromptTokens.observe(job.promptTokens());
    requestTokens.observe(job.produced);
    endToEnd.observe((job.latestNanos - job.arrivedNanos()) / NANOS);
    queued.observe((job.admittedNanos - job.arrivedNanos()) / NANOS);
    prefill.observe((job.firstNanos - job.admittedNanos) / NANOS);
    decode.observe((job.latestNanos - job.firstNanos) / NANOS);
    inference.observe((job.latestNanos - job.admittedNanos) / NANOS);
  }

  /// A running job whose client has gone has left.
  ///
  /// @param steps batches begun since it was cancelled
  void aborted(long steps) {
    cancelSteps.observe((double) steps);
    success.labelValues(ENGINE, "abort", model).inc();
  }

  void defragmented() {
    defragmentations.inc();
  }

  void halved() {
    halvings.inc();
  }

  /// A batch was computed.
  ///
  /// @param answers those of its tokens that belong to answers
  void step(int tokens, int answers) {
    steps.inc();
    stepTokens.observe(tokens);
    if (answers > 0) {
      stepAnswers.observe(answers);
    }
  }

  void waiting(int requests) {
    waiting.set(requests);
  }

  void running(int requests, double cacheShare) {
    running.set(requests);
    cacheUsage.set(cacheShare);
  }

  void cells(int used, int keptTokens) {
    kept.set(keptTokens);
    cells.set(used);
  }

  byte[] scrape() {
    return metrics.scrape();
  }
}
