package org.infinilm.svc.http;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.openssl.PEMEncryptedKeyPair;
import org.bouncycastle.openssl.PEMKeyPair;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.pkcs.PKCS8EncryptedPrivateKeyInfo;
import org.jspecify.annotations.Nullable;

/// Reads what a listener shows over TLS and says what is wrong with it, all at once and nothing of
/// a key. Stateless.
final class TlsFiles {
  private static final long MOST_BYTES = 1 << 20;

  /// Up to its end, or to that of what is half written.
  private static final Pattern BLOCK = Pattern.compile("(?s)-----BEGIN .*?(-----END [^\n]*|\\z)");

  /// Where everything is.
  ///
  /// @param settings how the settings of certificate and key begin, for errors
  /// @param clientCa authorities of clients' certificates; null: clients show none
  /// @param required whether a client without a certificate is turned away
  record Paths(String settings, Path cert, Path key, @Nullable Path clientCa, boolean required) {}

  /// What was read.
  ///
  /// @param chain the listener's own certificate first
  record Pair(List<X509Certificate> chain, PrivateKey key, List<X509Certificate> authorities) {
    X509Certificate own() {
      return chain.getFirst();
    }
  }

  private final List<String> wrong = new ArrayList<>();
  private final String certName;
  private final String keyName;

  private TlsFiles(String settings) {
    this.certName = settings + "cert";
    this.keyName = settings + "key";
  }

  /// @param now when the certificate is to be valid; null for whenever
  /// @throws Tls.Unusable with a line for each thing that is wrong
  static Pair read(Paths at, @Nullable Instant now) throws Tls.Unusable {
    TlsFiles f = new TlsFiles(at.settings());
    List<X509Certificate> chain = f.chain(at.cert(), now);
    PrivateKey key = f.key(at.key(), chain, at.cert());
    List<X509Certificate> authorities = f.authorities(at.clientCa());
    if (!f.wrong.isEmpty() || key == null) {
      throw new Tls.Unusable(String.join("\n", f.wrong));
    }
    return new Pair(chain, key, authorities);
  }

  /// What is wrong with those that are given, a line each.
  ///
  /// @param settings as in [Paths]
  static List<String> wrong(
      String settings,
      @Nullable Path cert,
      @Nullable Path key,
      @Nullable Path clientCa,
      Instant now) {
    TlsFiles f = new TlsFiles(settings);
    List<X509Certificate> chain = cert == null ? List.of() : f.chain(cert, now);
    if (key != null) {
      f.key(key, chain, cert == null ? key : cert);
    }
    f.authorities(clientCa);
    return List.copyOf(f.wrong);
  }

  private List<X509Certificate> chain(Path cert, @Nullable Instant now) {
    List<X509Certificate> chain = certificates(certName, cert, "its own first");
    if (!chain.isEmpty() && now != null) {
      checkTime(cert, chain.getFirst(), now);
    }
    return chain;
  }

  private List<X509Certificate> authorities(@Nullable Path clientCa) {
    return clientCa == null
        ? List.of()
        : certificates("tls_client_ca", clientCa, "those of authorities");
  }

  private void say(String setting, Path file, String what) {
    wrong.add(setting + ": " + file + ": " + what);
  }

  private byte @Nullable [] bytes(String setting, Path file) {
    try {
      if (Files.exists(file) && !Files.isRegularFile(file)) {
        say(setting, file, "no regular file (expected: a PEM file)");
        return null;
      }
      if (Files.size(file) > MOST_BYTES) {
        say(setting, file, "too large (expected: a PEM file of at most 1 MiB)");
        return null;
      }
      return Files.readAllBytes(file);
    } catch (NoSuchFileException e) {
      say(setting, file, "no such file (expected: a PEM file)");
    } catch (AccessDeniedException e) {
      say(setting, file, "not readable by this user (expected: a PEM file that it may read)");
    } catch (IOException e) {
      say(setting, file, "cannot be read: " + e.getMessage());
    }
    return null;
  }

  private List<X509Certificate> certificates(String setting, Path file, String which) {
    byte[] bytes = bytes(setting, file);
    if (bytes == null) {
      return List.of();
    }
    List<X509Certificate> out = new ArrayList<>();
    try (PEMParser pem = pem(bytes)) {
      CertificateFactory x509 = CertificateFactory.getInstance("X.509");
      for (Object o = pem.readObject(); o != null; o = pem.readObject()) {
        if (o instanceof X509CertificateHolder c) {
          InputStream der = new ByteArrayInputStream(c.getEncoded());
          out.add((X509Certificate) x509.generateCertificate(der));
        }
      }
    } catch (CertificateException | IOException | RuntimeException broken) {
      if (!out.isEmpty()) {
        say(
            setting,
            file,
            "the certificate after the first "
                + out.size()
                + " cannot be read (expected: PEM, BEGIN CERTIFICATE, "
                + which
                + ")");
        return List.of();
      }
    }
    if (out.isEmpty()) {
      say(setting, file, "no certificates (expected: PEM, BEGIN CERTIFICATE, " + which + ")");
    }
    return out;
  }

  private void checkTime(Path file, X509Certificate own, Instant now) {
    Instant from = own.getNotBefore().toInstant();
    Instant to = own.getNotAfter().toInstant();
    if (now.isAfter(to)) {
      say(certName, file, "expired at " + to + " (expected: a certificate that is valid now)");
    } else if (now.isBefore(from)) {
      say(certName, file, "valid from " + from + " on (expected: one that is valid now)");
    }
  }

  private @Nullable PrivateKey key(Path file, List<X509Certificate> chain, Path cert) {
    PublicKey of = chain.isEmpty() ? null : chain.getFirst().getPublicKey();
    byte[] bytes = bytes(keyName, file);
    if (bytes == null) {
      return null;
    }
    PrivateKeyInfo info = keyInfo(file, bytes);
    if (info == null || of == null) {
      return null;
    }
    String kind = of.getAlgorithm();
    String signature = signature(kind);
    if (signature == null) {
      say(certName, cert, "a key of kind " + kind + " (expected: RSA, EC or Ed25519)");
      return null;
    }
    PrivateKey key;
    try {
      key =
          KeyFactory.getInstance(kind).generatePrivate(new PKCS8EncodedKeySpec(info.getEncoded()));
    } catch (GeneralSecurityException | IOException e) {
      say(keyName, file, "another kind of key than the certificate's (expected: " + kind + ")");
      return null;
    }
    if (!fits(key, of, signature)) {
      say(keyName, file, "does not fit the certificate (expected: the key of " + cert + ")");
      return null;
    }
    return key;
  }

  private @Nullable PrivateKeyInfo keyInfo(Path file, byte[] bytes) {
    try (PEMParser pem = pem(bytes)) {
      for (Object o = pem.readObject(); o != null; o = pem.readObject()) {
        switch (o) {
          case PrivateKeyInfo k -> {
            return k;
          }
          case PEMKeyPair k -> {
            return k.getPrivateKeyInfo();
          }
          case PKCS8EncryptedPrivateKeyInfo k -> {
            return locked(file);
          }
          case PEMEncryptedKeyPair k -> {
            return locked(file);
          }
          default -> {
            // parameters of a curve, or the certificate in the same file
          }
        }
      }
    } catch (IOException | RuntimeException notPem) {
      // said below, without what stands there
    }
    say(keyName, file, "no private key (expected: PEM, BEGIN PRIVATE KEY)");
    return null;
  }

  /// What counts of a PEM file: what stands outside of its blocks, such as who made it and when,
  /// does not.
  static byte[] blocks(byte[] bytes) {
    String text = new String(bytes, StandardCharsets.ISO_8859_1);
    return BLOCK
        .matcher(text)
        .results()
        .map(MatchResult::group)
        .collect(Collectors.joining("\n"))
        .getBytes(StandardCharsets.ISO_8859_1);
  }

  private static PEMParser pem(byte[] bytes) {
    return new PEMParser(new StringReader(new String(bytes, StandardCharsets.ISO_8859_1)));
  }

  private @Nullable PrivateKeyInfo locked(Path file) {
    say(keyName, file, "locked with a passphrase (expected: a key without one)");
    return null;
  }

  private static @Nullable String signature(String kind) {
    return switch (kind) {
      case "RSA" -> "SHA256withRSA";
      case "EC" -> "SHA256withECDSA";
      case "EdDSA" -> "EdDSA";
      default -> null;
    };
  }

  private static boolean fits(PrivateKey key, PublicKey of, String signature) {
    try {
      byte[] said = "infini".getBytes(StandardCharsets.US_ASCII);
      Signature s = Signature.getInstance(signature);
      s.initSign(key);
      s.update(said);
      byte[] signed = s.sign();
      s.initVerify(of);
      s.update(said);
      return s.verify(signed);
    } catch (GeneralSecurityException e) {
      return false;
    }
  }
}
