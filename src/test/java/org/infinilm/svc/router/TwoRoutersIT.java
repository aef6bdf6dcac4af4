package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.Socket;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;

/// Two routers that follow one registry.
class TwoRoutersIT {
  private static String home(Router r, String policyKey) throws IOException {
    String body = "{\"model\":\"m\",\"prompt_cache_key\":\"" + policyKey + "\"}";
    try (Socket s = new Socket("127.0.0.1", r.port())) {
      s.setSoTimeout((int) Rig.SOON.toMillis());
      s.getOutputStream().write(Rig.post(Rig.CHAT, "", body).getBytes(ISO_8859_1));
      Said said = Said.read(s.getInputStream());
      assertThat(said.ok()).isTrue();
      assertThat(said.field("x-infini-reason")).isEqualTo("affinity");
      return said.field("x-infini-instance");
    }
  }

  @Test
  void giveTheSameKeyTheSameHome() throws Exception {
    try (Rig rig = new Rig()) {
      for (int k = 0; k < 5; k++) {
        rig.good("instance-" + k);
      }
      Router one = rig.start(Ticker.SYSTEM, List.of());
      Router two = rig.start(Ticker.SYSTEM, List.of());
      Router other = rig.start(Ticker.SYSTEM, List.of(), "policy=session");
      Set<String> homes = new HashSet<>();
      for (int k = 0; k < 40; k++) {
        String home = home(one, "conversation " + k);
        assertThat(home(two, "conversation " + k)).isEqualTo(home);
        assertThat(home(other, "conversation " + k)).isEqualTo(home);
        homes.add(home);
      }
      assertThat(homes).hasSizeGreaterThan(3);
    }
  }
}
