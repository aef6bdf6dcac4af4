package org.infinilm.svc.babysitter;

import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.OptionalDouble;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.PortOwner;
import org.infinilm.svc.telemetry.Ticker;

/// How many requests the server still works on: by its own metrics, else by the connections to its
/// port (Linux). Calls block.
final class InFlight {
  /// Running and waiting requests: vLLM and our engine, llama.cpp, SGLang.
  private static final List<String> GAUGES =
      List.of(
          "vllm:num_requests_running",
          "vllm:num_requests_waiting",
          "llamacpp:requests_processing",
          "llamacpp:requests_deferred",
          "sglang:num_running_reqs",
          "sglang:num_queue_reqs");

  /// What grows with finished work; a request that begins and ends between two looks shows here.
  private static final List<String> COUNTERS =
      List.of(
          "infini_engine_requests_total",
          "vllm:request_success_total",
          "vllm:prompt_tokens_total",
          "vllm:generation_tokens_total",
          "llamacpp:prompt_tokens_total",
          "llamacpp:tokens_predicted_total",
          "sglang:num_requests_total",
          "sglang:prompt_tokens_total",
          "sglang:generation_tokens_total");

  private static final Duration TIMEOUT = Duration.ofSeconds(1);

  /// A page of metrics larger than this says nothing.
  private static final int MOST_METRICS_BYTES = 2 << 20;

  private static final Duration STEP = Duration.ofMillis(100);
  private static final int CALM_STEPS = 3;

  private final Client http;
  private final URI metrics;
  private final int port;

  InFlight(Client http, String host, int port) {
    this.http = http;
    this.metrics = URI.create("http://" + BaseUrl.bracketed(host) + ":" + port + "/metrics");
    this.port = port;
  }

  /// Returns when nothing was under way for a few looks in a row, or the time is over.
  ///
  /// @return what is still under way
  long await(Duration limit, Ticker ticker) throws InterruptedException {
    long end = ticker.nanos() + limit.toNanos();
    int calm = 0;
    long now = 0;
    while (calm < CALM_STEPS && ticker.nanos() - end < 0) {
      now = look().underWay();
      calm = now == 0 ? calm + 1 : 0;
      Thread.sleep(STEP);
    }
    return now;
  }

  /// The server's work at one moment.
  ///
  /// @param underWay requests that it works on, or connections to its port
  /// @param done what its counters of finished work come to; 0 where it has none
  record Seen(long underWay, double done) {}

  /// Looks once.
  Seen look() throws InterruptedException {
    try {
      Client.Reply reply =
          http.send("GET", metrics, Headers.NONE, new byte[0], TIMEOUT, MOST_METRICS_BYTES);
      String page = reply.ok() ? new String(reply.body(), StandardCharsets.UTF_8) : "";
      OptionalDouble said = sum(page);
      if (said.isPresent()) {
        return new Seen(Math.round(said.getAsDouble()), sum(page, COUNTERS).orElse(0));
      }
    } catch (IOException silent) {
      // its connections tell
    }
    return new Seen(PortOwner.connections(port), 0);
  }

  /// The sum of the known gauges of a Prometheus page; empty when it has none.
  static OptionalDouble sum(String page) {
    return sum(page, GAUGES);
  }

  private static OptionalDouble sum(String page, List<String> of) {
    double sum = 0;
    boolean any = false;
    for (String line : (Iterable<String>) page.lines()::iterator) {
      String name = line.split("[{ ]", 2)[0];
      if (of.contains(name)) {
        try {
          sum += Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1));
          any = true;
        } catch (NumberFormatException odd) {
          // the other gauges count
        }
      }
    }
    return any ? OptionalDouble.of(sum) : OptionalDouble.empty();
  }
}
