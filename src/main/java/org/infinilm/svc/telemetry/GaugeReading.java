package org.infinilm.svc.telemetry;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// What an engine's metrics say of the moment, by the names of vLLM, SGLang, TensorRT-LLM,
/// llama.cpp and TGI. Pure.
///
/// @param engine whose names they are
/// @param running requests in the batch; NaN when not said, like the others
/// @param waiting requests in its queue
/// @param cacheUsage share of the KV cache in use, 0..1
public record GaugeReading(String engine, double running, double waiting, double cacheUsage) {

  /// Names of one engine; the first of a list that is there counts.
  private record Names(
      String engine, List<String> running, List<String> waiting, List<String> cache) {}

  private static final List<Names> ENGINES =
      List.of(
          new Names(
              "vllm",
              List.of("vllm:num_requests_running"),
              List.of("vllm:num_requests_waiting"),
              List.of("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc")),
          new Names(
              "sglang",
              List.of("sglang:num_running_reqs"),
              List.of("sglang:num_queue_reqs"),
              List.of("sglang:token_usage")),
          new Names(
              "trtllm",
              List.of("trtllm_num_requests_running"),
              List.of("trtllm_num_requests_waiting"),
              List.of("trtllm_kv_cache_utilization")),
          new Names(
              "llamacpp",
              List.of("llamacpp:requests_processing"),
              List.of("llamacpp:requests_deferred"),
              List.of("llamacpp:kv_cache_usage_ratio")),
          new Names(
              "tgi", List.of("tgi_batch_current_size"), List.of("tgi_queue_size"), List.of()));

  private static final Set<String> KNOWN =
      ENGINES.stream()
          .flatMap(n -> Stream.of(n.running(), n.waiting(), n.cache()).flatMap(List::stream))
          .collect(Collectors.toUnmodifiableSet());

  /// One name over all its label sets.
  private record Total(double sum, double most) {
    Total plus(Total o) {
      return new Total(sum + o.sum, Math.max(most, o.most));
    }
  }

  /// Reads an exposition (Prometheus text format 0.0.4). Requests are added up over label sets, of
  /// the cache the fullest counts.
  ///
  /// @return null when it has the gauges of no engine that is known
  public static @Nullable GaugeReading of(String exposition) {
    Map<String, Total> found = new HashMap<>();
    exposition
        .lines()
        .filter(l -> !l.startsWith("#"))
        .forEach(line -> {
          int brace = line.indexOf('{');
          int end = brace >= 0 ? brace : line.indexOf(' ');
          if (end > 0 && KNOWN.contains(line.substring(0, end))) {
            double v = value(line.substring(Math.max(end, line.lastIndexOf('}') + 1)));
            if (Double.isFinite(v)) {
              found.merge(line.substring(0, end), new Total(v, v), Total::plus);
            }
          }
        });
    for (Names n : ENGINES) {
      Total running = first(found, n.running());
      Total waiting = first(found, n.waiting());
      Total cache = first(found, n.cache());
      if (running != null || waiting != null || cache != null) {
        return new GaugeReading(
            n.engine(),
            running == null ? Double.NaN : running.sum(),
            waiting == null ? Double.NaN : waiting.sum(),
            cache == null ? Double.NaN : cache.most());
      }
    }
    return null;
  }

  private static @Nullable Total first(Map<String, Total> found, List<String> names) {
    return names.stream().filter(found::containsKey).map(found::get).findFirst().orElse(null);
  }

  /// The value behind name and labels, before a timestamp; NaN for what is none.
  private static double value(String rest) {
    try {
      return Double.parseDouble(rest.strip().split(" ")[0]);
    } catch (NumberFormatException notASample) {
      return Double.NaN;
    }
  }
}
