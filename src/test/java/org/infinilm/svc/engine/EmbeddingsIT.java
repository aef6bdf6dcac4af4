package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.data.Offset.offset;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Server;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Embeddings over HTTP by the bundled model.
class EmbeddingsIT {
  private static final String PATH = "/v1/embeddings";
  private static final Duration SOON = Duration.ofMinutes(2);
  private static final Path MODEL = Path.of("model", "infini-tiny.gguf");
  private static final List<String> TEXTS =
      List.of(
          "A tram stops at the harbour.",
          "Zürich €",
          "The router sends large requests to the static pool and small ones to the paged pool. "
              .repeat(20));

  private static final String BATCHES = "infini_engine_embedding_batches_total";
  private static final String GONE =
      "infini_engine_embedding_requests_total{outcome=\"client_gone\"}";

  private static ServedEngine engine;

  @BeforeAll
  static void start() throws Exception {
    EngineSetup setup =
        new EngineSetup(true, 4096, 16, 4, 20, 1, 0, false, true, EngineSetup.DEFAULT_PATIENCE);
    engine = ServedEngine.start(setup, MODEL);
  }

  @AfterAll
  static void stop() throws Exception {
    engine.stop();
  }

  private static float[] floats(JsonNode list) {
    assertThat(list.isArray()).isTrue();
    float[] out = new float[list.size()];
    for (int i = 0; i < out.length; i++) {
      out[i] = list.path(i).floatValue();
    }
    return out;
  }

  private static List<float[]> vectors(Object input) throws Exception {
    JsonNode answer = engine.post(PATH, Map.of("model", "m", "input", input));
    assertThat(answer.path("object").asText()).isEqualTo("list");
    assertThat(answer.path("model").asText()).isEqualTo("m");
    assertThat(answer.path("usage").path("prompt_tokens").asLong()).isPositive();
    assertThat(answer.path("usage").path("total_tokens"))
        .isEqualTo(answer.path("usage").path("prompt_tokens"));
    List<float[]> out = new ArrayList<>();
    for (JsonNode one : answer.path("data")) {
      assertThat(one.path("object").asText()).isEqualTo("embedding");
      assertThat(one.path("index").asInt()).isEqualTo(out.size());
      out.add(floats(one.path("embedding")));
    }
    return out;
  }

  private static double product(float[] a, float[] b) {
    assertThat(a.length).isEqualTo(b.length);
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += (double) a[i] * b[i];
    }
    return sum;
  }

  @Test
  void aTextHasOneVectorOfLengthOneAndOthersHaveOthers() throws Exception {
    float[] first = vectors(TEXTS.get(0)).getFirst();
    assertThat(first.length).isEqualTo(engine.loaded().embedder().width());
    assertThat(product(first, first)).isCloseTo(1, offset(1e-5));
    assertThat(vectors(TEXTS.get(0)).getFirst()).isEqualTo(first);
    float[] near = vectors("A tram stops at a harbour.").getFirst();
    float[] far = vectors("public static void main").getFirst();
    assertThat(product(first, near)).isGreaterThan(product(first, far)).isLessThan(0.99999);
  }

  @Test
  void manyTextsHaveTheVectorsThatTheyHaveAlone() throws Exception {
    List<String> many = new ArrayList<>(TEXTS);
    for (int i = 0; i < 60; i++) {
      many.add("Tell me about number " + i + ".");
    }
    many.add(1, TEXTS.get(2) + " Twice.");
    List<float[]> together = vectors(many);
    assertThat(together).hasSize(many.size());
    for (int i = 0; i < many.size(); i++) {
      assertThat(together.get(i))
          .as(many.get(i))
          .containsExactly(vectors(List.of(many.get(i))).getFirst(), offset(1e-4f));
    }
  }

  @Test
  void tokenIdsAreTheTextThatTheyAreOf() throws Exception {
    int[] ids = engine.loaded().vocabulary().tokenize(TEXTS.get(0), true);
    int[] others = engine.loaded().vocabulary().tokenize(TEXTS.get(2), true);
    assertThat(others.length).as("longer than a batch").isGreaterThan(Embedder.BATCH_TOKENS);
    float[] text = vectors(TEXTS.get(0)).getFirst();
    assertThat(vectors(ids).getFirst()).containsExactly(text, offset(1e-4f));
    List<float[]> both = vectors(List.of(others, ids));
    assertThat(both.get(1)).containsExactly(text, offset(1e-4f));
    assertThat(both.get(0)).containsExactly(vectors(TEXTS.get(2)).getFirst(), offset(1e-4f));
    JsonNode answer = engine.post(PATH, Map.of("input", List.of(others, ids)));
    assertThat(answer.path("usage").path("prompt_tokens").asInt())
        .isEqualTo(others.length + ids.length);
  }

  @Test
  void aTextHasTheSameVectorInBatchesOfAnySize() throws Exception {
    int chunk = 16;
    EngineSetup small =
        new EngineSetup(true, 4096, 16, 4, 20, 1, chunk, false, true, EngineSetup.DEFAULT_PATIENCE);
    ServedEngine other = ServedEngine.start(small, MODEL);
    try {
      JsonNode answer = other.post(PATH, Map.of("input", TEXTS.get(2)));
      assertThat(floats(answer.path("data").path(0).path("embedding")))
          .containsExactly(vectors(TEXTS.get(2)).getFirst(), offset(1e-4f));
      assertThat(other.page().value("infini_engine_embedding_batches_total"))
          .isEqualTo(Math.ceilDiv(answer.path("usage").path("total_tokens").asInt(), chunk));
    } finally {
      other.stop();
    }
  }

  @Test
  void base64HoldsTheSameNumbers() throws Exception {
    JsonNode answer =
        engine.post(PATH, Map.of("input", TEXTS.get(0), "encoding_format", "base64", "user", "u"));
    byte[] bytes =
        Base64.getDecoder().decode(answer.path("data").path(0).path("embedding").textValue());
    float[] values = new float[bytes.length / Float.BYTES];
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
    assertThat(values).isEqualTo(vectors(TEXTS.get(0)).getFirst());
    int width = values.length;
    assertThat(
            engine.status(
                PATH, Map.of("input", "a", "encoding_format", "float", "dimensions", width)))
        .isEqualTo(200);
  }

  private static JsonNode refused(int status, Map<String, ?> body) throws Exception {
    Client.Reply reply = engine.client().post(engine.uri(PATH), body, SOON);
    assertThat(reply.status())
        .as(new String(reply.body(), StandardCharsets.UTF_8))
        .isEqualTo(status);
    return Json.tree(reply.body()).path("error");
  }

  @Test
  void whatIsTooMuchIsRefusedByName() throws Exception {
    int most = engine.loaded().embedder().mostTokens();
    assertThat(engine.status(PATH, Map.of("input", Collections.nCopies(most, 5)))).isEqualTo(200);
    JsonNode error = refused(400, Map.of("input", List.of("a", "word ".repeat(3 * most))));
    assertThat(error.path("code").asText()).isEqualTo("context_length_exceeded");
    assertThat(error.path("param").asText()).isEqualTo("input");
    assertThat(error.path("message").asText())
        .contains("input[1] has at least ")
        .contains("at most " + most + " tokens");
    assertThat(
            refused(400, Map.of("input", Collections.nCopies(most + 1, 5))).path("code").asText())
        .isEqualTo("context_length_exceeded");
    assertThat(
            refused(400, Map.of("input", Collections.nCopies(2049, "a"))).path("message").asText())
        .isEqualTo("input: a list of 2049 (expected: at most 2048)");
    List<List<Integer>> heavy =
        Collections.nCopies(Embedder.MOST_REQUEST_TOKENS / most + 1, Collections.nCopies(most, 5));
    assertThat(refused(400, Map.of("input", heavy)).path("message").asText())
        .contains("more than " + Embedder.MOST_REQUEST_TOKENS + " tokens up to input[");
    assertThat(refused(400, Map.of("input", "a", "dimensions", 7)).path("message").asText())
        .startsWith("dimensions: 7 (expected: " + engine.loaded().embedder().width());
    assertThat(
            refused(400, Map.of("input", List.of(List.of(5), List.of(5, 999_999))))
                .path("message")
                .asText())
        .startsWith("input[1][1]: 999999 (expected: a token id 0..");
    assertThat(refused(404, Map.of("input", "a", "model", "x")).path("code").asText())
        .isEqualTo("model_not_found");
  }

  @Test
  void requestsAndTheirTokensAreCounted() throws Exception {
    MetricsPage before = engine.page();
    int tokens = engine.loaded().vocabulary().tokenize(TEXTS.get(2), true).length;
    vectors(TEXTS.get(2));
    refused(400, Map.of("input", List.of()));
    MetricsPage after = engine.page();
    String[] names = {
      "infini_engine_embedding_requests_total{outcome=\"ok\"}",
      "infini_engine_embedding_requests_total{outcome=\"client_error\"}"
    };
    for (String name : names) {
      assertThat(after.value(name) - before.value(name)).as(name).isEqualTo(1);
    }
    String computed = "infini_engine_embedding_tokens_total";
    assertThat(after.value(computed) - before.value(computed)).isEqualTo(tokens);
  }

  /// A request for as many tokens as one may have, some of which are computed when this returns.
  private static Socket begun() throws Exception {
    int most = engine.loaded().embedder().mostTokens();
    byte[] body =
        Json.bytes(
            Map.of(
                "input",
                Collections.nCopies(
                    Embedder.MOST_REQUEST_TOKENS / most, Collections.nCopies(most, 5))));
    double start = scraped(BATCHES);
    Socket s = new Socket("127.0.0.1", engine.server().port());
    OutputStream out = s.getOutputStream();
    out.write(
        ("POST " + PATH + " HTTP/1.1\r\nHost: x\r\nContent-Length: " + body.length + "\r\n\r\n")
            .getBytes(StandardCharsets.US_ASCII));
    out.write(body);
    out.flush();
    await().atMost(SOON).until(() -> scraped(BATCHES) > start);
    return s;
  }

  private static double scraped(String name) {
    return MetricsPage.read(new String(engine.metrics().scrape(), StandardCharsets.UTF_8))
        .value(name);
  }

  @Test
  void aClientThatLeavesEndsItsRequestAndNothingOfItIsHeld() throws Exception {
    String computed = "infini_engine_embedding_tokens_total";
    double before = scraped(GONE);
    double start = scraped(computed);
    try (Socket _ = begun()) {
      assertThat(engine.loaded().embedder().heldValues()).isPositive();
    }
    await().atMost(SOON).until(() -> scraped(GONE) > before);
    assertThat(scraped(computed) - start).isLessThan(Embedder.MOST_REQUEST_TOKENS);
    await().atMost(SOON).until(() -> engine.loaded().embedder().heldValues() == 0);
    vectors(TEXTS.get(0));
    await().atMost(SOON).until(() -> engine.loaded().embedder().heldValues() == 0);
  }

  /// Vectors are held until they are sent, and what is held is bounded.
  @Test
  void aClientThatDoesNotReadLosesItsAnswerAndNothingOfItIsHeld() throws Exception {
    assertThat(EngineProgram.listening("127.0.0.1", 0).stall()).isEqualTo(Duration.ofMinutes(2));
    EngineSetup setup =
        new EngineSetup(true, 4096, 16, 4, 20, 1, 0, false, true, EngineSetup.DEFAULT_PATIENCE);
    Server.Options impatient =
        EngineProgram.listening("127.0.0.1", 0).stall(Duration.ofMillis(300));
    ServedEngine other = ServedEngine.start(setup, MODEL, impatient);
    try (Socket deaf = new Socket()) {
      deaf.setReceiveBufferSize(4096);
      deaf.connect(new InetSocketAddress("127.0.0.1", other.server().port()));
      byte[] body = Json.bytes(Map.of("input", Collections.nCopies(2048, "a")));
      OutputStream out = deaf.getOutputStream();
      out.write(
          ("POST " + PATH + " HTTP/1.1\r\nHost: x\r\nContent-Length: " + body.length + "\r\n\r\n")
              .getBytes(StandardCharsets.US_ASCII));
      out.write(body);
      out.flush();
      await().atMost(SOON).until(() -> other.loaded().embedder().heldValues() > 0);
      await().atMost(SOON).until(() -> other.loaded().embedder().heldValues() == 0);
    } finally {
      other.stop();
    }
  }

  /// Batches for embeddings are computed between the tokens of a stream.
  @Test
  void aStreamGoesOnBesideThem() throws Exception {
    Map<String, Object> completion =
        Map.of("prompt", "The tram", "max_tokens", 100, "ignore_eos", true, "temperature", 0);
    String alone = text(completion);
    Map<String, Object> streamed = new HashMap<>(completion);
    streamed.put("stream", true);
    List<Double> batches = new ArrayList<>();
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    double gone = scraped(GONE);
    try (Socket _ = begun()) {
      engine.client().stream(
          "POST",
          engine.uri("/v1/completions"),
          Headers.NONE,
          Json.bytes(streamed),
          SOON,
          new Client.Listener() {
            @Override
            public void head(int status, Headers headers) {
              assertThat(status).isEqualTo(200);
            }

            @Override
            public void piece(byte[] piece) {
              batches.add(scraped(BATCHES));
              body.writeBytes(piece);
            }
          });
    }
    assertThat(batches.getLast() - batches.getFirst())
        .as("batches between the first and the last piece")
        .isGreaterThan(1);
    StringBuilder said = new StringBuilder();
    for (String event : body.toString(StandardCharsets.UTF_8).split("\n\n")) {
      if (!event.equals("data: [DONE]")) {
        JsonNode chunk = Json.tree(event.substring(6).getBytes(StandardCharsets.UTF_8));
        said.append(chunk.path("choices").path(0).path("text").asText());
      }
    }
    assertThat(said.toString()).isEqualTo(alone).isNotEmpty();
    await().atMost(SOON).until(() -> scraped(GONE) > gone);
  }

  private static String text(Map<String, Object> completion) throws Exception {
    return engine
        .post("/v1/completions", completion)
        .path("choices")
        .path(0)
        .path("text")
        .textValue();
  }

  @Test
  void withoutTheFlagThereAreNoneAndTheFlagIsNamed() throws Exception {
    ServedEngine plain = ServedEngine.start(new EngineSetup(true, 512, 16, 2, 20, 1, 4), MODEL);
    try {
      Client.Reply reply = plain.client().post(plain.uri(PATH), Map.of("input", "a"), SOON);
      assertThat(reply.status()).isEqualTo(501);
      assertThat(Json.tree(reply.body()).path("error").path("message").asText())
          .startsWith("this engine makes no embeddings")
          .contains("--embeddings");
    } finally {
      plain.stop();
    }
  }
}
