package org.infinilm.svc.trace;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import io.netty.pkitesting.CertificateBuilder;
import io.netty.pkitesting.X509Bundle;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import javax.net.ssl.SSLContext;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Spans on their way to a receiver.
class SenderIT {
  private static final Duration SOON = Duration.ofSeconds(30);

  @TempDir private Path dir;

  private static String outcome(TraceSettings to) {
    try (Sender sender = new Sender(to, SOON)) {
      sender.add(
          new Span(
              "0af7651916cd43dd8448eb211c80319c",
              "b7ad6b7169203331",
              null,
              Span.Kind.SERVER,
              "chat",
              1,
              2,
              Map.of(),
              null));
      String failure = sender.send(SOON).failure();
      return failure == null ? "sent" : failure;
    }
  }

  private static TraceSettings settings(String... flags) throws Exception {
    Map<String, String> all = new HashMap<>();
    for (String f : flags) {
      all.put(f.substring(0, f.indexOf('=')), f.substring(f.indexOf('=') + 1));
    }
    return TraceSettings.of(Config.resolve(TraceSettings.KEYS, all, Map.of(), null)).orElseThrow();
  }

  /// An https receiver with an authority of one's own could not be used, nor was it said why.
  @Test
  void anAuthorityOfOnesOwnIsBelievedWhereItIsNamed() throws Exception {
    X509Bundle ca =
        new CertificateBuilder().subject("CN=ca").setIsCertificateAuthority(true).buildSelfSigned();
    X509Bundle own =
        new CertificateBuilder()
            .subject("CN=receiver")
            .addSanIpAddress("127.0.0.1")
            .buildIssuedBy(ca);
    SSLContext tls = SSLContext.getInstance("TLS");
    tls.init(own.toKeyManagerFactory().getKeyManagers(), null, null);
    HttpsServer server =
        HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    AtomicInteger asked = new AtomicInteger();
    server.setHttpsConfigurator(new HttpsConfigurator(tls));
    server.createContext(
        "/v1/traces",
        x -> {
          asked.incrementAndGet();
          x.getRequestBody().readAllBytes();
          x.sendResponseHeaders(200, -1);
          x.close();
        });
    server.start();
    try {
      String at = "otlp_endpoint=https://127.0.0.1:" + server.getAddress().getPort();
      assertThat(outcome(settings(at)))
          .isEqualTo(
              "its certificate is of no authority that is known here (expected: one of otlp_ca_file)");
      assertThat(asked).hasValue(0);
      Path pem = Files.writeString(dir.resolve("ca.pem"), ca.getCertificatePEM());
      assertThat(outcome(settings(at, "otlp_ca_file=" + pem))).isEqualTo("sent");
      assertThat(asked).hasValue(1);
    } finally {
      server.stop(0);
    }
  }

  @Test
  void whyNothingWasSentIsSaid() throws Exception {
    int port;
    try (ServerSocket free = new ServerSocket(0)) {
      port = free.getLocalPort();
    }
    assertThat(outcome(settings("otlp_endpoint=http://127.0.0.1:" + port))).contains("refused");
    assertThat(outcome(settings("otlp_endpoint=http://no-such-host.invalid:4318")))
        .isEqualTo("its host is not known");
  }

  @Test
  void aFileOfAuthoritiesThatHoldsNoneAndAPortThatIsNoneEndTheStart() throws Exception {
    Path none = Files.writeString(dir.resolve("none.pem"), "no PEM");
    String at = "otlp_endpoint=https://h:4318";
    assertThatThrownBy(() -> settings(at, "otlp_ca_file=" + none))
        .isInstanceOf(ConfigException.class)
        .hasMessageStartingWith("--otlp-ca-file: " + none + ": no certificates (expected: PEM");
    assertThatThrownBy(() -> settings(at, "otlp_ca_file=" + dir.resolve("absent")))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("cannot be read (expected: a PEM file of authorities)");
    assertThatThrownBy(() -> settings("otlp_endpoint=http://127.0.0.1:99999"))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("http://127.0.0.1:99999 (expected: http://host:4318");
  }
}
