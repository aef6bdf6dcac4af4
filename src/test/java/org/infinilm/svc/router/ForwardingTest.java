package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.RequestHead;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ForwardingTest {
  private static final Map<String, String> CHAIN =
      Map.of("x-forwarded-for", "1.1.1.1, 2.2.2.2", "forwarded", "for=1.1.1.1");

  private record Head(Map<String, String> fields) implements RequestHead {
    @Override
    public String method() {
      return "POST";
    }

    @Override
    public boolean isHttp10() {
      return false;
    }

    @Override
    public String target() {
      return "/";
    }

    @Override
    public @Nullable String header(String name) {
      return fields.get(name.toLowerCase(Locale.ROOT));
    }

    @Override
    public @Nullable String joined(String name) {
      return header(name);
    }
  }

  private static String said(String trusted, String peer, Map<String, String> fields)
      throws ConfigException {
    List<Header> set = new ArrayList<>();
    List<String> dropped = new ArrayList<>();
    Forwarding.of(trusted, "here").patch(peer, new Head(fields), set, dropped);
    return set + " " + dropped;
  }

  @Test
  void everybodysChainIsContinuedUnlessSomeAreTrusted() throws ConfigException {
    assertThat(said("", "9.9.9.9", CHAIN))
        .contains("value=1.1.1.1, 2.2.2.2, 9.9.9.9]")
        .contains("value=for=1.1.1.1, for=9.9.9.9]")
        .endsWith(" []");
    assertThat(said("9.0.0.0/8", "9.9.9.9", CHAIN)).contains("value=1.1.1.1, 2.2.2.2, 9.9.9.9]");
    assertThat(said("", "::1", CHAIN)).contains("for=\"[::1]\"");
    assertThat(said("", "9.9.9.9", Map.of())).contains("value=9.9.9.9]").doesNotContain("for=");
  }

  @Test
  void claimsOfOthersAreDropped() throws ConfigException {
    for (String peer : List.of("9.9.9.9", "fd00::1")) {
      assertThat(said("10.0.0.0/8, ::1", peer, CHAIN))
          .contains("value=" + peer + "]")
          .doesNotContain("1.1.1.1")
          .contains("forwarded", "x-real-ip", "x-forwarded-port", "true-client-ip");
    }
    assertThat(said("10.0.0.0/8,::1", "::1", CHAIN)).contains("1.1.1.1, 2.2.2.2, ::1");
  }

  @ParameterizedTest
  @ValueSource(strings = {"ten", "10.0.0.0/64", "10.0.0/8", "10.0.0.0/", "::1/129", "host/8"})
  void rangesThatAreNoneAreNamed(String range) {
    assertThatThrownBy(() -> Forwarding.of("127.0.0.1," + range, "--trusted-proxies"))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("--trusted-proxies: " + range + " (expected: ");
  }
}
