package org.infinilm.svc.simulator;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.simulator.SimulatedInstance.Options;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;

class SimulatedInstanceIT {
  private static final Duration SOON = Duration.ofSeconds(10);
  private static final String CHAT = "/v1/chat/completions";
  private final Client client = Client.create();

  private static URI at(SimulatedInstance i, String path) {
    return i.url().resolve(path);
  }

  private static Map<String, Object> ask(String text, Object... more) {
    Map<String, Object> m = new HashMap<>();
    m.put("messages", List.of(Map.of("role", "user", "content", text)));
    for (int i = 0; i < more.length; i += 2) {
      m.put((String) more[i], more[i + 1]);
    }
    return m;
  }

  private JsonNode chat(SimulatedInstance i, int status, Map<String, Object> body)
      throws Exception {
    Client.Reply r = client.post(at(i, CHAT), body, SOON);
    assertThat(r.status()).as(new String(r.body(), UTF_8)).isEqualTo(status);
    return Json.tree(r.body());
  }

  private List<String> events(SimulatedInstance i, String path, Map<String, Object> body)
      throws Exception {
    StringBuilder all = new StringBuilder();
    client.stream(
        "POST",
        at(i, path),
        Headers.of("content-type", "application/json"),
        Json.bytes(body),
        SOON,
        new Client.Listener() {
          @Override
          public void head(int status, Headers headers) {
            assertThat(status).isEqualTo(200);
            assertThat(headers.get("content-type")).isEqualTo("text/event-stream");
          }

          @Override
          public void piece(byte[] piece) {
            all.append(new String(piece, UTF_8));
          }
        });
    assertThat(all.toString()).endsWith("\n\n").doesNotContain("\r");
    List<String> events = new ArrayList<>();
    for (String e : all.toString().split("\n\n")) {
      assertThat(e).startsWith("data: ");
      events.add(e.substring(6));
    }
    return events;
  }

  @Test
  void aChatIsAnsweredWithTheInstanceTheModelAndUsage() throws Exception {
    try (SimulatedInstance i = SimulatedInstance.start(Options.paged("paged-1", "m"))) {
      JsonNode a = chat(i, 200, ask("x".repeat(100), "model", "m"));
      assertThat(a.at("/object").asText()).isEqualTo("chat.completion");
      assertThat(a.at("/choices/0/message/content").asText())
          .startsWith("Hello from paged-1 (model: m)");
      assertThat(a.at("/choices/0/finish_reason").asText()).isEqualTo("stop");
      assertThat(a.at("/usage/prompt_tokens").asInt()).isEqualTo(25);
      assertThat(a.at("/usage/completion_tokens").asInt()).isEqualTo(16);
      assertThat(a.at("/usage/prompt_tokens_details/cached_tokens").asInt()).isZero();
      assertThat(chat(i, 200, ask("y", "max_tokens", 3)).at("/choices/0/finish_reason").asText())
          .isEqualTo("length");
      assertThat(i.requests()).isEqualTo(2);
      assertThat(i.completed()).isEqualTo(2);
      assertThat(i.running()).isZero();
    }
  }

  @Test
  void aStreamHasRoleContentFinishUsageAndDone() throws Exception {
    try (SimulatedInstance i = SimulatedInstance.start(Options.ofStatic("static-1", "m"))) {
      List<String> e =
          events(
              i,
              CHAT,
              ask(
                  "hi",
                  "stream",
                  true,
                  "max_tokens",
                  5,
                  "stream_options",
                  Map.of("include_usage", true)));
      assertThat(e).hasSize(1 + 5 + 1 + 1 + 1);
      assertThat(Json.tree(e.getFirst().getBytes(UTF_8)).at("/choices/0/delta/role").asText())
          .isEqualTo("assistant");
      StringBuilder text = new StringBuilder();
      for (String c : e.subList(1, 6)) {
        text.append(Json.tree(c.getBytes(UTF_8)).at("/choices/0/delta/content").asText());
      }
      assertThat(text.toString()).isEqualTo("Hello from static-1 (model: m)");
      assertThat(Json.tree(e.get(6).getBytes(UTF_8)).at("/choices/0/finish_reason").asText())
          .isEqualTo("length");
      JsonNode usage = Json.tree(e.get(7).getBytes(UTF_8));
      assertThat(usage.at("/choices").size()).isZero();
      assertThat(usage.at("/choices").isArray()).isTrue();
      assertThat(usage.at("/usage/completion_tokens").asInt()).isEqualTo(5);
      assertThat(e.getLast()).isEqualTo("[DONE]");
    }
  }

  @Test
  void aPromptWithoutMessagesIsTakenOnTheChatRoute() throws Exception {
    try (SimulatedInstance i = SimulatedInstance.start(Options.paged("p", "m"))) {
      List<String> e =
          events(i, CHAT, Map.of("prompt", "text", "stream", true, "logprobs", "", "model", "m"));
      assertThat(e.getLast()).isEqualTo("[DONE]");
      Client.Reply r =
          client.post(at(i, "/v1/completions"), Map.of("prompt", List.of(1, 2, 3)), SOON);
      JsonNode a = Json.tree(r.body());
      assertThat(a.at("/object").asText()).isEqualTo("text_completion");
      assertThat(a.at("/choices/0/text").asText()).startsWith("Hello from p");
      assertThat(a.at("/usage/prompt_tokens").asInt()).isEqualTo(3);
    }
  }

  @Test
  void wrongRequestsAreNamed() throws Exception {
    try (SimulatedInstance i =
        SimulatedInstance.start(Options.ofStatic("s", "m").maxCacheLen(64))) {
      assertThat(chat(i, 404, ask("x", "model", "other")).at("/error/code").asText())
          .isEqualTo("model_not_found");
      assertThat(chat(i, 400, ask("x", "max_tokens", 0)).at("/error/message").asText())
          .isEqualTo("max_tokens: 0 (expected: a whole number from 1)");
      assertThat(chat(i, 400, ask("x".repeat(400))).at("/error/code").asText())
          .isEqualTo("context_length_exceeded");
      assertThat(chat(i, 400, Map.of("model", "m")).at("/error/param").asText())
          .isEqualTo("messages");
      assertThat(Wiretap.post(i, CHAT, "{no json", 5000).bytes()).startsWith("HTTP/1.1 400");
      assertThat(client.get(at(i, CHAT), SOON).status()).isEqualTo(405);
      assertThat(new String(client.get(at(i, "/metrics"), SOON).body(), UTF_8))
          .contains("infini_engine_requests_total{outcome=\"client_error\"} 5.0")
          .contains("vllm:num_requests_running 0")
          .contains("vllm:num_requests_waiting 0")
          .contains("vllm:kv_cache_usage_perc 0");
    }
  }

  @Test
  void truncateAnswersWhatFits() throws Exception {
    try (SimulatedInstance i =
        SimulatedInstance.start(Options.ofStatic("s", "m").maxCacheLen(64).overflow("truncate"))) {
      JsonNode some = chat(i, 200, ask("x".repeat(240), "max_tokens", 50));
      assertThat(some.at("/usage/completion_tokens").asInt()).isEqualTo(4);
      JsonNode none = chat(i, 200, ask("x".repeat(400)));
      assertThat(none.at("/choices/0/finish_reason").asText()).isEqualTo("length");
      assertThat(none.at("/choices/0/message/content").asText()).isEmpty();
    }
  }

  @Test
  void aClientThatGoesAwayFreesItsPlace() throws Exception {
    Options slow = Options.paged("p", "m").speed(1);
    try (SimulatedInstance i = SimulatedInstance.start(slow)) {
      String body = Json.text(ask("x", "max_tokens", 60_000, "stream", true));
      try (Socket s = Wiretap.open(i, CHAT, body)) {
        assertThat(s.getInputStream().read()).isEqualTo('H');
        assertThat(i.running()).isEqualTo(1);
        await().until(i::inEngine, n -> n == 1);
      }
      await().until(i::cancelled, n -> n == 1);
      await().until(i::inEngine, n -> n == 0);
      await().until(i::running, n -> n == 0);
    }
  }

  @Test
  void aRequestThatHangsIsCancelledToo() throws Exception {
    try (SimulatedInstance i =
        SimulatedInstance.start(Options.paged("p", "m").pool(2, 16).overflow("hang"))) {
      try (Socket s = Wiretap.open(i, CHAT, Json.text(ask("x".repeat(400))))) {
        assertThat(s.isConnected()).isTrue();
        await().until(i::inEngine, n -> n == 1);
      }
      await().until(i::cancelled, n -> n == 1);
      await().until(i::inEngine, n -> n == 0);
    }
  }

  @Test
  void statsShowHeadersButNoSecretAndNoText() throws Exception {
    try (SimulatedInstance i = SimulatedInstance.start(Options.paged("p", "m"))) {
      Wiretap.post(
          i,
          CHAT + "?a=%20b",
          Json.text(ask("private words")),
          5000,
          "Authorization: Bearer sesame",
          "X-Request-Id: r-1");
      String stats = new String(client.get(at(i, "/stats"), SOON).body(), UTF_8);
      assertThat(stats)
          .contains("{\"name\":\"Authorization\",\"value\":\"(hidden)\"}")
          .contains("{\"name\":\"X-Request-Id\",\"value\":\"r-1\"}")
          .contains("\"target\":\"/v1/chat/completions?a=%20b\"")
          .contains("\"requests\":1")
          .doesNotContain("sesame")
          .doesNotContain("private");
      assertThat(i.lastRequest().headers().get("authorization")).isEqualTo("Bearer sesame");
    }
  }

  @Test
  void modelsEmbeddingsAndTokenizeAnswer() throws Exception {
    try (SimulatedInstance i = SimulatedInstance.start(Options.ofStatic("s", "a", "b"))) {
      JsonNode models = Json.tree(client.get(at(i, "/models"), SOON).body());
      assertThat(models.at("/data/1/id").asText()).isEqualTo("b");
      assertThat(models.at("/data/0/max_model_len").asInt()).isEqualTo(4096);
      Client.Reply e =
          client.post(at(i, "/v1/embeddings"), Map.of("input", "x", "model", "a"), SOON);
      assertThat(Json.tree(e.body()).at("/data/0/embedding").size()).isEqualTo(8);
      Client.Reply t = client.post(at(i, "/tokenize"), Map.of("prompt", "x".repeat(9)), SOON);
      assertThat(Json.tree(t.body()).at("/count").asInt()).isEqualTo(3);
    }
  }

  @Test
  void anInstanceIsNotReadyBeforeItsDelay() throws Exception {
    AtomicLong nanos = new AtomicLong();
    Ticker ticker =
        new Ticker() {
          @Override
          public long nanos() {
            return nanos.get();
          }

          @Override
          public Instant now() {
            return Instant.EPOCH;
          }
        };
    Options o = Options.paged("p", "m").startupDelay(Duration.ofSeconds(5));
    try (SimulatedInstance i = SimulatedInstance.start(o, ticker)) {
      assertThat(client.get(at(i, "/health"), SOON).status()).isEqualTo(503);
      assertThat(client.get(at(i, "/v1/models"), SOON).status()).isEqualTo(503);
      nanos.set(Duration.ofSeconds(5).toNanos());
      assertThat(client.get(at(i, "/health"), SOON).status()).isEqualTo(200);
      chat(i, 200, ask("x"));
    }
  }

  @Test
  void itStopsAndStartsListeningOnTheSamePort() throws Exception {
    try (SimulatedInstance i = SimulatedInstance.start(Options.paged("p", "m"))) {
      i.stopListening();
      assertThatThrownBy(() -> new Socket("127.0.0.1", i.port()).close())
          .isInstanceOf(IOException.class);
      i.startListening();
      chat(i, 200, ask("x"));
    }
  }
}
