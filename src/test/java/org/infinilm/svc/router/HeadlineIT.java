package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// One instance is broken while its babysitter says "healthy"; the other is good. Nobody notices.
@Timeout(120)
class HeadlineIT {
  private static final String OVERLOADED =
      "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy";
  private static final String BROKEN =
      "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\nboom";

  private Rig rig;

  @BeforeEach
  void begin() throws Exception {
    rig = new Rig();
  }

  @AfterEach
  void end() throws Exception {
    rig.quiet();
    rig.close();
  }

  private Crowd crowd() {
    return new Crowd(rig.router().port(), Rig.post(Rig.CHAT, "", Rig.BODY));
  }

  @Test
  void oneThatAnswers503BehindAHealthyBabysitterCostsNoRequest() throws Exception {
    ScriptedInstance bad = rig.answering("bad", (r, n) -> OVERLOADED);
    ScriptedInstance good = rig.good("good");
    rig.start();
    try (Crowd c = crowd().start(8, 100).join()) {
      assertThat(c.failed).isEmpty();
      assertThat(c.broken).isEmpty();
      assertThat(c.whole.get()).isEqualTo(800);
    }
    assertThat(bad.seen).isNotEmpty();
    assertThat(good.seen).hasSize(800);
  }

  @Test
  void oneThatFailsAtOnceBesideASlowOneCostsNoRequestAndLosesItsShare() throws Exception {
    ScriptedInstance bad = rig.answering("bad", (r, n) -> BROKEN);
    ScriptedInstance good =
        rig.answering(
            "good",
            (r, n) -> {
              Thread.sleep(300);
              return Rig.OK;
            });
    rig.start();
    AtomicBoolean shown = new AtomicBoolean();
    try (Crowd c = crowd().start(8, 20)) {
      await()
          .atMost(Rig.SOON)
          .until(() -> {
            shown.compareAndSet(false, rig.health().equals("1/2"));
            return shown.get();
          });
      c.join();
      assertThat(c.failed).isEmpty();
      assertThat(c.whole.get()).isEqualTo(160);
    }
    int strikes = bad.seen.size();
    try (Crowd c = crowd().start(8, 10).join()) {
      assertThat(c.failed).isEmpty();
      assertThat(c.whole.get()).isEqualTo(80);
    }
    assertThat(strikes).as("asked while it was found out").isBetween(1, 60);
    assertThat(bad.seen.size() - strikes).as("asked of 80 afterwards").isLessThanOrEqualTo(8);
    assertThat(good.seen).hasSize(240);
  }
}
