package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Instances with places, of which one fails at once: where the other one is full, a request that
/// failed waits for it.
class PlacesAndRetriesIT {
  private static final Map<String, Object> STATIC = Map.of("cache_type", "static");

  private Rig rig;

  @BeforeEach
  void begin() throws IOException {
    rig = new Rig();
  }

  @AfterEach
  void end() throws IOException {
    rig.quiet();
    rig.close();
  }

  private ScriptedInstance placed(String name, ScriptedInstance.Reply reply) throws IOException {
    return rig.listed(new ScriptedInstance(name, ScriptedInstance.answering(reply)), STATIC);
  }

  private void broken(String answer) throws Exception {
    placed("a", (r, n) -> "HTTP/1.1 " + answer + "\r\nContent-Length: 0\r\n\r\n");
    placed(
        "b",
        (r, n) -> {
          Thread.sleep(20);
          return Rig.OK;
        });
    rig.start();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "500 Internal Server Error",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "503 Service Unavailable\r\nRetry-After: 2",
        "429 Too Many Requests\r\nRetry-After: 2"
      })
  void theOneThatFailsAtOnceCostsNobodyAnAnswer(String answer) throws Exception {
    broken(answer);
    try (Crowd c = new Crowd(rig.port(), Rig.post(Rig.CHAT, "", Rig.BODY)).start(8, 25).join()) {
      assertThat(c.failed).isEmpty();
      assertThat(c.whole.get()).isEqualTo(200);
    }
  }

  @Test
  void anInstanceThatAskedToBeLeftAloneIsWhileAnotherCanBeWaitedFor() throws Exception {
    broken("503 Service Unavailable\r\nRetry-After: 30");
    try (Crowd c = new Crowd(rig.port(), Rig.post(Rig.CHAT, "", Rig.BODY)).start(8, 25).join()) {
      assertThat(c.failed).isEmpty();
    }
    assertThat(rig.instances.getFirst().seen).hasSizeLessThan(10);
  }

  /// One trial, whatever it brings; on trial nobody may disprove the instance, so its own failure
  /// decides.
  @Test
  void aFailedTrialIsOneRequest() throws Exception {
    ScriptedInstance broken = placed("a", (r, n) -> "HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n");
    placed("b", (r, n) -> Rig.OK);
    rig.start();
    for (int k = 0; k < 40; k++) {
      assertThat(rig.chat().ok()).isTrue();
    }
    await().atMost(Rig.SOON).until(() -> rig.health().equals("1/2"));
    int before = broken.seen.size();
    await()
        .atMost(Rig.SOON)
        .until(() -> {
          assertThat(rig.chat().ok()).isTrue();
          return broken.seen.size() > before;
        });
    for (int k = 0; k < 100; k++) {
      assertThat(rig.chat().ok()).isTrue();
    }
    assertThat(broken.seen.size()).isEqualTo(before + 1);
  }
}
