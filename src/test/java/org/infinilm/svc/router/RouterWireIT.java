package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import io.netty.util.ResourceLeakDetector;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// The data plane against clients and instances that speak raw HTTP. After each test nothing is in
/// flight and no body is held.
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
class RouterWireIT {
  private static final Duration SOON = Duration.ofSeconds(20);
  private static final String BODY = "{\"model\":\"m\"}";
  private static final String OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

  private final Client client = Client.create();
  private final List<Instance> instances = new ArrayList<>();
  private Router router;

  @BeforeAll
  static void watchForLeaks() {
    ResourceLeakDetector.setLevel(ResourceLeakDetector.Level.PARANOID);
  }

  @AfterEach
  void end() throws Exception {
    try {
      await()
          .atMost(SOON)
          .untilAsserted(() -> {
            for (var s : Json.tree(client.get(at("/services"), SOON).body()).path("services")) {
              assertThat(s.path("in_flight").asInt()).isZero();
            }
          });
    } finally {
      router.close();
      for (Instance i : instances) {
        i.close();
      }
    }
  }

  /// What an instance does with the n-th request of a connection (from 1).
  private interface Script {
    void answer(String request, Socket s, OutputStream out, int n) throws Exception;
  }

  /// An instance that answers health checks by itself and everything else by a script.
  private static final class Instance implements AutoCloseable {
    final ServerSocket server;
    final List<String> seen = new CopyOnWriteArrayList<>();
    final AtomicInteger connections = new AtomicInteger();
    private final Script script;

    Instance(Script script) throws IOException {
      this.script = script;
      server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
      Thread.ofVirtual().start(this::accept);
    }

    private void accept() {
      try {
        while (true) {
          Socket s = server.accept();
          Thread.ofVirtual().start(() -> serve(s));
        }
      } catch (IOException closed) {
        // the end
      }
    }

    private void serve(Socket s) {
      try (s) {
        InputStream in = s.getInputStream();
        OutputStream out = s.getOutputStream();
        int n = 0;
        for (String r = request(in); !r.isEmpty(); r = request(in)) {
          if (r.startsWith("GET /health ") || r.startsWith("GET /v1/models ")) {
            String b = "{\"data\":[{\"id\":\"m\"}]}";
            out.write(
                ("HTTP/1.1 200 OK\r\nContent-Length: " + b.length() + "\r\n\r\n" + b)
                    .getBytes(ISO_8859_1));
            continue;
          }
          if (++n == 1) {
            connections.incrementAndGet();
          }
          seen.add(r);
          script.answer(r, s, out, n);
          if (s.isClosed() || s.isOutputShutdown()) {
            return;
          }
        }
      } catch (Exception gone) {
        // the router closed it
      }
    }

    @Override
    public void close() throws IOException {
      server.close();
    }
  }

  /// One request with its body (Content-Length or chunked), or nothing at the end.
  private static String request(InputStream in) throws IOException {
    StringBuilder b = new StringBuilder();
    while (b.indexOf("\r\n\r\n") < 0) {
      int c = in.read();
      if (c < 0) {
        return "";
      }
      b.append((char) c);
    }
    String head = b.toString().toLowerCase(Locale.ROOT);
    int at = head.indexOf("content-length: ");
    if (at >= 0) {
      int n = Integer.parseInt(head.substring(at + 16, head.indexOf("\r\n", at)).strip());
      b.append(new String(in.readNBytes(n), ISO_8859_1));
    }
    return b.toString();
  }

  private static void write(OutputStream out, String s) throws IOException {
    out.write(s.getBytes(ISO_8859_1));
    out.flush();
  }

  private Instance route(Script script) throws Exception {
    return route(Map.of(), script);
  }

  private Instance route(Map<String, String> flags, Script... scripts) throws Exception {
    Map<String, String> all = new HashMap<>(flags);
    all.put("host", "127.0.0.1");
    all.put("router_port", "0");
    all.put("transport", System.getProperty("infini.test.transport", "auto"));
    all.put("framing", System.getProperty("infini.test.framing", "auto"));
    all.put("access_log", "false");
    RouterConfig config = RouterConfig.of(Config.resolve(RouterConfig.KEYS, all, Map.of(), null));
    List<Known> fixed = new ArrayList<>();
    for (Script script : scripts) {
      Instance i = new Instance(script);
      instances.add(i);
      fixed.add(
          StaticServices.instance(
              "http://127.0.0.1:" + i.server.getLocalPort() + ",name=i" + instances.size(),
              Map.of()));
    }
    router = new Router(config, fixed, Ticker.SYSTEM, new SplittableRandom(1));
    await()
        .atMost(SOON)
        .until(() -> {
          var services = Json.tree(client.get(at("/services"), SOON).body()).path("services");
          return services.size() == scripts.length
              && services.findValues("models").stream().noneMatch(m -> m.isEmpty());
        });
    return instances.getFirst();
  }

  private URI at(String path) {
    return URI.create("http://127.0.0.1:" + router.port() + path);
  }

  private static String post(String more) {
    return post("/v1/chat/completions", more, BODY);
  }

  private static String post(String path, String more, String body) {
    return "POST "
        + path
        + " HTTP/1.1\r\nHost: x\r\n"
        + more
        + "Content-Length: "
        + body.length()
        + "\r\n\r\n"
        + body;
  }

  private Socket connect() throws IOException {
    Socket s = new Socket("127.0.0.1", router.port());
    s.setSoTimeout(20_000);
    return s;
  }

  /// Sends everything and reads to the end of the connection.
  private String raw(String request) throws IOException {
    try (Socket s = connect()) {
      write(s.getOutputStream(), request);
      return new String(s.getInputStream().readAllBytes(), ISO_8859_1);
    }
  }

  private String outcome() throws Exception {
    return Json.tree(client.get(at("/decisions?limit=1"), SOON).body())
        .path("decisions")
        .path(0)
        .path("outcome")
        .asText();
  }

  @Test
  void aKeptConnectionThatWasClosedIsReplacedWithoutAWord() throws Exception {
    Instance i =
        route((r, s, out, n) -> {
          if (n == 1) {
            write(out, OK);
          } else {
            s.close();
          }
        });
    try (Socket c = connect()) {
      for (int k = 1; k <= 4; k++) {
        write(c.getOutputStream(), post(""));
        assertThat(request(c.getInputStream()))
            .startsWith("HTTP/1.1 200 OK")
            .contains("x-infini-attempts: 1")
            .endsWith("ok");
      }
    }
    assertThat(i.seen).hasSize(7);
  }

  @Test
  void whatMayNotBeSentTwiceGoesOverConnectionsOfItsOwn() throws Exception {
    Instance i =
        route((r, s, out, n) -> {
          if (n == 1) {
            write(out, OK);
          } else {
            s.close();
          }
        });
    for (int k = 0; k < 3; k++) {
      assertThat(raw(post("/v1/responses", "Connection: close\r\n", BODY)))
          .startsWith("HTTP/1.1 200");
    }
    assertThat(i.connections.get()).isEqualTo(3);
    assertThat(i.seen).hasSize(3);
  }

  @Test
  void anAnswerBeforeTheRequestWasReadDoesNotLeaveItsConnectionInThePool() throws Exception {
    route((r, s, out, n) -> write(out, OK));
    String large = "{\"model\":\"m\",\"x\":\"" + "a".repeat(3_000_000) + "\"}";
    for (int k = 0; k < 3; k++) {
      assertThat(raw(post("/v1/chat/completions", "Connection: close\r\n", large)))
          .startsWith("HTTP/1.1 200");
    }
  }

  @Test
  void http10ClientsGetAnswersTheyCanRead() throws Exception {
    route((r, s, out, n) -> {
      if (r.contains("/chunked")) {
        write(
            out,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
      } else {
        write(out, OK);
      }
    });
    String chunked = raw("GET /chunked HTTP/1.0\r\n\r\n");
    assertThat(chunked).endsWith("\r\n\r\nabcde").containsIgnoringCase("connection: close");
    assertThat(chunked).doesNotContainIgnoringCase("transfer-encoding");
    try (Socket c = connect()) {
      for (int k = 0; k < 2; k++) {
        write(c.getOutputStream(), "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        assertThat(request(c.getInputStream()))
            .containsIgnoringCase("connection: keep-alive")
            .endsWith("ok");
      }
      write(c.getOutputStream(), "GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
      assertThat(request(c.getInputStream())).containsIgnoringCase("connection: keep-alive");
    }
  }

  @Test
  void answersWithoutABodyAreFramedSo() throws Exception {
    route((r, s, out, n) -> {
      String status = r.substring(r.indexOf(" /s") + 3, r.indexOf(" HTTP"));
      write(
          out,
          "HTTP/1.1 "
              + status
              + " X\r\nContent-Length: "
              + (r.startsWith("HEAD") ? 5 : 0)
              + "\r\n\r\n");
    });
    try (Socket c = connect()) {
      OutputStream o = c.getOutputStream();
      write(o, "HEAD /s200 HTTP/1.1\r\nHost: x\r\n\r\n");
      write(o, "GET /s204 HTTP/1.1\r\nHost: x\r\n\r\n");
      write(o, "GET /s205 HTTP/1.1\r\nHost: x\r\n\r\n");
      write(o, "GET /s304 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      String all =
          new String(c.getInputStream().readAllBytes(), ISO_8859_1).toLowerCase(Locale.ROOT);
      assertThat(all.split("http/1.1 ", -1)).hasSize(5);
      assertThat(all).contains("http/1.1 200").contains("http/1.1 304");
      String noContent = all.substring(all.indexOf("http/1.1 204"), all.indexOf("http/1.1 205"));
      assertThat(noContent).doesNotContain("content-length").doesNotContain("chunked");
    }
  }

  @Test
  void expectationsAndChunksOfRequestsAreMet() throws Exception {
    Instance i = route((r, s, out, n) -> write(out, OK));
    try (Socket c = connect()) {
      write(
          c.getOutputStream(),
          "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
              + "Transfer-Encoding: chunked\r\n\r\n");
      byte[] interim = c.getInputStream().readNBytes(25);
      assertThat(new String(interim, ISO_8859_1)).isEqualTo("HTTP/1.1 100 Continue\r\n\r\n");
      for (int k = 0; k < BODY.length(); k++) {
        write(c.getOutputStream(), "1;ext=1\r\n" + BODY.charAt(k) + "\r\n");
      }
      write(c.getOutputStream(), "0\r\nTrailer: x\r\n\r\n");
      assertThat(request(c.getInputStream())).startsWith("HTTP/1.1 200").endsWith("ok");
    }
    assertThat(i.seen.getFirst())
        .endsWith("\r\n\r\n" + BODY)
        .containsIgnoringCase("content-length: " + BODY.length())
        .doesNotContainIgnoringCase("transfer-encoding")
        .doesNotContainIgnoringCase("expect:");
  }

  @Test
  void interimAnswersOfAnInstanceAreNotTheAnswer() throws Exception {
    route((r, s, out, n) ->
        write(
            out, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK));
    for (int k = 0; k < 2; k++) {
      String answer = raw(post("Connection: close\r\n"));
      assertThat(answer).startsWith("HTTP/1.1 200 OK").endsWith("\r\n\r\nok").doesNotContain("103");
    }
  }

  @Test
  void brokenAnswersAreOneErrorAndNeverHalfARelay() throws Exception {
    for (String bad :
        List.of(
            "nonsense\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok")) {
      route((r, s, out, n) -> {
        write(out, bad);
        s.shutdownOutput();
      });
      assertThat(raw(post("Connection: close\r\n"))).as(bad).startsWith("HTTP/1.1 502 ");
      await().atMost(SOON).until(() -> outcome().equals("upstream_gone"));
      router.close();
      instances.clear();
    }
    route((r, s, out, n) -> write(out, OK));
  }

  @Test
  void aClientThatResetsFreesTheInstance() throws Exception {
    Instance i = route((r, s, out, n) -> s.getInputStream().read());
    try (Socket c = connect()) {
      write(c.getOutputStream(), post(""));
      await().atMost(SOON).until(() -> i.seen.size() == 1);
      c.setSoLinger(true, 0);
    }
    await().atMost(SOON).until(() -> outcome().equals("client_gone"));
  }

  /// A client that shuts its sending side looks like one that went away; both free the instance.
  @Test
  void aClientThatHalfClosesCountsAsGone() throws Exception {
    Instance i = route((r, s, out, n) -> s.getInputStream().read());
    try (Socket c = connect()) {
      write(c.getOutputStream(), post(""));
      await().atMost(SOON).until(() -> i.seen.size() == 1);
      c.shutdownOutput();
      await().atMost(SOON).until(() -> outcome().equals("client_gone"));
    }
  }

  /// Load generators and SDKs close at `[DONE]` without waiting for the last chunk.
  @Test
  void aClientThatClosesAtTheEndOfItsStreamHasItsAnswer() throws Exception {
    String end = "data: [DONE]\n\n";
    Instance i =
        route((r, s, out, n) -> {
          write(
              out,
              "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                  + "Transfer-Encoding: chunked\r\n\r\n9\r\ndata: a\n\n\r\n");
          if (r.contains("/whole")) {
            write(out, "e\r\n" + end + "\r\n");
          }
          s.getInputStream().read();
        });
    for (String path : List.of("/whole", "/half", "/whole")) {
      String last = path.equals("/whole") ? end : "data: a\n\n";
      try (Socket c = connect()) {
        write(c.getOutputStream(), "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
        StringBuilder b = new StringBuilder();
        for (int x = 0; x >= 0 && b.indexOf(last) < 0; ) {
          x = c.getInputStream().read();
          b.append((char) x);
        }
        assertThat(b.toString()).contains(last);
      }
      await()
          .atMost(SOON)
          .untilAsserted(() -> {
            JsonNode d =
                Json.tree(client.get(at("/decisions?limit=1"), SOON).body())
                    .path("decisions")
                    .path(0);
            assertThat(d.path("path").asText()).isEqualTo(path);
            assertThat(d.path("outcome").asText())
                .isEqualTo(path.equals("/whole") ? "ok" : "client_gone");
            assertThat(d.path("status").asInt()).isEqualTo(path.equals("/whole") ? 200 : 499);
          });
    }
    assertThat(i.seen).hasSize(3);
  }

  @Test
  void aSlowReaderHoldsTheInstanceBackAndGetsEveryByte() throws Exception {
    int total = 64 << 20;
    AtomicInteger written = new AtomicInteger();
    route((r, s, out, n) -> {
      write(out, "HTTP/1.1 200 OK\r\nContent-Length: " + total + "\r\n\r\n");
      byte[] piece = new byte[1 << 16];
      for (int k = 0; k < total; k += piece.length) {
        out.write(piece);
        written.addAndGet(piece.length);
      }
    });
    try (Socket c = connect()) {
      write(c.getOutputStream(), post("Connection: close\r\n"));
      InputStream in = c.getInputStream();
      while (in.read() != '\n') {
        // the status line
      }
      int[] last = {-1};
      await()
          .atMost(SOON)
          .pollInterval(Duration.ofMillis(300))
          .until(() -> {
            int before = last[0];
            last[0] = written.get();
            return before == last[0] && before > 0;
          });
      assertThat(written.get()).as("held back").isLessThan(total / 2);
      long read = 0;
      for (int n = in.read(new byte[1 << 16]); n >= 0; n = in.read(new byte[1 << 16])) {
        read += n;
      }
      assertThat(read).isGreaterThan(total);
    }
  }

  @Test
  void aClientThatReadsNothingIsClosedAndFreesTheInstance() throws Exception {
    route(
        Map.of("client_stall", "1"),
        (r, s, out, n) -> {
          write(out, "HTTP/1.1 200 OK\r\nContent-Length: " + (1L << 40) + "\r\n\r\n");
          byte[] piece = new byte[1 << 16];
          while (true) {
            out.write(piece);
          }
        });
    try (Socket c = connect()) {
      write(c.getOutputStream(), post(""));
      await()
          .atMost(SOON)
          .untilAsserted(() ->
              assertThat(new String(client.get(at("/decisions?limit=1"), SOON).body(), ISO_8859_1))
                  .contains("\"outcome\":\"client_gone\""));
    }
  }

  @Test
  void thousandsOfRequestsSentAheadAreAnsweredInOrder() throws Exception {
    route((r, s, out, n) -> write(out, OK));
    int many = 3000;
    try (Socket c = connect()) {
      StringBuilder b = new StringBuilder();
      for (int k = 0; k < many; k++) {
        b.append("POST /v1/chat/completions HTTP/1.1\r\nHost:x\r\nContent-Length:1\r\n\r\nx");
      }
      b.append("GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      Thread.ofVirtual()
          .start(() -> {
            try {
              write(c.getOutputStream(), b.toString());
            } catch (IOException e) {
              throw new UncheckedIOException(e);
            }
          });
      String all = new String(c.getInputStream().readAllBytes(), ISO_8859_1);
      assertThat(all.split("HTTP/1.1 400 ", -1)).hasSize(many + 1);
      assertThat(all).endsWith("ok");
    }
  }

  @Test
  void anAbortAmongRequestsSentAheadEndsThemAll() throws Exception {
    Instance i = route((r, s, out, n) -> s.getInputStream().read());
    try (Socket c = connect()) {
      write(c.getOutputStream(), post("").repeat(5));
      await().atMost(SOON).until(() -> i.seen.size() == 1);
    }
    await().atMost(SOON).until(() -> outcome().equals("client_gone"));
    assertThat(i.seen).hasSize(1);
  }

  @Test
  void oddRequestsAreRefusedWithTheClientsId() throws Exception {
    Instance i = route(Map.of("max_body_bytes", "1000"), (r, s, out, n) -> write(out, OK));
    Map<String, String> table = new HashMap<>();
    table.put("GET /a#b HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n\r\n", "400");
    table.put("GET /\u001b[31m HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n\r\n", "400");
    table.put("GET /a HTTP/1.1\r\nHost: a/b\r\nX-Request-Id: mine\r\n\r\n", "400");
    table.put("GET /a HTTP/1.1\nHost: x\nX-Request-Id: mine\n\n", "400");
    table.put(
        "POST /a HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\nContent-Length: 1001\r\n\r\n", "413");
    table.put(
        "POST /a HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "3e9\r\n"
            + "a".repeat(1001),
        "413");
    table.put("GET /a HTTP/1.1\r\nHost: x\r\nX-Large: " + "a".repeat(70_000) + "\r\n\r\n", "431");
    table.put("GET /" + "a".repeat(70_000) + " HTTP/1.1\r\nHost: x\r\n\r\n", "414");
    for (Map.Entry<String, String> e : table.entrySet()) {
      String said = raw(e.getKey());
      assertThat(said)
          .as(e.getKey().substring(0, 20))
          .startsWith("HTTP/1.1 " + e.getValue())
          .contains("x-request-id: ")
          .contains("\"error\":{");
      if (e.getValue().equals("413")) {
        assertThat(said).contains("x-request-id: mine");
      }
    }
    assertThat(i.seen).isEmpty();
    assertThat(new String(client.get(at("/metrics"), SOON).body(), ISO_8859_1))
        .contains("outcome=\"client_error\"");
  }

  @Test
  void proxyChainsAreAppendedTo() throws Exception {
    Instance i = route((r, s, out, n) -> write(out, OK));
    raw(post("Connection: close\r\nVia: 1.0 first\r\nX-Forwarded-For: 10.0.0.9\r\n"));
    assertThat(i.seen.getFirst().toLowerCase(Locale.ROOT))
        .contains("\r\nvia: 1.0 first, 1.1 infini-")
        .contains("\r\nx-forwarded-for: 10.0.0.9, 127.0.0.1\r\n");
  }

  @Test
  void aStreamThatIsCutHasNoLastChunkAndAnAnswerWithALengthIsCutShort() throws Exception {
    route((r, s, out, n) -> {
      if (r.contains("/sse")) {
        write(
            out,
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "9\r\ndata: a\n\n\r\n");
      } else {
        write(out, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
      }
      s.close();
    });
    String cut = raw("GET /sse HTTP/1.1\r\nHost: x\r\n\r\n");
    assertThat(cut).contains("data: {\"error\":").doesNotContain("\r\n0\r\n");
    assertThat(raw("GET /len HTTP/1.1\r\nHost: x\r\n\r\n")).endsWith("\r\n\r\nhalf");
    await().atMost(SOON).until(() -> outcome().equals("upstream_gone"));
  }

  @Test
  void aMultipartBodyIsRoutedByItsModelAndNeedsOneWhereThereAreSeveral() throws Exception {
    Instance i = route((r, s, out, n) -> write(out, OK));
    String parts =
        "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n"
            + "a\r\n".repeat(20_000)
            + "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nother\r\n--b--";
    String type = "Connection: close\r\nContent-Type: Multipart/Form-Data; boundary=b\r\n";
    String near =
        "--b\r\nContent-Disposition: form-data; name=\"model\"\r\nContent-Type: text/plain\r\n\r\nother\r\n--b--";
    assertThat(raw(post("/v1/audio/transcriptions", type, near))).contains("model_not_found");
    assertThat(raw(post("/v1/audio/transcriptions", type, near.replace("other", "m"))))
        .startsWith("HTTP/1.1 200");
    assertThat(raw(post("/v1/audio/transcriptions", type, parts))).contains("model_not_found");
    assertThat(i.seen).hasSize(1);
  }

  @Test
  void modelIdsMayBeEscaped() throws Exception {
    route((r, s, out, n) -> write(out, OK));
    assertThat(raw("GET /v1/models/%6d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
        .startsWith("HTTP/1.1 200");
    assertThat(raw("GET /v1/models/a%2Fb HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
        .startsWith("HTTP/1.1 404")
        .contains("model 'a/b'");
  }

  @Test
  void aFailedInstanceIsReplacedAndTheBudgetOfAttemptsIsKept() throws Exception {
    Script dies = (r, s, out, n) -> s.close();
    route(Map.of(), dies, dies, dies, dies);
    String said = raw(post("Connection: close\r\n"));
    assertThat(said).startsWith("HTTP/1.1 502 ").contains("Bad gateway");
    assertThat(instances.stream().mapToInt(i -> i.seen.size()).sum()).isEqualTo(3);
  }
}
