package org.infinilm.svc.workload;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.bench.Arguments;
import org.infinilm.svc.http.Json;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GenAccumulateContextTest {
  @TempDir Path folder;
  private final Arguments io = new Arguments();

  private int run(Map<String, String> flags) throws Exception {
    Map<String, String> all = new HashMap<>(flags);
    all.putIfAbsent("output", folder.resolve("d.jsonl").toString());
    return GenAccumulateContext.run(
        Arguments.of(GenAccumulateContext.PROGRAM, all, List.of(), Map.of()), io.out, io.err);
  }

  @Test
  void everyRecordNamesItsConversationAsTheKey() throws Exception {
    assertThat(run(Map.of())).isZero();
    List<String> lines = Files.readAllLines(folder.resolve("d.jsonl"));
    assertThat(lines).hasSize(32);
    for (String line : lines) {
      JsonNode record = Json.tree(line.getBytes(StandardCharsets.UTF_8));
      assertThat(record.fieldNames())
          .toIterable()
          .containsExactly(
              "prompt", "messages", "prompt_cache_key", "conversation_id", "message_index");
      assertThat(record.get("prompt_cache_key").asText())
          .isEqualTo("conv_" + record.get("conversation_id").intValue());
      JsonNode messages = record.get("messages");
      assertThat(messages).hasSize(2 * record.get("message_index").intValue() + 1);
      assertThat(messages.get(messages.size() - 1).get("role").asText()).isEqualTo("user");
      assertThat(messages.get(0).get("content").asText()).hasSize(1024);
    }
    assertThat(io.printed())
        .contains("32 requests in 4 conversations")
        .contains("conv_0 to conv_3");
  }

  @ParameterizedTest
  @CsvSource({
    "num_conversations, 0, --num-conversations: 0 (expected: a whole number 1..",
    "messages_per_conv, x, --messages-per-conv: x (expected: a whole number 1..",
    "context_len, -1, --context-len: -1 (expected: a whole number 1..",
    "new_msg_len, 0, --new-msg-len: 0 (expected: a whole number 1..",
    "context_len, 90000000, these settings could write",
  })
  void aBadValueIsNamedAndNothingIsWritten(String flag, String value, String message)
      throws Exception {
    assertThat(run(Map.of(flag, value))).isEqualTo(1);
    assertThat(io.complained()).contains(message);
    assertThat(folder).isEmptyDirectory();
  }

  @Test
  void aFolderIsNotReplaced() throws Exception {
    Path inside = Files.createDirectory(folder.resolve("there"));
    assertThat(run(Map.of("output", inside.toString()))).isEqualTo(1);
    assertThat(io.complained()).contains("it is a folder (expected: a file)");
    assertThat(inside).isEmptyDirectory();
  }
}
