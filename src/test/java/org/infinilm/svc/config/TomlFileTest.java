package org.infinilm.svc.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TomlFileTest {
  @TempDir Path folder;

  private TomlFile toml(String text) throws IOException, ConfigException {
    return TomlFile.read(Files.writeString(folder.resolve("a.toml"), text));
  }

  @Test
  void aByteOrderMarkCrLfAndTabsAreRead() throws Exception {
    TomlFile t = toml("\ufeffname\t=\t\"x\"\r\n[backend]\r\n\ttype = \"command\"\r\n");
    assertThat(t.text("name")).isEqualTo("x");
    assertThat(Objects.requireNonNull(t.table("backend")).text("type")).isEqualTo("command");
  }

  @Test
  void aNulIsRefusedWhereverTextIsRead() throws Exception {
    TomlFile t = toml("name = \"a\\u0000b\"\nargs = [\"x\", \"\\u0000\"]\n");
    assertThatThrownBy(() -> t.text("name"))
        .hasMessageEndingWith("a.toml:1: name: has a NUL character (expected: text without)");
    assertThatThrownBy(() -> t.texts("args")).hasMessageContaining("a.toml:2: args: has a NUL");
    assertThatThrownBy(() -> t.scalar("name")).hasMessageContaining("has a NUL");
    assertThatThrownBy(() -> t.scalar("args")).hasMessageContaining("has a NUL");
  }

  @Test
  void valuesKnowTheirLine() throws Exception {
    TomlFile t = toml("name = \"x\"\n\n[backend]\n# c\nargs = [\n 'a', 'b',\n]\n");
    TomlFile backend = Objects.requireNonNull(t.table("backend"));
    assertThat(t.place("name")).endsWith("a.toml:1");
    assertThat(t.place("absent")).endsWith("a.toml");
    assertThat(backend.place("args")).endsWith("a.toml:5");
    assertThat(backend.texts("args")).containsExactly("a", "b");
    assertThat(t.keys()).containsExactlyInAnyOrder("name", "backend");
    assertThat(t.has("name")).isTrue();
    assertThat(t.text("absent")).isNull();
    assertThat(t.whole("absent", 0, 1)).isNull();
    assertThat(t.table("absent")).isNull();
  }

  @Test
  void aHugeFileIsRefusedAndAMomentKeepsItsSeconds() throws Exception {
    assertThatThrownBy(() -> toml("a = \"" + "x".repeat(70_000) + "\"\n"))
        .hasMessageContaining("bytes (expected: at most 65536)");
    assertThat(toml("a = 2026-01-01T00:00:00Z\nb = 2026-01-01T00:00:00\n").plain())
        .containsEntry("a", "2026-01-01T00:00:00Z")
        .containsEntry("b", "2026-01-01T00:00:00");
  }

  /// A device never ends, and a pipe that nobody writes to holds whoever opens it.
  @Test
  @Timeout(20)
  void whatIsNoRegularFileIsNotOpened() throws Exception {
    Path pipe = folder.resolve("pipe");
    assertThat(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor()).isZero();
    Path link = Files.createSymbolicLink(folder.resolve("link"), Path.of("/dev/zero"));
    for (Path p : List.of(Path.of("/dev/zero"), link, pipe, folder)) {
      assertThatThrownBy(() -> TomlFile.read(p))
          .hasMessage(p + ": cannot be read: no regular file (expected: a file that ends)");
    }
    Path one = Files.writeString(folder.resolve("one.toml"), "a = 1\n");
    assertThat(TomlFile.read(Files.createSymbolicLink(folder.resolve("two"), one)).keys())
        .containsExactly("a");
  }

  @Test
  void noMoreIsReadThanMayBe() throws Exception {
    Path file = Files.writeString(folder.resolve("f"), "abcdef");
    assertThat(InputFile.read(file, 6)).hasSize(6);
    assertThatThrownBy(() -> InputFile.read(file, 5))
        .hasMessageContaining("6 bytes (expected: at most 5)");
    assertThatThrownBy(() -> InputFile.read(folder.resolve("none"), 5))
        .isInstanceOf(NoSuchFileException.class);
  }

  @Test
  void wrongTypesNameThePlaceTheKeyTheValueAndWhatWasExpected() throws Exception {
    TomlFile t = toml("[backend]\ncommand = 3\nargs = ['a', 1]\nport = 99\nenv = 'x'\n");
    TomlFile b = Objects.requireNonNull(t.table("backend"));
    assertThatThrownBy(() -> b.text("command"))
        .hasMessage(t.file() + ":2: backend.command: 3 (expected: a string)");
    assertThatThrownBy(() -> b.texts("args"))
        .hasMessageContaining(":3: backend.args: ")
        .hasMessageEndingWith("(expected: an array of strings; element 1 is a number)");
    assertThatThrownBy(() -> b.whole("port", 1, 98))
        .hasMessage(t.file() + ":4: backend.port: 99 (expected: a whole number 1..98)");
    assertThatThrownBy(() -> b.table("env"))
        .hasMessage(t.file() + ":5: backend.env: a string (expected: a table)");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "token = s3cret\n",
        "token = \"a\" s3cret\n",
        "token = 'it's s3cret'\n",
        "token = \"s3cret\n",
        "token = \"\\s3cret\"\n",
        "token = 12s3cret\n",
        "token = 1e999s3cret\n",
        "token = true, expected s3cret, expected x\n",
        "token s3cret\n",
        "[[instance]]\nurl = http://user:s3cret@h\n",
      })
  void aSyntaxErrorSaysWhereAndNothingOfWhatStandsThere(String text) {
    assertThatThrownBy(() -> toml(text))
        .message()
        .startsWith(folder.resolve("a.toml") + ":" + text.lines().count() + ": ")
        .doesNotContain("3cret")
        .doesNotContain("'s'");
  }

  @Test
  void whatIsMissingAtTheEndIsMissingInTheLastLine() {
    assertThatThrownBy(() -> toml("a = 1\nb = [\n\n"))
        .hasMessageContaining("a.toml:2: unexpected end of input (expected: ], ");
    assertThatThrownBy(() -> toml("a = [\n\n\nb = 2\n"))
        .hasMessageContaining("a.toml:4: unexpected text in column 1 (expected: ], ");
    assertThatThrownBy(() -> toml("a = " + "[".repeat(60_000) + "\n"))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("a.toml");
  }

  @Test
  void aSyntaxErrorNamesItsLineAndAMissingFileItself() throws Exception {
    assertThatThrownBy(() -> toml("a = 1\nb = = 2\n"))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("a.toml:2: ");
    assertThatThrownBy(() -> TomlFile.read(folder.resolve("none.toml")))
        .hasMessage(folder.resolve("none.toml") + ": no such file");
    Path binary = Files.write(folder.resolve("b.toml"), new byte[] {(byte) 0xff, (byte) 0xfe});
    assertThatThrownBy(() -> TomlFile.read(binary))
        .hasMessage(binary + ": not UTF-8 text (expected: a TOML file)");
  }

  @Test
  void metadataBecomesPlainJson() throws Exception {
    Map<String, Object> plain =
        toml("s='x'\nn=1\nf=1.5\nbad=nan\nb=true\nd=1979-05-27\na=[1,[2]]\nt={k='v'}\n").plain();
    assertThat(plain)
        .containsEntry("s", "x")
        .containsEntry("n", 1L)
        .containsEntry("f", 1.5)
        .containsEntry("b", true)
        .containsEntry("d", "1979-05-27")
        .containsEntry("a", List.of(1L, List.of(2L)))
        .containsEntry("t", Map.of("k", "v"))
        .doesNotContainKey("bad");
  }

  @ParameterizedTest
  @CsvSource({
    "router_prot, router_port",
    "treshold, threshold",
    "thresholds, threshold",
    "thershold, threshold",
  })
  void mistypedWordsHaveANearestOne(String typed, String meant) {
    assertThat(Words.nearest(typed, List.of("host", "router_port", "threshold"))).contains(meant);
    assertThat(Words.hint(typed, List.of("router_port", "threshold")))
        .isEqualTo(" (did you mean \"" + meant + "\"?)");
  }

  @Test
  void farWordsHaveNone() {
    assertThat(Words.nearest("banana", List.of("host", "threshold"))).isEmpty();
    assertThat(Words.hint("x", List.of())).isEmpty();
    assertThat(Words.nearest("hos", List.of("host"))).contains("host");
  }
}
