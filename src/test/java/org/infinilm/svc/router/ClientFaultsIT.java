package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.infinilm.svc.router.ScriptedInstance.Script;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// The fault matrix, clients: what one does wrong costs nobody else anything, and the instance is
/// free of it.
@Timeout(120)
class ClientFaultsIT {
  private static final String HEAD = "HTTP/1.1 200 OK\r\n";
  private static final String ID = "one-that-leaves";
  private static final String REQUEST =
      Rig.post(Rig.CHAT, "X-Request-Id: " + ID + "\r\n", Rig.BODY);

  private Rig rig;

  @BeforeEach
  void begin() throws Exception {
    rig = new Rig();
  }

  @AfterEach
  void end() throws Exception {
    try {
      rig.quiet();
    } finally {
      rig.close();
    }
  }

  /// How far it comes before it goes.
  ///
  /// @param sends what the client sends
  /// @param answers what the instance answers before it waits for ever, null when it gets nothing
  /// @param reads what the client reads before it goes
  record Stage(String name, String sends, Script answers, String reads) {
    @Override
    public String toString() {
      return name;
    }
  }

  private static Script then(String said) {
    return (self, t) -> {
      self.take(t);
      t.say(said);
      t.hang();
    };
  }

  static Stream<Stage> stages() {
    return Stream.of(
        new Stage("before a byte", "", null, ""),
        new Stage("within the head", REQUEST.substring(0, 30), null, ""),
        new Stage("before the body", REQUEST.substring(0, REQUEST.indexOf("{")), null, ""),
        new Stage("within the body", REQUEST.substring(0, REQUEST.length() - 3), null, ""),
        new Stage("before the answer", REQUEST, then(""), ""),
        new Stage("within the answer's head", REQUEST, then(HEAD), ""),
        new Stage("after the answer's head", REQUEST, then(HEAD + "Content-Length: 9\r\n\r\n"), ""),
        new Stage(
            "in a body with a length",
            REQUEST,
            then(HEAD + "Content-Length: 9\r\n\r\nhalf"),
            "half"),
        new Stage(
            "in a chunked body",
            REQUEST,
            then(HEAD + "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
            "half"),
        new Stage("in a body that ends by close", REQUEST, then(HEAD + "\r\nhalf"), "half"),
        new Stage(
            "in a stream",
            REQUEST,
            then(
                HEAD
                    + "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + "9\r\ndata: a\n\n\r\n"),
            "data: a"));
  }

  private enum How {
    CLOSE,
    RESET,
    HALF_CLOSE
  }

  private void vanishes(Stage stage, How how) throws Exception {
    ScriptedInstance i = rig.good("a");
    rig.start();
    if (stage.answers() != null) {
      i.script(stage.answers());
    }
    try (Socket c = rig.connect()) {
      c.getOutputStream().write(stage.sends().getBytes(ISO_8859_1));
      c.getOutputStream().flush();
      if (stage.answers() != null) {
        await().atMost(Rig.SOON).until(() -> i.seen.size() == 1);
      }
      readUntil(c, stage.reads());
      if (how == How.HALF_CLOSE) {
        c.shutdownOutput();
        while (c.getInputStream().read() >= 0) {
          // until the router ends it
        }
      } else if (how == How.RESET) {
        c.setSoLinger(true, 0);
      }
    }
    if (stage.answers() != null) {
      rig.outcome("client_gone");
      await().atMost(Rig.SOON).untilAsserted(() -> assertThat(i.open()).as("work").isZero());
    }
    JsonNode decisions = rig.get("/decisions?limit=1000").path("decisions");
    assertThat(decisions.findValuesAsText("request_id").stream().filter(ID::equals))
        .as(decisions.toString())
        .hasSize(stage.answers() == null ? 0 : 1);
    i.script(ScriptedInstance.answering((r, n) -> Rig.OK));
    assertThat(rig.chat().ok()).isTrue();
    assertThat(rig.health()).isEqualTo("1/1");
  }

  private static void readUntil(Socket c, String wanted) throws IOException {
    StringBuilder b = new StringBuilder();
    while (b.indexOf(wanted) < 0) {
      int x = c.getInputStream().read();
      assertThat(x).as(b.toString()).isNotNegative();
      b.append((char) x);
    }
  }

  @ParameterizedTest(name = "closes {0}")
  @MethodSource("stages")
  void aClientThatCloses(Stage stage) throws Exception {
    vanishes(stage, How.CLOSE);
  }

  @ParameterizedTest(name = "resets {0}")
  @MethodSource("stages")
  void aClientThatResets(Stage stage) throws Exception {
    vanishes(stage, How.RESET);
  }

  @ParameterizedTest(name = "half-closes {0}")
  @MethodSource("stages")
  void aClientThatHalfCloses(Stage stage) throws Exception {
    vanishes(stage, How.HALF_CLOSE);
  }

  @Test
  void aRequestThatDripsInIsServedOnce() throws Exception {
    ScriptedInstance i = rig.good("a");
    rig.start();
    try (Socket c = rig.connect()) {
      for (byte b : REQUEST.getBytes(ISO_8859_1)) {
        c.getOutputStream().write(b);
        c.getOutputStream().flush();
        Thread.sleep(3);
      }
      assertThat(Said.read(c.getInputStream()).ok()).isTrue();
    }
    assertThat(i.seen).hasSize(1);
    assertThat(i.seen.getFirst()).endsWith("\r\n\r\n" + Rig.BODY);
  }

  @Test
  void aHeadThatNeverEndsIsEndedWithATimeLimit() throws Exception {
    ScriptedInstance i = rig.good("a");
    rig.start();
    try (Socket c = rig.connect()) {
      AtomicBoolean stop = new AtomicBoolean();
      c.getOutputStream().write("GET /x HTTP/1.1\r\nHost: x\r\nX: ".getBytes(ISO_8859_1));
      Thread dripping =
          Thread.ofVirtual()
              .start(() -> {
                try {
                  while (!stop.get()) {
                    c.getOutputStream().write('a');
                    Thread.sleep(200);
                  }
                } catch (IOException | InterruptedException ended) {
                  // the router closed it
                }
              });
      Said said = Said.read(c.getInputStream());
      stop.set(true);
      dripping.join();
      assertThat(said.status()).isEqualTo(408);
    }
    assertThat(i.seen).isEmpty();
  }

  @Test
  void aFloodOfRequestsSentAheadWaitsAtTheClient() throws Exception {
    CountDownLatch go = new CountDownLatch(1);
    rig.holding("a", go);
    rig.start();
    int many = 200_000;
    String long2k = "{\"model\":\"m\",\"user\":\"" + "u".repeat(2000) + "\",\"messages\":[]}";
    byte[] one = Rig.post(Rig.CHAT, "", long2k).getBytes(ISO_8859_1);
    AtomicLong sent = new AtomicLong();
    try (Socket c = rig.connect()) {
      Thread.ofVirtual()
          .start(() -> {
            try {
              for (int k = 0; k < many; k++) {
                c.getOutputStream().write(one);
                sent.incrementAndGet();
              }
            } catch (IOException ended) {
              // the test is over
            }
          });
      long[] last = {-1};
      await()
          .atMost(Rig.SOON)
          .pollInterval(java.time.Duration.ofMillis(500))
          .until(() -> {
            long before = last[0];
            last[0] = sent.get();
            return before == last[0] && before > 0;
          });
      assertThat(sent.get()).as("requests taken in").isLessThan(many);
      assertThat(rig.newest().isMissingNode()).as("answered").isTrue();
      go.countDown();
      for (int k = 0; k < 500; k++) {
        assertThat(Said.read(c.getInputStream()).ok()).isTrue();
      }
    }
  }

  /// So much that the router reads no more, and does not read that the client is gone.
  @ParameterizedTest
  @ValueSource(strings = {"", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"})
  void aClientThatSentMuchAheadAndLeavesIsMissed(String answer) throws Exception {
    ScriptedInstance i = rig.good("a");
    rig.start();
    i.script(then(answer));
    try (Socket c = rig.connect()) {
      c.getOutputStream().write(REQUEST.getBytes(ISO_8859_1));
      await().atMost(Rig.SOON).until(() -> i.seen.size() == 1);
      readUntil(c, answer.isEmpty() ? "" : "half");
      String ahead = Rig.post(Rig.CHAT, "", "a".repeat(100_000));
      c.getOutputStream().write(ahead.getBytes(ISO_8859_1));
    }
    rig.outcome("client_gone");
    await().atMost(Rig.SOON).untilAsserted(() -> assertThat(i.open()).as("work").isZero());
    i.script(ScriptedInstance.answering((r, n) -> Rig.OK));
  }

  @Test
  void aThousandIdleClientsLeaveRoomForOthersAndThenNothing() throws Exception {
    rig.good("a");
    rig.start();
    assertThat(rig.chat().ok()).isTrue();
    long before = Descriptors.connections(rig.port());
    List<Socket> idle = new ArrayList<>();
    try {
      for (int k = 0; k < 1000; k++) {
        idle.add(rig.connect());
      }
      for (int k = 0; k < 20; k++) {
        assertThat(rig.chat().ok()).isTrue();
      }
    } finally {
      for (Socket s : idle) {
        s.close();
      }
    }
    await()
        .atMost(Rig.SOON)
        .untilAsserted(
            () -> assertThat(Descriptors.connections(rig.port())).isLessThanOrEqualTo(before));
  }

  @ParameterizedTest(name = "does not read, {0}")
  @ValueSource(strings = {"Connection: keep-alive\r\n", "Connection: close\r\n"})
  void aClientThatDoesNotReadIsClosed(String fields) throws Exception {
    int size = 16 << 20;
    rig.instance(
        "a",
        (self, t) -> {
          self.take(t);
          t.say(HEAD + "Content-Length: " + size + "\r\n\r\n" + "a".repeat(size));
          t.hang();
        });
    rig.start("client_stall=1");
    int clients = 5;
    List<Socket> all = new ArrayList<>();
    try {
      for (int k = 0; k < clients; k++) {
        Socket s = new Socket();
        s.setReceiveBufferSize(4096);
        s.connect(new java.net.InetSocketAddress("127.0.0.1", rig.port()));
        String own = fields + "X-Request-Id: unread-" + k + "\r\n";
        s.getOutputStream().write(Rig.post(Rig.CHAT, own, Rig.BODY).getBytes(ISO_8859_1));
        all.add(s);
      }
      for (int k = 0; k < clients; k++) {
        assertThat(rig.decision("unread-" + k).path("outcome").asText()).isEqualTo("client_gone");
      }
    } finally {
      for (Socket s : all) {
        s.close();
      }
    }
  }

  /// An answer that fits the kernel's and the router's buffers is handed over whole, and its reader
  /// still has to read.
  @Test
  void aClientThatDoesNotReadAShortAnswerBeforeACloseIsClosed() throws Exception {
    int size = 3_000_000;
    rig.answering("a", (r, n) -> HEAD + "Content-Length: " + size + "\r\n\r\n" + "a".repeat(size));
    rig.start("client_stall=1");
    assertThat(rig.send(Rig.post(Rig.CHAT, "Connection: close\r\n", Rig.BODY)).ok()).isTrue();
    long before = Descriptors.connections(rig.port());
    List<Socket> all = new ArrayList<>();
    try {
      for (int k = 0; k < 5; k++) {
        Socket s = new Socket();
        s.setReceiveBufferSize(4096);
        s.connect(new java.net.InetSocketAddress("127.0.0.1", rig.port()));
        s.getOutputStream()
            .write(Rig.post(Rig.CHAT, "Connection: close\r\n", Rig.BODY).getBytes(ISO_8859_1));
        all.add(s);
      }
      await()
          .atMost(Rig.SOON)
          .untilAsserted(
              () -> assertThat(Descriptors.connections(rig.port())).isLessThanOrEqualTo(before));
    } finally {
      for (Socket s : all) {
        s.close();
      }
    }
  }
}
