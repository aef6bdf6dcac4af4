package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class EntryTest {
  @ParameterizedTest(name = "{0} {1}:{2} at {3} is asked at {4}")
  @CsvSource({
    "openai-api, h,     8100,  http://elsewhere:1,   http://h:8101/health",
    "openai-api, ::1,   8100,  http://elsewhere:1,   http://[::1]:8101/health",
    "openai-api, h,     65535, http://elsewhere:1,   ",
    "openai-api, h,     0,     http://elsewhere:1,   ",
    "command,    h,     8101,  http://h:8101,        http://h:8101/health",
    "command,    h,     8101,  http://h:8101/,       http://h:8101/health",
    "command,    h,     8101,  http://h:8101/base,   http://h:8101/base/health",
    "command,    h,     8101,  'not an address',     ",
  })
  void healthAddress(String type, String host, int port, String url, String expected) {
    Entry e = new Entry("a", host, port, "", url, "running", Map.of("type", type), null);
    assertThat(String.valueOf(e.healthUri())).isEqualTo(String.valueOf(expected));
  }
}
