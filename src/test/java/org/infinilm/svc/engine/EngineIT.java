package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Server;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Both cache types over HTTP on a model of random weights.
class EngineIT {
  private static final Duration SOON = Duration.ofSeconds(30);
  private static final String PREFIX = "ab cd ef gh ij kl mn op qr st uv wx yz ".repeat(6);

  /// The engines under test: a pool of 2048 tokens for 8 sequences, the same with flash attention,
  /// one sequence of 512.
  enum Kind {
    PAGED,
    PAGED_FLASH,
    STATIC;

    EngineSetup setup() {
      return switch (this) {
        case PAGED -> new EngineSetup(true, 2048, 16, 8, 20, 2, 16);
        case PAGED_FLASH ->
            new EngineSetup(
                true,
                2048,
                16,
                8,
                20,
                2,
                0,
                true,
                false,
                EngineSetup.DEFAULT_PATIENCE.withWaiting(16));
        case STATIC -> new EngineSetup(false, 512, 16, 1, 20, 2, 16);
      };
    }
  }

  private record Running(Server server, Loaded loaded, EngineMetrics metrics) {}

  @TempDir private static Path folder;
  private static final Client CLIENT = Client.create();
  private static final Map<Kind, Running> RUNNING = new EnumMap<>(Kind.class);

  @BeforeAll
  static void start() throws Exception {
    Path file = GgufWriter.write(folder.resolve("tiny.gguf"), GgufWriter.Size.TINY, 11, null);
    for (Kind kind : Kind.values()) {
      EngineMetrics metrics =
          new EngineMetrics("tiny", kind.setup().pooled(), 16, kind.setup().blocks());
      AskReader reader = new AskReader(new AskReader.Defaults(1, 0.8, 1), () -> 1L);
      EngineRoutes routes = new EngineRoutes("tiny", reader, metrics, Ticker.SYSTEM);
      Server server = Server.start(Server.Options.at("127.0.0.1", 0), routes);
      URI health = URI.create("http://127.0.0.1:" + server.port() + "/health");
      assertThat(CLIENT.get(health, SOON).status()).as("while loading").isEqualTo(503);
      Loaded loaded = kind.setup().load(file, metrics, System.getenv());
      routes.serve(loaded);
      assertThat(CLIENT.get(health, SOON).status()).isEqualTo(200);
      RUNNING.put(kind, new Running(server, loaded, metrics));
    }
  }

  @AfterAll
  static void stop() throws Exception {
    for (Running r : RUNNING.values()) {
      r.server().close();
      r.loaded().engine().stop();
    }
    CLIENT.close();
  }

  private static Running running(Kind kind) {
    return Objects.requireNonNull(RUNNING.get(kind));
  }

  private static URI uri(Kind kind, String path) {
    return URI.create("http://127.0.0.1:" + running(kind).server().port() + path);
  }

  private static JsonNode ok(Kind kind, String path, Map<String, ?> body) throws Exception {
    Client.Reply reply = CLIENT.post(uri(kind, path), body, SOON);
    assertThat(reply.status()).as(new String(reply.body(), StandardCharsets.UTF_8)).isEqualTo(200);
    return Json.tree(reply.body());
  }

  private static JsonNode error(Kind kind, String path, Map<String, ?> body, int status)
      throws Exception {
    Client.Reply reply = CLIENT.post(uri(kind, path), body, SOON);
    assertThat(reply.status()).isEqualTo(status);
    assertThat(reply.headers().get("x-request-id")).isNotEmpty();
    return Json.tree(reply.body()).path("error");
  }

  private static Map<String, Object> completion(String prompt, int tokens) {
    return Map.of("model", "tiny", "prompt", prompt, "max_tokens", tokens, "ignore_eos", true);
  }

  private static double metric(Kind kind, String name) {
    String text = new String(running(kind).metrics().scrape(), StandardCharsets.UTF_8);
    return text.lines()
        .filter(l -> l.startsWith(name + "{") || l.startsWith(name + " "))
        .mapToDouble(l -> Double.parseDouble(l.substring(l.lastIndexOf(' '))))
        .sum();
  }

  private static String stream(Kind kind, String path, Map<String, ?> body) throws Exception {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    CLIENT.stream(
        "POST",
        uri(kind, path),
        Headers.of("x-request-id", "mine-1"),
        Json.bytes(body),
        SOON,
        new Client.Listener() {
          @Override
          public void head(int status, Headers headers) {
            assertThat(status).isEqualTo(200);
            assertThat(headers.get("content-type")).startsWith("text/event-stream");
            assertThat(headers.get("x-request-id")).isEqualTo("mine-1");
          }

          @Override
          public void piece(byte[] piece) {
            out.writeBytes(piece);
          }
        });
    return out.toString(StandardCharsets.UTF_8);
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void aChatIsAnsweredWithUsage(Kind kind) throws Exception {
    JsonNode answer =
        ok(
            kind,
            "/v1/chat/completions",
            Map.of(
                "model",
                "tiny",
                "messages",
                List.of(Map.of("role", "user", "content", "hello")),
                "max_completion_tokens",
                7,
                "ignore_eos",
                true));
    assertThat(answer.path("object").asText()).isEqualTo("chat.completion");
    JsonNode choice = answer.path("choices").path(0);
    assertThat(choice.path("finish_reason").asText()).isEqualTo("length");
    assertThat(choice.path("message").path("role").asText()).isEqualTo("assistant");
    assertThat(choice.path("message").path("content").asText()).isNotEmpty();
    JsonNode usage = answer.path("usage");
    assertThat(usage.path("completion_tokens").asInt()).isEqualTo(7);
    assertThat(usage.path("total_tokens").asInt())
        .isEqualTo(7 + usage.path("prompt_tokens").asInt());
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void aStreamIsTheSameAnswerInEvents(Kind kind) throws Exception {
    Map<String, Object> chat =
        Map.of("messages", List.of(Map.of("role", "user", "content", "once")), "ignore_eos", true);
    String whole =
        ok(kind, "/chat/completions", chat)
            .path("choices")
            .path(0)
            .path("message")
            .path("content")
            .asText();
    Map<String, Object> streamed = new HashMap<>(chat);
    streamed.put("stream", true);
    streamed.put("stream_options", Map.of("include_usage", true));
    String raw = stream(kind, "/chat/completions", streamed);
    assertThat(raw).doesNotContain("\r").endsWith("\n\ndata: [DONE]\n\n");
    List<JsonNode> events = new ArrayList<>();
    for (String event : raw.split("\n\n")) {
      assertThat(event).startsWith("data: ").doesNotContain("\n");
      if (!event.equals("data: [DONE]")) {
        events.add(Json.tree(event.substring(6).getBytes(StandardCharsets.UTF_8)));
      }
    }
    assertThat(events.getFirst().path("choices").path(0).path("delta").path("role").asText())
        .isEqualTo("assistant");
    StringBuilder text = new StringBuilder();
    events.forEach(
        e -> text.append(e.path("choices").path(0).path("delta").path("content").asText("")));
    assertThat(text).hasToString(whole);
    assertThat(events.get(events.size() - 2).path("choices").path(0).path("finish_reason").asText())
        .isEqualTo("length");
    assertThat(events.getLast().path("choices").size()).isZero();
    assertThat(events.getLast().path("usage").path("completion_tokens").asInt()).isEqualTo(20);
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void aSecondTurnReusesTheFirst(Kind kind) throws Exception {
    JsonNode first = ok(kind, "/v1/completions", completion(PREFIX + "one", 4));
    int tokens = first.path("usage").path("prompt_tokens").asInt();
    double hits = metric(kind, "vllm:prefix_cache_hits_total");
    JsonNode second = ok(kind, "/v1/completions", completion(PREFIX + "one more turn", 4));
    int cached = second.path("usage").path("prompt_tokens_details").path("cached_tokens").asInt();
    assertThat(cached).isBetween(tokens - 20, tokens).isGreaterThan(16);
    assertThat(metric(kind, "vllm:prefix_cache_hits_total")).isEqualTo(hits + cached);
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void reuseChangesNoAnswer(Kind kind) throws Exception {
    String prompt = "zz " + PREFIX + "and then";
    JsonNode fresh = ok(kind, "/v1/completions", completion(prompt, 12));
    JsonNode again = ok(kind, "/v1/completions", completion(prompt, 12));
    assertThat(again.path("choices").path(0).path("text"))
        .isEqualTo(fresh.path("choices").path(0).path("text"));
    assertThat(again.path("usage").path("prompt_tokens_details").path("cached_tokens").asInt())
        .isPositive();
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void stopEndsBeforeItsText(Kind kind) throws Exception {
    String text =
        ok(kind, "/v1/completions", completion("stop here", 20))
            .path("choices")
            .path(0)
            .path("text")
            .asText();
    String stop = text.substring(3, 6);
    Map<String, Object> body = new HashMap<>(completion("stop here", 20));
    body.put("stop", List.of(stop));
    JsonNode choice = ok(kind, "/v1/completions", body).path("choices").path(0);
    assertThat(choice.path("finish_reason").asText()).isEqualTo("stop");
    assertThat(choice.path("text").asText()).isEqualTo(text.substring(0, text.indexOf(stop)));
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void aPromptThatDoesNotFitIsRefused(Kind kind) throws Exception {
    double before = clientErrors(kind);
    JsonNode error = error(kind, "/v1/completions", Map.of("prompt", PREFIX.repeat(60)), 400);
    assertThat(error.path("code").asText()).isEqualTo("context_length_exceeded");
    assertThat(error.path("type").asText()).isEqualTo("invalid_request_error");
    assertThat(error(kind, "/v1/completions", completion("hi", 4000), 400).path("code").asText())
        .isEqualTo("context_length_exceeded");
    assertThat(error(kind, "/v1/completions", Map.of("prompt", "", "model", "x"), 404).path("code"))
        .hasToString("\"model_not_found\"");
    assertThat(
            error(kind, "/v1/completions", Map.of("prompt", "a".repeat(1_900_000)), 400)
                .path("code"))
        .hasToString("\"context_length_exceeded\"");
    assertThat(clientErrors(kind)).isEqualTo(before + 4);
  }

  private static double clientErrors(Kind kind) {
    return outcomes(kind, "client_error");
  }

  private static double outcomes(Kind kind, String outcome) {
    return metric(kind, "infini_engine_requests_total{outcome=\"" + outcome + "\"}");
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void aClientThatGoesAwayFreesItsSequence(Kind kind) throws Exception {
    Map<String, Object> body = new HashMap<>(completion("long", 450));
    body.put("stream", true);
    assertThatThrownBy(() ->
            CLIENT.stream(
                "POST",
                uri(kind, "/v1/completions"),
                Headers.NONE,
                Json.bytes(body),
                SOON,
                new Client.Listener() {
                  @Override
                  public void head(int status, Headers headers) {}

                  @Override
                  public void piece(byte[] piece) throws IOException {
                    throw new IOException("enough");
                  }
                }))
        .isInstanceOf(IOException.class);
    await().atMost(SOON).until(() -> metric(kind, "vllm:num_requests_running") == 0);
    await().atMost(SOON).until(() -> outcomes(kind, "client_gone") > 0);
    ok(kind, "/v1/completions", completion("next", 3));
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void eightAtOnceGiveWhatEachGivesAlone(Kind kind) throws Exception {
    List<String> alone = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      alone.add(stream(kind, "/v1/completions", eighth(i)));
    }
    try (ExecutorService pool = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<String>> together = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        int n = i;
        Callable<String> one = () -> stream(kind, "/v1/completions", eighth(n));
        together.add(pool.submit(one));
      }
      for (int i = 0; i < 8; i++) {
        assertThat(texts(together.get(i).get())).isEqualTo(texts(alone.get(i)));
      }
    }
    assertThat(metric(kind, "vllm:num_requests_running")).isZero();
    assertThat(metric(kind, "vllm:num_requests_waiting")).isZero();
  }

  private static Map<String, Object> eighth(int n) {
    Map<String, Object> body = new HashMap<>(completion("number " + n + " of 8", 30));
    body.put("stream", true);
    return body;
  }

  private static String texts(String stream) throws IOException {
    StringBuilder text = new StringBuilder();
    for (String event : stream.split("\n\n")) {
      if (event.startsWith("data: {")) {
        text.append(
            Json.tree(event.substring(6).getBytes(StandardCharsets.UTF_8))
                .path("choices")
                .path(0)
                .path("text")
                .asText());
      }
    }
    return text.toString();
  }

  @Test
  void tokensThereAndBackAndModels() throws Exception {
    JsonNode tokens = ok(Kind.PAGED, "/tokenize", Map.of("prompt", "ab cd"));
    assertThat(tokens.path("count").asInt()).isEqualTo(tokens.path("tokens").size());
    JsonNode text = ok(Kind.PAGED, "/detokenize", Map.of("tokens", tokens.path("tokens")));
    assertThat(text.path("prompt").asText()).isEqualTo(" ab cd");
    JsonNode ids = ok(Kind.PAGED, "/v1/completions", Map.of("prompt", tokens.path("tokens")));
    assertThat(ids.path("usage").path("prompt_tokens").asInt())
        .isEqualTo(tokens.path("count").asInt());
    JsonNode models = Json.tree(CLIENT.get(uri(Kind.STATIC, "/v1/models"), SOON).body());
    assertThat(models.path("data").path(0).path("id").asText()).isEqualTo("tiny");
    assertThat(models.path("data").path(0).path("max_model_len").asInt()).isEqualTo(512);
    assertThat(
            error(Kind.PAGED, "/v1/completions", Map.of("prompt", List.of(99999)), 400)
                .path("message")
                .asText())
        .startsWith("prompt[0]: 99999 (expected: a token id 0..");
    assertThat(CLIENT.get(uri(Kind.PAGED, "/v1/chat/completions"), SOON).status()).isEqualTo(405);
    assertThat(CLIENT.get(uri(Kind.PAGED, "/nothing"), SOON).status()).isEqualTo(404);
  }

  @Test
  void metricsHaveVllmsNames() throws Exception {
    String text =
        new String(CLIENT.get(uri(Kind.PAGED, "/metrics"), SOON).body(), StandardCharsets.UTF_8);
    assertThat(text)
        .contains("vllm:num_requests_running{engine=\"0\",model_name=\"tiny\"}")
        .contains("vllm:cache_config_info{block_size=\"16\",num_gpu_blocks=\"128\"} 1")
        .contains("vllm:time_to_first_token_seconds_bucket")
        .contains("infini_engine_requests_total{outcome=\"rejected\"}");
  }
}
