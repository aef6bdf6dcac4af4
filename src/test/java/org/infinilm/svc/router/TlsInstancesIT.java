package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.netty.pkitesting.CertificateBuilder;
import io.netty.pkitesting.X509Bundle;
import java.net.Socket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import javax.net.ssl.ExtendedSSLSession;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.StrictReader;
import org.infinilm.svc.http.Tls;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Instances behind https: reached, probed, kept; and each wrong certificate by its name.
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
class TlsInstancesIT {
  private static final String OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

  @TempDir private static Path dir;

  private static X509Bundle authority;
  private static Path caFile;

  private final Instant now = Instant.now();
  private final List<AutoCloseable> open = new ArrayList<>();

  @BeforeAll
  static void authority() throws Exception {
    authority = ca("CN=a test authority");
    caFile = Files.writeString(dir.resolve("ca.pem"), authority.getCertificatePEM());
  }

  private static X509Bundle ca(String subject) throws Exception {
    return new CertificateBuilder()
        .ecp256()
        .subject(subject)
        .setIsCertificateAuthority(true)
        .setKeyUsage(true, CertificateBuilder.KeyUsage.keyCertSign)
        .buildSelfSigned();
  }

  @AfterEach
  void end() throws Exception {
    for (AutoCloseable c : open.reversed()) {
      c.close();
    }
  }

  private CertificateBuilder certificate() {
    return new CertificateBuilder()
        .ecp256()
        .subject("CN=an instance")
        .notBefore(now.minus(Duration.ofDays(1)))
        .notAfter(now.plus(Duration.ofDays(1)));
  }

  private X509Bundle localhost() throws Exception {
    return certificate().addSanDnsName("localhost").buildIssuedBy(authority);
  }

  /// Speaks TLS as a server whose certificate is `b`.
  private static RawInstance.Wrap tls(X509Bundle b) throws Exception {
    return tls(b, s -> {});
  }

  private static RawInstance.Wrap tls(X509Bundle b, java.util.function.Consumer<SSLSocket> set)
      throws Exception {
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(b.toKeyManagerFactory().getKeyManagers(), null, null);
    return plain -> {
      SSLSocket s =
          (SSLSocket) context.getSocketFactory().createSocket(plain, null, plain.getPort(), false);
      s.setUseClientMode(false);
      set.accept(s);
      return s;
    };
  }

  private RawInstance instance(RawInstance.Wrap wrap, RawInstance.Script script) throws Exception {
    RawInstance i = new RawInstance("m", wrap, script);
    open.add(i);
    return i;
  }

  private RawRouter router(String... specs) throws Exception {
    RawRouter r = RawRouter.of(Map.of(), List.of(specs));
    open.add(r);
    return r.ready();
  }

  private static String ask(String fields) {
    return RawRouter.post("/v1/chat/completions", "m", fields);
  }

  @Test
  void itsModelsAreReadAndItsConnectionsKept() throws Exception {
    RawInstance i = instance(tls(localhost()), (r, s) -> RawInstance.write(s, OK));
    RawRouter router = router("https://localhost:" + i.port() + ",ca_file=" + caFile);
    try (Socket c = router.connect()) {
      for (int k = 0; k < 3; k++) {
        RawInstance.write(c, ask(""));
        assertThat(RawInstance.read(c.getInputStream())).startsWith("HTTP/1.1 200").endsWith("ok");
      }
    }
    assertThat(i.connections.get()).isEqualTo(1);
    assertThat(i.seen.getFirst()).contains("host: localhost:" + i.port());
  }

  @Test
  void aLargeRequestAndALargeAnswerPassWhole() throws Exception {
    String large = "x".repeat(900_000);
    RawInstance i =
        instance(
            tls(localhost()),
            (r, s) ->
                RawInstance.write(s, "HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + large));
    RawRouter router = router("https://localhost:" + i.port() + ",ca_file=" + caFile);
    String body = "{\"model\":\"m\",\"x\":\"" + large + "\"}";
    String all =
        router.raw(
            "POST /v1/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: "
                + body.length()
                + "\r\n\r\n"
                + body);
    assertThat(all).startsWith("HTTP/1.1 200").endsWith("\r\n\r\n" + large);
    assertThat(i.seen.getFirst()).endsWith(body);
  }

  @Test
  void aLargeRequestWithTrailersPassesWhole() throws Exception {
    RawInstance i = instance(tls(localhost()), (r, s) -> RawInstance.write(s, OK));
    RawRouter router = router("https://localhost:" + i.port() + ",ca_file=" + caFile);
    String body = "{\"model\":\"m\",\"x\":\"" + "x".repeat(900_000) + "\"}";
    String all =
        router.raw(
            "POST /v1/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                + "Transfer-Encoding: chunked\r\n\r\n"
                + Integer.toHexString(body.length())
                + "\r\n"
                + body
                + "\r\n0\r\nX-Sum: 7\r\n\r\n");
    assertThat(all).startsWith("HTTP/1.1 200").endsWith("ok");
    StrictReader.Message m = StrictReader.one(i.seen.getFirst().getBytes(ISO_8859_1));
    assertThat(new String(m.body(), ISO_8859_1)).isEqualTo(body);
    assertThat(m.trailers()).extracting("value").containsExactly("7");
  }

  @Test
  void theNameToAskForIsTheOneThatTheCertificateMustShow() throws Exception {
    X509Bundle other = certificate().addSanDnsName("gpu.example").buildIssuedBy(authority);
    List<String> asked = new CopyOnWriteArrayList<>();
    RawInstance i =
        instance(
            tls(other),
            (r, s) -> {
              ExtendedSSLSession session = (ExtendedSSLSession) ((SSLSocket) s).getSession();
              session.getRequestedServerNames().forEach(n -> asked.add(n.toString()));
              RawInstance.write(s, OK);
            });
    RawRouter router =
        router(
            "https://127.0.0.1:"
                + i.port()
                + ",ca_file="
                + caFile
                + ",tls_server_name=gpu.example");
    assertThat(router.raw(ask("Connection: close\r\n"))).startsWith("HTTP/1.1 200");
    assertThat(asked).singleElement().asString().contains("gpu.example");
  }

  @Test
  void anAddressCanBeTheNameOfACertificate() throws Exception {
    X509Bundle b = certificate().addSanIpAddress("127.0.0.1").buildIssuedBy(authority);
    RawInstance i = instance(tls(b), (r, s) -> RawInstance.write(s, OK));
    RawRouter router = router("https://127.0.0.1:" + i.port() + ",ca_file=" + caFile);
    assertThat(router.raw(ask("Connection: close\r\n"))).startsWith("HTTP/1.1 200");
  }

  @Test
  void aNameWithoutADotIsAskedForToo() throws Exception {
    X509Bundle names =
        certificate().addSanDnsName("localhost").addSanDnsName("engine").buildIssuedBy(authority);
    List<String> asked = new CopyOnWriteArrayList<>();
    RawInstance i =
        instance(
            tls(names),
            (r, s) -> {
              ExtendedSSLSession session = (ExtendedSSLSession) ((SSLSocket) s).getSession();
              session
                  .getRequestedServerNames()
                  .forEach(n -> asked.add(((SNIHostName) n).getAsciiName()));
              RawInstance.write(s, OK);
            });
    String at = "https://localhost:" + i.port() + ",ca_file=" + caFile;
    assertThat(router(at).raw(ask("Connection: close\r\n"))).startsWith("HTTP/1.1 200");
    assertThat(router(at + ",tls_server_name=engine").raw(ask("Connection: close\r\n")))
        .startsWith("HTTP/1.1 200");
    assertThat(asked).containsExactly("localhost", "engine");
  }

  /// The goodbye is the end, whenever the TCP connection is closed, and it is answered.
  @ParameterizedTest
  @ValueSource(strings = {"TLSv1.2", "TLSv1.3"})
  void aGoodbyeEndsALengthlessAnswerAndIsAnswered(String protocol) throws Exception {
    CountDownLatch answered = new CountDownLatch(1);
    RawInstance i =
        instance(
            tls(localhost(), s -> s.setEnabledProtocols(new String[] {protocol})),
            (r, s) -> {
              RawInstance.write(s, "HTTP/1.1 200 OK\r\n\r\nall of it");
              s.shutdownOutput();
              if (s.getInputStream().read() < 0) {
                answered.countDown();
              }
            });
    RawRouter router = router("https://localhost:" + i.port() + ",ca_file=" + caFile);
    String get = "GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assertThat(router.raw(get)).endsWith("all of it\r\n0\r\n\r\n");
    assertThat(answered.await(20, TimeUnit.SECONDS)).isTrue();
  }

  /// A lengthless answer over TLS is whole when the instance says goodbye, and only then.
  @Test
  void aLengthlessAnswerEndsByAGoodbyeOnly() throws Exception {
    AtomicReference<Socket> below = new AtomicReference<>();
    RawInstance.Wrap tls = tls(localhost());
    RawInstance i =
        instance(
            s -> {
              below.set(s);
              return tls.wrap(s);
            },
            (r, s) -> {
              RawInstance.write(s, "HTTP/1.1 200 OK\r\n\r\nall of it");
              if (r.startsWith("GET /cut")) {
                below.get().shutdownOutput();
                below.get().close();
              } else {
                s.close();
              }
            });
    RawRouter router = router("https://localhost:" + i.port() + ",ca_file=" + caFile);
    String get = " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assertThat(router.raw("GET /whole" + get)).endsWith("all of it\r\n0\r\n\r\n");
    assertThat(router.raw("GET /cut" + get)).doesNotContain("\r\n0\r\n");
  }

  /// What is wrong, and the words for it.
  enum Wrong {
    EXPIRED("certificate expired"),
    NOT_YET_VALID("certificate not yet valid"),
    UNKNOWN_AUTHORITY("certificate of an unknown authority"),
    SELF_SIGNED("certificate of an unknown authority"),
    OTHER_NAME("certificate of another name"),
    NO_NAME("certificate of another name"),
    PLAIN("no TLS there (its URL says https)"),
    CUT("cut during the handshake"),
    OLD_VERSION("no common TLS version (expected: 1.2 or 1.3)"),
    ASKS_FOR_OURS("it refused the handshake: handshake_failure");

    final String words;

    Wrong(String words) {
      this.words = words;
    }
  }

  private RawInstance.Wrap wrong(Wrong w) throws Exception {
    CertificateBuilder c = certificate().addSanDnsName("localhost");
    return switch (w) {
      case EXPIRED -> tls(c.notAfter(now.minusSeconds(60)).buildIssuedBy(authority));
      case NOT_YET_VALID -> tls(c.notBefore(now.plusSeconds(3600)).buildIssuedBy(authority));
      case UNKNOWN_AUTHORITY -> tls(c.buildIssuedBy(ca("CN=another authority")));
      case SELF_SIGNED -> tls(c.setIsCertificateAuthority(true).buildSelfSigned());
      case OTHER_NAME -> tls(certificate().addSanDnsName("other.example").buildIssuedBy(authority));
      case NO_NAME -> tls(certificate().buildIssuedBy(authority));
      case PLAIN ->
          s -> {
            s.getInputStream().read();
            RawInstance.write(s, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
            s.shutdownOutput();
            return s;
          };
      case CUT ->
          s -> {
            s.getInputStream().read();
            s.close();
            return s;
          };
      case OLD_VERSION ->
          s -> {
            s.getInputStream().read();
            RawInstance.write(s, "\u0015\u0003\u0001\u0000\u0002\u0002F");
            s.shutdownOutput();
            return s;
          };
      case ASKS_FOR_OURS ->
          tls(
              c.buildIssuedBy(authority),
              s -> {
                s.setEnabledProtocols(new String[] {"TLSv1.2"});
                s.setNeedClientAuth(true);
              });
    };
  }

  @ParameterizedTest
  @EnumSource
  void whatIsWrongIsNamed(Wrong w) throws Exception {
    RawInstance healthy = instance(s -> s, (r, s) -> {});
    RawInstance i = instance(wrong(w), (r, s) -> RawInstance.write(s, OK));
    RawRouter router = fixed(i.port(), healthy.port(), Map.of());
    assertThat(router.raw(ask("Connection: close\r\n")))
        .startsWith("HTTP/1.1 503")
        .contains("TLS: " + w.words);
    assertThat(i.seen).isEmpty();
  }

  /// An instance that never came into service says why, before any request.
  @ParameterizedTest
  @EnumSource(Wrong.class)
  void whatIsWrongIsSaidOfAnInstanceThatWasNeverInService(Wrong w) throws Exception {
    RawInstance i = instance(wrong(w), (r, s) -> RawInstance.write(s, OK));
    RawRouter router =
        RawRouter.of(
            Map.of("health_interval", "0.2"),
            List.of("https://localhost:" + i.port() + ",name=i,ca_file=" + caFile));
    await()
        .atMost(RawRouter.SOON)
        .untilAsserted(
            () -> assertThat(router.services().path(0).path("why_out").asText()).contains(w.words));
  }

  @Test
  void aHandshakeIsPartOfTheConnectLimit() throws Exception {
    RawInstance healthy = instance(s -> s, (r, s) -> {});
    RawInstance i =
        instance(
            s -> {
              s.getInputStream().readAllBytes();
              return s;
            },
            (r, s) -> {});
    RawRouter router = fixed(i.port(), healthy.port(), Map.of("connect_timeout", "0.5"));
    assertThat(router.raw(ask("Connection: close\r\n"))).startsWith("HTTP/1.1 504");
  }

  /// A static entry whose health is told elsewhere, so that nothing but the request meets TLS.
  private RawRouter fixed(int port, int healthPort, Map<String, String> flags) throws Exception {
    String file =
        "[{\"name\":\"i\",\"url\":\"https://localhost:"
            + port
            + "\",\"ca_file\":\""
            + caFile
            + "\",\"health_url\":\"http://127.0.0.1:"
            + healthPort
            + "/health\",\"metadata\":{\"type\":\"openai-api\",\"models\":[\"m\"]}}]";
    RawRouter r =
        new RawRouter(
            flags, StaticServices.parse("services.json", file.getBytes(ISO_8859_1), Map.of()));
    open.add(r);
    return r;
  }

  @Test
  void aCaFileThatChangesIsReadAgainAndOneThatCannotBeUsedChangesNothing() throws Exception {
    Path file = Files.writeString(dir.resolve("changes.pem"), authority.getCertificatePEM());
    RawInstance i = instance(tls(localhost()), (r, s) -> RawInstance.write(s, OK));
    URI uri = URI.create("https://localhost:" + i.port() + "/x");
    Tls tls = Tls.of(file, null);
    Client client = Client.create().with(tls);
    Files.writeString(file, "no certificate");
    tls.refresh();
    assertThat(client.get(uri, RawRouter.SOON).ok()).isTrue();
    Files.writeString(file, ca("CN=another authority").getCertificatePEM());
    await()
        .atMost(RawRouter.SOON)
        .untilAsserted(() ->
            org.assertj.core.api.Assertions.assertThatThrownBy(
                    () -> client.get(uri, RawRouter.SOON))
                .hasMessageContaining("unknown authority"));
    Files.delete(file);
    tls.refresh();
    org.assertj.core.api.Assertions.assertThatThrownBy(() -> client.get(uri, RawRouter.SOON))
        .hasMessageContaining("unknown authority");
    Files.writeString(file, authority.getCertificatePEM());
    await()
        .atMost(RawRouter.SOON)
        .ignoreExceptions()
        .until(() -> client.get(uri, RawRouter.SOON).ok());
  }

  /// Certificates are renewed while a router runs, and so are those who sign them.
  @Test
  void anInstanceComesBackWhenTheCaFileNamesItsAuthority() throws Exception {
    String other = ca("CN=another authority").getCertificatePEM();
    Path file = Files.writeString(dir.resolve("renewed.pem"), other);
    RawInstance i = instance(tls(localhost()), (r, s) -> RawInstance.write(s, OK));
    RawRouter router =
        RawRouter.of(
            Map.of("health_interval", "0.2"),
            List.of("https://localhost:" + i.port() + ",name=i,ca_file=" + file));
    open.add(router);
    await()
        .atMost(RawRouter.SOON)
        .untilAsserted(() ->
            assertThat(router.services().path(0).path("why_out").asText())
                .contains("unknown authority"));
    Files.writeString(file, authority.getCertificatePEM());
    router.ready();
    assertThat(router.raw(ask("Connection: close\r\n"))).startsWith("HTTP/1.1 200");
  }

  @Test
  void theControlPlanesClientSpeaksItToo() throws Exception {
    RawInstance i = instance(tls(localhost()), (r, s) -> RawInstance.write(s, OK));
    Client client = Client.create();
    URI uri = URI.create("https://localhost:" + i.port() + "/x");
    Tls tls = Tls.of(caFile, null);
    assertThat(client.with(tls).get(uri, Duration.ofSeconds(20)).body()).asString().isEqualTo("ok");
    org.assertj.core.api.Assertions.assertThatThrownBy(
            () -> client.get(uri, Duration.ofSeconds(20)))
        .hasMessage(
            "TLS with https://localhost:" + i.port() + ": certificate of an unknown authority");
  }
}
