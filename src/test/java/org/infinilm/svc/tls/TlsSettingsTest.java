package org.infinilm.svc.tls;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Map;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What is given without what it needs, and what cannot be used, by name.
class TlsSettingsTest {
  @TempDir private Path dir;

  private static Config config(String... flags) throws ConfigException {
    Map<String, String> given = new java.util.HashMap<>();
    for (int k = 0; k < flags.length; k += 2) {
      given.put(flags[k], flags[k + 1]);
    }
    return Config.resolve(TlsSettings.KEYS, given, Map.of(), null);
  }

  private static TlsSettings of(String... flags) throws ConfigException {
    return TlsSettings.of(config(flags));
  }

  @Test
  void withoutAnythingItIsPlainHttp() throws Exception {
    assertThat(of()).isEqualTo(TlsSettings.NONE);
    assertThat(of().scheme()).isEqualTo("http");
    assertThat(of().listener(InstantSource.system())).isNull();
  }

  @Test
  void halfAPairIsNamed() {
    assertThatThrownBy(() -> of("tls_cert", "c.pem"))
        .hasMessageStartingWith("--tls-cert: tls_cert without tls_key (expected: both, --tls-key ");
    assertThatThrownBy(() -> of("tls_key", "k.pem"))
        .hasMessageStartingWith("--tls-key: tls_key without tls_cert (expected: both");
    assertThatThrownBy(() -> of("tls_client_ca", "ca.pem"))
        .hasMessageStartingWith("--tls-client-ca: tls_client_ca without tls_cert");
  }

  /// Each file for itself, also beside what is given without what it needs.
  @Test
  void noWrongFileHidesAnother() {
    String none = dir.resolve("none").toString();
    String all =
        catchThrowable(() ->
                TlsSettings.forStart(
                    config(
                        "tls_cert",
                        none,
                        "client_key",
                        none,
                        "tls_client_ca",
                        none,
                        "ca_file",
                        none),
                    InstantSource.system()))
            .getMessage();
    assertThat(all.lines())
        .hasSize(6)
        .anyMatch(l -> l.startsWith("--tls-cert: tls_cert without tls_key"))
        .anyMatch(l -> l.startsWith("--client-key: client_key without client_cert"))
        .contains(
            "tls_cert: " + none + ": no such file (expected: a PEM file)",
            "client_key: " + none + ": no such file (expected: a PEM file)",
            "tls_client_ca: " + none + ": no such file (expected: a PEM file)",
            "ca_file: " + none + " (expected: a file that exists)");
  }

  @Test
  void aDeviceIsNoAuthority() {
    assertThatThrownBy(() -> of("ca_file", "/dev/zero").client())
        .hasMessage("ca_file: /dev/zero (expected: a regular file)");
  }

  @Test
  void authoritiesThatCannotBeUsedAreNamed() throws Exception {
    Path text = Files.writeString(dir.resolve("text"), "hello");
    assertThatThrownBy(() -> of("ca_file", text.toString()).client())
        .isInstanceOf(ConfigException.class)
        .hasMessage("ca_file: " + text + " (expected: a file of PEM certificates)");
    Path none = dir.resolve("none");
    assertThatThrownBy(
            () -> TlsSettings.forStart(config("ca_file", none.toString()), InstantSource.system()))
        .hasMessage("ca_file: " + none + " (expected: a file that exists)");
  }
}
