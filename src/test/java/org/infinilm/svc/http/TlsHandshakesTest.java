package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.handler.ssl.SslHandler;
import java.util.Map;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLHandshakeException;
import org.junit.jupiter.api.Test;

/// How handshakes end, and that those which wait for ever keep nobody out.
class TlsHandshakesTest {
  private static EmbeddedChannel channel(TlsHandshakes h) throws Exception {
    SSLEngine engine = SSLContext.getDefault().createSSLEngine();
    engine.setUseClientMode(false);
    SslHandler tls = new SslHandler(engine);
    EmbeddedChannel c = new EmbeddedChannel(tls);
    h.begin(c, tls);
    return c;
  }

  private static long count(TlsHandshakes h, String end) {
    return h.counts().getOrDefault(end, -1L);
  }

  @Test
  void theOldestGivesWayToTheNewest() throws Exception {
    TlsHandshakes h = new TlsHandshakes(2);
    EmbeddedChannel first = channel(h);
    EmbeddedChannel second = channel(h);
    assertThat(first.isOpen()).isTrue();
    EmbeddedChannel third = channel(h);
    assertThat(first.isOpen()).isFalse();
    assertThat(second.isOpen()).isTrue();
    assertThat(third.isOpen()).isTrue();
    assertThat(count(h, "turned_away")).isEqualTo(1);
    assertThat(count(h, "left")).as("an end counts once").isZero();
    second.close();
    third.close();
    assertThat(count(h, "left")).isEqualTo(2);
  }

  @Test
  void whatWasAnsweredInPlainWordsIsNoFailureToo() throws Exception {
    TlsHandshakes h = new TlsHandshakes(2);
    EmbeddedChannel c = channel(h);
    h.plain(c);
    c.close();
    assertThat(h.counts())
        .containsAllEntriesOf(Map.of("plaintext", 1L, "left", 0L, "failed", 0L, "done", 0L));
  }

  @Test
  void reasonsAreInTheServersWords() {
    assertThat(reason("Received fatal alert: bad_certificate"))
        .isEqualTo("the client does not believe the certificate: bad_certificate");
    assertThat(reason("(certificate_unknown) Received fatal alert: certificate_unknown"))
        .isEqualTo("the client does not believe the certificate: certificate_unknown");
    assertThat(reason("Empty client certificate chain"))
        .isEqualTo("the client showed no certificate (expected: one of tls_client_ca)");
  }

  private static String reason(String message) {
    return TlsHandshakes.reason(new SSLHandshakeException(message));
  }
}
