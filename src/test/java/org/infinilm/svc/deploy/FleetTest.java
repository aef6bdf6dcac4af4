package org.infinilm.svc.deploy;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import org.infinilm.svc.http.Json;
import org.junit.jupiter.api.Test;

class FleetTest {
  @Test
  void serverAndBabysitterAreEachReachedAsTheyListen() throws Exception {
    String services =
        """
        {"services": [
          {"name": "a", "host": "0.0.0.0", "port": 8100, "url": "http://0.0.0.0:8100"},
          {"name": "b", "host": "gpu1", "port": 8200, "url": "https://gpu1:8200"},
          {"name": "c", "host": "fd00::1", "port": 8300, "metadata": {"babysitter_scheme": "https"}},
          {"name": "d", "host": "0:0:0:0:0:0:0:0", "port": 8400}
        ]}
        """;
    assertThat(Fleet.of(Json.tree(services.getBytes(UTF_8)), "here").instances())
        .extracting(m -> m.url() + " " + m.babysitter())
        .containsExactly(
            "http://here:8100 http://here:8101",
            "https://gpu1:8200 http://gpu1:8201",
            "http://[fd00::1]:8300 https://[fd00::1]:8301",
            "http://here:8400 http://here:8401");
  }
}
