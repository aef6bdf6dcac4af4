package org.infinilm.svc.results;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.infinilm.svc.accuracy.Routing;
import org.infinilm.svc.config.Words;
import org.infinilm.svc.load.LoadOptions;
import org.infinilm.svc.load.LoadRun;
import org.infinilm.svc.load.LoadSample;
import org.infinilm.svc.statistics.Summary;

/// What is printed at the end of a run: lines as vLLM's bench prints them, then lateness and
/// routing. Pure.
public record BenchReport(BenchResult result) {
  private static final int WIDTH = 50;
  private static final int MOST_KINDS = 8;
  private static final int MOST_EXCEPTIONS = 10;
  private static final int MOST_WORD = 40;
  private static final double NOTABLE_SHARE = 0.05;
  private static final double KEEPS_UP_SHARE = 0.9;
  private static final double GROWTH = 2;
  private static final int LEAST_THIRD = 5;

  public List<String> lines() {
    List<String> out = new ArrayList<>();
    LoadFigures f = result.figures();
    LoadOptions o = result.options();
    out.add(
        title(result.complete() ? "Serving Benchmark Result" : "Partial Benchmark Result", '='));
    count(out, "Successful requests:", f.completed());
    count(out, "Failed requests:", f.failed());
    if (f.truncated() > 0) {
      count(out, "Truncated answers:", f.truncated());
    }
    if (!result.complete()) {
      count(out, "Requests asked for:", result.asked());
    }
    if (o.maxConcurrency() > 0) {
      count(out, "Maximum request concurrency:", o.maxConcurrency());
    }
    if (o.arrivals().rampUp().isPositive()) {
      figure(out, "Ramp-up (s):", o.arrivals().rampUp().toNanos() / 1e9);
      count(out, "Requests of the ramp-up, left out:", result.rampedUp());
    }
    if (!Double.isInfinite(o.arrivals().rate())) {
      figure(out, "Request rate configured (RPS):", o.arrivals().rate());
    }
    figure(out, "Benchmark duration (s):", f.durationSeconds());
    count(out, "Total input tokens:", f.inputTokens());
    count(out, "Total generated tokens:", f.outputTokens());
    figure(out, "Request throughput (req/s):", f.requestThroughput());
    if (Double.isFinite(f.goodput())) {
      figure(out, "Request goodput (req/s):", f.goodput());
      figure(out, "Share within all objectives (%):", f.goodShare() * 100);
    }
    figure(out, "Output token throughput (tok/s):", f.outputThroughput());
    figure(out, "Peak output token throughput (tok/s):", f.mostTokensPerSecond());
    figure(out, "Peak concurrent requests:", f.mostConcurrent());
    figure(out, "Total token throughput (tok/s):", f.totalThroughput());
    if (o.stream()) {
      stats(out, "Time to First Token", "TTFT", f.ttft());
      stats(out, "Time per Output Token (excl. 1st token)", "TPOT", f.tpot());
      stats(out, "Inter-token Latency", "ITL", f.itl());
    }
    stats(out, "End-to-end Latency", "E2EL", f.e2el());
    intended(out);
    if (result.gauges() != null) {
      out.add(title("Engines meanwhile", '-'));
      out.addAll(result.gauges().lines());
    }
    if (result.routing() != null) {
      out.addAll(routing(result.routing()));
    }
    out.add("=".repeat(WIDTH));
    return out;
  }

  private void intended(List<String> out) {
    Intended i = result.intended();
    if (i.late().p99() > 1e-3) {
      out.add(title("From the intended send time", '-'));
      figure(out, "Mean send delay (ms):", i.late().mean() * 1e3);
      figure(out, "P99 send delay (ms):", i.late().p99() * 1e3);
      if (result.options().stream()) {
        figure(out, "Mean TTFT (ms):", i.ttft().mean() * 1e3);
        figure(out, "P99 TTFT (ms):", i.ttft().p99() * 1e3);
      }
      figure(out, "Mean E2EL (ms):", i.e2el().mean() * 1e3);
      figure(out, "P99 E2EL (ms):", i.e2el().p99() * 1e3);
    }
  }

  /// The lines on routing.
  public static List<String> routing(Routing r) {
    List<String> out = new ArrayList<>();
    out.add(title("Routing", '-'));
    text(out, "Routing accuracy:", accuracy(r));
    if (r.claimed() > 0) {
      text(out, "By the router's own word alone:", r.claimed() + " of " + r.sent());
    }
    text(
        out,
        "Answers proven by their instance:",
        r.proven() == 0
            ? "none (no mark of an instance; the router's word and the counters)"
            : r.proven() + " of " + r.answered());
    if (r.threshold() != null) {
      text(
          out,
          "Threshold:",
          r.threshold()
              + (r.metric() == null
                  ? ""
                  : " (metric " + bounded(Words.printable(r.metric())) + ")"));
    }
    r.pools()
        .forEach((pool, s) ->
            text(
                out,
                "Pool " + pool + ":",
                String.format(
                    Locale.ROOT,
                    "%d requests of %d to %d bytes, median %.0f",
                    s.requests(),
                    s.minBytes(),
                    s.maxBytes(),
                    s.medianBytes())));
    r.instances()
        .forEach((name, i) ->
            text(
                out,
                "Instance " + name + ":",
                i.requests()
                    + " requests"
                    + (i.counted() == null ? "" : ", counted " + i.counted())));
    r.reasons().forEach((reason, n) -> text(out, "Reason " + reason + ":", String.valueOf(n)));
    text(
        out,
        "Counters of the instances:",
        r.answered() == 0
            ? "nothing to compare"
            : r.countersAgree() == null
                ? "not all readable"
                : r.countersAgree() ? "agree" : "disagree");
    r.disagreements().forEach(d -> out.add("  " + d));
    if (r.exceptionsTotal() > 0) {
      out.add("Exceptions (" + r.exceptionsTotal() + "):");
      r.exceptions().stream()
          .limit(MOST_EXCEPTIONS)
          .forEach(a ->
              out.add(
                  "  request "
                      + a.index()
                      + ": size "
                      + a.size()
                      + ", expected "
                      + a.expected()
                      + ", answered by "
                      + a.pool()
                      + " ("
                      + a.instance()
                      + "), reason "
                      + a.reason()));
      if (r.exceptionsTotal() > MOST_EXCEPTIONS) {
        out.add("  ... " + (r.exceptionsTotal() - MOST_EXCEPTIONS) + " more");
      }
    }
    return out;
  }

  /// Rounded down: 100 % is every request.
  private static String accuracy(Routing r) {
    return r.checked() == 0 && r.claimed() == 0
        ? "not measured (no answer names a pool by size)"
        : Double.isNaN(r.accuracy())
            ? "not proven"
            : String.format(
                Locale.ROOT,
                "%.2f %% (%d of %d)",
                Math.floor(10_000.0 * r.correct() / r.sent()) / 100,
                r.correct(),
                r.sent());
  }

  private static String bounded(String word) {
    return word.length() > MOST_WORD ? word.substring(0, MOST_WORD) + "..." : word;
  }

  /// Failures by kind, lateness, a rate that was not reached: what makes the figures doubtful.
  public List<String> warnings() {
    List<String> out = new ArrayList<>();
    if (result.measured().isEmpty()) {
      out.add(
          "error: all "
              + result.rampedUp()
              + " requests were due within --ramp-up (expected: more --num-prompts, or a shorter"
              + " --ramp-up)");
      return out;
    }
    failures(out);
    truncated(out);
    lateness(out);
    behind(out);
    long chunks = result.samples().stream().mapToLong(s -> s.chunks()).sum();
    if (chunks > LoadRun.MOST_GAPS) {
      out.add("warning: ITL is of the first " + LoadRun.MOST_GAPS + " chunks of " + chunks);
    }
    long counted = result.measured().stream().filter(s -> s.ok() && s.counted()).count();
    if (counted > 0) {
      out.add(
          "warning: "
              + counted
              + " answers without usage; their tokens are counted by --tokenizer, their prompts"
              + " without chat template");
    }
    long uncounted = result.measured().stream().filter(s -> s.ok() && s.outputTokens() < 0).count();
    if (uncounted > 0) {
      out.add(
          "warning: "
              + uncounted
              + " answers without usage; their tokens are counted as chunks, their prompts as 0");
    }
    return out;
  }

  private void failures(List<String> out) {
    Map<String, Integer> kinds = new LinkedHashMap<>();
    Map<String, String> examples = new LinkedHashMap<>();
    for (LoadSample s : result.measured()) {
      if (s.finished() && !s.ok() && !s.truncated()) {
        String kind = s.failure() == null ? "failed" : s.failure();
        kinds.merge(kind, 1, Integer::sum);
        examples.putIfAbsent(kind, s.detail() == null ? "" : s.detail());
      }
    }
    if (kinds.isEmpty()) {
      return;
    }
    out.add(
        (result.figures().completed() == 0 ? "error: every request failed" : "failed requests")
            + " ("
            + result.figures().failed()
            + "):");
    kinds.entrySet().stream()
        .sorted(Map.Entry.<String, Integer>comparingByValue().reversed())
        .limit(MOST_KINDS)
        .forEach(e ->
            out.add("  " + e.getValue() + " x " + e.getKey() + ": " + examples.get(e.getKey())));
    if (kinds.size() > MOST_KINDS) {
      out.add("  ... " + (kinds.size() - MOST_KINDS) + " more kinds");
    }
  }

  private void truncated(List<String> out) {
    int n = result.figures().truncated();
    if (n > 0) {
      String example =
          result.measured().stream()
              .filter(LoadSample::truncated)
              .map(s -> String.valueOf(s.detail()))
              .findFirst()
              .orElse("");
      out.add(
          "warning: "
              + n
              + " of "
              + (result.figures().completed() + result.figures().failed() + n)
              + " answers were cut off ("
              + example
              + "): they are in no figure, and the figures are of the others only");
    }
  }

  private void lateness(List<String> out) {
    LoadOptions o = result.options();
    Summary lag = result.intended().lag();
    if (result.late()) {
      out.add(
          String.format(
              Locale.ROOT,
              "warning: this generator was itself late: send lag mean %.1f ms, p99 %.1f ms,"
                  + " max %.1f ms (bound: p99 %.0f ms); the run is marked and no comparison"
                  + " takes it: repeat it with a lower rate or more CPU",
              lag.mean() * 1e3,
              lag.p99() * 1e3,
              lag.most() * 1e3,
              o.lateBoundMs()));
    }
    boolean planned =
        !Double.isInfinite(o.arrivals().rate())
            && result.samples().stream().allMatch(s -> s.item().conversation() < 0);
    long last = result.samples().stream().mapToLong(s -> s.sent()).max().orElse(-1);
    if (!planned || !result.complete() || last <= 0) {
      return;
    }
    int n = result.measured().size();
    double reached = n / Math.max((last - o.arrivals().rampUp().toNanos()) / 1e9, 1e-9);
    if (n > 1 && reached < o.arrivals().rate() * (1 - NOTABLE_SHARE)) {
      boolean slots = result.intended().late().mean() > 2 * lag.mean();
      out.add(
          String.format(
              Locale.ROOT,
              "warning: the rate was not reached: %.2f requests/s asked, %.2f sent, because %s",
              o.arrivals().rate(),
              reached,
              slots
                  ? "--max-concurrency " + o.maxConcurrency() + " kept requests waiting for a slot"
                  : "this generator was late"));
    }
  }

  /// Latencies that grow through the run and answers slower than the rate: the server's queue
  /// grows, and the figures depend on how long the run was.
  private void behind(List<String> out) {
    List<LoadSample> good = result.measured().stream().filter(LoadSample::ok).toList();
    double rate = result.options().arrivals().rate();
    double answered = result.figures().requestThroughput();
    int third = good.size() / 3;
    if (Double.isInfinite(rate) || third < LEAST_THIRD || answered >= rate * KEEPS_UP_SHARE) {
      return;
    }
    double begin = meanFromIntended(good.subList(0, third));
    double end = meanFromIntended(good.subList(good.size() - third, good.size()));
    if (end > GROWTH * begin) {
      out.add(
          String.format(
              Locale.ROOT,
              "warning: the server did not keep up: %.2f requests/s asked, %.2f answered, and"
                  + " latency grew from %.0f ms in the first third to %.0f ms in the last",
              rate,
              answered,
              begin * 1e3,
              end * 1e3));
    }
  }

  private static double meanFromIntended(List<LoadSample> of) {
    return of.stream().mapToDouble(s -> (s.last() - s.intended()) / 1e9).average().orElse(0);
  }

  private static String title(String text, char fill) {
    int left = (WIDTH - text.length() - 2) / 2;
    String f = String.valueOf(fill);
    String begin = f.repeat(Math.max(0, left)) + " " + text + " ";
    return begin + f.repeat(Math.max(0, WIDTH - begin.length()));
  }

  private static void stats(List<String> out, String title, String name, Summary s) {
    out.add(title(title, '-'));
    figure(out, "Mean " + name + " (ms):", s.mean() * 1e3);
    figure(out, "Median " + name + " (ms):", s.median() * 1e3);
    figure(out, "P99 " + name + " (ms):", s.p99() * 1e3);
  }

  private static void figure(List<String> out, String name, double value) {
    text(out, name, String.format(Locale.ROOT, "%.2f", value));
  }

  private static void count(List<String> out, String name, long value) {
    text(out, name, String.valueOf(value));
  }

  private static void text(List<String> out, String name, String value) {
    out.add(String.format(Locale.ROOT, "%-40s %-10s", name, value));
  }
}
