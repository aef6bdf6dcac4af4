package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.infinilm.svc.http.Json;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Several answers to one prompt.
class ChoicesIT {
  private static final int TOKENS = 12;

  @TempDir Path folder;
  private ServedEngine engine;

  @BeforeEach
  void start() throws Exception {
    Path file = GgufWriter.write(folder.resolve("t.gguf"), GgufWriter.Size.TINY, 1, null);
    engine = ServedEngine.start(new EngineSetup(true, 2048, 16, 4, 20, 1, 64), file);
  }

  @AfterEach
  void stop() throws Exception {
    engine.stop();
  }

  private static Map<String, Object> body(int n) {
    Map<String, Object> body = new HashMap<>();
    body.put("messages", List.of(Map.of("role", "user", "content", "ab cd ef gh ij kl mn op")));
    body.put("max_tokens", TOKENS);
    body.put("temperature", 1.5);
    body.put("top_k", -1);
    body.put("top_p", 1);
    body.put("seed", 5);
    body.put("ignore_eos", true);
    body.put("n", n);
    return body;
  }

  @Test
  void eachChoiceHasItsIndexAndADrawOfItsOwn() throws Exception {
    JsonNode one = engine.post("/v1/chat/completions", body(1));
    JsonNode three = engine.post("/v1/chat/completions", body(3));
    Set<String> texts = new HashSet<>();
    for (int i = 0; i < 3; i++) {
      JsonNode choice = three.path("choices").path(i);
      assertThat(choice.path("index").asInt()).isEqualTo(i);
      assertThat(choice.path("finish_reason").asText()).isEqualTo("length");
      texts.add(choice.path("message").path("content").asText());
    }
    assertThat(three.path("choices")).hasSize(3);
    assertThat(texts).hasSizeGreaterThan(1);
    assertThat(three.path("usage").path("completion_tokens").asInt()).isEqualTo(3 * TOKENS);
    assertThat(three.path("usage").path("prompt_tokens"))
        .isEqualTo(one.path("usage").path("prompt_tokens"));
    assertThat(engine.page().value("infini_engine_requests_total{outcome=\"ok\"}")).isEqualTo(2);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 4})
  void aStreamSaysToWhichChoiceEachPieceBelongs(int n) throws Exception {
    Map<String, Object> body = body(n);
    body.put("stream", true);
    body.put("stream_options", Map.of("include_usage", true));
    Map<Integer, List<JsonNode>> byChoice = new TreeMap<>();
    int usage = 0;
    String all = streamed(body);
    assertThat(all).endsWith("data: [DONE]\n\n");
    for (String event : all.split("\n\n")) {
      if (event.startsWith("data: {")) {
        JsonNode e = Json.tree(event.substring(6).getBytes(StandardCharsets.UTF_8));
        usage = Math.max(usage, e.path("usage").path("completion_tokens").asInt());
        e.path("choices")
            .forEach(c ->
                byChoice.computeIfAbsent(c.path("index").asInt(), k -> new ArrayList<>()).add(c));
      }
    }
    assertThat(byChoice).hasSize(n);
    assertThat(usage).isEqualTo(n * TOKENS);
    for (List<JsonNode> of : byChoice.values()) {
      assertThat(of.getFirst().path("delta").path("role").asText()).isEqualTo("assistant");
      assertThat(of.getLast().path("finish_reason").asText()).isEqualTo("length");
      assertThat(of.stream().filter(c -> c.path("finish_reason").isTextual())).hasSize(1);
    }
  }

  private String streamed(Map<String, Object> body) throws Exception {
    return ServedEngine.stream(engine.client(), engine.uri("/v1/chat/completions"), body);
  }
}
