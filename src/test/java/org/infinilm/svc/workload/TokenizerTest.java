package org.infinilm.svc.workload;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.infinilm.svc.bench.BenchProgram;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.http.Json;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TokenizerTest {
  private static final String OURS = "model/tokenizer";

  @TempDir private static Path cache;
  @TempDir private Path folder;

  private static Tokenizer ours() throws ConfigException {
    return Tokenizer.of(OURS, cache);
  }

  @Test
  void theBundledModelsTokensAreCountedAsItsTrainingCountedThem() throws Exception {
    JsonNode samples = Json.tree(Files.readAllBytes(Path.of(OURS, "samples.json")));
    try (Tokenizer t = ours()) {
      int checked = 0;
      for (JsonNode s : samples) {
        assertThat(t.count(s.path("text").asText()))
            .as(s.path("text").asText())
            .isEqualTo(s.path("ids").size());
        checked++;
      }
      assertThat(checked).isPositive();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"random", "cdf"})
  void generatedPromptsHaveTheTokensThatWereAskedFor(String dataset) throws Exception {
    Map<String, String> flags =
        new HashMap<>(
            Map.of(
                "dataset_name",
                dataset,
                "num_prompts",
                "40",
                "random_input_len",
                "300",
                "random_output_len",
                "10",
                "seed",
                "5"));
    flags.put("bytes_per_token", "1.5");
    flags.put("cdf_max_tokens", "310");
    Config c = Config.resolve(BenchProgram.PROGRAM.keys(), flags, Map.of(), null);
    try (Tokenizer t = ours()) {
      for (LoadItem i : Workload.of(c, t).items()) {
        int n = t.count(String.valueOf(i.prompt()));
        if (dataset.equals("random")) {
          assertThat(n).isEqualTo(300);
        } else {
          assertThat(n).isLessThanOrEqualTo(300);
        }
      }
      assertThat(Workload.of(c, t).sha256()).isEqualTo(Workload.of(c, t).sha256());
    }
  }

  @Test
  void aTextIsCutToItsTokensAndKeptWhenItHasFewer() throws Exception {
    try (Tokenizer t = ours()) {
      String text = "The quick brown fox jumps over the lazy dog. \u4f60\u597d, \ud83d\ude00!";
      assertThat(t.cut(text, 1000)).isEqualTo(text);
      for (int n = 1; n < t.count(text); n++) {
        String beginning = t.cut(text, n);
        assertThat(text).startsWith(beginning);
        assertThat(t.count(beginning)).isLessThanOrEqualTo(n);
      }
      assertThat(t.count(t.cut(text, 5))).isEqualTo(5);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"/no/such/folder", "org/model", "", "src"})
  void aNameThatIsNoFileIsNamed(String named) {
    assertThatThrownBy(() -> Tokenizer.of(named, cache))
        .isInstanceOf(ConfigException.class)
        .hasMessageStartingWith("--tokenizer: " + named)
        .hasMessageContaining("(expected: a Hugging Face tokenizer.json");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "{}", "[1]", "no JSON", "{\"model\":{\"type\":\"BPE\"}}", "{\"model\":7}"})
  void aFileThatIsNoTokenizerIsNamed(String content) throws Exception {
    Path file = Files.writeString(folder.resolve("tokenizer.json"), content);
    assertThatThrownBy(() -> Tokenizer.of(folder.toString(), cache))
        .isInstanceOf(ConfigException.class)
        .hasMessageStartingWith("--tokenizer: " + folder + " (expected: a Hugging Face");
    assertThatThrownBy(() -> Tokenizer.of(file.toString(), cache))
        .isInstanceOf(ConfigException.class);
  }

  @Test
  void aVocabularyThatGivesNoTokensMakesNoPromptsWithoutEnd() throws Exception {
    Path empty =
        Files.writeString(
            folder.resolve("tokenizer.json"),
            "{\"version\":\"1.0\",\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}");
    try (Tokenizer t = Tokenizer.of(empty.toString(), cache)) {
      Map<String, String> flags =
          Map.of("dataset_name", "random", "random_input_len", "20", "num_prompts", "3");
      Config c = Config.resolve(BenchProgram.PROGRAM.keys(), flags, Map.of(), null);
      assertThatThrownBy(() -> Workload.of(c, t))
          .isInstanceOf(ConfigException.class)
          .hasMessageContaining("--tokenizer: 0 tokens of ");
    }
  }
}
