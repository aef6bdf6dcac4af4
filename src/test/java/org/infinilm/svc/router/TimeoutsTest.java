package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.http.TimeLimits;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TimeoutsTest {
  @TempDir private Path folder;

  /// Settings by blanks, MiB of body, connections tried in vain and the milliseconds they took;
  /// then the milliseconds for connecting, the first byte and between bytes.
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      nullValues = "-",
      value = {
        "- | 0 | 0 | 0 | 2000 | 1800000 | 1800000",
        "proxy_timeout=60 | 9 | 0 | 0 | 2000 | 60000 | 60000",
        // a shorter first byte, by the size of the request
        "first_byte_timeout=10 | 4 | 0 | 0 | 2000 | 10000 | 1800000",
        "first_byte_timeout=10 first_byte_timeout_per_mb=5 | 0 | 0 | 0 | 2000 | 10000 | 1800000",
        "first_byte_timeout=10 first_byte_timeout_per_mb=5 | 4 | 0 | 0 | 2000 | 30000 | 1800000",
        "proxy_timeout=60 idle_timeout=7 | 0 | 0 | 0 | 2000 | 60000 | 7000",
        // what is left of all connections of a request together, half a second at least
        "- | 0 | 1 | 2000 | 1000 | 1800000 | 1800000",
        "- | 0 | 3 | 4200 | 800 | 1800000 | 1800000",
        "- | 0 | 4 | 4900 | 500 | 1800000 | 1800000",
        "- | 0 | 9 | 9000 | 500 | 1800000 | 1800000",
        "connect_timeout=1.5 | 0 | 0 | 0 | 1500 | 1800000 | 1800000",
        "connect_timeout=0.25 | 0 | 5 | 2000 | 250 | 1800000 | 1800000",
      })
  void oneCallHas(
      String settings, int mib, int vain, int tookMs, long connect, long first, long idle)
      throws Exception {
    Map<String, String> flags = new HashMap<>();
    for (String s : settings == null ? new String[0] : settings.split(" ")) {
      flags.put(s.substring(0, s.indexOf('=')), s.substring(s.indexOf('=') + 1));
    }
    Timeouts t = Timeouts.of(Config.resolve(RouterConfig.KEYS, flags, Map.of(), null));
    TimeLimits l = t.limits((long) mib << 20, vain, Duration.ofMillis(tookMs));
    assertThat(l.connect()).isEqualTo(Duration.ofMillis(connect));
    assertThat(l.firstByte()).isEqualTo(Duration.ofMillis(first));
    assertThat(l.idle()).isEqualTo(Duration.ofMillis(idle));
  }

  private static Config config(@Nullable Path file, String... flags) throws ConfigException {
    Map<String, String> all = new HashMap<>();
    for (int k = 0; k < flags.length; k += 2) {
      all.put(flags[k], flags[k + 1]);
    }
    return Config.resolve(RouterConfig.KEYS, all, Map.of(), file);
  }

  @Test
  void timeForEachMibWithoutALimitToAddItToIsRefusedWithItsPlace() throws Exception {
    assertThatThrownBy(() -> Timeouts.of(config(null, "first_byte_timeout_per_mb", "1.5")))
        .isInstanceOf(ConfigException.class)
        .hasMessage(
            "--first-byte-timeout-per-mb: 1.5 s adds to first_byte_timeout, which is not set (expected: both)");
    Path f = Files.writeString(folder.resolve("r.toml"), "\nfirst_byte_timeout_per_mb = 1\n");
    assertThatThrownBy(() -> Timeouts.of(config(f)))
        .hasMessageEndingWith(
            "r.toml:2: first_byte_timeout_per_mb: 1.0 s adds to first_byte_timeout, which is not set (expected: both)");
    Timeouts.of(config(f, "first_byte_timeout", "3"));
    Timeouts.of(config(null, "first_byte_timeout_per_mb", "0"));
  }

  @Test
  void aFirstByteThatMayComeLaterThanAllElseIsAWarningThatNamesBoth() throws Exception {
    assertThat(Timeouts.warnings(config(null, "first_byte_timeout", "10", "proxy_timeout", "1")))
        .containsExactly(
            "--first-byte-timeout: 10.0 s is longer than --proxy-timeout: 1.0 s, which then limits the pauses of an answer alone");
    Path f = Files.writeString(folder.resolve("r.toml"), "proxy_timeout = 2\n");
    assertThat(Timeouts.warnings(config(f, "first_byte_timeout", "10")).getFirst())
        .contains("r.toml:1: proxy_timeout: 2.0 s,");
    assertThat(Timeouts.warnings(config(null, "first_byte_timeout", "10"))).isEmpty();
    assertThat(Timeouts.warnings(config(null, "proxy_timeout", "1"))).isEmpty();
  }
}
