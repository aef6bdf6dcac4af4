package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.netty.pkitesting.CertificateBuilder;
import io.netty.pkitesting.X509Bundle;
import java.io.StringWriter;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.KeyPair;
import java.security.interfaces.ECPrivateKey;
import java.time.Duration;
import java.time.Instant;
import org.bouncycastle.asn1.x9.X9ObjectIdentifiers;
import org.bouncycastle.openssl.jcajce.JcaPEMWriter;
import org.bouncycastle.openssl.jcajce.JcePEMEncryptorBuilder;
import org.bouncycastle.util.io.pem.PemObject;
import org.bouncycastle.util.io.pem.PemWriter;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Each thing that can be wrong with certificate, key and authorities, by its words.
class TlsFilesTest {
  @TempDir private Path dir;
  private final Instant now = Instant.now();
  private X509Bundle pair;
  private Path cert;
  private Path key;

  @BeforeEach
  void files() throws Exception {
    pair = valid().rsa2048().buildSelfSigned();
    cert = write("cert.pem", pair.getCertificatePEM());
    key = write("key.pem", pair.getPrivateKeyPEM());
  }

  private CertificateBuilder valid() {
    return new CertificateBuilder()
        .subject("CN=x")
        .setIsCertificateAuthority(true)
        .notBefore(now.minus(Duration.ofDays(2)))
        .notAfter(now.plus(Duration.ofDays(2)));
  }

  private Path write(String name, String text) throws Exception {
    return Files.writeString(dir.resolve(name), text);
  }

  private TlsFiles.Pair read(Path c, Path k) throws Tls.Unusable {
    return TlsFiles.read(new TlsFiles.Paths("tls_", c, k, null, true), now);
  }

  private void wrong(Path c, Path k, String... words) {
    assertThatThrownBy(() -> read(c, k))
        .isInstanceOf(Tls.Unusable.class)
        .hasMessageContainingAll(words)
        .message()
        .doesNotContain("BEGIN RSA", "MII");
  }

  @Test
  void keysOfEachKindAndFormAreRead() throws Exception {
    assertThat(read(cert, key).own()).isEqualTo(pair.getCertificate());
    assertThat(read(cert, write("pkcs1.pem", pem(pair))).key()).isNotNull();
    X509Bundle curve = valid().ecp256().buildSelfSigned();
    Path c = write("ec.pem", curve.getCertificatePEM());
    assertThat(read(c, write("ec-key.pem", curve.getPrivateKeyPEM())).key()).isNotNull();
    assertThat(read(c, write("sec1.pem", sec1(curve))).key()).isNotNull();
    X509Bundle edwards = valid().algorithm(CertificateBuilder.Algorithm.ed25519).buildSelfSigned();
    Path e = write("ed.pem", edwards.getCertificatePEM());
    assertThat(read(e, write("ed-key.pem", edwards.getPrivateKeyPEM())).key()).isNotNull();
  }

  private static String pem(X509Bundle b) throws Exception {
    StringWriter out = new StringWriter();
    try (JcaPEMWriter w = new JcaPEMWriter(out)) {
      w.writeObject(b.getKeyPair());
    }
    assertThat(out.toString()).doesNotContain("BEGIN PRIVATE KEY");
    return out.toString();
  }

  /// As OpenSSL writes it: with the name of the curve.
  private static String sec1(X509Bundle b) throws Exception {
    BigInteger secret = ((ECPrivateKey) b.getKeyPair().getPrivate()).getS();
    StringWriter out = new StringWriter();
    try (PemWriter w = new PemWriter(out)) {
      w.writeObject(
          new PemObject(
              "EC PRIVATE KEY",
              new org.bouncycastle.asn1.sec.ECPrivateKey(
                      256, secret, X9ObjectIdentifiers.prime256v1)
                  .getEncoded()));
    }
    return out.toString();
  }

  @Test
  void certificateAndKeyMayStandInOneFile() throws Exception {
    Path both = write("both.pem", pair.getCertificatePEM() + pair.getPrivateKeyPEM());
    assertThat(read(both, both).own()).isEqualTo(pair.getCertificate());
  }

  @Test
  void aKeyThatIsLockedIsNamed() throws Exception {
    StringWriter out = new StringWriter();
    KeyPair keys = pair.getKeyPair();
    try (JcaPEMWriter w = new JcaPEMWriter(out)) {
      w.writeObject(
          keys.getPrivate(),
          new JcePEMEncryptorBuilder("AES-256-CBC")
              .setProvider(new org.bouncycastle.jce.provider.BouncyCastleProvider())
              .build("secret".toCharArray()));
    }
    wrong(cert, write("locked.pem", out.toString()), "tls_key: ", "locked.pem", "passphrase");
  }

  @Test
  void aKeyOfAnotherKindOrAnotherCertificateIsNamed() throws Exception {
    X509Bundle curve = valid().ecp256().buildSelfSigned();
    X509Bundle other = valid().rsa2048().buildSelfSigned();
    wrong(cert, write("k.pem", curve.getPrivateKeyPEM()), "k.pem", "another kind", "expected: RSA");
    wrong(cert, write("o.pem", other.getPrivateKeyPEM()), "o.pem", "does not fit", "cert.pem");
  }

  @Test
  void whatIsNoPemAtAllIsNamedOnceForEachFile() throws Exception {
    Path text = write("text", "hello");
    wrong(text, text, "tls_cert: ", "no certificates", "tls_key: ", "no private key");
    wrong(key, cert, "tls_cert: ", "no certificates", "tls_key: ", "no private key");
    wrong(write("half.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n"), key, "half.pem");
    wrong(cert, write("cut.pem", pair.getPrivateKeyPEM().substring(0, 300)), "cut.pem");
    wrong(write("empty", ""), key, "no certificates");
    String broken =
        """

        -----BEGIN CERTIFICATE-----
        AAAA
        -----END CERTIFICATE-----
        """;
    wrong(
        write("chain.pem", pair.getCertificatePEM().concat(broken)),
        key,
        "chain.pem: the certificate after the first 1 cannot be read");
  }

  @Test
  void whatIsNotThereOrNoFileIsNamed() {
    wrong(dir.resolve("none"), dir.resolve("none2"), "none: no such file", "none2: no such file");
    wrong(dir, key, "no regular file");
  }

  @Test
  void whatMayNotBeReadIsNamed() throws Exception {
    Files.setPosixFilePermissions(key, PosixFilePermissions.fromString("---------"));
    if (Files.isReadable(key)) {
      // root reads everything
      assertThat(read(cert, key).own()).isEqualTo(pair.getCertificate());
    } else {
      wrong(cert, key, "key.pem: not readable by this user");
    }
  }

  @Test
  void whatIsNotValidNowIsNamed() throws Exception {
    X509Bundle over = valid().notAfter(now.minusSeconds(60)).ecp256().buildSelfSigned();
    X509Bundle early = valid().notBefore(now.plusSeconds(3600)).ecp256().buildSelfSigned();
    wrong(write("over.pem", over.getCertificatePEM()), key, "over.pem: expired at ");
    wrong(write("early.pem", early.getCertificatePEM()), key, "early.pem: valid from ");
  }

  @Test
  void authoritiesThatAreNoneAreNamed() throws Exception {
    Path ca = write("ca.pem", "hello");
    assertThatThrownBy(() -> TlsFiles.read(new TlsFiles.Paths("tls_", cert, key, ca, true), now))
        .hasMessageContainingAll("tls_client_ca: ", "ca.pem: no certificates");
  }
}
