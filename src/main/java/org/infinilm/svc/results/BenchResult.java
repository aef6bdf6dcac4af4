package org.infinilm.svc.results;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.infinilm.svc.accuracy.Routing;
import org.infinilm.svc.config.Secrets.OwnFiles;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.load.EngineGauges;
import org.infinilm.svc.load.LoadOptions;
import org.infinilm.svc.load.LoadSample;
import org.infinilm.svc.statistics.Summary;
import org.infinilm.svc.workload.Workload;
import org.jspecify.annotations.Nullable;

/// A run as a result file: one JSON object on one line, vLLM's keys first and in vLLM's order, then
/// ours. Written beside its place and moved there, so that a reader never sees half of it.
///
/// @param late lateness of all requests: real send after the intended one
/// @param lag the part of it that was the generator's own fault
/// @param samples of all requests, those of the ramp-up too
/// @param routing null without a router
/// @param gauges what the engines said of themselves meanwhile; null when they were not asked
public record BenchResult(
    LoadOptions options,
    Workload workload,
    String label,
    String model,
    String tokenizer,
    LocalDateTime date,
    int asked,
    boolean complete,
    boolean detailed,
    boolean texts,
    LoadFigures figures,
    Intended intended,
    List<LoadSample> samples,
    @Nullable Routing routing,
    @Nullable EngineGauges gauges) {

  /// Bytes of label and of model in a file's name, each; file systems take 255 in all.
  private static final int MOST_PART_BYTES = 96;

  private static final DateTimeFormatter DATE = DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss");

  /// The figures are taken of the samples.
  ///
  /// @param seconds from the start of the run to now
  /// @param complete whether it was not interrupted
  public static BenchResult of(
      LoadOptions options,
      Workload workload,
      String label,
      String model,
      String tokenizer,
      LocalDateTime date,
      boolean complete,
      boolean detailed,
      boolean texts,
      double seconds,
      List<LoadSample> samples,
      @Nullable Routing routing,
      @Nullable EngineGauges gauges) {
    double rampUp = options.arrivals().rampUp().toNanos() / 1e9;
    List<LoadSample> measured = measured(samples);
    return new BenchResult(
        options,
        workload,
        label,
        model,
        tokenizer,
        date,
        workload.items().size(),
        complete,
        detailed,
        texts,
        LoadFigures.of(measured, duration(samples, seconds, complete, rampUp), options.goodput()),
        Intended.of(measured),
        samples,
        routing,
        gauges);
  }

  /// From the end of the ramp-up to that of the last answer; of an interrupted run to the
  /// interruption.
  private static double duration(
      List<LoadSample> samples, double seconds, boolean complete, double rampUp) {
    long end = samples.stream().mapToLong(s -> s.end()).max().orElse(-1);
    return Math.max(0, (complete && end > 0 ? end / 1e9 : seconds) - rampUp);
  }

  /// Requests that were answered well.
  public int completed() {
    return figures.completed();
  }

  /// Whether this generator was late beyond the bound: the figures may be of something else.
  boolean late() {
    return intended.lag().p99() * 1e3 > options.lateBoundMs();
  }

  /// The requests that the figures are of.
  List<LoadSample> measured() {
    return measured(samples);
  }

  static List<LoadSample> measured(List<LoadSample> samples) {
    return samples.stream().filter(s -> !s.rampUp()).toList();
  }

  long rampedUp() {
    return samples.stream().filter(s -> s.rampUp() && s.sent() >= 0).count();
  }

  /// `<label or backend>-<rate>qps[-concurrency<C>]-<last part of model>-<date>.json`
  public String fileName() {
    String m = part(model.substring(model.lastIndexOf('/') + 1));
    return part(label.isEmpty() ? options.backend() : label)
        + "-"
        + rate(options.arrivals().rate())
        + "qps"
        + (options.maxConcurrency() > 0 ? "-concurrency" + options.maxConcurrency() : "")
        + "-"
        + (m.isEmpty() ? "model" : m)
        + "-"
        + DATE.format(date)
        + ".json";
  }

  /// As a part of a file's name: what no name may hold is a dash, and no more than fits.
  private static String part(String word) {
    StringBuilder out = new StringBuilder();
    int[] bytes = {0};
    word.replaceAll("[/\\\\\\p{Cntrl}]", "-")
        .codePoints()
        .takeWhile(c -> {
          bytes[0] += Character.toString(c).getBytes(StandardCharsets.UTF_8).length;
          return bytes[0] <= MOST_PART_BYTES;
        })
        .forEach(out::appendCodePoint);
    return out.toString();
  }

  /// As Python prints a float: `1.0`, `0.5`, `inf`.
  static String rate(double perSecond) {
    if (Double.isInfinite(perSecond)) {
      return "inf";
    }
    String plain = BigDecimal.valueOf(perSecond).toPlainString();
    return plain.contains(".") ? plain : plain + ".0";
  }

  public void write(Path file) throws IOException {
    Path real = OwnFiles.behindLinks(file);
    Path part = real.resolveSibling("." + real.getFileName() + ".part");
    try {
      try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(part));
          JsonGenerator g = Json.generator(out)) {
        write(g);
      }
      Files.move(part, real, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
    } finally {
      Files.deleteIfExists(part);
    }
  }

  public void write(JsonGenerator g) throws IOException {
    g.writeStartObject();
    g.writeStringField("date", DATE.format(date));
    g.writeStringField("endpoint_type", options.backend());
    g.writeStringField("backend", options.backend());
    if (label.isEmpty()) {
      g.writeNullField("label");
    } else {
      g.writeStringField("label", label);
    }
    g.writeStringField("model_id", model);
    g.writeStringField("tokenizer_id", tokenizer);
    g.writeNumberField("num_prompts", asked);
    if (Double.isInfinite(options.arrivals().rate())) {
      g.writeStringField("request_rate", "inf");
    } else {
      g.writeNumberField("request_rate", options.arrivals().rate());
    }
    g.writeNumberField("burstiness", options.arrivals().burstiness());
    if (options.maxConcurrency() > 0) {
      g.writeNumberField("max_concurrency", options.maxConcurrency());
    } else {
      g.writeNullField("max_concurrency");
    }
    figures(g);
    ours(g);
    g.writeEndObject();
  }

  private void figures(JsonGenerator g) throws IOException {
    LoadFigures f = figures;
    g.writeNumberField("duration", f.durationSeconds());
    g.writeNumberField("completed", f.completed());
    g.writeNumberField("failed", f.failed());
    g.writeNumberField("total_input_tokens", f.inputTokens());
    g.writeNumberField("total_output_tokens", f.outputTokens());
    g.writeNumberField("request_throughput", f.requestThroughput());
    number(g, "request_goodput", f.goodput());
    g.writeNumberField("output_throughput", f.outputThroughput());
    g.writeNumberField("total_token_throughput", f.totalThroughput());
    List<LoadSample> all = measured().stream().filter(LoadSample::finished).toList();
    if (detailed) {
      ResultArrays.lengths(g, all);
      ResultArrays.ttfts(g, all);
      ResultArrays.itls(g, all);
    }
    ResultArrays.latencies(g, all);
    if (detailed) {
      ResultArrays.starts(g, all);
    }
    ResultArrays.queueTimes(g, all);
    if (detailed) {
      ResultArrays.texts(g, all, texts);
      ResultArrays.errors(g, all);
    }
    g.writeNumberField("max_output_tokens_per_s", f.mostTokensPerSecond());
    g.writeNumberField("max_concurrent_requests", f.mostConcurrent());
    g.writeNumberField("rtfx", 0.0);
    stats(g, "ttft", f.ttft());
    stats(g, "tpot", f.tpot());
    stats(g, "itl", f.itl());
    stats(g, "e2el", f.e2el());
    if (options.maxConcurrency() > 0) {
      stats(g, "client_queue_time", f.queue());
    }
  }

  private static void stats(JsonGenerator g, String name, Summary s) throws IOException {
    g.writeNumberField("mean_" + name + "_ms", s.mean() * 1e3);
    g.writeNumberField("median_" + name + "_ms", s.median() * 1e3);
    g.writeNumberField("std_" + name + "_ms", s.std() * 1e3);
    g.writeNumberField("p99_" + name + "_ms", s.p99() * 1e3);
  }

  private void ours(JsonGenerator g) throws IOException {
    g.writeBooleanField("complete", complete);
    g.writeNumberField("truncated", figures.truncated());
    if (Double.isFinite(figures.goodShare())) {
      g.writeNumberField("goodput_share", figures.goodShare());
      g.writeObjectFieldStart("goodput_objectives_ms");
      for (Map.Entry<String, Double> o : new TreeMap<>(options.goodput()).entrySet()) {
        g.writeNumberField(o.getKey(), o.getValue());
      }
      g.writeEndObject();
    }
    if (options.arrivals().rampUp().isPositive()) {
      g.writeNumberField("ramp_up_requests", rampedUp());
    }
    g.writeBooleanField("generator_late", late());
    lateness(g, "late_ms", intended.late());
    lateness(g, "send_lag_ms", intended.lag());
    stats(g, "ttft_from_intended", intended.ttft());
    stats(g, "e2el_from_intended", intended.e2el());
    g.writeObjectFieldStart("workload");
    g.writeStringField("dataset", workload.dataset());
    if (workload.path() == null) {
      g.writeNullField("path");
    } else {
      g.writeStringField("path", workload.path());
    }
    g.writeStringField("sha256", workload.sha256());
    g.writeNumberField("seed", options.arrivals().seed());
    g.writeNumberField("num_prompts", asked);
    g.writeStringField("arrival", options.arrivals().label());
    g.writeNumberField("ramp_up_s", options.arrivals().rampUp().toNanos() / 1e9);
    g.writeStringField("endpoint", options.endpoint());
    g.writeStringField("url", options.url().toString());
    g.writeBooleanField("stream", options.stream());
    g.writeStringField("requests_sha256", workload.requestsSha256());
    if (workload.generator() == null) {
      g.writeNullField("generator");
    } else {
      g.writeStringField("generator", workload.generator());
    }
    g.writeBooleanField("ignore_eos", options.ignoreEos());
    number(g, "temperature", options.temperature() == null ? Double.NaN : options.temperature());
    g.writeFieldName("extra_body");
    g.writeTree(options.extraBody());
    g.writeNumberField("think_time_s", options.thinkTime().toNanos() / 1e9);
    g.writeEndObject();
    g.writeArrayFieldStart("requests");
    for (LoadSample s : samples) {
      if (s.sent() >= 0) {
        ResultArrays.request(g, s);
      }
    }
    g.writeEndArray();
    g.writeFieldName("routing");
    RoutingJson.write(g, routing);
    if (gauges != null) {
      g.writeFieldName("engines");
      gauges.write(g);
    }
  }

  private static void lateness(JsonGenerator g, String name, Summary s) throws IOException {
    g.writeObjectFieldStart(name);
    g.writeNumberField("mean", s.mean() * 1e3);
    g.writeNumberField("p99", s.p99() * 1e3);
    g.writeNumberField("max", s.most() * 1e3);
    g.writeEndObject();
  }

  /// NaN is null.
  static void number(JsonGenerator g, String name, double v) throws IOException {
    if (Double.isFinite(v)) {
      g.writeNumberField(name, v);
    } else {
      g.writeNullField(name);
    }
  }
}
