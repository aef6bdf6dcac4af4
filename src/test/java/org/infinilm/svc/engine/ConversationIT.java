package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What a turn of a conversation with the bundled model reuses of the turn before.
class ConversationIT {
  private static final int BLOCK = 16;
  private static final List<String> QUESTIONS =
      List.of(
          "What is a paged cache?",
          "And what is a static cache?",
          "Where did my request go?",
          "How do I set the threshold?",
          "Tell me a story about a fox and a river.");

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aTurnComputesItsOwnWordsOnly(boolean pooled) throws Exception {
    EngineSetup setup = new EngineSetup(pooled, 4096, BLOCK, pooled ? 4 : 1, 60, 1, 16);
    ServedEngine engine = ServedEngine.start(setup, Path.of("model", "infini-tiny.gguf"));
    try {
      String system = "You are a helpful guide to this system. ".repeat(20);
      List<Map<String, String>> messages = new ArrayList<>();
      messages.add(Map.of("role", "system", "content", system));
      int before = 0;
      for (String question : QUESTIONS) {
        messages.add(Map.of("role", "user", "content", question));
        JsonNode answer =
            engine.post("/v1/chat/completions", Map.of("messages", messages, "max_tokens", 60));
        JsonNode usage = answer.path("usage");
        int prompt = usage.path("prompt_tokens").asInt();
        int cached = usage.path("prompt_tokens_details").path("cached_tokens").asInt();
        int floor = pooled ? before / BLOCK * BLOCK : before;
        assertThat(cached).as("turn of " + prompt + " tokens").isBetween(floor, prompt - 1);
        if (before > 0) {
          assertThat(cached).isGreaterThanOrEqualTo((int) Math.floor(0.95 * before));
        }
        messages.add(
            Map.of(
                "role",
                "assistant",
                "content",
                answer.path("choices").path(0).path("message").path("content").asText()));
        before = prompt;
      }
    } finally {
      engine.stop();
    }
  }
}
