package org.infinilm.svc.load;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;
import org.infinilm.svc.telemetry.Ticker;
import org.infinilm.svc.workload.LoadItem;
import org.infinilm.svc.workload.LoadItem.Message;
import org.infinilm.svc.workload.RequestBody;

/// Runs the measuring path before it measures: requests of the same kind to a server on loopback
/// inside this process, so that the JVM has loaded and compiled what sends, reads and records. They
/// reach nobody else and are in no result.
public final class LoadWarmUp {
  /// Most time before a run.
  public static final Duration LIMIT = Duration.ofMillis(600);

  public static final int REQUESTS = 400;
  private static final int CONCURRENCY = 8;
  private static final int TURNS = 4;
  private static final int EVENTS = 16;
  private static final int EVENTS_A_PIECE = 8;
  private static final long GAP_NANOS = 200_000;

  private LoadWarmUp() {}

  /// Warms up for a run.
  ///
  /// @param talks whether the run holds conversations
  /// @param planned whether it has a plan of send times
  /// @param limit from now; what is unanswered then is given up
  /// @return answers that were read, at most [#REQUESTS]
  public static long run(
      LoadOptions options,
      RequestBody bodies,
      boolean talks,
      boolean planned,
      Ticker ticker,
      Duration limit)
      throws IOException, InterruptedException {
    long begin = ticker.nanos();
    Response answer = answer(options.chat(), options.stream());
    try (Server server = Server.start(Server.Options.at("127.0.0.1", 0), request -> answer)) {
      URI url = URI.create("http://127.0.0.1:" + server.port());
      Duration left = limit.minusNanos(ticker.nanos() - begin);
      return left.isPositive() ? against(url, options, bodies, talks, planned, ticker, left) : 0;
    }
  }

  /// @param url where [#REQUESTS] requests are sent
  /// @param limit what is unanswered then is given up
  public static long against(
      URI url,
      LoadOptions options,
      RequestBody bodies,
      boolean talks,
      boolean planned,
      Ticker ticker,
      Duration limit)
      throws IOException, InterruptedException {
    List<LoadItem> items = items(talks);
    long[] plan = null;
    if (planned) {
      plan = new long[talks ? items.size() / TURNS : items.size()];
      for (int k = 0; k < plan.length; k++) {
        plan[k] = k * GAP_NANOS;
      }
    }
    try (LoadRun run =
        new LoadRun(
            options.warmUp(url, CONCURRENCY, limit),
            items,
            plan,
            bodies,
            new IdentityHashMap<>(),
            false,
            false,
            ticker)) {
      try {
        run.start().get(limit.toNanos(), TimeUnit.NANOSECONDS);
      } catch (TimeoutException enough) {
        run.stop();
      } catch (ExecutionException e) {
        throw new IllegalStateException(e.getCause());
      }
      LoadRun.Progress p = run.progress();
      return p.done() - p.failed();
    }
  }

  private static List<LoadItem> items(boolean talks) {
    String text = "a request of some words ".repeat(40);
    Message message = new Message("user", '"' + text + '"');
    List<LoadItem> out = new ArrayList<>(REQUESTS);
    for (int k = 0; k < REQUESTS; k++) {
      out.add(
          talks
              ? new LoadItem(null, List.of(message), EVENTS, Double.NaN, k / TURNS, "c" + k / TURNS)
              : LoadItem.of(text, EVENTS));
    }
    return out;
  }

  /// What a router answers, with its headers.
  private static Response answer(boolean chat, boolean stream) {
    String usage =
        "\"usage\":{\"prompt_tokens\":240,\"completion_tokens\":16,\"total_tokens\":256,"
            + "\"prompt_tokens_details\":{\"cached_tokens\":0}}}";
    Headers headers =
        Headers.of("content-type", stream ? "text/event-stream" : "application/json")
            .with("x-request-id", "warm-up")
            .with("x-infini-pool", "paged")
            .with("x-infini-instance", "warm-up")
            .with("x-infini-reason", "size")
            .with("x-infini-size", "1000")
            .with("x-infini-threshold", "51200")
            .with("x-infini-attempts", "1");
    if (!stream) {
      String choice = chat ? "\"message\":{\"role\":\"assistant\",\"content\":\"" : "\"text\":\"";
      String whole =
          "{\"id\":\"w\",\"object\":\"w\",\"model\":\"w\",\"choices\":[{\"index\":0,"
              + choice
              + "word ".repeat(EVENTS)
              + (chat ? "\"}" : "\"")
              + ",\"finish_reason\":\"length\"}],"
              + usage;
      return new Response(200, headers, whole.getBytes(UTF_8), null);
    }
    String begin =
        "data: {\"id\":\"w\",\"object\":\"w\",\"created\":1,\"model\":\"w\",\"choices\":[";
    String event =
        begin
            + "{\"index\":0,"
            + (chat ? "\"delta\":{\"content\":\"word \"}" : "\"text\":\"word \"")
            + ",\"logprobs\":null,\"finish_reason\":null}]}\n\n";
    byte[] piece = event.repeat(EVENTS_A_PIECE).getBytes(UTF_8);
    byte[] last = (begin + "]," + usage + "\n\ndata: [DONE]\n\n").getBytes(UTF_8);
    return Response.stream(
        200,
        headers,
        sink -> {
          for (int k = 0; k < EVENTS; k += EVENTS_A_PIECE) {
            sink.write(piece);
          }
          sink.write(last);
        });
  }
}
