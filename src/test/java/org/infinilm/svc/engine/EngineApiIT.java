package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.data.Offset.offset;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Server;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The OpenAI fields of a request, and what becomes of bad ones, over HTTP on a model of random
/// weights.
class EngineApiIT {
  private static final Duration SOON = Duration.ofSeconds(60);
  private static final int BROKEN_BODIES = 100;
  private static final EngineSetup SETUP = new EngineSetup(true, 2048, 16, 8, 20, 1, 16);

  @TempDir private static Path folder;
  private static final Client CLIENT = Client.create();
  private static @Nullable Server server;
  private static @Nullable Loaded loaded;

  @BeforeAll
  static void start() throws Exception {
    Path file = GgufWriter.write(folder.resolve("tiny.gguf"), GgufWriter.Size.TINY, 11, null);
    EngineMetrics metrics = new EngineMetrics("tiny", true, 16, 128);
    AskReader reader = new AskReader(new AskReader.Defaults(1, 0.8, 1), () -> 1L);
    EngineRoutes routes = new EngineRoutes("tiny", reader, metrics, Ticker.SYSTEM);
    server =
        Server.start(
            Server.Options.at("127.0.0.1", 0).maxBody(1 << 20).refusal(EngineRoutes::refusal),
            routes);
    loaded = SETUP.load(file, metrics, System.getenv());
    routes.serve(loaded);
  }

  @AfterAll
  static void stop() throws Exception {
    Objects.requireNonNull(server).close();
    Objects.requireNonNull(loaded).engine().stop();
    CLIENT.close();
  }

  private static int port() {
    return Objects.requireNonNull(server).port();
  }

  private static URI uri(String path) {
    return URI.create("http://127.0.0.1:" + port() + path);
  }

  private static JsonNode choice(String path, Map<String, ?> body) throws Exception {
    Client.Reply reply = CLIENT.post(uri(path), body, SOON);
    assertThat(reply.status()).as(new String(reply.body(), StandardCharsets.UTF_8)).isEqualTo(200);
    return Json.tree(reply.body()).path("choices").path(0);
  }

  private static Map<String, Object> completion(Object... more) {
    Map<String, Object> body = new HashMap<>();
    body.put("prompt", "ab cd");
    body.put("max_tokens", 12);
    for (int i = 0; i < more.length; i += 2) {
      body.put((String) more[i], more[i + 1]);
    }
    return body;
  }

  private static Map<String, Object> chat(Object... more) {
    Map<String, Object> body = completion(more);
    body.remove("prompt");
    body.put("messages", List.of(Map.of("role", "user", "content", "ab cd")));
    return body;
  }

  /// The events of a stream; the answer's text and tokens put together.
  private static JsonNode streamed(String path, Map<String, Object> body) throws Exception {
    body.put("stream", true);
    String events = ServedEngine.stream(CLIENT, uri(path), body);
    StringBuilder text = new StringBuilder();
    List<Object> content = new java.util.ArrayList<>();
    for (String event : events.split("\n\n")) {
      if (event.startsWith("data: {")) {
        JsonNode c =
            Json.tree(event.substring(6).getBytes(StandardCharsets.UTF_8)).path("choices").path(0);
        text.append(c.path("delta").path("content").asText());
        c.path("logprobs").path("content").forEach(content::add);
      }
    }
    return Json.tree(Json.bytes(Map.of("text", text.toString(), "content", content)));
  }

  @Test
  void aChatReportsItsTokens() throws Exception {
    JsonNode whole = choice("/v1/chat/completions", chat("logprobs", true, "top_logprobs", 3));
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    for (JsonNode t : whole.path("logprobs").path("content")) {
      t.path("bytes").forEach(b -> bytes.write(b.asInt()));
      assertThat(t.path("logprob").asDouble()).isLessThanOrEqualTo(0);
      assertThat(t.path("top_logprobs").size()).isEqualTo(3);
      assertThat(t.path("top_logprobs").path(0).path("logprob").asDouble())
          .as("greedy takes the likeliest")
          .isCloseTo(t.path("logprob").asDouble(), offset(1e-9));
    }
    assertThat(whole.path("message").path("content").asText()).isNotEmpty();
    assertThat(bytes.toString(StandardCharsets.UTF_8))
        .startsWith(whole.path("message").path("content").asText());
    JsonNode stream = streamed("/v1/chat/completions", chat("logprobs", true, "top_logprobs", 3));
    assertThat(stream.path("text")).isEqualTo(whole.path("message").path("content"));
    JsonNode tokens = whole.path("logprobs").path("content");
    assertThat(stream.path("content").size()).isEqualTo(tokens.size());
    for (int i = 0; i < tokens.size(); i++) {
      JsonNode t = stream.path("content").path(i);
      assertThat(t.path("token")).isEqualTo(tokens.path(i).path("token"));
      assertThat(t.path("logprob").asDouble())
          .as("a cached prefix changes rounding only")
          .isCloseTo(tokens.path(i).path("logprob").asDouble(), offset(1e-3));
    }
    assertThat(choice("/v1/chat/completions", chat()).path("logprobs").isNull()).isTrue();
  }

  @Test
  void aCompletionReportsItsTokens() throws Exception {
    JsonNode c = choice("/v1/completions", completion("logprobs", 2));
    JsonNode logprobs = c.path("logprobs");
    int n = logprobs.path("tokens").size();
    assertThat(n).isPositive();
    String text = c.path("text").asText();
    for (int i = 0; i < n; i++) {
      String token = logprobs.path("tokens").path(i).asText();
      int at = text.offsetByCodePoints(0, logprobs.path("text_offset").path(i).asInt());
      if (!token.startsWith("bytes:")) {
        assertThat(text.substring(at)).startsWith(token);
      }
      assertThat(logprobs.path("top_logprobs").path(i).has(token)).isTrue();
      assertThat(logprobs.path("token_logprobs").path(i).isNumber()).isTrue();
    }
    assertThat(
            choice("/v1/completions", completion("logprobs", 0))
                .path("logprobs")
                .path("top_logprobs")
                .path(0)
                .size())
        .isEqualTo(1);
  }

  @Test
  void biasAndPenaltiesSteerTheAnswer() throws Exception {
    int z = tokenOf("z");
    JsonNode forced =
        choice("/v1/completions", completion("logit_bias", Map.of("" + z, 100), "logprobs", 1));
    assertThat(forced.path("text").asText()).isEqualTo("z".repeat(12));
    String varied =
        choice(
                "/v1/completions",
                completion(
                    "logit_bias", Map.of("" + z, 3), "frequency_penalty", 2, "presence_penalty", 2))
            .path("text")
            .asText();
    assertThat(varied.chars().filter(ch -> ch == 'z').count()).isLessThan(6);
    Client.Reply refused =
        CLIENT.post(uri("/v1/completions"), completion("logit_bias", Map.of("99999", 1)), SOON);
    assertThat(refused.status()).isEqualTo(400);
    assertThat(new String(refused.body(), StandardCharsets.UTF_8))
        .contains("logit_bias: 99999 (expected: token ids 0..");
  }

  private static int tokenOf(String letter) throws Exception {
    TokenTable table = Objects.requireNonNull(loaded).table();
    for (int i = 0; i < table.size(); i++) {
      if (new String(table.piece(i), StandardCharsets.UTF_8).equals(letter)) {
        return i;
      }
    }
    throw new IllegalStateException("no token " + letter);
  }

  @Test
  void anAnswerHasTheFormAskedFor() throws Exception {
    Map<String, Object> schema =
        Map.of(
            "type", "object",
            "properties", Map.of("pool", Map.of("enum", List.of("paged", "static"))),
            "required", List.of("pool"));
    Map<String, Object> format =
        Map.of("type", "json_schema", "json_schema", Map.of("name", "p", "schema", schema));
    Map<String, Object> body =
        chat("response_format", format, "max_tokens", 100, "temperature", 1, "top_k", 0);
    JsonNode c = choice("/v1/chat/completions", body);
    assertThat(c.path("finish_reason").asText()).isEqualTo("stop");
    assertThat(json(c.path("message").path("content").asText()).path("pool").asText())
        .isIn("paged", "static");
    assertThat(
            json(streamed("/v1/chat/completions", body).path("text").asText())
                .path("pool")
                .asText())
        .isIn("paged", "static");
    Client.Reply endless =
        CLIENT.post(
            uri("/v1/chat/completions"),
            chat(
                "response_format",
                Map.of(
                    "type", "json_schema", "json_schema", Map.of("schema", Map.of("$ref", "#")))),
            SOON);
    assertThat(endless.status()).isEqualTo(400);
  }

  @Test
  void anyObjectIsJsonUnlessItIsCut() throws Exception {
    for (int seed = 0; seed < 8; seed++) {
      JsonNode c =
          choice(
              "/v1/chat/completions",
              chat(
                  "response_format",
                  Map.of("type", "json_object"),
                  "max_tokens",
                  60,
                  "temperature",
                  1,
                  "top_k",
                  0,
                  "top_p",
                  1,
                  "seed",
                  seed));
      String text = c.path("message").path("content").asText();
      if (c.path("finish_reason").asText().equals("stop")) {
        assertThat(json(text).isObject()).isTrue();
      } else {
        assertThat(c.path("finish_reason").asText()).isEqualTo("length");
        assertThat(text).startsWith("{");
      }
    }
  }

  private static JsonNode json(String text) throws IOException {
    return Json.tree(text.getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void tokensWithAndWithoutTheModelsFirstOne() throws Exception {
    JsonNode with =
        json(
            new String(
                CLIENT.post(uri("/tokenize"), Map.of("prompt", "ab"), SOON).body(),
                StandardCharsets.UTF_8));
    JsonNode without =
        json(
            new String(
                CLIENT
                    .post(
                        uri("/tokenize"), Map.of("prompt", "ab", "add_special_tokens", false), SOON)
                    .body(),
                StandardCharsets.UTF_8));
    assertThat(with.path("count").asInt()).isEqualTo(without.path("count").asInt() + 1);
    assertThat(CLIENT.post(uri("/tokenize"), Map.of("prompt", ""), SOON).status()).isEqualTo(200);
  }

  private static String raw(String request) throws IOException {
    try (Socket s = new Socket("127.0.0.1", port())) {
      s.setSoTimeout((int) SOON.toMillis());
      s.getOutputStream().write(request.getBytes(StandardCharsets.ISO_8859_1));
      s.getOutputStream().flush();
      return new String(s.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "413 POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
        "400 POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "400 POST /v1/completions HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        "431 POST /v1/completions HTTP/1.1\r\nHost: x\r\nX: LONG\r\n\r\n",
      })
  void theServersOwnRefusalsHaveOpenAisShape(String expected) throws Exception {
    String answer = raw(expected.substring(4).replace("LONG", "x".repeat(70_000)));
    assertThat(answer)
        .startsWith("HTTP/1.1 " + expected.substring(0, 3))
        .contains("x-request-id: ");
    assertThat(Bodies.isError(json(answer.substring(answer.indexOf("\r\n\r\n") + 4)))).isTrue();
  }

  @Test
  void brokenBodiesGetAnswersAndTheEngineGoesOn() throws Exception {
    Random random = new Random(4);
    List<byte[]> odd = Bodies.oddValues();
    for (int i = 0; i < BROKEN_BODIES; i++) {
      byte[] body = i % 2 == 0 ? Bodies.broken(random) : odd.get(random.nextInt(odd.size()));
      for (String path : List.of("/v1/chat/completions", "/v1/completions", "/tokenize")) {
        Client.Reply reply = CLIENT.send("POST", uri(path), Headers.NONE, body, SOON);
        String seen = new String(reply.body(), StandardCharsets.UTF_8);
        assertThat(reply.status()).as(seen).isBetween(200, 499);
        if (reply.status() != 200) {
          assertThat(Bodies.isError(json(seen))).as(seen).isTrue();
        }
      }
    }
    assertThat(choice("/v1/completions", completion()).path("text").asText()).isNotEmpty();
  }
}
