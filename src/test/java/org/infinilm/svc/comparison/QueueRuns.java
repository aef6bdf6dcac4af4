package org.infinilm.svc.comparison;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import org.infinilm.svc.results.ResultBuilder;
import org.infinilm.svc.results.ResultFile;

/// Result files of a server with one queue: what a comparison has to tell from noise. The arrivals
/// follow from the workload, the service times from the run.
final class QueueRuns {
  private static final double TOKENS = 64;

  private QueueRuns() {}

  /// One run of the queue.
  ///
  /// @param load utilisation, below 1
  /// @param speed 1, or how much faster this server is
  static ResultFile run(long workload, long run, int requests, double load, double speed)
      throws ResultFile.Unusable {
    RandomGenerator arrivals = new SplittableRandom(workload);
    RandomGenerator service = new SplittableRandom(run * 7919 + 13);
    List<Object> entries = new ArrayList<>();
    double[] ttft = new double[requests];
    double[] tpot = new double[requests];
    double now = 0;
    double free = 0;
    for (int i = 0; i < requests; i++) {
      now -= Math.log(1 - arrivals.nextDouble()) / load;
      long size = 1000L + arrivals.nextInt(60_000);
      double begin = Math.max(now, free);
      double takes = -Math.log(1 - service.nextDouble()) / speed;
      free = begin + takes;
      ttft[i] = free - now;
      tpot[i] = 0.02 / speed * Math.exp(0.2 * service.nextGaussian());
      entries.add(entry(i, now, size, ttft[i], tpot[i]));
    }
    return ResultFile.parse(
        Path.of("run-" + run + ".json"),
        builder(workload, run, requests, free, ttft, tpot).with("requests", entries).bytes());
  }

  private static ResultBuilder builder(
      long workload, long run, int requests, double seconds, double[] ttft, double[] tpot) {
    ResultBuilder b = ResultBuilder.old(1, requests / seconds);
    ResultBuilder.figures(b, "ttft", ttft);
    ResultBuilder.figures(b, "tpot", tpot);
    return b.with("date", String.format("2026%04d-000000", run % 10_000))
        .with("completed", requests)
        .with("num_prompts", requests)
        .with("workload", Map.of("dataset", "custom", "sha256", "w" + workload, "seed", workload))
        .with("output_throughput", requests * TOKENS / seconds)
        .with("total_token_throughput", requests * TOKENS * 2 / seconds);
  }

  private static Map<String, Object> entry(
      int index, double at, long size, double ttft, double tpot) {
    Map<String, Object> r = new LinkedHashMap<>();
    r.put("index", index);
    r.put("start_s", at);
    r.put("size_bytes", size);
    r.put("outcome", "ok");
    r.put("ttft_s", ttft);
    r.put("tpot_s", tpot);
    r.put("e2e_s", ttft + TOKENS * tpot);
    r.put("late_s", 0.0);
    return r;
  }

  static Side side(String key, ResultFile... runs) {
    return new Side(key, key, key, List.of(runs));
  }
}
