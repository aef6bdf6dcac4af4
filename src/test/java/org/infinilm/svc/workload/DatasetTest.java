package org.infinilm.svc.workload;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.bench.BenchProgram;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.workload.LoadItem.Message;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DatasetTest {
  @TempDir Path folder;

  private static Workload workload(Map<String, String> flags) throws ConfigException {
    return Workload.of(Config.resolve(BenchProgram.PROGRAM.keys(), flags, Map.of(), null), null);
  }

  private Workload of(String dataset, String text, Map<String, String> flags) throws Exception {
    Path file = Files.writeString(folder.resolve("d"), text);
    Map<String, String> all = new HashMap<>(flags);
    all.put("dataset_name", dataset);
    all.put("dataset_path", file.toString());
    return workload(all);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{\"prompt\":\"a\"}~{\"prompt\": | :2: not JSON",
        "{\"prompt\":\"a\"}~~[1] | :3: [1] (expected: a JSON object)",
        "{\"prompt\":\"a\"}~{\"text\":\"b\"} | :2: no \"prompt\"",
        "{\"messages\":3} | :1: messages: 3 (expected: a list)",
        "{\"messages\":[{\"role\":\"user\"}]} | :1: messages:",
        "{\"prompt\":\"a\",\"timestamp\":\"x\"} | :1: timestamp: \"x\"",
        "~ | empty (expected: one JSON object a line)"
      })
  void aBrokenLineIsNamedWithItsNumber(String text, String said) {
    assertThatThrownBy(() -> of("custom", text.replace('~', '\n'), Map.of()))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining(folder.resolve("d").toString())
        .hasMessageContaining(said);
  }

  @Test
  void customReadsPromptsMessagesKeysAndTimes() throws Exception {
    Workload w =
        of(
            "custom",
            """
            {"prompt":"a","output_tokens":3,"timestamp":1500}
            {"messages":[{"role":"system","content":"s"},\
            {"role":"user","content":[{"type":"text","text":"t"}]}],\
            "output_tokens":4,"prompt_cache_key":"k"}
            """,
            Map.of("custom_output_len", "-1", "timestamp_unit", "ms", "num_prompts", "3"));
    assertThat(w.items()).hasSize(3);
    assertThat(w.items().get(0).outputTokens()).isEqualTo(3);
    assertThat(w.items().get(0).timestampSeconds()).isEqualTo(1.5);
    assertThat(w.items().get(1).messages())
        .containsExactly(
            new Message("system", "\"s\""),
            new Message("user", "[{\"type\":\"text\",\"text\":\"t\"}]"));
    assertThat(w.items().get(1).cacheKey()).isEqualTo("k");
    assertThat(w.items().get(2)).isSameAs(w.items().get(0));
  }

  @Test
  void outputTokensAreAskedForWhenLinesDecide() {
    assertThatThrownBy(() -> of("custom", "{\"prompt\":\"a\"}", Map.of("custom_output_len", "-1")))
        .hasMessageContaining(":1: output_tokens: missing");
  }

  @ParameterizedTest
  @ValueSource(strings = {"random", "conversation", "cdf"})
  void theSeedDecidesWhatIsGenerated(String dataset) throws Exception {
    Map<String, String> flags = new HashMap<>(Map.of("dataset_name", dataset, "num_prompts", "12"));
    flags.put("random_range_ratio", "0.5");
    if (dataset.equals("cdf")) {
      flags.put("dataset_path", "azure");
    }
    Workload one = workload(flags);
    assertThat(one.items()).hasSize(12);
    assertThat(workload(flags)).isEqualTo(one);
    flags.put("seed", "1");
    assertThat(workload(flags).sha256()).isNotEqualTo(one.sha256());
  }

  @Test
  void randomLengthsStayInTheirRange() throws Exception {
    Workload w =
        workload(
            Map.of(
                "dataset_name",
                "random",
                "num_prompts",
                "200",
                "random_input_len",
                "100",
                "random_output_len",
                "50",
                "random_range_ratio",
                "0.2"));
    assertThat(w.items())
        .allMatch(i -> i.prompt().length() >= 320 && i.prompt().length() <= 480)
        .allMatch(i -> i.outputTokens() >= 40 && i.outputTokens() <= 60);
    assertThat(w.items().stream().map(i -> i.prompt().length()).distinct().count())
        .isGreaterThan(30);
  }

  @Test
  void builtInMixesAreTheirCdf() throws Exception {
    LengthCdf azure = LengthCdf.builtIn("azure");
    assertThat(azure.draw(0)).isEqualTo(1);
    assertThat(azure.draw(0.2886)).isEqualTo(513);
    assertThat(azure.draw(0.999999999)).isEqualTo(16384);
    for (String name : LengthCdf.BUILT_IN.keySet()) {
      LengthCdf cdf = LengthCdf.builtIn(name);
      int n = 20_000;
      for (int k = 0; k < cdf.tokens().size(); k++) {
        long bound = cdf.tokens().get(k);
        int below = 0;
        for (int i = 0; i < n; i++) {
          below += cdf.draw((i + 0.5) / n) <= bound ? 1 : 0;
        }
        assertThat((double) below / n).isEqualTo(cdf.shares().get(k), within(1e-3));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "total_tokens,cumulative_share\n10,0.5\n9,1",
        "10,0.5\n20,0.4",
        "10,0.5\nx,1",
        "10,0.5,3",
        "10",
        "10,0.5",
        "10,1.5"
      })
  void aTableThatIsNoCdfIsRefused(String csv) {
    assertThatThrownBy(() -> of("cdf", csv, Map.of())).isInstanceOf(ConfigException.class);
  }

  @Test
  void cdfSharesTheTokensBetweenPromptAndAnswer() throws Exception {
    Workload w =
        of(
            "cdf",
            "total_tokens,cumulative_share\n100,0.5\n1000,1\n",
            Map.of("random_output_len", "40", "num_prompts", "300", "cdf_max_tokens", "500"));
    assertThat(w.items())
        .allMatch(i -> i.outputTokens() >= 1 && i.outputTokens() <= 40)
        .allMatch(i -> i.prompt().length() <= 500 * 4);
    assertThat(w.items().stream().filter(i -> i.prompt().length() > 60 * 4).count())
        .isBetween(100L, 200L);
  }

  @Test
  void generatedConversationsComeInRounds() throws Exception {
    Workload w =
        workload(
            Map.of(
                "dataset_name",
                "conversation",
                "num_conversations",
                "3",
                "messages_per_conv",
                "2",
                "context_len",
                "300",
                "new_msg_len",
                "50"));
    assertThat(w.items()).extracting(LoadItem::conversation).containsExactly(0, 1, 2, 0, 1, 2);
    assertThat(w.items().get(0).cacheKey()).isEqualTo("conv_0");
    assertThat(w.items().get(0).messages().getFirst().content()).hasSize(302);
    assertThat(w.items().get(3).messages().getFirst().content()).hasSize(52);
  }

  @Test
  void recordedConversationsGiveOnlyTheUsersTurns() throws Exception {
    String turn = "{\"role\":\"%s\",\"content\":\"%s\"}";
    String u1 = turn.formatted("user", "u1");
    String a1 = turn.formatted("assistant", "a1");
    String u2 = turn.formatted("user", "u2");
    String line = "{\"messages\":[%s],\"conversation_id\":%d,\"message_index\":%d}\n";
    Workload w =
        of(
            "conversation",
            line.formatted(String.join(",", u1, a1, u2), 5, 1)
                + line.formatted(u1, 5, 0)
                + line.formatted(turn.formatted("user", "other"), 6, 0),
            Map.of());
    assertThat(w.items())
        .extracting(i -> i.conversation() + " " + i.messages().getFirst().content())
        .containsExactly("0 \"u1\"", "1 \"other\"", "0 \"u2\"");
    Workload whole =
        of("conversation", "{\"messages\":[" + String.join(",", u1, a1, u2) + "]}", Map.of());
    assertThat(whole.items()).hasSize(2).allMatch(i -> i.conversation() == 0);
  }

  @Test
  void shareGptTakesTheFirstMessageAndTheLengthOfTheSecond() throws Exception {
    String text = "x".repeat(100);
    String entry =
        "{\"id\":\"1\",\"conversations\":[{\"from\":\"human\",\"value\":\"%s\"},{\"from\":\"gpt\",\"value\":\"%s\"}]}";
    Workload w =
        of(
            "sharegpt",
            "["
                + String.join(
                    ",",
                    entry.formatted(text, "y".repeat(80)),
                    entry.formatted("short", "y".repeat(80)),
                    entry.formatted("z".repeat(9000), "y"),
                    "{\"conversations\":[]}")
                + "]",
            Map.of());
    assertThat(w.items()).hasSize(1);
    assertThat(w.items().getFirst().prompt()).isEqualTo(text);
    assertThat(w.items().getFirst().outputTokens()).isEqualTo(20);
    assertThatThrownBy(() -> of("sharegpt", "[{\"a\":1}]", Map.of()))
        .hasMessageContaining("entry 0: no \"conversations\"");
    assertThatThrownBy(() -> of("sharegpt", "[{\"conversations\":[]}, {", Map.of()))
        .hasMessageContaining("not JSON after entry 1");
    assertThatThrownBy(() -> of("sharegpt", "{}", Map.of())).hasMessageContaining("a JSON list");
  }

  @Test
  void aFileThatIsNotThereIsNamed() {
    assertThatThrownBy(
            () -> workload(Map.of("dataset_name", "custom", "dataset_path", "/no/such.jsonl")))
        .hasMessageContaining("/no/such.jsonl (expected: a file that exists)");
    assertThatThrownBy(() -> workload(Map.of("dataset_name", "custom")))
        .hasMessageContaining("--dataset-path: missing");
  }

  @Test
  void shuffleFollowsTheSeed() throws IOException, Exception {
    StringBuilder text = new StringBuilder();
    for (int k = 0; k < 50; k++) {
      text.append("{\"prompt\":\"").append(k).append("\"}\n");
    }
    List<String> plain = prompts(of("custom", text.toString(), Map.of()));
    List<String> mixed = prompts(of("custom", text.toString(), Map.of("shuffle", "true")));
    assertThat(mixed).isNotEqualTo(plain).containsExactlyInAnyOrderElementsOf(plain);
    assertThat(prompts(of("custom", text.toString(), Map.of("shuffle", "true")))).isEqualTo(mixed);
  }

  private static List<String> prompts(Workload w) {
    return w.items().stream().map(LoadItem::prompt).toList();
  }
}
