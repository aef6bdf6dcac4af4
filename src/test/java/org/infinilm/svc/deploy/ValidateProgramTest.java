package org.infinilm.svc.deploy;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.infinilm.svc.config.ConfigException;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ValidateProgramTest {
  @ParameterizedTest
  @ValueSource(strings = {"localhost", "10.0.0.7", "::1", "[::1]", "https://h.example", "http://h"})
  void hostsAreTaken(String host) throws Exception {
    ValidateProgram.checkHost(host);
  }

  /// A host with its port was taken for an address of IPv6, and ended in a URI's own words.
  @ParameterizedTest
  @ValueSource(
      strings = {
        "http://127.0.0.1:8000",
        "127.0.0.1:8000",
        "h:8000",
        "[::1]:8000",
        "http://h/",
        "a b",
        "",
        ":",
        "1:2:3",
        "http://"
      })
  void whatIsNoHostIsRefusedInWords(String host) {
    assertThatThrownBy(() -> ValidateProgram.checkHost(host))
        .isInstanceOf(ConfigException.class)
        .hasMessageStartingWith("validate: " + host + " (expected: a host name or address, ")
        .hasMessageContaining("the port as --router-port");
  }
}
