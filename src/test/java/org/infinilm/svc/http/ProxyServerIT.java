package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.Socket;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
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
                ProxyServer.Transport.named("auto"),
                ProxyServer.Framing.AUTO,
                new ProxyServer.Limits(1 << 20, 1 << 24, 100, 0),
                new ProxyServer.Times(s, s, 0, s, s, 0),
                Cors.NONE,
                null),
            new Front() {
              @Override
              public void receive(Inbound request) {
                front.accept(request);
              }

              @Override
              public Response refusal(int status, String why, Asked asked) {
                return Response.json(status, Map.of("why", why));
              }
            },
            InstantSource.system());
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
            public void fault() {
              throw new IllegalStateException("fails again");
            }

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

  private static class Owner implements InboundEvents {
    final AtomicInteger gone = new AtomicInteger();
    private final Inbound in;

    Owner(Inbound in) {
      this.in = in;
      in.events(this);
    }

    @Override
    public void writable(boolean on) {}

    @Override
    public void shutdown() {}

    @Override
    public void fault() {
      in.answer(Response.text(500, "text/plain", "in the owner's words"));
    }

    @Override
    public void gone() {
      gone.incrementAndGet();
    }
  }

  @Test
  void theOwnerOfARequestAnswersAFaultItself() throws Exception {
    AtomicReference<Owner> owner = new AtomicReference<>();
    start(r -> {
      owner.set(new Owner(r));
      throw new OutOfMemoryError("not really");
    });
    assertThat(ask(closing(GET))).startsWith("HTTP/1.1 500 ").endsWith("in the owner's words");
    end();
    start(r -> {
      owner.set(new Owner(r));
      r.apart(
          () -> {
            throw new StackOverflowError("not really");
          },
          x -> r.answer(Response.text(200, "text/plain", "no")));
    });
    assertThat(ask(closing(GET))).startsWith("HTTP/1.1 500 ").endsWith("in the owner's words");
    assertThat(owner.get().gone.get()).isZero();
  }

  private static String posting(int bytes) {
    return "POST /long HTTP/1.1\r\nHost: x\r\nContent-Length: "
        + bytes
        + "\r\n\r\n"
        + "a".repeat(bytes);
  }

  /// One event loop, and every thread beside it busy.
  @Test
  void workApartHoldsUpNobodyAndThatOfClientsWhoLeftIsNotDone() throws Exception {
    CountDownLatch goOn = new CountDownLatch(1);
    AtomicInteger begun = new AtomicInteger();
    AtomicInteger left = new AtomicInteger();
    start(r -> {
      if (r.head().path().equals("/a")) {
        r.answer(Response.text(200, "text/plain", "at once"));
        return;
      }
      new Owner(r) {
        @Override
        public void gone() {
          left.incrementAndGet();
        }
      };
      r.apart(
          () -> {
            begun.incrementAndGet();
            try {
              goOn.await();
            } catch (InterruptedException e) {
              Thread.currentThread().interrupt();
            }
            return r.body().readableBytes();
          },
          n -> r.answer(Response.text(200, "text/plain", n + " read")));
    });
    Socket[] clients = new Socket[4];
    for (int k = 0; k < clients.length; k++) {
      clients[k] = new Socket("127.0.0.1", server.port());
      clients[k].setSoTimeout(20_000);
      clients[k].getOutputStream().write(posting(5000).getBytes(ISO_8859_1));
    }
    await().atMost(Duration.ofSeconds(20)).until(() -> begun.get() == 2);
    assertThat(ask(closing(GET))).endsWith("at once");
    for (Socket c : clients) {
      c.close();
    }
    await().atMost(Duration.ofSeconds(20)).until(() -> left.get() == 4);
    assertThat(server.bufferedBytes()).isZero();
    try (Socket last = new Socket("127.0.0.1", server.port())) {
      last.setSoTimeout(20_000);
      last.getOutputStream().write(closing(posting(7)).getBytes(ISO_8859_1));
      goOn.countDown();
      assertThat(new String(last.getInputStream().readAllBytes(), ISO_8859_1)).endsWith("7 read");
    }
    assertThat(begun.get()).isEqualTo(3);
  }

  @Test
  void everyAnswerTellsTheTime() throws Exception {
    start(r -> r.answer(Response.text(200, "text/plain", "fine")));
    for (String request : List.of(closing(GET), "nonsense\r\n\r\n")) {
      assertThat(ask(request))
          .containsPattern(
              "\r\ndate: [A-Z][a-z]{2}, \\d\\d [A-Z][a-z]{2} \\d{4} [0-9:]{8} GMT\r\n");
    }
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
