package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ClientKeyTest {
  private static final String HASH = ClientKey.hashLine("ik-a");

  @TempDir private Path dir;

  private List<ClientKey> read(String toml) throws Exception {
    Path file = dir.resolve("router.toml");
    Files.write(file, toml.getBytes(UTF_8));
    return RouterConfig.of(Config.resolve(RouterConfig.KEYS, Map.of(), Map.of(), file)).keys();
  }

  @Test
  void everyFieldIsRead() throws Exception {
    List<ClientKey> keys =
        read(
            """
            [[keys]]
            name = "team-a"
            hash = "%s"
            models = ["m", "n"]
            max_in_flight = 4
            requests_per_minute = 60
            tokens_per_minute = 100_000
            expires = 2027-01-31T12:00:00+01:00

            [[keys]]
            name = "b"
            hash = "%s"
            expires = 2027-02-01
            """
                .formatted(HASH, ClientKey.hashLine("ik-b")));
    ClientKey a = keys.getFirst();
    assertThat(a.name()).isEqualTo("team-a");
    assertThat(a.models()).containsExactlyInAnyOrder("m", "n");
    assertThat(a.limits()).isEqualTo(new Allowance.Limits(4, 60, 100_000));
    assertThat(a.expires()).isEqualTo(Instant.parse("2027-01-31T11:00:00Z"));
    assertThat(a.opens("m")).isTrue();
    assertThat(a.opens("other")).isFalse();
    ClientKey b = keys.getLast();
    assertThat(b.limits()).isEqualTo(Allowance.Limits.NONE);
    assertThat(b.opens("whatever")).isTrue();
    assertThat(b.expires()).isEqualTo(Instant.parse("2027-02-01T00:00:00Z"));
    assertThat(read("threshold = 5\n")).isEmpty();
  }

  /// H stands for a hash, K for a key in its place: no message may say it.
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "hash = H | 2: a key without its name (expected: name = \"...\")",
        "name = \"a\" | 2: a key without its hash (expected: hash = \"sha256:...\", as \"infini key new\" prints it)",
        "name = \"a b\"; hash = H | 2: keys[0].name: \"a b\" (expected: 1 to 64 of A-Z",
        "name = \"a\"; hash = K | 3: keys[0].hash: a string (expected: sha256: and 64 hexadecimal digits",
        "name = \"a\"; hash = H; model = \"m\" | 4: unknown key \"keys[0].model\" (did you mean \"models\"?)",
        "name = \"a\"; hash = H; models = [] | 4: keys[0].models: an array (expected: names of models",
        "name = \"a\"; hash = H; max_in_flight = 0 | 4: keys[0].max_in_flight: 0 (expected: a whole number 1..1000000)",
        "name = \"a\"; hash = H; requests_per_minute = -1 | 4: keys[0].requests_per_minute: -1 (expected",
        "name = \"a\"; hash = H; tokens_per_minute = 1.5 | 4: keys[0].tokens_per_minute: 1.5 (expected",
        "name = \"a\"; hash = H; expires = \"soon\" | 4: keys[0].expires: \"soon\" (expected: a date, or a time such as",
        "name = \"a\"; hash = H; expires = 2027-01-31T12:00:00 | 4: keys[0].expires: 2027-01-31T12:00:00 (expected: a time with its offset from UTC, such as 2027-01-31T12:00:00Z)",
        "name = \"a\"; hash = H; expires = 12:00:00 | 4: keys[0].expires: 12:00:00 (expected: a date, or a time such as",
        "name = \"a\"; hash = H; [[keys]]; name = \"a\"; hash = I | 5: keys[1].name: \"a\" (expected: a name of its own; ",
        "name = \"a\"; hash = H; [[keys]]; name = \"b\"; hash = H | 6: keys[1].hash: a string (expected: a key of its own; a has the same)",
      })
  void whatIsWrongIsNamedWithItsLineAndWithoutTheKey(String lines, String expected) {
    String toml =
        "[[keys]]\n"
            + lines
                .replace("; ", "\n")
                .replace("= H", "= \"" + HASH + "\"")
                .replace("= I", "= \"" + ClientKey.hashLine("ik-i") + "\"")
                .replace("= K", "= \"ik-very-secret\"")
            + "\n";
    assertThatThrownBy(() -> read(toml))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("router.toml:" + expected)
        .hasMessageNotContaining("ik-very-secret")
        .hasMessageNotContaining(HASH);
  }

  @Test
  void oneTableWhereTablesAreMeantIsNamed() {
    assertThatThrownBy(() -> read("[keys]\nname = \"a\"\n"))
        .hasMessageContaining("router.toml:1: keys: a table (expected: tables [[keys]])");
  }

  @Test
  void aNewKeyHas256BitsAndAHashThatTheFileTakes() throws Exception {
    String key = ClientKey.fresh(new SecureRandom());
    assertThat(key).matches("ik-[A-Za-z0-9_-]{43}");
    assertThat(ClientKey.fresh(new SecureRandom())).isNotEqualTo(key);
    String printed = ClientKey.printed("a", key);
    assertThat(printed.lines().filter(key::equals)).hasSize(1);
    ClientKey read = read(printed.substring(printed.indexOf("[[keys]]"))).getFirst();
    assertThat(read.name()).isEqualTo("a");
    assertThat("sha256:" + read.hash()).isEqualTo(ClientKey.hashLine(key));
    // FIPS 180-2, appendix B.1
    assertThat(ClientKey.hashLine("abc"))
        .isEqualTo("sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  }
}
