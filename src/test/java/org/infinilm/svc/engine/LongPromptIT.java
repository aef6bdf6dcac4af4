package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.junit.jupiter.api.Test;

/// More prompts of 1 MB at a time than there are cores. When reading them held the carriers of all
/// other requests, hardly any of those was answered before the last of them was read.
class LongPromptIT {
  private static final Duration SOON = Duration.ofSeconds(60);
  private static final int PROMPT_BYTES = 1_000_000;

  private static String words(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    StringBuilder text = new StringBuilder(PROMPT_BYTES + 16);
    while (text.length() < PROMPT_BYTES) {
      for (int n = 1 + random.nextInt(9); n > 0; n--) {
        text.append((char) ('a' + random.nextInt(26)));
      }
      text.append(' ');
    }
    return text.toString();
  }

  @Test
  void theEngineAnswersWhileTheyAreRead() throws Exception {
    Path file = Path.of(System.getProperty("infini.home", "."), "model", "infini-tiny.gguf");
    ServedEngine engine = ServedEngine.start(new EngineSetup(true, 131072, 16, 4, 20, 1, 64), file);
    int prompts = 2 * Runtime.getRuntime().availableProcessors() + 2;
    Queue<Integer> statuses = new ConcurrentLinkedQueue<>();
    List<Thread> clients = new ArrayList<>();
    for (int i = 0; i < prompts; i++) {
      Map<String, Object> body = Map.of("prompt", words(i), "max_tokens", 1);
      clients.add(
          Thread.ofPlatform()
              .start(() -> {
                try {
                  statuses.add(engine.status("/v1/completions", body));
                } catch (Exception e) {
                  throw new IllegalStateException(e);
                }
              }));
    }
    int answered = 0;
    while (statuses.size() < prompts) {
      assertThat(engine.client().get(engine.uri("/health"), SOON).status()).isEqualTo(200);
      answered++;
    }
    for (Thread t : clients) {
      t.join();
    }
    assertThat(statuses).hasSize(prompts).containsOnly(400);
    assertThat(answered)
        .as("health checks while %s prompts were read", prompts)
        .isGreaterThan(5 * prompts);
    engine.stop();
  }
}
