package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.Socket;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// What happens when something of ours fails: clients are told, connections do not wait.
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
class ProxyServerIT {
  private static final String GET = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

  private @Nullable ProxyServer server;

  @AfterEach
  void end() {
    server.close();
  }

  private void start(Consumer<Inbound> front) throws IOException {
    Duration s = Duration.ofSeconds(10);
    server =
        ProxyServer.start(
            new ProxyServer.Options(
                "127.0.0.1",
                0,
                1,
                new ProxyServer.Limits(1 << 20, 1 << 24, 100, 0),
                new ProxyServer.Times(s, s, 0, s, s, 0),
                Cors.NONE),
            new Front() {
              @Override
              public void receive(Inbound request) {
                front.accept(request);
              }

              @Override
              public Response refusal(int status, String why, @Nullable String requestId) {
                return Response.json(status, Map.of("why", why));
              }
            });
  }

  private String ask(String request) throws IOException {
    try (Socket c = new Socket("127.0.0.1", server.port())) {
      c.setSoTimeout(20_000);
      c.getOutputStream().write(request.getBytes(ISO_8859_1));
      return new String(c.getInputStream().readAllBytes(), ISO_8859_1);
    }
  }

  private static String closing(String request) {
    return request.replace("Host: x", "Host: x\r\nConnection: close");
  }

  @Test
  void anErrorOfAHandlerIs500() throws Exception {
    start(r ->
        r.serve(q -> {
          throw new OutOfMemoryError("not really");
        }));
    assertThat(ask(closing(GET))).startsWith("HTTP/1.1 500 ");
  }

  @Test
  void anAnswerThatCannotBeWrittenIs500() throws Exception {
    start(r -> r.serve(q -> Response.text(200, "text/plain", "a").with("x-a", "b\r\nc: d")));
    assertThat(ask(closing(GET))).startsWith("HTTP/1.1 500 ").doesNotContain("c: d");
  }

  @Test
  void anErrorOfTheFrontIs500OnceAndTheOwnerIsToldToLetGo() throws Exception {
    AtomicInteger gone = new AtomicInteger();
    start(r -> {
      r.events(
          new InboundEvents() {
            @Override
            public void writable(boolean on) {}

            @Override
            public void shutdown() {}

            @Override
            public void gone() {
              gone.incrementAndGet();
            }
          });
      throw new StackOverflowError("not really");
    });
    assertThat(ask(GET + closing(GET)).split("HTTP/1.1 500 ", -1)).hasSize(3);
    await().atMost(Duration.ofSeconds(20)).until(() -> gone.get() == 2);
    assertThat(Faults.counts()).containsKey("a request's start: StackOverflowError");
  }

  @Test
  void anErrorAfterTheAnswerDoesNotSpoilIt() throws Exception {
    start(r -> {
      r.answer(Response.text(200, "text/plain", "fine"));
      throw new IllegalStateException("too late");
    });
    String said = ask(GET + closing(GET));
    assertThat(said.split("HTTP/1.1 200 ", -1)).hasSize(3);
    assertThat(said).doesNotContain("500");
  }

  @Test
  void aHundredIsSentToThoseWhoWaitForIt() throws Exception {
    start(r -> r.answer(Response.text(200, "text/plain", "fine")));
    String waits =
        "POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    assertThat(ask(waits + "abc" + closing(GET))).doesNotContain("100 Continue");
    assertThat(ask(waits.replace("3", "0") + closing(GET))).doesNotContain("100 Continue");
    try (Socket c = new Socket("127.0.0.1", server.port())) {
      c.setSoTimeout(20_000);
      c.getOutputStream().write(waits.getBytes(ISO_8859_1));
      byte[] hundred = c.getInputStream().readNBytes(25);
      assertThat(new String(hundred, ISO_8859_1)).isEqualTo("HTTP/1.1 100 Continue\r\n\r\n");
      c.getOutputStream().write("abc".getBytes(ISO_8859_1));
      assertThat(new String(c.getInputStream().readNBytes(12), ISO_8859_1))
          .isEqualTo("HTTP/1.1 200");
    }
  }

  @Test
  void optionsOfTheServerAreAnsweredHere() throws Exception {
    AtomicInteger seen = new AtomicInteger();
    start(r -> seen.incrementAndGet());
    String said = ask("OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assertThat(said)
        .startsWith("HTTP/1.1 200 ")
        .containsIgnoringCase("allow: GET")
        .endsWith("\r\n\r\n");
    assertThat(seen.get()).isZero();
  }

  @Test
  void aRefusalOfAHeadHasNoBody() throws Exception {
    start(r -> {});
    assertThat(ask("HEAD /a HTTP/1.1\r\nHost: a@b\r\n\r\n"))
        .startsWith("HTTP/1.1 400 ")
        .endsWith("\r\n\r\n");
  }

  @Test
  void placesAreGivenBackHoweverConnectionsEnd() throws Exception {
    start(r -> r.answer(Response.text(200, "text/plain", "fine")));
    for (int k = 0; k < 300; k++) {
      Socket c = new Socket("127.0.0.1", server.port());
      if (k % 3 == 0) {
        c.setSoLinger(true, 0);
      } else {
        c.getOutputStream()
            .write((k % 3 == 1 ? closing(GET) : "nonsense\r\n").getBytes(ISO_8859_1));
      }
      c.close();
    }
    await().atMost(Duration.ofSeconds(20)).until(() -> server.connections() == 0);
    assertThat(server.bufferedBytes()).isZero();
    assertThat(ask(closing(GET))).startsWith("HTTP/1.1 200 ");
  }
}
