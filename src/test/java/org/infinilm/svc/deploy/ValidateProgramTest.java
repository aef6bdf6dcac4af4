package org.infinilm.svc.deploy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.http.BaseUrl;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ValidateProgramTest {
  /// Every other command took the port and a scheme in capitals; this one did not.
  @ParameterizedTest
  @CsvSource({
    "localhost, http://localhost:8000",
    "10.0.0.7, http://10.0.0.7:8000",
    "10.0.0.7., http://10.0.0.7:8000",
    "::1, http://[::1]:8000",
    "[::1], http://[::1]:8000",
    "[::1]:8001, http://[::1]:8001",
    "h:8001, http://h:8001",
    "http://h, http://h:8000",
    "HTTPS://h.example, https://h.example:8000",
    "HTTP://127.0.0.1:9/ui/, http://127.0.0.1:9",
    "http://h:9/v1, http://h:9",
    "http://h/, http://h:8000"
  })
  void hostsAndAddressesAreTaken(String host, String router) throws Exception {
    assertThat(ValidateProgram.router(host, 8000, false)).hasToString(router);
  }

  @Test
  void theRegistryIsAtTheSameHost() throws Exception {
    BaseUrl router = ValidateProgram.router("https://[::1]:8443", 8000, false);
    Validate.Target t = Validate.Target.of(router, 18000, List.of(), null, null, null);
    assertThat(t.registry()).hasToString("https://[::1]:18000");
    assertThat(t.router()).hasToString("https://[::1]:8443");
    assertThat(t.host()).isEqualTo("[::1]");
  }

  @Test
  void twoPortsOfOneRouterAreRefused() throws Exception {
    assertThat(ValidateProgram.router("h:9", 9, true).port()).isEqualTo(9);
    assertThatThrownBy(() -> ValidateProgram.router("h:9", 10, true))
        .isInstanceOf(ConfigException.class)
        .hasMessage("validate: h:9 and --router-port 10 (expected: one port of the router)");
  }

  /// A host with its port was taken for an address of IPv6, and ended in a URI's own words.
  @ParameterizedTest
  @ValueSource(
      strings = {
        "http://h/x",
        "a b",
        "",
        ":",
        "h:",
        "h:0",
        "h:65536",
        "1:2:3",
        "[1:2:3]",
        "http://",
        "ftp://h"
      })
  void whatIsNoHostIsRefusedInWords(String host) {
    assertThatThrownBy(() -> ValidateProgram.router(host, 8000, false))
        .isInstanceOf(ConfigException.class)
        .hasMessageStartingWith("validate: " + host + " (expected: the router's host name or ");
  }
}
