package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A client that leaves takes its instance's connection with it, in every phase of the call and
/// over every framing.
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
class CancelledCallsIT {
  private final CountDownLatch reached = new CountDownLatch(1);
  private final CountDownLatch noticed = new CountDownLatch(1);
  private RawInstance instance;
  private RawRouter router;

  private void route(RawInstance.Script script) throws Exception {
    instance = new RawInstance("m", script);
    router = RawRouter.of(Map.of(), List.of("http://127.0.0.1:" + instance.port())).ready();
  }

  @AfterEach
  void nothingIsInFlight() throws Exception {
    router.idle();
    router.close();
    instance.close();
  }

  /// Whether the connection ends, by a FIN or a reset, without another byte.
  private void awaitEnd(Socket s) {
    try {
      s.setSoTimeout(20_000);
      if (s.getInputStream().read() < 0) {
        noticed.countDown();
      }
    } catch (IOException reset) {
      if (!(reset instanceof java.net.SocketTimeoutException)) {
        noticed.countDown();
      }
    }
  }

  private void leaveWhenReached(Socket client) throws Exception {
    assertThat(reached.await(20, TimeUnit.SECONDS)).isTrue();
    client.close();
    assertThat(noticed.await(20, TimeUnit.SECONDS)).isTrue();
    await()
        .atMost(RawRouter.SOON)
        .untilAsserted(() ->
            assertThat(router.lastDecision().path("outcome").asText()).isEqualTo("client_gone"));
  }

  @Test
  void whileTheRequestIsWritten() throws Exception {
    AtomicBoolean whole = new AtomicBoolean();
    route((r, s) -> {
      reached.countDown();
      // the body is larger than all buffers on the way; it is read once the client has left
      await()
          .atMost(RawRouter.SOON)
          .until(() -> router.lastDecision().path("outcome").asText().equals("client_gone"));
      InputStream in = s.getInputStream();
      long n = 0;
      try {
        n = in.readAllBytes().length;
      } catch (IOException reset) {
        // as good as an end
      }
      whole.set(n >= 30_000_000);
      noticed.countDown();
    });
    String body = "{\"model\":\"m\",\"x\":\"" + "a".repeat(30_000_000) + "\"}";
    try (Socket c = router.connect()) {
      RawInstance.write(
          c,
          "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: "
              + body.length()
              + "\r\n\r\n"
              + body);
      leaveWhenReached(c);
    }
    assertThat(whole).isFalse();
  }

  @Test
  void whileTheInstanceThinks() throws Exception {
    route((r, s) -> {
      reached.countDown();
      awaitEnd(s);
    });
    try (Socket c = router.connect()) {
      RawInstance.write(c, RawRouter.post("/v1/chat/completions", "m", ""));
      leaveWhenReached(c);
    }
  }

  @Test
  void whileTheHeadIsThereAndNoBody() throws Exception {
    route((r, s) -> {
      RawInstance.write(s, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      reached.countDown();
      awaitEnd(s);
    });
    try (Socket c = router.connect()) {
      RawInstance.write(c, RawRouter.post("/v1/chat/completions", "m", ""));
      leaveWhenReached(c);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "Transfer-Encoding: chunked\r\n\r\n6\r\nfirst \r\n",
        "Content-Length: 1000000\r\n\r\nfirst ",
        "\r\nfirst ",
        "Content-Type: text/event-stream\r\n\r\ndata: first \n\n",
      })
  void whileAnAnswerIsRelayed(String answer) throws Exception {
    route((r, s) -> {
      RawInstance.write(s, "HTTP/1.1 200 OK\r\n" + answer);
      awaitEnd(s);
    });
    try (Socket c = router.connect()) {
      RawInstance.write(c, RawRouter.post("/v1/chat/completions", "m", ""));
      StringBuilder b = new StringBuilder();
      while (b.indexOf("first ") < 0) {
        b.append((char) c.getInputStream().read());
      }
      reached.countDown();
      leaveWhenReached(c);
    }
  }

  /// What an instance sends is not read when the client does not read; it is told all the same.
  @Test
  void whileTheClientReadsNothing() throws Exception {
    route((r, s) -> {
      RawInstance.write(s, "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
      byte[] piece = new byte[100_000];
      try {
        for (int k = 0; k < 1000; k++) {
          s.getOutputStream().write(piece);
          if (k == 5) {
            reached.countDown();
          }
        }
      } catch (IOException reset) {
        noticed.countDown();
      }
    });
    try (Socket c = router.connect()) {
      RawInstance.write(c, RawRouter.post("/v1/chat/completions", "m", ""));
      leaveWhenReached(c);
    }
  }
}
