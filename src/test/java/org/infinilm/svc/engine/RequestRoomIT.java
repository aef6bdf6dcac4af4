package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Json;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What requests hold in memory is counted from their bodies to the last byte of their answers.
class RequestRoomIT {
  private static final Duration SOON = Duration.ofMinutes(1);
  private static final long MOST = 64 << 20;
  private static final RequestRoom ROOM = new RequestRoom(MOST);
  private static final String CHAT = "/v1/chat/completions";

  private static ServedEngine engine;

  @BeforeAll
  static void start() throws Exception {
    EngineSetup setup =
        new EngineSetup(true, 4096, 16, 4, 20, 1, 0, false, true, EngineSetup.DEFAULT_PATIENCE);
    engine =
        ServedEngine.start(
            setup,
            Path.of("model", "infini-tiny.gguf"),
            EngineProgram.listening("127.0.0.1", 0),
            ROOM);
  }

  @AfterAll
  static void stop() throws Exception {
    engine.stop();
  }

  private static Map<String, Object> chat(Object... more) {
    Map<String, Object> body = new HashMap<>();
    body.put("messages", List.of(Map.of("role", "user", "content", "Hello")));
    body.put("max_tokens", 8);
    for (int i = 0; i < more.length; i += 2) {
      body.put((String) more[i], more[i + 1]);
    }
    return body;
  }

  private static void awaitEmpty() {
    await().atMost(SOON).untilAsserted(() -> assertThat(ROOM.taken()).isZero());
  }

  @Test
  void whereOthersHoldItAllTheAnswerIs429AndThenItIsThere() throws Exception {
    Map<String, Map<String, Object>> asked =
        Map.of(
            CHAT,
            chat(),
            "/v1/completions",
            Map.of("prompt", "Hello", "max_tokens", 4),
            "/v1/embeddings",
            Map.of("input", "Hello"),
            "/tokenize",
            Map.of("prompt", "Hello"),
            "/detokenize",
            Map.of("tokens", List.of(1)));
    try (RequestRoom.Held _ = ROOM.held(MOST - 1)) {
      for (Map.Entry<String, Map<String, Object>> e : asked.entrySet()) {
        Client.Reply reply = engine.client().post(engine.uri(e.getKey()), e.getValue(), SOON);
        assertThat(reply.status()).as(e.getKey()).isEqualTo(429);
        assertThat(Json.tree(reply.body()).path("error").path("code").asText())
            .isEqualTo("queue_full");
      }
    }
    for (Map.Entry<String, Map<String, Object>> e : asked.entrySet()) {
      engine.post(e.getKey(), e.getValue());
    }
    awaitEmpty();
  }

  /// A prompt that has room as a body, and none as tokens beside it.
  @Test
  void tokensAndKeptProbabilitiesCountBesideTheBody() throws Exception {
    int[] prompt = new int[3000];
    Arrays.fill(prompt, 5);
    Map<String, Object> body = Map.of("prompt", prompt, "max_tokens", 1);
    long bytes = Json.bytes(body).length;
    try (RequestRoom.Held _ = ROOM.held(MOST - bytes - 9000)) {
      assertThat(engine.status("/v1/completions", body)).isEqualTo(429);
      assertThat(engine.status("/v1/completions", Map.of("prompt", "a", "max_tokens", 1)))
          .isEqualTo(200);
      assertThat(engine.status(CHAT, chat("logprobs", true, "top_logprobs", 20, "n", 4)))
          .as("%d of 400 bytes", 4 * 8 * 21)
          .isEqualTo(429);
    }
    assertThat(engine.status("/v1/completions", body)).isEqualTo(200);
    awaitEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "a whole answer, '{}', 200",
    "a stream, '{\"stream\": true}', 200",
    "several answers, '{\"n\": 3}', 200",
    "an answer in a form, '{\"response_format\": {\"type\": \"json_object\"}}', 200",
    "a form that cannot be, "
        + "'{\"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"name\": \"a\","
        + " \"schema\": {\"type\": \"no\"}}}}', 400",
    "a wrong field, '{\"temperature\": 9}', 400",
    "too long, '{\"max_tokens\": 100000}', 400",
    "another model, '{\"model\": \"other\"}', 404"
  })
  void everyWayOutGivesItBack(String what, String fields, int status) throws Exception {
    Map<String, Object> body = chat();
    JsonNode more = Json.tree(fields.getBytes(StandardCharsets.UTF_8));
    more.properties().forEach(e -> body.put(e.getKey(), e.getValue()));
    assertThat(engine.status(CHAT, body)).as(what).isEqualTo(status);
    awaitEmpty();
  }

  @Test
  void aLargeWholeAnswerIsWhole() throws Exception {
    Client.Reply reply =
        engine
            .client()
            .post(
                engine.uri(CHAT),
                chat("max_tokens", 300, "ignore_eos", true, "logprobs", true, "top_logprobs", 20),
                SOON);
    assertThat(reply.status()).isEqualTo(200);
    assertThat(reply.body().length).isGreaterThan(256 << 10);
    JsonNode choice = Json.tree(reply.body()).path("choices").path(0);
    assertThat(choice.path("finish_reason").asText()).isEqualTo("length");
    assertThat(choice.path("logprobs").path("content").size()).isEqualTo(300);
    awaitEmpty();
  }

  /// Neither a stream nor a large whole answer that nobody reads is forgotten while it is held.
  @ParameterizedTest
  @CsvSource({"true", "false"})
  void anAnswerThatIsNotReadCountsUntilItsClientGoes(boolean stream) throws Exception {
    byte[] body =
        Json.bytes(
            chat(
                "max_tokens",
                1000,
                "n",
                4,
                "ignore_eos",
                true,
                "logprobs",
                true,
                "top_logprobs",
                20,
                "stream",
                stream));
    try (Socket deaf = new Socket()) {
      deaf.setReceiveBufferSize(4096);
      deaf.connect(new InetSocketAddress("127.0.0.1", engine.server().port()));
      String head =
          "POST " + CHAT + " HTTP/1.1\r\nhost: a\r\ncontent-length: " + body.length + "\r\n\r\n";
      deaf.getOutputStream().write(head.getBytes(StandardCharsets.US_ASCII));
      deaf.getOutputStream().write(body);
      assertThat(deaf.getInputStream().read()).isEqualTo('H');
      assertThat(ROOM.taken()).isGreaterThanOrEqualTo(body.length);
    }
    awaitEmpty();
  }
}
