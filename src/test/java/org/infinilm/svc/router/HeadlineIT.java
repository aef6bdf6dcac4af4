package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// One instance is broken while its babysitter says "healthy"; the other is good. Nobody notices.
@Timeout(120)
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
class HeadlineIT {
  private static final String OVERLOADED =
      "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy";
  private static final String BROKEN =
      "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\nboom";

  private static final String EVENTS =
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
          + "9\r\ndata: a\n\n\r\ne\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";

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

  private Crowd crowd(boolean stream) {
    String body = stream ? Rig.STREAM : Rig.BODY;
    return new Crowd(rig.port(), Rig.post(Rig.CHAT, "", body));
  }

  private static String good(boolean stream) {
    return stream ? EVENTS : Rig.OK;
  }

  @ParameterizedTest(name = "streaming: {0}")
  @ValueSource(booleans = {false, true})
  void oneThatAnswers503BehindAHealthyBabysitterCostsNoRequest(boolean stream) throws Exception {
    ScriptedInstance bad = rig.answering("bad", (r, n) -> OVERLOADED);
    ScriptedInstance good = rig.answering("good", (r, n) -> good(stream));
    rig.start();
    try (Crowd c = crowd(stream).start(8, 100).join()) {
      assertThat(c.failed).isEmpty();
      assertThat(c.broken).isEmpty();
      assertThat(c.whole.get()).isEqualTo(800);
    }
    assertThat(bad.seen).isNotEmpty();
    assertThat(good.seen).hasSize(800);
  }

  @ParameterizedTest(name = "streaming: {0}")
  @ValueSource(booleans = {false, true})
  void oneThatFailsAtOnceBesideASlowOneCostsNoRequestAndLosesItsShare(boolean stream)
      throws Exception {
    ScriptedInstance bad = rig.answering("bad", (r, n) -> BROKEN);
    ScriptedInstance good =
        rig.answering(
            "good",
            (r, n) -> {
              Thread.sleep(300);
              return good(stream);
            });
    rig.start();
    AtomicBoolean going = new AtomicBoolean(true);
    AtomicBoolean shown = new AtomicBoolean();
    try (Crowd c = crowd(stream).startWhile(8, going::get)) {
      await()
          .atMost(Rig.SOON)
          .until(() -> {
            shown.compareAndSet(false, rig.health().equals("1/2"));
            return c.sent.get() >= 160;
          });
      int strikes = bad.seen.size();
      int before = c.sent.get();
      await().atMost(Rig.SOON).until(() -> c.sent.get() >= before + 80);
      int later = bad.seen.size() - strikes;
      going.set(false);
      c.join();
      assertThat(c.failed).isEmpty();
      assertThat(c.broken).isEmpty();
      assertThat(c.whole.get()).isEqualTo(c.sent.get()).isEqualTo(good.seen.size());
      assertThat(strikes).as("asked while it was found out").isBetween(1, 60);
      assertThat(later).as("asked beside 80 requests afterwards").isLessThanOrEqualTo(12);
      assertThat(shown).as("/health said 1/2").isTrue();
    }
  }
}
