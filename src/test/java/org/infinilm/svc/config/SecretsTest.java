package org.infinilm.svc.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SecretsTest {
  /// B30: secrets of Docker and Kubernetes end with one, and the instance was out for good.
  @ParameterizedTest
  @ValueSource(strings = {"sk-1", "sk-1\n", "sk-1\r\n", "sk-1\n\n"})
  void aLineBreakAtTheEndIsNoPartOfTheKey(String given) throws Exception {
    assertThat(Secrets.key(given, "p")).isEqualTo("sk-1");
  }

  @ParameterizedTest
  @CsvSource(
      quoteCharacter = '"',
      value = {
        "\" sk-1\", a blank at position 1",
        "\"sk 1\", a blank at position 3",
        "\"sk-1 \", a blank at position 5",
        "sk-ü, a character beyond ASCII at position 4",
      })
  void whatNoFieldMayHaveIsNamedAndTheKeyIsNot(String given, String message) {
    assertThatThrownBy(() -> Secrets.key(given, "KEY"))
        .isInstanceOf(ConfigException.class)
        .hasMessage("KEY: " + message + " (expected: a key of visible ASCII characters)")
        .hasMessageNotContaining("sk");
  }

  @Test
  void controlCharactersAndNothingAreNoKey() {
    assertThatThrownBy(() -> Secrets.key("sk\n1", "KEY"))
        .hasMessageStartingWith("KEY: a control character at position 3");
    assertThatThrownBy(() -> Secrets.key("\n", "KEY")).hasMessage("KEY: empty (expected: a key)");
  }

  @Test
  void whatIsSetAsideTwiceIsKeptTwice(@TempDir Path dir) throws IOException {
    Path file = dir.resolve("state.json");
    for (String text : List.of("first", "second", "third")) {
      Files.writeString(file, text);
      Path aside = Secrets.OwnFiles.setAside(file, ".damaged");
      assertThat(aside).hasContent(text);
      assertThat(file).doesNotExist();
    }
    try (Stream<Path> all = Files.list(dir)) {
      assertThat(all.map(p -> p.getFileName().toString()))
          .containsExactlyInAnyOrder(
              "state.json.damaged", "state.json.damaged-2", "state.json.damaged-3");
    }
  }

  @Test
  void aLockIsHeldUntilItIsClosed(@TempDir Path dir) throws IOException {
    Path file = dir.resolve("lock");
    try (FileChannel held = Secrets.OwnFiles.lock(file)) {
      assertThat(held).isNotNull();
      assertThat(Secrets.OwnFiles.lock(file)).isNull();
    }
    try (FileChannel again = Secrets.OwnFiles.lock(file)) {
      assertThat(again).isNotNull();
    }
  }
}
