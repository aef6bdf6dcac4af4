package org.infinilm.svc.bench;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.load.LoadOptions;
import org.infinilm.svc.load.LoadWarmUp;
import org.infinilm.svc.simulator.SimulatedInstance;
import org.infinilm.svc.simulator.SimulatedInstance.Options;
import org.infinilm.svc.telemetry.Ticker;
import org.infinilm.svc.workload.RequestBody;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Runs against simulated instances, good and bad, without a router.
class BenchIT {
  private static final Duration SOON = Duration.ofMinutes(2);

  @TempDir Path folder;
  private final Arguments io = new Arguments();
  private final Interrupts interrupts = new Interrupts();
  private final List<AutoCloseable> opened = new CopyOnWriteArrayList<>();

  @AfterEach
  void end() throws Exception {
    for (AutoCloseable c : opened) {
      c.close();
    }
  }

  private SimulatedInstance instance(Options options) throws IOException {
    SimulatedInstance i = SimulatedInstance.start(options);
    opened.add(i);
    return i;
  }

  private Path lines(int n) throws IOException {
    Path file = folder.resolve("prompts.jsonl");
    Files.write(
        file,
        IntStream.range(0, n)
            .mapToObj(k -> "{\"prompt\":\"question " + k + " " + "word ".repeat(k) + "\"}")
            .toList());
    return file;
  }

  /// @param flags `name=value` words
  private int bench(String url, String flags) throws Exception {
    Map<String, String> all = new HashMap<>();
    all.put("url", url);
    all.put("result_filename", "r.json");
    all.put("result_dir", folder.toString());
    for (String f : flags.isBlank() ? new String[0] : flags.strip().split(" ")) {
      all.put(f.substring(0, f.indexOf('=')), f.substring(f.indexOf('=') + 1));
    }
    if (!all.containsKey("dataset_name")) {
      all.put("dataset_name", "custom");
      all.put("dataset_path", lines(12).toString());
    }
    return new BenchProgram(io.out, io.err, Ticker.SYSTEM)
        .run(Arguments.of(BenchProgram.PROGRAM, all, List.of(), Map.of()), Map.of(), interrupts);
  }

  private JsonNode result() throws IOException {
    return Json.tree(Files.readAllBytes(folder.resolve("r.json")));
  }

  @Test
  void aClosedLoopKeepsItsBoundAndMeasuresEveryRequest() throws Exception {
    SimulatedInstance server = instance(Options.paged("one", "m").speed(0));
    int exit =
        bench(server.url().toString(), "custom_output_len=5 max_concurrency=3 save_detailed=true");
    assertThat(io.complained()).doesNotContain("failed");
    assertThat(exit).isZero();
    assertThat(server.completed()).isEqualTo(12);
    JsonNode r = result();
    assertThat(r.path("completed").asInt()).isEqualTo(12);
    assertThat(r.path("failed").asInt()).isZero();
    assertThat(r.path("total_output_tokens").asInt()).isEqualTo(60);
    assertThat(r.path("total_input_tokens").asInt()).isPositive();
    assertThat(r.path("complete").asBoolean()).isTrue();
    assertThat(r.path("requests"))
        .hasSize(12)
        .allMatch(q -> q.path("outcome").asText().equals("ok"))
        .allMatch(q -> q.path("input_tokens").asInt() > 0);
    assertThat(r.path("ttfts")).hasSize(12);
    assertThat(r.path("workload").path("sha256").asText()).hasSize(64);
    assertThat(r.path("workload").path("requests_sha256").asText()).hasSize(64);
    assertThat(r.path("workload").path("ignore_eos").isBoolean()).isTrue();
    assertThat(r.path("routing").isNull()).isTrue();
    assertThat(io.printed()).contains("Serving Benchmark Result", "Successful requests:");
    int most = 0;
    for (JsonNode a : r.path("requests")) {
      double at = a.path("start_s").asDouble();
      int together = 0;
      for (JsonNode b : r.path("requests")) {
        double begin = b.path("start_s").asDouble() + b.path("late_s").asDouble();
        together +=
            begin <= at && at < b.path("start_s").asDouble() + b.path("e2e_s").asDouble() ? 1 : 0;
      }
      most = Math.max(most, together);
    }
    assertThat(most).isLessThanOrEqualTo(3);
  }

  @ParameterizedTest
  @CsvSource({
    "true, false, false, true",
    "true, true, true, false",
    "false, false, true, true",
    "false, true, false, false"
  })
  void theWarmUpReadsEveryKindOfAnswer(boolean chat, boolean talks, boolean planned, boolean stream)
      throws Exception {
    LoadOptions options =
        options(
            "stream=" + stream + " backend=" + (chat ? "openai-chat" : "openai"),
            "http://127.0.0.1:1");
    RequestBody bodies = new RequestBody("m", chat, stream, false, null, null);
    assertThat(LoadWarmUp.run(options, bodies, talks, planned, Ticker.SYSTEM, SOON))
        .isEqualTo(LoadWarmUp.REQUESTS);
  }

  @Test
  void theWarmUpReachesNobodyAndIsInNoResult() throws Exception {
    SimulatedInstance server = instance(Options.paged("one", "m").speed(0));
    assertThat(bench(server.url().toString(), "custom_output_len=2 save_detailed=true")).isZero();
    assertThat(server.completed()).isEqualTo(12);
    assertThat(new String(server.lastRequest().body(), UTF_8)).contains("question ");
    assertThat(io.complained()).doesNotContain("warm-up");
    JsonNode r = result();
    assertThat(r.path("completed").asInt() + r.path("failed").asInt()).isEqualTo(12);
    assertThat(r.path("ttfts")).hasSize(12);
    assertThat(r.path("total_output_tokens").asInt()).isEqualTo(24);
    assertThat(r.path("requests"))
        .hasSize(12)
        .noneMatch(q -> q.path("request_id").asText().equals("warm-up"))
        .noneMatch(q -> q.path("instance").asText().equals("warm-up"));
  }

  @Test
  void theWarmUpEndsAtItsBoundWhateverHappens() throws Exception {
    ServerSocket silent = raw("", false);
    LoadOptions options = options("request_timeout=3600", "http://127.0.0.1:1");
    RequestBody bodies = new RequestBody("m", true, true, false, null, null);
    CompletableFuture<Long> answers =
        CompletableFuture.supplyAsync(() -> {
          try {
            return LoadWarmUp.against(
                URI.create("http://127.0.0.1:" + silent.getLocalPort()),
                options,
                bodies,
                false,
                false,
                Ticker.SYSTEM,
                Duration.ofMillis(50));
          } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(e);
          }
        });
    assertThat(answers.get(30, TimeUnit.SECONDS)).isZero();
  }

  private static LoadOptions options(String flags, String url) throws ConfigException {
    Map<String, String> all = new HashMap<>(Map.of("url", url));
    for (String f : flags.split(" ")) {
      all.put(f.substring(0, f.indexOf('=')), f.substring(f.indexOf('=') + 1));
    }
    return LoadOptions.of(Arguments.of(BenchProgram.PROGRAM, all, List.of(), Map.of()), Map.of());
  }

  @Test
  void anOpenLoopSendsAtItsRateWhatVllmsBenchSends() throws Exception {
    SimulatedInstance server = instance(Options.paged("one", "m").speed(0));
    int exit =
        bench(
            server.url().toString(),
            "backend=openai endpoint=/v1/chat/completions custom_output_len=3 num_prompts=40"
                + " request_rate=100");
    assertThat(exit).isZero();
    JsonNode r = result();
    assertThat(r.path("completed").asInt()).isEqualTo(40);
    assertThat(r.path("duration").asDouble()).isBetween(0.4, 20.0);
    assertThat(r.path("requests").get(39).path("start_s").asDouble()).isEqualTo(0.4);
    assertThat(new String(server.lastRequest().body(), UTF_8))
        .contains(
            "\"prompt\":\"question",
            "\"repetition_penalty\":1.0",
            "\"logprobs\":null",
            "\"stream_options\":{\"include_usage\":true}");
  }

  @Test
  void wholeAnswersAreMeasuredToTheirEnd() throws Exception {
    SimulatedInstance server = instance(Options.paged("one", "m").speed(0));
    assertThat(bench(server.url().toString(), "stream=false custom_output_len=4")).isZero();
    JsonNode r = result();
    assertThat(r.path("total_output_tokens").asInt()).isEqualTo(48);
    assertThat(r.path("mean_ttft_ms").asDouble()).isZero();
    assertThat(r.path("mean_e2el_ms").asDouble()).isPositive();
    assertThat(r.path("requests").get(0).path("ttft_s").isNull()).isTrue();
  }

  @Test
  void theNextTurnCarriesTheAnswerBeforeIt() throws Exception {
    SimulatedInstance server = instance(Options.paged("one", "m").speed(0));
    int exit =
        bench(
            server.url().toString(),
            "dataset_name=conversation num_conversations=2 messages_per_conv=3 context_len=200"
                + " new_msg_len=40 random_output_len=6 request_rate=50");
    assertThat(exit).isZero();
    JsonNode r = result();
    assertThat(r.path("completed").asInt()).isEqualTo(6);
    JsonNode last = Json.tree(server.lastRequest().body());
    assertThat(last.path("messages")).hasSize(5);
    assertThat(last.path("messages").get(1).path("role").asText()).isEqualTo("assistant");
    assertThat(last.path("messages").get(1).path("content").asText()).isNotBlank();
    assertThat(last.path("prompt_cache_key").asText()).startsWith("conv_");
    Map<Integer, Double> ended = new HashMap<>();
    for (JsonNode q : r.path("requests")) {
      int talk = q.path("conversation").asInt();
      assertThat(q.path("start_s").asDouble())
          .isGreaterThanOrEqualTo(ended.getOrDefault(talk, 0.0) - 1e-6);
      ended.put(talk, q.path("start_s").asDouble() + q.path("e2e_s").asDouble());
    }
  }

  /// InfiniLM's static engine ends an answer when its cache is full and calls it complete.
  @Test
  void answersThatTheCacheCutAreNoSuccesses() throws Exception {
    SimulatedInstance server =
        instance(Options.ofStatic("s", "m").maxCacheLen(100).overflow("truncate").speed(0));
    Path file = folder.resolve("mixed.jsonl");
    Files.write(
        file,
        IntStream.range(0, 8)
            .mapToObj(k -> "{\"prompt\":\"q" + k + " " + "word ".repeat(k < 4 ? 1 : 60) + "\"}")
            .toList());
    int exit =
        bench(
            server.url().toString(),
            "dataset_name=custom dataset_path="
                + file
                + " custom_output_len=64 ignore_eos=true max_concurrency=1 goodput=e2el:100000");
    assertThat(exit).isZero();
    JsonNode r = result();
    assertThat(r.path("completed").asInt()).as(io.complained()).isEqualTo(4);
    assertThat(r.path("failed").asInt()).isZero();
    assertThat(r.path("truncated").asInt()).isEqualTo(4);
    assertThat(r.path("total_output_tokens").asInt()).isEqualTo(4 * 64);
    assertThat(r.path("requests").get(7).path("outcome").asText()).isEqualTo("truncated");
    assertThat(r.path("requests").get(7).path("finish_reason").asText()).isEqualTo("length");
    assertThat(r.path("requests").get(7).path("asked_tokens").asInt()).isEqualTo(64);
    assertThat(io.printed()).containsPattern("Truncated answers: +4");
    assertThat(io.complained()).contains("4 of 8 answers were cut off", " of 64 tokens");
  }

  @Test
  void aStreamThatEndsWithoutAnEndIsNoSuccess() throws Exception {
    String event = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n";
    ServerSocket cut =
        raw("HTTP/1.1 200 OK\r\nContent-Length: " + event.length() + "\r\n\r\n" + event, true);
    int exit = bench("http://127.0.0.1:" + cut.getLocalPort(), "model=m ready_check_timeout_sec=0");
    assertThat(exit).isEqualTo(1);
    assertThat(result().path("truncated").asInt()).isEqualTo(12);
    assertThat(io.complained()).contains("the stream ended without finish_reason and [DONE]");
  }

  private static String stream(String... events) {
    String body =
        Arrays.stream(events).map(e -> "data: " + e + "\n\n").collect(Collectors.joining());
    return "HTTP/1.1 200 OK\r\nContent-Length: " + body.length() + "\r\n\r\n" + body;
  }

  private static String choice(int index, String more) {
    return "{\"choices\":[{\"index\":" + index + ",\"delta\":{\"content\":\"x\"}" + more + "}]}";
  }

  @ParameterizedTest
  @CsvSource({"abort, stop", "stop, abort", "stop, ''"})
  void anAnswerOneOfWhoseChoicesWasCutOffIsNoSuccess(String first, String second) throws Exception {
    ServerSocket server =
        raw(
            stream(
                choice(0, ",\"finish_reason\":\"" + first + "\""),
                choice(1, ",\"finish_reason\":\"" + second + "\""),
                "{\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":32}}",
                "[DONE]"),
            true);
    int exit =
        bench(
            "http://127.0.0.1:" + server.getLocalPort(),
            "model=m ready_check_timeout_sec=0 custom_output_len=16 extra_body={\"n\":2}");
    assertThat(exit).isEqualTo(1);
    assertThat(result().path("truncated").asInt()).isEqualTo(12);
    assertThat(io.complained())
        .contains(second.isEmpty() ? "1 of 2 choices with a finish_reason" : "finish_reason abort");
  }

  @Test
  void aWholeAnswerThatHoldsNothingIsNoSuccess() throws Exception {
    String body =
        "{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":\"stop\"}]}";
    ServerSocket server =
        raw("HTTP/1.1 200 OK\r\nContent-Length: " + body.length() + "\r\n\r\n" + body, true);
    int exit =
        bench(
            "http://127.0.0.1:" + server.getLocalPort(),
            "model=m ready_check_timeout_sec=0 stream=false");
    assertThat(exit).isEqualTo(1);
    assertThat(io.complained()).contains("12 x no output");
  }

  /// A token may be half of a character: the answer is whole, streamed or not, and of no text.
  @ParameterizedTest
  @CsvSource({"true,1,12", "false,1,12", "true,16,0", "false,16,0"})
  void anAnswerOfPartsOfACharacterIsWhole(boolean stream, int tokens, int whole) throws Exception {
    String end = "\"finish_reason\":\"length\"";
    String usage = "\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":" + tokens + "}";
    String body =
        stream
            ? "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"},"
                + end
                + "}]}\n\ndata: {\"choices\":[],"
                + usage
                + "}\n\ndata: [DONE]\n\n"
            : "{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"\"},"
                + end
                + "}],"
                + usage
                + "}";
    String type = stream ? "Content-Type: text/event-stream\r\n" : "";
    ServerSocket server =
        raw(
            "HTTP/1.1 200 OK\r\n" + type + "Content-Length: " + body.length() + "\r\n\r\n" + body,
            true);
    bench(
        "http://127.0.0.1:" + server.getLocalPort(),
        "model=m ready_check_timeout_sec=0 custom_output_len=" + tokens + " stream=" + stream);
    assertThat(result().path("completed").asInt()).as(io.complained()).isEqualTo(whole);
  }

  @Test
  void anAnswerWhoseUsageCannotBeIsNoSuccess() throws Exception {
    ServerSocket server =
        raw(
            stream(
                choice(0, ",\"finish_reason\":\"length\""),
                "{\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":-3}}",
                "[DONE]"),
            true);
    int exit =
        bench(
            "http://127.0.0.1:" + server.getLocalPort(),
            "model=m ready_check_timeout_sec=0 custom_output_len=16");
    assertThat(exit).isEqualTo(1);
    assertThat(result().path("failed").asInt()).isEqualTo(12);
    assertThat(io.complained()).contains("usage.completion_tokens: -3 (expected: a whole number");
  }

  @Test
  void aRunWhoseGeneratorWasLateIsMarked() throws Exception {
    SimulatedInstance server = instance(Options.paged("one", "m").speed(0));
    assertThat(bench(server.url().toString(), "custom_output_len=3 late_bound_ms=0")).isZero();
    assertThat(result().path("generator_late").asBoolean()).isTrue();
    assertThat(io.complained()).contains("the run is marked and no comparison takes it");
    assertThat(bench(server.url().toString(), "custom_output_len=3 late_bound_ms=100000")).isZero();
    assertThat(result().path("generator_late").asBoolean()).isFalse();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "HTTP/1.1 200 OK~Content-Length: 6~~hello! | no event stream | upstream_error",
        "HTTP/1.1 200 OK~Content-Length: 14~~data: [DONE]~~ | no chunk with output | upstream_error",
        "HTTP/1.1 200 OK~Content-Length: 13~~data: nope~~x | error in the stream | upstream_error",
        "HTTP/1.1 503 Busy~Content-Length: 14~~{\"error\":\"no\"} | HTTP 503 Busy: no | rejected",
        "HTTP/1.1 400 Bad~Content-Length: 0~~ | HTTP 400 | client_error",
        "HTTP/1.1 200 OK~Transfer-Encoding: chunked~~5~data: | cut off | upstream_gone",
        "220 mail.example ESMTP | not HTTP: 220 mail.example ESMTP | upstream_error",
        "'' | closed without an answer | upstream_gone"
      })
  void nonsenseIsSummarisedByKindAndIsExitOne(String answer, String said, String outcome)
      throws Exception {
    ServerSocket bad = raw(answer.replace("~", "\r\n"), true);
    int exit = bench("http://127.0.0.1:" + bad.getLocalPort(), "model=m ready_check_timeout_sec=0");
    assertThat(exit).isEqualTo(1);
    assertThat(io.complained()).contains("error: every request failed (12)", "12 x", said);
    JsonNode r = result();
    assertThat(r.path("failed").asInt()).isEqualTo(12);
    assertThat(r.path("requests").get(0).path("outcome").asText()).isEqualTo(outcome);
    assertThat(r.path("complete").asBoolean()).isTrue();
  }

  @Test
  void aServerThatSaysNothingIsATimeout() throws Exception {
    ServerSocket silent = raw("", false);
    int exit =
        bench(
            "http://127.0.0.1:" + silent.getLocalPort(),
            "model=m ready_check_timeout_sec=0 request_timeout=0.2 num_prompts=3");
    assertThat(exit).isEqualTo(1);
    assertThat(io.complained()).contains("3 x no complete answer in time");
    assertThat(result().path("requests").get(0).path("outcome").asText()).isEqualTo("timeout");
  }

  @Test
  void aRefusedConnectionIsSaidBeforeAndInTheRun() throws Exception {
    int port;
    try (ServerSocket s = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = s.getLocalPort();
    }
    assertThat(bench("http://127.0.0.1:" + port, "model=m ready_check_timeout_sec=0.3"))
        .isEqualTo(1);
    assertThat(io.complained()).contains("no answer from http://127.0.0.1:" + port);
    assertThat(bench("http://127.0.0.1:" + port, "model=m ready_check_timeout_sec=0")).isEqualTo(1);
    assertThat(io.complained()).contains("12 x connection refused");
  }

  @Test
  void aServerWithoutModelsNeedsAName() throws Exception {
    ServerSocket empty = raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", true);
    org.assertj.core.api.Assertions.assertThatThrownBy(
            () -> bench("http://127.0.0.1:" + empty.getLocalPort(), ""))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("--model: missing");
  }

  @Test
  void anInterruptSavesWhatWasMeasured() throws Exception {
    SimulatedInstance server = instance(Options.paged("one", "m").speed(1));
    CompletableFuture<Integer> exit =
        CompletableFuture.supplyAsync(() -> {
          try {
            return bench(
                server.url().toString(),
                "num_prompts=5000 max_concurrency=2 custom_output_len=2 request_rate=inf");
          } catch (Exception e) {
            throw new IllegalStateException(e);
          }
        });
    await().atMost(SOON).until(() -> server.completed() >= 3);
    interrupts.signalled(2);
    assertThat(exit.get(30, TimeUnit.SECONDS)).isEqualTo(130);
    JsonNode r = result();
    assertThat(r.path("complete").asBoolean()).isFalse();
    assertThat(r.path("completed").asInt()).as("two may be on their way").isBetween(1, 4999);
    assertThat(r.path("num_prompts").asInt()).isEqualTo(5000);
    assertThat(r.path("failed").asInt()).isZero();
    assertThat(io.printed()).contains("Partial Benchmark Result", "Partial result: ");
  }

  @Test
  void sigtermEndsTheProgramWithItsPartialResult() throws Exception {
    SimulatedInstance server = instance(Options.paged("one", "m").speed(1));
    Process p =
        new ProcessBuilder(
                ProcessHandle.current().info().command().orElseThrow(),
                "-XX:TieredStopAtLevel=1",
                "-jar",
                System.getProperty("infini.jar"),
                "bench",
                "--url",
                server.url().toString(),
                "--dataset-name",
                "cdf",
                "--dataset-path",
                "azure",
                "--num-prompts",
                "20000",
                "--random-output-len",
                "2",
                "--max-concurrency",
                "2",
                "--result-dir",
                folder.toString(),
                "--result-filename",
                "r.json")
            .redirectErrorStream(true)
            .start();
    opened.add(p::destroyForcibly);
    await().atMost(SOON).until(() -> server.completed() >= 3);
    p.toHandle().destroy();
    String said = new String(p.getInputStream().readAllBytes(), UTF_8);
    assertThat(p.waitFor(30, TimeUnit.SECONDS)).isTrue();
    assertThat(p.exitValue()).as(said).isEqualTo(143);
    assertThat(said).contains("Partial Benchmark Result").doesNotContain("\r");
    assertThat(result().path("complete").asBoolean()).isFalse();
    assertThat(result().path("completed").asInt()).isGreaterThanOrEqualTo(3);
  }

  @Test
  void aServerThatDoesNotKeepUpIsSaid() throws Exception {
    SimulatedInstance server = instance(Options.ofStatic("one", "m").speed(1));
    int exit =
        bench(server.url().toString(), "request_rate=400 num_prompts=60 custom_output_len=4");
    assertThat(exit).isZero();
    assertThat(io.complained()).contains("the server did not keep up: 400.00 requests/s asked");
  }

  @Test
  void aRateOutOfReachOfTheSlotsIsSaid() throws Exception {
    SimulatedInstance server = instance(Options.paged("one", "m").speed(1));
    assertThat(
            bench(
                server.url().toString(),
                "request_rate=1000 max_concurrency=1 num_prompts=20 custom_output_len=4"))
        .isZero();
    assertThat(io.complained())
        .contains("the rate was not reached: 1000.00 requests/s asked")
        .contains("--max-concurrency 1 kept requests waiting");
    JsonNode r = result();
    assertThat(r.path("mean_ttft_from_intended_ms").asDouble())
        .isGreaterThan(r.path("mean_ttft_ms").asDouble() * 2);
    assertThat(r.path("mean_client_queue_time_ms").asDouble()).isPositive();
    assertThat(io.printed()).contains("From the intended send time");
  }

  /// A server that sends the same bytes to everyone.
  ///
  /// @param close whether it closes the connection then
  private ServerSocket raw(String answer, boolean close) throws IOException {
    ServerSocket server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    opened.add(server);
    Thread.ofVirtual()
        .start(() -> {
          while (!server.isClosed()) {
            try {
              Socket s = server.accept();
              opened.add(s);
              Thread.ofVirtual().start(() -> serve(s, answer, close));
            } catch (IOException closed) {
              return;
            }
          }
        });
    return server;
  }

  private static void serve(Socket s, String answer, boolean close) {
    try {
      InputStream in = s.getInputStream();
      byte[] head = new byte[4096];
      if (in.read(head) > 0) {
        s.getOutputStream().write(answer.getBytes(UTF_8));
        s.getOutputStream().flush();
        if (close) {
          s.shutdownOutput();
          in.transferTo(java.io.OutputStream.nullOutputStream());
          s.close();
        }
      }
    } catch (IOException gone) {
      // the client ended first
    }
  }
}
