package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RouterConfigTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "session_header | bad header | --session-header: bad header (expected: a header field's name)",
        "session_header | x: y | --session-header: x: y (expected: a header field's name)",
        "transport | kqueue | --transport: kqueue (expected: one of auto, epoll, io_uring, nio)",
        "model_thresholds | a=1,a=2 | --model-thresholds: a given twice (expected: once)",
        "registry_url | ftp://u:secret@h:1 | --registry-url: ftp://...@h:1 (expected: http://host:port)",
      })
  void aWrongValueIsNamed(String key, String value, String message) {
    Map<String, String> flags = Map.of(key, value);
    assertThatThrownBy(
            () -> RouterConfig.of(Config.resolve(RouterConfig.KEYS, flags, Map.of(), null)))
        .isInstanceOf(ConfigException.class)
        .hasMessage(message);
  }

  @Test
  void noPasswordStandsInAMessage() {
    assertThatThrownBy(() -> StaticServices.instance("http://u:secret@h:1,name=a", Map.of()))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("http://...@h:1 (expected: http://host:port or https://host:port)")
        .hasMessageNotContaining("secret");
    assertThatThrownBy(
            () -> StaticServices.instance("http://h:1,health_url=http://u:secret@h:1/x", Map.of()))
        .hasMessageNotContaining("secret");
  }

  @Test
  void aNameToAskForIsAHostsName() {
    assertThatThrownBy(() -> StaticServices.instance("https://h:1,tls_server_name=a b", Map.of()))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("tls_server_name=a b (expected: a host name");
  }
}
