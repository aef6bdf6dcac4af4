package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.util.List;
import java.util.Map;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Routers that are instances of each other: a request comes round once and is told so.
@Timeout(60)
class LoopIT {
  private static Known at(int port) throws Exception {
    return StaticServices.instance("http://127.0.0.1:" + port + ",name=router-" + port, Map.of());
  }

  @Test
  void aRouterThatIsItsOwnInstanceSaysSo() throws Exception {
    int port = Programs.freePort();
    try (Rig rig = new Rig()) {
      rig.startFixed(List.of(at(port)), "router_port=" + port);
      Said said = rig.send("GET /anything HTTP/1.1\r\nHost: x\r\n\r\n");
      assertThat(said.status()).isEqualTo(508);
      assertThat(said.body()).contains("loop_detected");
      rig.quiet();
      assertThat(rig.get("/decisions").path("decisions").size()).isEqualTo(2);
      assertThat(rig.health()).as("no instance is blamed for it").isEqualTo("1/1");
    }
  }

  @Test
  void twoRoutersInACircleSaySo() throws Exception {
    int one = Programs.freePort();
    int two = Programs.freePort();
    try (Rig rig = new Rig()) {
      rig.launch(Ticker.SYSTEM, List.of(at(two)), "router_port=" + one);
      rig.start(Ticker.SYSTEM, List.of(at(one)), "router_port=" + two);
      await().atMost(Rig.SOON).until(() -> rig.health().equals("1/1"));
      assertThat(rig.send("GET /anything HTTP/1.1\r\nHost: x\r\n\r\n").status()).isEqualTo(508);
      rig.quiet();
    }
  }
}
