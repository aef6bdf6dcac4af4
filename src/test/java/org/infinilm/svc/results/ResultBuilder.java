package org.infinilm.svc.results;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongToDoubleFunction;
import java.util.random.RandomGenerator;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.statistics.CompareStatistics;

/// Writes result files: old ones (a dozen keys) and new ones (with requests and routing).
public final class ResultBuilder {
  private final Map<String, Object> top = new LinkedHashMap<>();

  /// Latencies `ms`, throughputs `rate`, and nothing that an old file does not have.
  public static ResultBuilder old(double ms, double rate) {
    ResultBuilder b = new ResultBuilder();
    b.with("date", "20260101-000000").with("completed", 16).with("failed", 0);
    for (Metric m : Metric.values()) {
      b.with(m.key(), m.higherIsBetter() ? rate : ms);
    }
    return b;
  }

  /// `n` requests of 1 to 60 KB; the time to the first token is `seconds(size)`, jittered by
  /// `noise`; the sizes are the same for every seed.
  public static ResultBuilder ours(int n, long seed, double noise, LongToDoubleFunction seconds) {
    RandomGenerator random = new java.util.SplittableRandom(seed);
    List<Object> requests = new ArrayList<>();
    double[] ttft = new double[n];
    double[] tpot = new double[n];
    for (int i = 0; i < n; i++) {
      long size = 1000 + 59_000L * ((i * 37L) % n) / n;
      ttft[i] = seconds.applyAsDouble(size) * Math.exp(noise * random.nextGaussian());
      tpot[i] = 0.02 * Math.exp(noise * random.nextGaussian());
      requests.add(request(i, size, ttft[i], tpot[i]));
    }
    ResultBuilder b = old(0, 10);
    figures(b, "ttft", ttft);
    figures(b, "tpot", tpot);
    b.with("completed", n)
        .with("num_prompts", n)
        .with("request_rate", "inf")
        .with("max_concurrency", 4)
        .with("burstiness", 1.0)
        .with("complete", true)
        .with("workload", Map.of("dataset", "custom", "sha256", "ab".repeat(32), "seed", 0))
        .with("requests", requests)
        .with("routing", routing(n));
    return b;
  }

  private static Map<String, Object> request(int i, long size, double ttft, double tpot) {
    Map<String, Object> r = new LinkedHashMap<>();
    boolean large = size > 51200;
    r.put("index", i);
    r.put("start_s", i * 0.1);
    r.put("size_bytes", size);
    r.put("status", 200);
    r.put("outcome", "ok");
    r.put("pool", large ? "static" : "paged");
    r.put("instance", large ? "static-cache-server" : "paged-cache-server");
    r.put("reason", "size");
    r.put("attempts", 1);
    r.put("input_tokens", size / 4);
    r.put("output_tokens", 32);
    r.put("cached_tokens", size / 8);
    r.put("ttft_s", ttft);
    r.put("tpot_s", tpot);
    r.put("e2e_s", ttft + 31 * tpot);
    r.put("late_s", 0.0);
    r.put("conversation", i % 4);
    r.put("request_id", "r" + i);
    return r;
  }

  private static Map<String, Object> routing(int n) {
    Map<String, Object> out = new LinkedHashMap<>();
    out.put("threshold", 51200);
    out.put("metric", "body");
    out.put("checked", n);
    out.put("correct", n - 1);
    out.put("accuracy", (n - 1.0) / n);
    out.put(
        "pools",
        Map.of(
            "paged",
            Map.of("requests", n - 1, "min_bytes", 1000, "median_bytes", 2, "max_bytes", 3)));
    out.put(
        "instances",
        Map.of("paged-cache-server", Map.of("pool", "paged", "requests", n - 1, "counted", n - 1)));
    out.put("reasons", Map.of("size", n - 1, "empty-pool", 1));
    out.put(
        "exceptions",
        List.of(
            Map.of(
                "index",
                3,
                "request_id",
                "r3",
                "size",
                60000,
                "expected",
                "static",
                "pool",
                "paged",
                "instance",
                "paged-cache-server",
                "reason",
                "empty-pool")));
    out.put("counters_agree", true);
    return out;
  }

  public static void figures(ResultBuilder b, String name, double[] seconds) {
    double[] sorted = CompareStatistics.sorted(seconds);
    b.with("mean_" + name + "_ms", Arrays.stream(seconds).average().orElse(0) * 1000);
    b.with("median_" + name + "_ms", CompareStatistics.quantile(sorted, 0.5) * 1000);
    b.with("p99_" + name + "_ms", CompareStatistics.quantile(sorted, 0.99) * 1000);
  }

  public ResultBuilder with(String key, Object value) {
    top.put(key, value);
    return this;
  }

  public byte[] bytes() {
    return Json.bytes(top);
  }

  public String write(Path folder, String name) throws IOException {
    return Files.write(folder.resolve(name), bytes()).toString();
  }
}
