package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ServerIT {
  private static final Duration SOON = Duration.ofSeconds(10);
  private final Client client = Client.create();

  private static Server serve(Handler h) throws IOException {
    return Server.start(Server.Options.at("127.0.0.1", 0).maxBody(1000), h);
  }

  private static URI at(Server s, String path) {
    return URI.create("http://127.0.0.1:" + s.port() + path);
  }

  @Test
  void aRequestReachesTheHandlerWholeAndItsAnswerComesBack() throws Exception {
    try (Server s =
        serve(r ->
            Response.json(
                201,
                Map.of("m", r.method(), "p", r.path(), "q", r.query("a"), "b", r.bodyText())))) {
      Client.Reply reply =
          client.send("POST", at(s, "/x?a=1&a=b%20c"), Headers.NONE, "hé".getBytes(UTF_8), SOON);
      assertThat(reply.status()).isEqualTo(201);
      assertThat(new String(reply.body(), UTF_8))
          .isEqualTo("{\"b\":\"hé\",\"m\":\"POST\",\"p\":\"/x\",\"q\":[\"1\",\"b c\"]}");
      assertThat(reply.headers().get("Content-Type")).isEqualTo("application/json");
    }
  }

  /// Reads the status line of the answer to a request.
  private static String asked(Socket s, String request) throws IOException {
    s.setSoTimeout(10_000);
    s.getOutputStream().write(request.getBytes(UTF_8));
    s.getOutputStream().flush();
    StringBuilder line = new StringBuilder();
    for (int b = s.getInputStream().read(); b >= 0 && b != '\n'; b = s.getInputStream().read()) {
      line.append((char) b);
    }
    return line.toString().strip();
  }

  @Test
  void whoComesToAFullServerTakesThePlaceOfTheLongestIdle() throws Exception {
    Server.Options few = Server.Options.at("127.0.0.1", 0).maxConnections(4);
    List<Socket> idle = new ArrayList<>();
    try (Server s = Server.start(few, r -> Response.empty(204));
        Socket regular = new Socket("127.0.0.1", s.port())) {
      String get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
      assertThat(asked(regular, get)).isEqualTo("HTTP/1.1 204 No Content");
      for (int k = 0; k < 12; k++) {
        idle.add(new Socket("127.0.0.1", s.port()));
      }
      try (Socket late = new Socket("127.0.0.1", s.port())) {
        assertThat(asked(late, get)).isEqualTo("HTTP/1.1 204 No Content");
      }
    } finally {
      for (Socket c : idle) {
        c.close();
      }
    }
  }

  /// Whoever asks gets an answer, also when there was no memory for a better one.
  @Test
  void anErrorOfTheHandlerIsAnsweredAndEndsNoConnection() throws Exception {
    AtomicBoolean fails = new AtomicBoolean(true);
    Handler handler =
        r -> {
          if (fails.getAndSet(false)) {
            throw new OutOfMemoryError("for the test");
          }
          return Response.empty(204);
        };
    try (Server s = Server.start(Server.Options.at("127.0.0.1", 0), handler);
        Socket c = new Socket("127.0.0.1", s.port())) {
      String get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
      assertThat(asked(c, get)).isEqualTo("HTTP/1.1 500 Internal Server Error");
      try (Socket next = new Socket("127.0.0.1", s.port())) {
        assertThat(asked(next, get)).isEqualTo("HTTP/1.1 204 No Content");
      }
    }
  }

  /// Neither unfinished heads nor unfinished bodies keep a place from those who come later.
  @ParameterizedTest
  @ValueSource(
      strings = {
        "GET / HTTP/1.1\r\nHost: h\r\nX-Slow",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{"
      })
  void unfinishedRequestsKeepNobodyOut(String unfinished) throws Exception {
    Server.Options few = Server.Options.at("127.0.0.1", 0).maxConnections(4);
    List<Socket> slow = new ArrayList<>();
    try (Server s = Server.start(few, r -> Response.empty(204))) {
      for (int k = 0; k < 12; k++) {
        Socket c = new Socket("127.0.0.1", s.port());
        slow.add(c);
        c.getOutputStream().write(unfinished.getBytes(UTF_8));
      }
      try (Socket late = new Socket("127.0.0.1", s.port())) {
        assertThat(asked(late, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"))
            .isEqualTo("HTTP/1.1 204 No Content");
      }
    } finally {
      for (Socket c : slow) {
        c.close();
      }
    }
  }

  /// Small bodies, heads, and either behind a request that is whole: the oldest make room.
  @ParameterizedTest
  @ValueSource(
      strings = {
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX-Large: ",
        "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\nX-Large: "
      })
  void whatIsUnfinishedIsBoundedTogether(String begin) throws Exception {
    int most = 200_000;
    Server.Options options = Server.Options.at("127.0.0.1", 0).maxUnfinished(most);
    List<Socket> slow = new ArrayList<>();
    try (Server s = Server.start(options, r -> Response.empty(204))) {
      String get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
      for (int k = 0; k < 12; k++) {
        Socket c = new Socket("127.0.0.1", s.port());
        slow.add(c);
        c.setSoTimeout(20_000);
        try {
          c.getOutputStream().write((begin + "x".repeat(40_000)).getBytes(UTF_8));
        } catch (SocketException madeRoom) {
          // for a younger one
        }
        try (Socket regular = new Socket("127.0.0.1", s.port())) {
          assertThat(asked(regular, get)).isEqualTo("HTTP/1.1 204 No Content");
        }
      }
      for (Socket c : slow.subList(0, 6)) {
        try {
          c.getInputStream().readAllBytes();
        } catch (SocketException reset) {
          // closed as well
        }
      }
    } finally {
      for (Socket c : slow) {
        c.close();
      }
    }
  }

  @Test
  void largeBodiesAreBoundedTogetherAndSmallOnesGetThrough() throws Exception {
    int large = 1 << 20;
    List<Socket> open = new ArrayList<>();
    try (Server s =
        Server.start(Server.Options.at("127.0.0.1", 0).maxBody(large), r -> Response.empty(204))) {
      String head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ";
      List<String> refused = Collections.synchronizedList(new ArrayList<>());
      for (int k = 0; k < 24; k++) {
        Socket c = new Socket("127.0.0.1", s.port());
        open.add(c);
        c.getOutputStream().write((head + large + "\r\n\r\n").getBytes(UTF_8));
        Thread.ofVirtual()
            .start(() -> {
              try {
                c.getOutputStream().write(new byte[large - 1]);
                int first = c.getInputStream().read();
                if (first >= 0) {
                  refused.add(new String(c.getInputStream().readNBytes(11), UTF_8));
                }
              } catch (IOException reset) {
                refused.add("TTP/1.1 503");
              }
            });
      }
      await().until(() -> refused.size() >= 7);
      assertThat(refused).containsOnly("TTP/1.1 503");
      try (Socket small = new Socket("127.0.0.1", s.port())) {
        assertThat(asked(small, head + "3\r\n\r\nabc")).isEqualTo("HTTP/1.1 204 No Content");
      }
      for (Socket c : open) {
        c.close();
      }
      await()
          .until(() -> {
            try (Socket again = new Socket("127.0.0.1", s.port())) {
              String body = head + large + "\r\n\r\n" + "x".repeat(large);
              return asked(again, body).equals("HTTP/1.1 204 No Content");
            } catch (IOException refusedStill) {
              return false;
            }
          });
    }
  }

  /// Streams for ever; says when it was dropped.
  private static Handler endless(int pieceBytes, AtomicBoolean dropped) {
    return r ->
        Response.stream(
            200,
            Headers.NONE,
            sink -> {
              try {
                while (true) {
                  sink.write(new byte[pieceBytes]);
                }
              } catch (IOException gone) {
                dropped.set(true);
                throw gone;
              }
            });
  }

  /// A list of a large registry, asked for again and again by one that reads nothing.
  @Test
  void whatWasSentAheadWaitsWhileAnswersAreNotTaken() throws Exception {
    int requests = 300;
    byte[] large = new byte[100_000];
    AtomicInteger asked = new AtomicInteger();
    Handler list =
        r -> {
          asked.incrementAndGet();
          return new Response(200, Headers.NONE, large, null);
        };
    try (Server s = Server.start(Server.Options.at("127.0.0.1", 0), list);
        Socket client = new Socket()) {
      client.setReceiveBufferSize(4096);
      client.connect(new InetSocketAddress("127.0.0.1", s.port()));
      client
          .getOutputStream()
          .write("GET / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(requests).getBytes(UTF_8));
      AtomicInteger before = new AtomicInteger(-1);
      await()
          .atMost(Duration.ofSeconds(60))
          .pollInterval(Duration.ofMillis(500))
          .until(() -> {
            int now = asked.get();
            return before.getAndSet(now) == now && now > 0;
          });
      assertThat(asked).hasValueLessThan(requests / 2);
      for (int k = 0; k < requests; k++) {
        int length = 0;
        for (String line = line(client); !line.isEmpty(); line = line(client)) {
          length =
              line.toLowerCase(Locale.ROOT).startsWith("content-length: ")
                  ? Integer.parseInt(line.substring(16))
                  : length;
        }
        assertThat(client.getInputStream().readNBytes(length)).as("answer %d", k).hasSize(100_000);
      }
      assertThat(asked).hasValue(requests);
    }
  }

  private static String line(Socket s) throws IOException {
    StringBuilder b = new StringBuilder();
    for (int c = s.getInputStream().read(); c >= 0 && c != '\n'; c = s.getInputStream().read()) {
      b.append(c == '\r' ? "" : (char) c);
    }
    return b.toString();
  }

  @Test
  void whoReadsNothingOfAStreamIsDropped() throws Exception {
    AtomicBoolean dropped = new AtomicBoolean();
    Handler endless = endless(1 << 20, dropped);
    Server.Options impatient = Server.Options.at("127.0.0.1", 0).stall(Duration.ofMillis(300));
    try (Server s = Server.start(impatient, endless);
        Socket deaf = new Socket("127.0.0.1", s.port())) {
      deaf.getOutputStream().write("GET / HTTP/1.1\r\nHost: h\r\n\r\n".getBytes(UTF_8));
      await().untilTrue(dropped);
    }
  }

  /// The kernel takes more of us only when a third of its buffer is free, which takes such a client
  /// much longer than it may take nothing.
  @Test
  void aClientThatReadsSlowlyAndWithoutAPauseIsNotDropped() throws Exception {
    AtomicBoolean dropped = new AtomicBoolean();
    Handler endless = endless(1 << 16, dropped);
    // long enough for a busy machine: the kernel gives a peer up that takes nothing for so long
    Duration stall = Duration.ofSeconds(6);
    Server.Options impatient = Server.Options.at("127.0.0.1", 0).stall(stall);
    try (Server s = Server.start(impatient, endless);
        Socket slow = new Socket()) {
      slow.setReceiveBufferSize(4096);
      slow.connect(new InetSocketAddress("127.0.0.1", s.port()));
      slow.getOutputStream().write("GET / HTTP/1.1\r\nHost: h\r\n\r\n".getBytes(UTF_8));
      long end = System.nanoTime() + 2 * stall.toNanos();
      await()
          .pollInterval(Duration.ofMillis(20))
          .atMost(stall.multipliedBy(10))
          .until(() ->
              slow.getInputStream().readNBytes(1024).length < 1024 || System.nanoTime() - end > 0);
      assertThat(dropped).as("it took what there was all the time").isFalse();
    }
    await().untilTrue(dropped);
  }

  @Test
  void piecesOfAStreamArriveOneByOne() throws Exception {
    CountDownLatch firstSeen = new CountDownLatch(1);
    try (Server s =
        serve(r ->
            Response.stream(
                200,
                Headers.of("content-type", "text/event-stream"),
                sink -> {
                  sink.write("one".getBytes(UTF_8));
                  firstSeen.await();
                  sink.write("two".getBytes(UTF_8));
                }))) {
      List<String> pieces = new ArrayList<>();
      client.stream(
          "GET",
          at(s, "/"),
          Headers.NONE,
          new byte[0],
          SOON,
          new Client.Listener() {
            @Override
            public void head(int status, Headers headers) {
              pieces.add(status + " " + headers.get("transfer-encoding"));
            }

            @Override
            public void piece(byte[] piece) {
              pieces.add(new String(piece, UTF_8));
              firstSeen.countDown();
            }
          });
      assertThat(pieces).containsExactly("200 chunked", "one", "two");
    }
  }

  @Test
  void anAbortedStreamIsSeenAsBroken() throws Exception {
    try (Server s =
        serve(r ->
            Response.stream(
                200,
                Headers.NONE,
                sink -> {
                  sink.write("part".getBytes(UTF_8));
                  sink.abort();
                }))) {
      assertThatThrownBy(() -> client.get(at(s, "/"), SOON))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("before the answer ended");
    }
  }

  @Test
  void aHandlerLearnsThatItsClientWentAway() throws Exception {
    AtomicBoolean gone = new AtomicBoolean();
    CountDownLatch started = new CountDownLatch(1);
    CountDownLatch release = new CountDownLatch(1);
    try (Server s =
        serve(r -> {
          r.gone().onGone(() -> gone.set(true));
          started.countDown();
          release.await();
          return Response.empty(204);
        })) {
      try (Socket c = new Socket("127.0.0.1", s.port())) {
        c.getOutputStream().write("GET / HTTP/1.1\r\nHost: x\r\n\r\n".getBytes(UTF_8));
        started.await();
      }
      await().atMost(SOON).untilTrue(gone);
      release.countDown();
    }
  }

  @Test
  void pipelinedRequestsAreAnsweredInOrder() throws Exception {
    try (Server s = serve(r -> Response.text(200, "text/plain", r.path()));
        Socket c = new Socket("127.0.0.1", s.port())) {
      String one = "GET /%d HTTP/1.1\r\nHost: x\r\n\r\n";
      c.getOutputStream()
          .write(
              (one.formatted(1)
                      + one.formatted(2)
                      + "GET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                  .getBytes(UTF_8));
      String all = new String(c.getInputStream().readAllBytes(), UTF_8);
      assertThat(all.replaceAll("(?s)HTTP/1.1 200 OK.*?\r\n\r\n", "|")).isEqualTo("|/1|/2|/3");
    }
  }

  @Test
  void ambiguousOrOversizedRequestsAreRefused() throws Exception {
    try (Server s = serve(r -> Response.empty(204))) {
      assertThat(raw(s, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n"))
          .startsWith("HTTP/1.1 413 ");
      assertThat(
              raw(
                  s,
                  "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
          .startsWith("HTTP/1.1 400 ");
      assertThat(raw(s, "GET / HTTP/1.1\r\n\r\n")).startsWith("HTTP/1.1 400 ");
      assertThat(raw(s, "GET / HTTP/1.1\r\nHost: x\r\nX: " + "a".repeat(70_000) + "\r\n\r\n"))
          .startsWith("HTTP/1.1 431 ");
      assertThat(raw(s, "nonsense\r\n\r\n")).startsWith("HTTP/1.1 400 ");
    }
  }

  @Test
  void whoSendsTooMuchSeesWhyAndNoReset() throws Exception {
    int bytes = 8 << 20;
    try (Server s = serve(r -> Response.empty(204));
        Socket c = new Socket("127.0.0.1", s.port())) {
      String head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + bytes + "\r\n\r\n";
      c.getOutputStream().write(head.getBytes(UTF_8));
      for (int i = 0; i < bytes; i += 1 << 16) {
        c.getOutputStream().write(new byte[1 << 16]);
      }
      assertThat(new String(c.getInputStream().readAllBytes(), UTF_8))
          .startsWith("HTTP/1.1 413 ")
          .contains("at most 1000 bytes");
    }
  }

  @Test
  void aTakenPortIsNamedWithItsHolder() throws Exception {
    try (Server s = serve(r -> Response.empty(204))) {
      assertThatThrownBy(() ->
              Server.start(Server.Options.at("127.0.0.1", s.port()), r -> Response.empty(204)))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("127.0.0.1:" + s.port())
          .hasMessageContaining("pid " + ProcessHandle.current().pid());
    }
  }

  @Test
  void headAnswersCarryTheLengthAndNoBody() throws Exception {
    try (Server s = serve(r -> Response.text(200, "text/plain", "hello"))) {
      String all = raw(s, "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      assertThat(all).containsIgnoringCase("content-length: 5").endsWith("\r\n\r\n");
    }
  }

  @Test
  void aSilentServerTimesOut() throws Exception {
    CountDownLatch release = new CountDownLatch(1);
    try (Server s =
        serve(r -> {
          release.await();
          return Response.empty(204);
        })) {
      assertThatThrownBy(() -> client.get(at(s, "/"), Duration.ofMillis(100)))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("100 ms");
      release.countDown();
    }
  }

  private static String raw(Server s, String request) throws IOException {
    try (Socket c = new Socket("127.0.0.1", s.port())) {
      c.getOutputStream().write(request.getBytes(UTF_8));
      c.setSoTimeout(10_000);
      try (InputStream in = c.getInputStream()) {
        return new String(in.readAllBytes(), UTF_8);
      }
    }
  }
}
