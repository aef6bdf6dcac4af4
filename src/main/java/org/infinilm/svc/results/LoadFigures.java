package org.infinilm.svc.results;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import org.infinilm.svc.load.LoadSample;
import org.infinilm.svc.statistics.Summary;

/// The figures of a run as vLLM's bench defines them, from the raw samples. Pure.
///
/// Times count from the real send: TTFT to the first chunk with output, E2EL to the last one, TPOT
/// (E2EL - TTFT) / (answer tokens - 1) of answers with more than one, ITL between chunks. Failed
/// requests count in `failed` alone, answers that were cut off in `truncated` alone.
///
/// @param durationSeconds from the start of the run to its last answer
/// @param goodput requests a second that met every objective; NaN without objectives
/// @param goodShare requests that met every objective, of all that ended, well or not
/// @param queue seconds that a request waited for a slot
record LoadFigures(
    double durationSeconds,
    int completed,
    int failed,
    int truncated,
    long inputTokens,
    long outputTokens,
    double goodput,
    double goodShare,
    double mostTokensPerSecond,
    int mostConcurrent,
    Summary ttft,
    Summary tpot,
    Summary itl,
    Summary e2el,
    Summary queue) {

  double requestThroughput() {
    return perSecond(completed);
  }

  double outputThroughput() {
    return perSecond((double) outputTokens);
  }

  double totalThroughput() {
    return perSecond((double) inputTokens + outputTokens);
  }

  private double perSecond(double n) {
    return durationSeconds > 0 ? n / durationSeconds : 0;
  }

  /// @param goodput objectives in milliseconds by `ttft`, `tpot`, `e2el`; empty for none
  static LoadFigures of(
      List<LoadSample> samples, double durationSeconds, Map<String, Double> goodput) {
    List<LoadSample> good = samples.stream().filter(LoadSample::ok).toList();
    int failed =
        (int) samples.stream().filter(s -> s.finished() && !s.ok() && !s.truncated()).count();
    int truncated = (int) samples.stream().filter(LoadSample::truncated).count();
    List<LoadSample> streamed = good.stream().filter(s -> s.first() >= 0).toList();
    long met = good.stream().filter(s -> meets(s, goodput)).count();
    int ended = good.size() + failed + truncated;
    double[] seconds = peaks(good);
    return new LoadFigures(
        durationSeconds,
        good.size(),
        failed,
        truncated,
        good.stream().mapToLong(s -> Math.max(0, s.promptTokens())).sum(),
        good.stream().mapToLong(LoadSample::answerTokens).sum(),
        goodput.isEmpty() ? Double.NaN : durationSeconds > 0 ? met / durationSeconds : 0,
        goodput.isEmpty() ? Double.NaN : (double) met / Math.max(1, ended),
        seconds[0],
        (int) seconds[1],
        stats(streamed, LoadSample::ttftSeconds),
        stats(
            streamed.stream().filter(s -> s.answerTokens() > 1).toList(), LoadFigures::tpotSeconds),
        Summary.of(gaps(streamed)),
        stats(good, LoadSample::latencySeconds),
        stats(good, LoadSample::queueSeconds));
  }

  private static Summary stats(List<LoadSample> of, ToDoubleFunction<LoadSample> value) {
    return Summary.of(of.stream().mapToDouble(value).toArray());
  }

  /// Seconds an answer token after the first; 0 for an answer of one.
  static double tpotSeconds(LoadSample s) {
    int tokens = s.answerTokens();
    return tokens > 1 && s.first() >= 0 ? (s.latencySeconds() - s.ttftSeconds()) / (tokens - 1) : 0;
  }

  /// What was not measured meets no objective.
  private static boolean meets(LoadSample s, Map<String, Double> goodput) {
    boolean ofChunks = goodput.containsKey("ttft") || goodput.containsKey("tpot");
    return !(ofChunks && s.first() < 0)
        && goodput.getOrDefault("ttft", Double.MAX_VALUE) / 1e3 >= s.ttftSeconds()
        && goodput.getOrDefault("tpot", Double.MAX_VALUE) / 1e3 >= tpotSeconds(s)
        && goodput.getOrDefault("e2el", Double.MAX_VALUE) / 1e3 >= s.latencySeconds();
  }

  private static double[] gaps(List<LoadSample> of) {
    double[] all = new double[of.stream().mapToInt(s -> s.gapCount()).sum()];
    int n = 0;
    for (LoadSample s : of) {
      for (int k = 0; k < s.gapCount(); k++) {
        all[n++] = s.gap(k);
      }
    }
    return all;
  }

  /// Most chunks and most requests under way within one second, counted from the first send.
  private static double[] peaks(List<LoadSample> good) {
    if (good.isEmpty()) {
      return new double[] {0, 0};
    }
    long begin = good.stream().mapToLong(s -> s.sent()).min().orElse(0);
    long end = good.stream().mapToLong(s -> s.last()).max().orElse(begin);
    int seconds = (int) ((end - begin) / 1_000_000_000L) + 2;
    double[] chunks = new double[seconds];
    int[] change = new int[seconds + 1];
    for (LoadSample s : good) {
      if (s.first() >= 0) {
        double at = (s.first() - begin) / 1e9;
        chunks[Math.min(seconds - 1, (int) at)]++;
        for (int k = 0; k < s.gapCount(); k++) {
          at += s.gap(k);
          chunks[Math.min(seconds - 1, (int) at)]++;
        }
      }
      change[(int) ((s.sent() - begin) / 1_000_000_000L)]++;
      change[(int) ((s.last() - begin) / 1_000_000_000L) + 1]--;
    }
    int now = 0;
    int most = 0;
    for (int c : change) {
      now += c;
      most = Math.max(most, now);
    }
    return new double[] {Arrays.stream(chunks).max().orElse(0), most};
  }
}
