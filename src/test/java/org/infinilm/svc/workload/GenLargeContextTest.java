package org.infinilm.svc.workload;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.bench.Arguments;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GenLargeContextTest {
  @TempDir Path folder;
  private final Arguments io = new Arguments();

  private int run(Map<String, String> flags, Map<String, String> env) throws Exception {
    Map<String, String> all = new HashMap<>(flags);
    all.putIfAbsent("output", folder.resolve("d.jsonl").toString());
    return GenLargeContext.run(
        Arguments.of(GenLargeContext.PROGRAM, all, List.of(), Map.of()), env, io.out, io.err);
  }

  @Test
  void defaultsAreThoseOfTheSeedAndWarnThatNothingIsLarge() throws Exception {
    assertThat(run(Map.of(), Map.of())).isZero();
    assertThat(Files.readAllLines(folder.resolve("d.jsonl"))).hasSize(32);
    assertThat(io.printed()).contains("0 of 32 requests lie above the threshold of 51200 bytes");
    assertThat(io.complained()).contains("warning: no request lies above the threshold");
  }

  @Test
  void countsBothSidesOfTheThreshold() throws Exception {
    Map<String, String> flags =
        Map.of("num_large_context", "1", "large_context_len", "60000", "messages_per_conv", "3");
    assertThat(run(flags, Map.of())).isZero();
    assertThat(io.printed()).contains("3 of 12 requests lie above").contains("9 at or below");
    assertThat(io.printed())
        .contains("by conversation: 0: 3 of 3, 1: 0 of 3, 2: 0 of 3, 3: 0 of 3\n");
    assertThat(io.complained()).isEmpty();
  }

  @Test
  void warnsWhenEveryRequestIsLarge() throws Exception {
    assertThat(run(Map.of("threshold", "100"), Map.of())).isZero();
    assertThat(io.complained()).contains("warning: every request lies above the threshold");
  }

  @Test
  void theRoutersThresholdIsTheDefault() throws Exception {
    assertThat(run(Map.of(), Map.of("CACHE_TYPE_ROUTING_THRESHOLD", "4000"))).isZero();
    assertThat(io.printed()).contains("threshold of 4000 bytes");
  }

  @Test
  void aThresholdVariableThatIsNoNumberIsAWarningAndTheDefault() throws Exception {
    assertThat(run(Map.of(), Map.of("CACHE_TYPE_ROUTING_THRESHOLD", "50KB"))).isZero();
    assertThat(io.complained()).contains("CACHE_TYPE_ROUTING_THRESHOLD: 50KB");
    assertThat(io.printed()).contains("threshold of 51200 bytes");
  }

  @ParameterizedTest
  @CsvSource({
    "num_conversations, 0, --num-conversations: 0 (expected: a whole number 1..",
    "messages_per_conv, -1, --messages-per-conv: -1 (expected: a whole number 1..",
    "context_len, 1k, --context-len: 1k (expected: a whole number 1..",
    "new_msg_len, 0, --new-msg-len: 0 (expected: a whole number 1..",
    "large_context_prob, 1.5, --large-context-prob: 1.5 (expected: a number 0.0..1.0)",
    "large_context_prob, NaN, --large-context-prob: NaN (expected: a number 0.0..1.0)",
    "num_large_context, -2, --num-large-context: -2 (expected: a whole number 0..",
    "large_context_len, 0, --large-context-len: 0 (expected: a whole number 1..",
    "threshold, -5, --threshold: -5 (expected: a whole number 0..",
    "seed, x, --seed: x (expected: a whole number",
    "context_len, 90000000, these settings could write",
  })
  void aBadValueIsNamedAndNothingIsWritten(String flag, String value, String message)
      throws Exception {
    assertThat(run(Map.of(flag, value), Map.of())).isEqualTo(1);
    assertThat(io.complained()).contains(message);
    assertThat(folder).isEmptyDirectory();
  }

  @Test
  void moreLargeConversationsThanThereAreIsAWarning() throws Exception {
    assertThat(run(Map.of("num_large_context", "9"), Map.of())).isZero();
    assertThat(io.complained()).contains("--num-large-context: 9 is more than the 4 conversations");
    assertThat(Files.readString(folder.resolve("d.jsonl")))
        .doesNotContain("\"has_large_context\":false");
  }

  @Test
  void aLongListOfConversationsIsSummedUp() throws Exception {
    assertThat(run(Map.of("num_conversations", "20", "threshold", "0"), Map.of())).isZero();
    assertThat(io.printed()).contains("15: 8 of 8, the other 4: 32 of 32\n");
  }

  @Test
  void anOutputThatCannotBeWrittenIsNamed() throws Exception {
    String output = folder.resolve("none/d.jsonl").toString();
    assertThat(run(Map.of("output", output), Map.of())).isEqualTo(1);
    assertThat(io.complained()).contains("--output: " + output + " cannot be written");
  }
}
