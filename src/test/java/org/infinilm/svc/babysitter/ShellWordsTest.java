package org.infinilm.svc.babysitter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ShellWordsTest {
  @ParameterizedTest(name = "{0}: {1}")
  @CsvSource(
      quoteCharacter = '`',
      delimiter = '|',
      value = {
        "a b  c | a,b,c",
        "'a b' c | a b,c",
        "\"/a b/server\" --x 'y z' | /a b/server,--x,y z",
        "a\\ b c | a b,c",
        "--re \\d+ | --re,\\d+",
        "x='y z'w | x=y zw",
        "\"a \\\" b\" | a \" b",
        "'' a | ,a",
      })
  void aCommandIsReadAsAShellDoes(String command, String words) {
    assertThat(ShellWords.split(command)).isEqualTo(List.of(words.split(",", -1)));
  }

  @ParameterizedTest
  @ValueSource(strings = {"'", "\""})
  void aWordMayBeLongerThanAStackIsDeep(String quote) {
    String word = "a\\\\b c".repeat(50_000);
    List<String> words = ShellWords.split("bash -c " + quote + word + quote + " end");
    assertThat(words).hasSize(4).endsWith("end");
    assertThat(words.get(2)).hasSizeGreaterThan(200_000);
  }

  @Test
  void anAssignmentInFrontOfACommandShowsItsNameAlone() {
    assertThat(Secrets.program("HF_TOKEN=S3CR3T")).isEqualTo("HF_TOKEN=...");
    assertThat(Secrets.program("/a=b/python3")).isEqualTo("/a=b/python3");
  }

  @ParameterizedTest
  @ValueSource(strings = {"a 'b", "a \"b", "it's"})
  void aQuoteThatIsNotClosedIsSaid(String command) {
    assertThatThrownBy(() -> ShellWords.split(command)).hasMessageContaining("not closed");
  }

  @Test
  void valuesOfFlagsThatNameSecretsAreMasked() {
    assertThat(
            Secrets.masked(
                List.of(
                    "vllm", "--api-key", "S", "--hf_token=S", "--max-tokens", "5", "--key", "--x")))
        .containsExactly(
            "vllm", "--api-key", "...", "--hf_token=...", "--max-tokens", "5", "--key", "--x");
  }
}
