package org.infinilm.svc.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ConfigTest {
  private static final Key<Integer> PORT = Key.port("router_port", 8080, "port");
  private static final Key<Long> THRESHOLD =
      Key.whole("threshold", 51200L, 0, Long.MAX_VALUE, "size")
          .orEnv("CACHE_TYPE_ROUTING_THRESHOLD", "OLD_THRESHOLD")
          .orDefault();
  private static final Key<Duration> TIMEOUT = Key.seconds("timeout", 1.5, 0.05, "limit");
  private static final Key<Boolean> HEADERS = Key.flag("headers", true, "send them");
  private static final Key<String> POLICY = Key.oneOf("policy", "a", List.of("a", "b-c"), "which");
  private static final Key<String> TOKEN = Key.text("admin_token", null, "secret");
  private static final Key<Double> SHARE = Key.number("share", 0.5, 0, 1, "share");
  private static final List<Key<?>> KEYS =
      List.of(PORT, THRESHOLD, TIMEOUT, HEADERS, POLICY, TOKEN, SHARE);

  @TempDir Path folder;

  private Path file(String text) throws IOException {
    return Files.writeString(folder.resolve("router.toml"), text);
  }

  private static Config config(Map<String, String> flags, Map<String, String> env)
      throws ConfigException {
    return Config.resolve(KEYS, flags, env, null);
  }

  @Test
  void flagOverEnvironmentOverFileOverDefault() throws Exception {
    Path f = file("# first\nrouter_port = 1\n");
    Map<String, String> env = Map.of("INFINI_ROUTER_PORT", "2");
    Map<String, String> flags = Map.of("router_port", "3");
    Config all = Config.resolve(KEYS, flags, env, f);
    assertThat(all.get(PORT)).isEqualTo(3);
    assertThat(all.origin(PORT)).isEqualTo("--router-port");
    Config noFlag = Config.resolve(KEYS, Map.of(), env, f);
    assertThat(noFlag.get(PORT)).isEqualTo(2);
    assertThat(noFlag.origin(PORT)).isEqualTo("INFINI_ROUTER_PORT");
    Config noEnv = Config.resolve(KEYS, Map.of(), Map.of(), f);
    assertThat(noEnv.get(PORT)).isEqualTo(1);
    assertThat(noEnv.origin(PORT)).isEqualTo(f + ":2");
    Config none = config(Map.of(), Map.of());
    assertThat(none.get(PORT)).isEqualTo(8080);
    assertThat(none.origin(PORT)).isEqualTo("default");
  }

  @Test
  void olderEnvironmentNamesComeFirstInTheirOrder() throws Exception {
    assertThat(
            config(
                    Map.of(),
                    Map.of(
                        "INFINI_THRESHOLD",
                        "1",
                        "OLD_THRESHOLD",
                        "2",
                        "CACHE_TYPE_ROUTING_THRESHOLD",
                        "3"))
                .get(THRESHOLD))
        .isEqualTo(3);
    assertThat(
            config(Map.of(), Map.of("INFINI_THRESHOLD", "1", "OLD_THRESHOLD", "2")).get(THRESHOLD))
        .isEqualTo(2);
    assertThat(config(Map.of(), Map.of("INFINI_THRESHOLD", "1")).get(THRESHOLD)).isEqualTo(1);
  }

  @Test
  void anUnknownKeyStopsWithItsPlaceAndTheNearestKey() throws Exception {
    Path f = file("\n\nrouter_prot = 1\n");
    assertThatThrownBy(() -> Config.resolve(KEYS, Map.of(), Map.of(), f))
        .isInstanceOf(ConfigException.class)
        .hasMessage(f + ":3: unknown key \"router_prot\" (did you mean \"router_port\"?)");
    Path far = file("zzz = 1\n");
    assertThatThrownBy(() -> Config.resolve(KEYS, Map.of(), Map.of(), far))
        .hasMessage(far + ":1: unknown key \"zzz\"");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "router_port | -1    | --router-port: -1 (expected: a whole number 0..65535)",
        "router_port | 65536 | --router-port: 65536 (expected: a whole number 0..65535)",
        "router_port | 80a   | --router-port: 80a (expected: a whole number 0..65535)",
        "timeout     | 0.01  | --timeout: 0.01 (expected: a number 0.05..1.0E9)",
        "timeout     | soon  | --timeout: soon (expected: a number 0.05..1.0E9)",
        "timeout     | NaN   | --timeout: NaN (expected: a number 0.05..1.0E9)",
        "headers     | maybe | --headers: maybe (expected: true or false)",
        "policy      | c     | --policy: c (expected: one of a, b-c)",
        "share       | 1.1   | --share: 1.1 (expected: a number 0.0..1.0)",
      })
  void aWrongFlagIsNamedWithItsValueAndWhatWasExpected(String key, String value, String message) {
    assertThatThrownBy(() -> config(Map.of(key, value), Map.of()))
        .isInstanceOf(ConfigException.class)
        .hasMessage(message);
  }

  @Test
  void wrongValuesElsewhereNameTheVariableOrTheLine() throws Exception {
    assertThatThrownBy(() -> config(Map.of(), Map.of("INFINI_ROUTER_PORT", "x")))
        .hasMessage("INFINI_ROUTER_PORT: router_port: x (expected: a whole number 0..65535)");
    Path f = file("headers = true\nrouter_port = \"x\"\n");
    assertThatThrownBy(() -> Config.resolve(KEYS, Map.of(), Map.of(), f))
        .hasMessage(f + ":2: router_port: x (expected: a whole number 0..65535)");
    Path table = file("[router_port]\na = 1\n");
    assertThatThrownBy(() -> Config.resolve(KEYS, Map.of(), Map.of(), table))
        .hasMessage(table + ":1: router_port: a table (expected: a single value)");
  }

  @Test
  void aLenientKeyWarnsAndKeepsItsDefault() throws Exception {
    for (String wrong : List.of("50KB", "-1", "", "1.5", "9223372036854775808")) {
      Config c = config(Map.of(), Map.of("CACHE_TYPE_ROUTING_THRESHOLD", wrong));
      assertThat(c.get(THRESHOLD)).isEqualTo(51200);
      assertThat(c.origin(THRESHOLD)).isEqualTo("default");
      assertThat(c.warnings())
          .containsExactly(
              "CACHE_TYPE_ROUTING_THRESHOLD: threshold: "
                  + wrong
                  + " (expected: a whole number 0..9223372036854775807); using the default 51200");
    }
    assertThat(config(Map.of(), Map.of("CACHE_TYPE_ROUTING_THRESHOLD", " 7 ")).get(THRESHOLD))
        .isEqualTo(7);
  }

  @Test
  void absentValuesAreAbsentAndRequiredOnesAreAskedFor() throws Exception {
    Config c = config(Map.of(), Map.of());
    assertThat(c.find(TOKEN)).isEmpty();
    assertThatThrownBy(() -> c.get(TOKEN))
        .isInstanceOf(ConfigException.class)
        .hasMessage("--admin-token: missing (expected: TEXT, secret)");
    assertThat(c.get(TIMEOUT)).isEqualTo(Duration.ofMillis(1500));
  }

  @Test
  void switchesAndWordsAreRead() throws Exception {
    for (String on : List.of("", "true", "1", "YES", "on")) {
      assertThat(config(Map.of("headers", on), Map.of()).get(HEADERS)).as(on).isTrue();
    }
    for (String off : List.of("false", "0", "no", "Off")) {
      assertThat(config(Map.of("headers", off), Map.of()).get(HEADERS)).as(off).isFalse();
    }
    assertThat(config(Map.of("policy", "B-C"), Map.of()).get(POLICY)).isEqualTo("b-c");
  }

  @Test
  void theDescriptionNamesOriginsAndKeepsSecrets() throws Exception {
    Config c = config(Map.of("admin_token", "hush", "router_port", "9"), Map.of());
    assertThat(c.describe())
        .contains(
            "router_port = 9  # --router-port",
            "threshold = 51200  # default",
            "admin_token = (secret)  # --admin-token")
        .noneMatch(line -> line.contains("hush"));
    Key<String> key = Key.text("api_key", null, "secret");
    assertThat(Config.resolve(List.of(key), Map.of("api_key", "hush"), Map.of(), null).describe())
        .containsExactly("api_key = (secret)  # --api-key");
  }
}
