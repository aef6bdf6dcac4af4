package org.infinilm.svc.tls;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.stream.Stream;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.http.Tls;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Certificates for a try: what they say, who may read them, and that none is lost.
class CertDevProgramTest {
  private final Instant now = Instant.now();
  private static final Duration DAYS = Duration.ofDays(90);

  @TempDir private Path top;

  private static X509Certificate certificate(Path file) throws Exception {
    try (InputStream in = Files.newInputStream(file)) {
      return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(in);
    }
  }

  @Test
  void theServersCertificateIsForTheNamesAndByTheAuthority() throws Exception {
    Path dir = top.resolve("a/b");
    List<String> told = CertDevProgram.write(dir, List.of("gpu1.example", "10.0.0.7"), now, DAYS);
    X509Certificate server = certificate(dir.resolve("server.pem"));
    X509Certificate ca = certificate(dir.resolve("ca.pem"));
    server.verify(ca.getPublicKey());
    ca.verify(ca.getPublicKey());
    assertThat(server.getSubjectAlternativeNames().stream().map(n -> String.valueOf(n.get(1))))
        .containsExactly("localhost", "127.0.0.1", "0:0:0:0:0:0:0:1", "gpu1.example", "10.0.0.7");
    assertThat(server.getBasicConstraints()).isEqualTo(-1);
    assertThat(ca.getBasicConstraints()).isZero();
    assertThat(String.join("\n", told))
        .contains(
            "--tls-cert " + dir.resolve("server.pem"),
            "--tls-key " + dir.resolve("server-key.pem"),
            "--ca-file " + dir.resolve("ca.pem"),
            "--tls-client-ca " + dir.resolve("ca.pem"));
  }

  @Test
  void aListenerTakesThemAsTheyAre() throws Exception {
    CertDevProgram.write(top, List.of(), now, DAYS);
    try (Tls.Listener l =
        Tls.Listener.open(
            top.resolve("server.pem"),
            top.resolve("server-key.pem"),
            top.resolve("ca.pem"),
            true,
            InstantSource.fixed(now))) {
      assertThat(Duration.between(now, l.expires())).isCloseTo(DAYS, Duration.ofSeconds(2));
    }
  }

  @Test
  void theFilesAreTheirOwnersAloneAndTheAuthoritysKeyIsNowhere() throws Exception {
    Path dir = top.resolve("made");
    CertDevProgram.write(dir, List.of(), now, DAYS);
    try (Stream<Path> files = Files.list(dir)) {
      List<Path> all = files.sorted().toList();
      assertThat(all.stream().map(p -> p.getFileName().toString()))
          .containsExactly(
              "ca.pem", "client-key.pem", "client.pem", "server-key.pem", "server.pem");
      for (Path p : all) {
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(p)))
            .isEqualTo("rw-------");
      }
    }
  }

  @Test
  void whatIsThereIsNeverWrittenOver() throws Exception {
    Files.writeString(top.resolve("client-key.pem"), "mine");
    assertThatThrownBy(() -> CertDevProgram.write(top, List.of(), now, DAYS))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("client-key.pem is there already");
    assertThat(Files.readString(top.resolve("client-key.pem"))).isEqualTo("mine");
    assertThat(top.resolve("ca.pem")).doesNotExist();
  }

  @Test
  void aNameThatIsNoneIsNamed() {
    assertThatThrownBy(() -> CertDevProgram.write(top, List.of("http://x"), now, DAYS))
        .isInstanceOf(ConfigException.class)
        .hasMessage("cert dev: http://x (expected: host names and addresses)");
  }
}
