package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import io.netty.pkitesting.CertificateBuilder;
import io.netty.pkitesting.X509Bundle;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.security.KeyStore;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Tls;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The router's own port over TLS.
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
class RouterTlsIT {
  private static final Duration SOON = Duration.ofSeconds(20);
  private static final String OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

  @TempDir private Path dir;
  private X509Bundle authority;
  private Path ca;
  private Path cert;
  private Path key;
  private final List<AutoCloseable> open = new ArrayList<>();

  @BeforeEach
  void files() throws Exception {
    authority =
        new CertificateBuilder()
            .ecp256()
            .subject("CN=an authority")
            .setIsCertificateAuthority(true)
            .buildSelfSigned();
    ca = Files.writeString(dir.resolve("ca.pem"), authority.getCertificatePEM());
    cert = dir.resolve("cert.pem");
    key = dir.resolve("key.pem");
    write(bundle(Instant.now().plus(Duration.ofDays(90))));
  }

  @AfterEach
  void end() throws Exception {
    for (AutoCloseable c : open.reversed()) {
      c.close();
    }
  }

  private X509Bundle bundle(Instant until) throws Exception {
    return new CertificateBuilder()
        .ecp256()
        .subject("CN=a router")
        .notBefore(until.minus(Duration.ofDays(100)))
        .notAfter(until)
        .addSanDnsName("localhost")
        .addSanIpAddress("127.0.0.1")
        .buildIssuedBy(authority);
  }

  private void write(X509Bundle b) throws IOException {
    Files.writeString(cert, b.getCertificatePEM());
    Files.writeString(key, b.getPrivateKeyPEM());
  }

  private RawInstance instance(RawInstance.Script script) throws IOException {
    RawInstance i = new RawInstance("m", script);
    open.add(i);
    return i;
  }

  private Router router(RawInstance i, Map<String, String> more) throws Exception {
    Map<String, String> flags =
        new HashMap<>(
            Map.of(
                "host", "127.0.0.1",
                "router_port", "0",
                "access_log", "false",
                "transport", System.getProperty("infini.test.transport", "auto"),
                "framing", System.getProperty("infini.test.framing", "auto"),
                "tls_cert", cert.toString(),
                "tls_key", key.toString()));
    flags.putAll(more);
    Router r =
        new Router(
            RouterConfig.of(Config.resolve(RouterConfig.KEYS, flags, Map.of(), null)),
            List.of(StaticServices.instance("http://127.0.0.1:" + i.port(), Map.of())),
            Ticker.SYSTEM,
            new SplittableRandom(1));
    open.add(r);
    return r;
  }

  private Router ready(RawInstance i) throws Exception {
    Router r = router(i, Map.of());
    await()
        .atMost(SOON)
        .until(
            () -> get(r, "/services").findValues("models").stream().noneMatch(JsonNode::isEmpty));
    return r;
  }

  private JsonNode get(Router r, String path) throws Exception {
    try (Client c = Client.create().with(Tls.of(ca, null))) {
      return Json.tree(c.get(URI.create("https://127.0.0.1:" + r.port() + path), SOON).body());
    }
  }

  private String metrics(Router r) throws Exception {
    try (Client c = Client.create().with(Tls.of(ca, null))) {
      URI uri = URI.create("https://127.0.0.1:" + r.port() + "/metrics");
      return new String(c.get(uri, SOON).body(), ISO_8859_1);
    }
  }

  private SSLContext believing(@Nullable X509Bundle mine) throws Exception {
    KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
    trusted.load(null);
    trusted.setCertificateEntry("ca", authority.getCertificate());
    TrustManagerFactory t =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    t.init(trusted);
    KeyManager[] keys = mine == null ? null : mine.toKeyManagerFactory().getKeyManagers();
    SSLContext c = SSLContext.getInstance("TLS");
    c.init(keys, t.getTrustManagers(), null);
    return c;
  }

  private SSLSocket connect(Router r, SSLContext as, String... protocols) throws IOException {
    SSLSocket s = (SSLSocket) as.getSocketFactory().createSocket();
    open.add(s);
    s.connect(new InetSocketAddress("127.0.0.1", r.port()));
    s.setSoTimeout(20_000);
    if (protocols.length > 0) {
      s.setEnabledProtocols(protocols);
    }
    s.startHandshake();
    return s;
  }

  private static String ask(String fields) {
    return RawRouter.post("/v1/chat/completions", "m", fields);
  }

  @ParameterizedTest
  @ValueSource(strings = {"TLSv1.2", "TLSv1.3"})
  void requestsGoThroughAndTheConnectionIsKept(String protocol) throws Exception {
    Router r = ready(instance((q, s) -> RawInstance.write(s, OK)));
    SSLSocket s = connect(r, believing(null), protocol);
    assertThat(s.getSession().getProtocol()).isEqualTo(protocol);
    for (int k = 0; k < 3; k++) {
      RawInstance.write(s, ask(""));
      assertThat(RawInstance.read(s.getInputStream())).startsWith("HTTP/1.1 200").endsWith("ok");
    }
    // two at once: the second waits undecoded for the first
    RawInstance.write(s, ask("") + ask("Connection: close\r\n"));
    String both = new String(s.getInputStream().readAllBytes(), ISO_8859_1);
    assertThat(both.split("HTTP/1.1 200", -1)).hasSize(3);
    assertThat(both).endsWith("ok");
  }

  @Test
  void aConnectionHasOneHandshake() throws Exception {
    Router r = router(instance((q, s) -> RawInstance.write(s, OK)), Map.of());
    SSLSocket s = connect(r, believing(null), "TLSv1.2");
    assertThatThrownBy(
            () -> {
              s.startHandshake();
              RawInstance.write(s, "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
              s.getInputStream().readAllBytes();
            })
        .isInstanceOf(IOException.class);
  }

  @Test
  void oldVersionsAreRefused() throws Exception {
    Router r = router(instance((q, s) -> RawInstance.write(s, OK)), Map.of());
    SSLContext c = believing(null);
    SSLSocket s = (SSLSocket) c.getSocketFactory().createSocket("127.0.0.1", r.port());
    open.add(s);
    s.setEnabledProtocols(new String[] {"TLSv1.1"});
    assertThatThrownBy(s::startHandshake).isInstanceOf(SSLException.class);
  }

  @Test
  void aLargeBodyPassesWholeBothWays() throws Exception {
    String large = "x".repeat(900_000);
    RawInstance i =
        instance((q, s) ->
            RawInstance.write(s, "HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + large));
    SSLSocket s = connect(ready(i), believing(null));
    String body = "{\"model\":\"m\",\"x\":\"" + large + "\"}";
    RawInstance.write(
        s,
        "POST /v1/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: "
            + body.length()
            + "\r\n\r\n"
            + body);
    String all = new String(s.getInputStream().readAllBytes(), ISO_8859_1);
    assertThat(all).startsWith("HTTP/1.1 200").endsWith("\r\n\r\n" + large);
    assertThat(i.seen.getFirst()).endsWith(body);
  }

  private static void streamHead(Socket s) throws IOException {
    RawInstance.write(
        s,
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
  }

  private static void event(Socket s, String data) throws IOException {
    String e = "data: " + data + "\n\n";
    RawInstance.write(s, Integer.toHexString(e.length()) + "\r\n" + e + "\r\n");
  }

  private static String until(InputStream in, String end) throws IOException {
    StringBuilder b = new StringBuilder();
    while (b.indexOf(end) < 0) {
      int c = in.read();
      if (c < 0) {
        throw new IOException("ended after " + b);
      }
      b.append((char) c);
    }
    return b.toString();
  }

  @Test
  void eachEventOfAStreamComesWhenItIsSent() throws Exception {
    CountDownLatch first = new CountDownLatch(1);
    RawInstance i =
        instance((q, s) -> {
          streamHead(s);
          event(s, "one");
          first.await();
          event(s, "[DONE]");
          RawInstance.write(s, "0\r\n\r\n");
        });
    SSLSocket s = connect(ready(i), believing(null));
    RawInstance.write(s, ask("Connection: close\r\n"));
    assertThat(until(s.getInputStream(), "data: one\n\n")).contains("text/event-stream");
    first.countDown();
    assertThat(new String(s.getInputStream().readAllBytes(), ISO_8859_1))
        .contains("data: [DONE]")
        .endsWith("0\r\n\r\n");
  }

  private static final int PIECE = 64 << 10;
  private static final int PIECES = 640;

  /// An instance that sends 40 MiB as fast as it can, and counts its pieces.
  private RawInstance generous(AtomicInteger sent) throws IOException {
    String piece = "x".repeat(PIECE);
    return instance((q, s) -> {
      RawInstance.write(
          s, "HTTP/1.1 200 OK\r\nContent-Length: " + (long) PIECE * PIECES + "\r\n\r\n");
      for (int k = 0; k < PIECES; k++) {
        RawInstance.write(s, piece);
        sent.incrementAndGet();
      }
    });
  }

  @Test
  void whoReadsNothingHoldsTheInstanceBackAndThenGetsEverything() throws Exception {
    AtomicInteger sent = new AtomicInteger();
    Router r = ready(generous(sent));
    SSLSocket s = connect(r, believing(null));
    RawInstance.write(s, ask("Connection: close\r\n"));
    AtomicInteger before = new AtomicInteger(-1);
    await()
        .atMost(SOON)
        .pollInterval(Duration.ofMillis(300))
        .until(() -> before.getAndSet(sent.get()) == sent.get() && sent.get() > 0);
    assertThat(sent.get()).isLessThan(PIECES);
    assertThat(r.server().bufferedBytes()).isLessThan(2 << 20);
    byte[] all = s.getInputStream().readAllBytes();
    assertThat(all.length).isGreaterThan(PIECE * PIECES);
    assertThat(sent.get()).isEqualTo(PIECES);
  }

  @Test
  void whoReadsNothingForLongIsLetGo() throws Exception {
    Router r = router(generous(new AtomicInteger()), Map.of("client_stall", "1"));
    await()
        .atMost(SOON)
        .until(
            () -> get(r, "/services").findValues("models").stream().noneMatch(JsonNode::isEmpty));
    SSLSocket s = connect(r, believing(null));
    RawInstance.write(s, ask(""));
    await().atMost(SOON.multipliedBy(3)).until(() -> r.server().stalledClients() == 1);
    assertThatThrownBy(() -> s.getInputStream().readAllBytes()).isInstanceOf(IOException.class);
  }

  /// By a goodbye of TLS alone, by both, and by an end of TCP.
  @ParameterizedTest
  @ValueSource(strings = {"goodbye", "close", "cut"})
  void aClientThatLeavesInMidStreamIsCountedAndItsInstanceLetGo(String how) throws Exception {
    CountDownLatch gone = new CountDownLatch(1);
    RawInstance i =
        instance((q, s) -> {
          streamHead(s);
          event(s, "one");
          if (s.getInputStream().read() < 0) {
            gone.countDown();
          }
        });
    Router r = ready(i);
    Socket below = new Socket("127.0.0.1", r.port());
    open.add(below);
    SSLSocket s =
        (SSLSocket)
            believing(null).getSocketFactory().createSocket(below, "127.0.0.1", r.port(), false);
    RawInstance.write(s, ask(""));
    until(s.getInputStream(), "data: one\n\n");
    switch (how) {
      case "goodbye" -> s.shutdownOutput();
      case "close" -> {
        s.close();
        below.close();
      }
      default -> below.close();
    }
    assertThat(gone.await(20, java.util.concurrent.TimeUnit.SECONDS)).isTrue();
    await()
        .atMost(SOON)
        .untilAsserted(() ->
            assertThat(
                    get(r, "/decisions?limit=1").path("decisions").path(0).path("outcome").asText())
                .isEqualTo("client_gone"));
  }

  /// An answer to HTTP/1.0 ends with its connection: one that broke must not end with a goodbye of
  /// TLS, which says that it is whole.
  @Test
  void anAnswerThatBreaksEndsWithoutAGoodbye() throws Exception {
    RawInstance i =
        instance((q, s) -> {
          streamHead(s);
          event(s, "one");
          if (q.startsWith("POST /v1/completions")) {
            s.setSoLinger(true, 0);
            s.close();
          } else {
            RawInstance.write(s, "0\r\n\r\n");
          }
        });
    Router r = ready(i);
    SSLSocket whole = connect(r, believing(null));
    RawInstance.write(whole, ask("").replace("HTTP/1.1", "HTTP/1.0"));
    assertThat(new String(whole.getInputStream().readAllBytes(), ISO_8859_1)).contains("data: one");
    SSLSocket broken = connect(r, believing(null));
    RawInstance.write(
        broken, RawRouter.post("/v1/completions", "m", "").replace("HTTP/1.1", "HTTP/1.0"));
    assertThatThrownBy(() -> broken.getInputStream().readAllBytes())
        .isInstanceOf(IOException.class);
  }

  @Test
  void whoIsRefusedReadsTheAnswerWholeAndThenTheEnd() throws Exception {
    SSLSocket s = connect(ready(instance((q, i) -> RawInstance.write(i, OK))), believing(null));
    RawInstance.write(s, "GET /x HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + "y".repeat(100_000));
    assertThat(new String(s.getInputStream().readAllBytes(), ISO_8859_1))
        .startsWith("HTTP/1.1 400")
        .contains("several Host headers");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", "POST /v1/completions HTTP/1.1\r\n"})
  void plainHttpIsToldToSpeakTls(String sent) throws Exception {
    Router r = ready(instance((q, s) -> RawInstance.write(s, OK)));
    try (Socket s = new Socket("127.0.0.1", r.port())) {
      s.setSoTimeout(20_000);
      RawInstance.write(s, sent);
      assertThat(new String(s.getInputStream().readAllBytes(), ISO_8859_1))
          .startsWith("HTTP/1.1 400 Bad Request\r\n")
          .endsWith("This port speaks TLS: the address begins with https://\n");
    }
    assertThat(metrics(r)).contains("infini_tls_handshakes_total{result=\"plaintext\"} 1.0");
  }

  @Test
  void whatIsNeitherIsCountedAsFailedAndCutOff() throws Exception {
    Router r = ready(instance((q, s) -> RawInstance.write(s, OK)));
    try (Socket s = new Socket("127.0.0.1", r.port())) {
      s.setSoTimeout(20_000);
      RawInstance.write(s, "\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007");
      while (s.getInputStream().read() >= 0) {
        // an alert
      }
    }
    await()
        .atMost(SOON)
        .untilAsserted(() ->
            assertThat(metrics(r)).contains("infini_tls_handshakes_total{result=\"failed\"} 1.0"));
  }

  @Test
  void clientsMustShowACertificateOfTheAuthorityWhereThatIsRequired() throws Exception {
    Router r =
        router(
            instance((q, s) -> RawInstance.write(s, OK)), Map.of("tls_client_ca", ca.toString()));
    X509Bundle mine =
        new CertificateBuilder().ecp256().subject("CN=a client").buildIssuedBy(authority);
    X509Bundle strange =
        new CertificateBuilder()
            .ecp256()
            .subject("CN=another authority")
            .setIsCertificateAuthority(true)
            .buildSelfSigned();
    X509Bundle other =
        new CertificateBuilder().ecp256().subject("CN=nobody").buildIssuedBy(strange);
    assertThat(live(r, mine)).startsWith("HTTP/1.1 200");
    assertThatThrownBy(() -> live(r, null)).isInstanceOf(IOException.class);
    assertThatThrownBy(() -> live(r, other)).isInstanceOf(IOException.class);
    assertThat(live(r, mine)).startsWith("HTTP/1.1 200");
    assertThat(told(r, null)).contains("it asks for a certificate of ours");
    assertThat(told(r, other))
        .contains("it does not believe the certificate of client_cert")
        .doesNotContain("asks for");
  }

  /// What our own client says of a router that does not take it.
  private String told(Router r, @Nullable X509Bundle as) throws Exception {
    Tls.Own own = null;
    if (as != null) {
      own =
          new Tls.Own(
              Files.writeString(dir.resolve("own.pem"), as.getCertificatePEM()),
              Files.writeString(dir.resolve("own-key.pem"), as.getPrivateKeyPEM()));
    }
    try (Client client = Client.create().with(Tls.of(ca, null, own, null))) {
      client.get(URI.create("https://127.0.0.1:" + r.port() + "/livez"), Duration.ofSeconds(5));
      return "it is taken";
    } catch (IOException e) {
      return String.valueOf(e.getMessage());
    }
  }

  @Test
  void anOptionalCertificateMayBeMissingAndNotWrong() throws Exception {
    Router r =
        router(
            instance((q, s) -> RawInstance.write(s, OK)),
            Map.of("tls_client_ca", ca.toString(), "tls_client_auth", "optional"));
    assertThat(live(r, null)).startsWith("HTTP/1.1 200");
  }

  private String live(Router r, @Nullable X509Bundle as) throws Exception {
    SSLSocket s = connect(r, believing(as));
    RawInstance.write(s, "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    String all = new String(s.getInputStream().readAllBytes(), ISO_8859_1);
    if (all.isEmpty()) {
      throw new IOException("no answer");
    }
    return all;
  }

  private X509Certificate shown(Router r) throws Exception {
    SSLSocket s = connect(r, believing(null));
    return (X509Certificate) s.getSession().getPeerCertificates()[0];
  }

  @Test
  void aNewPairIsTakenOverUnderLoadWithoutAFailedRequest() throws Exception {
    Router r = ready(instance((q, s) -> RawInstance.write(s, OK)));
    X509Certificate before = shown(r);
    AtomicInteger good = new AtomicInteger();
    List<Throwable> bad = new java.util.concurrent.CopyOnWriteArrayList<>();
    CountDownLatch stop = new CountDownLatch(1);
    SSLContext c = believing(null);
    List<Thread> clients = new ArrayList<>();
    for (int k = 0; k < 4; k++) {
      boolean keeps = k % 2 == 0;
      clients.add(
          Thread.ofVirtual()
              .start(() -> {
                try {
                  SSLSocket s = keeps ? connect(r, c) : null;
                  while (stop.getCount() > 0) {
                    SSLSocket on = s == null ? connect(r, c) : s;
                    RawInstance.write(on, ask(""));
                    assertThat(RawInstance.read(on.getInputStream())).startsWith("HTTP/1.1 200");
                    good.incrementAndGet();
                    if (s == null) {
                      on.close();
                    }
                  }
                } catch (Exception | AssertionError e) {
                  bad.add(e);
                }
              }));
    }
    await().atMost(SOON).until(() -> good.get() > 20 || !bad.isEmpty());
    write(bundle(Instant.now().plus(Duration.ofDays(50))));
    await().atMost(SOON).until(() -> !shown(r).equals(before));
    int then = good.get();
    await().atMost(SOON).until(() -> good.get() > then + 20 || !bad.isEmpty());
    stop.countDown();
    for (Thread t : clients) {
      t.join();
    }
    assertThat(bad).isEmpty();
  }

  @Test
  void aBadPairChangesNothingAndIsToldUntilAGoodOneComes() throws Exception {
    Router r = ready(instance((q, s) -> RawInstance.write(s, OK)));
    X509Certificate before = shown(r);
    X509Bundle next = bundle(Instant.now().plus(Duration.ofDays(50)));
    Files.writeString(cert, next.getCertificatePEM());
    Files.setLastModifiedTime(cert, FileTime.from(Instant.now().plusSeconds(2)));
    await().atMost(SOON).until(() -> !get(r, "/readyz").path("tls").path("refused").isNull());
    assertThat(shown(r)).isEqualTo(before);
    assertThat(metrics(r)).contains("infini_tls_certificate_refused 1.0");
    Files.writeString(key, next.getPrivateKeyPEM());
    await().atMost(SOON).until(() -> shown(r).equals(next.getCertificate()));
    assertThat(get(r, "/readyz").path("tls").path("refused").isNull()).isTrue();
    assertThat(get(r, "/stats").path("tls").path("certificate_expires").asText())
        .isEqualTo(next.getCertificate().getNotAfter().toInstant().toString());
    assertThat(metrics(r)).contains("infini_tls_certificate_refused 0.0");
  }
}
