package org.infinilm.svc.tls;

import java.io.IOException;
import java.io.StringWriter;
import java.math.BigInteger;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import javax.security.auth.x500.X500Principal;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.cert.X509v3CertificateBuilder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cert.jcajce.JcaX509ExtensionUtils;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.openssl.jcajce.JcaPEMWriter;
import org.bouncycastle.openssl.jcajce.JcaPKCS8Generator;
import org.bouncycastle.operator.OperatorCreationException;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;

/// An authority for a try, the certificate of a server and that of a client (RFC 5280), on the
/// curve P-256. The authority's key is thrown away: nobody can make another certificate that is
/// believed with these.
final class DevCertificates {
  static final String CA = "ca.pem";
  static final String SERVER = "server.pem";
  static final String SERVER_KEY = "server-key.pem";
  static final String CLIENT = "client.pem";
  static final String CLIENT_KEY = "client-key.pem";

  private static final String SIGNED = "SHA256withECDSA";
  private static final Duration SLACK = Duration.ofHours(1);
  private static final int SERIAL_BITS = 127;

  private final Instant from;
  private final Instant to;
  private final SecureRandom random;
  private final KeyPair authorityKeys;
  private final X509Certificate authority;

  private DevCertificates(Instant now, Duration valid, SecureRandom random)
      throws GeneralSecurityException, IOException {
    this.from = now.minus(SLACK);
    this.to = now.plus(valid);
    this.random = random;
    this.authorityKeys = keys();
    X500Principal name = new X500Principal("CN=InfiniLM-SVC development CA " + serial());
    X509v3CertificateBuilder b = builder(name, name, authorityKeys);
    b.addExtension(Extension.basicConstraints, true, new BasicConstraints(0));
    b.addExtension(Extension.keyUsage, true, new KeyUsage(KeyUsage.keyCertSign | KeyUsage.cRLSign));
    this.authority = signed(b);
  }

  /// All files by their names, as PEM.
  ///
  /// @param names of the server, host names and addresses
  static Map<String, String> make(
      List<GeneralName> names, Instant now, Duration valid, SecureRandom random)
      throws GeneralSecurityException, IOException {
    DevCertificates d = new DevCertificates(now, valid, random);
    Map<String, String> out = new LinkedHashMap<>();
    out.put(CA, pem(d.authority));
    KeyPair server = d.keys();
    X509v3CertificateBuilder s = d.leaf("CN=InfiniLM-SVC development server", server);
    GeneralNames all = new GeneralNames(names.toArray(GeneralName[]::new));
    s.addExtension(Extension.subjectAlternativeName, false, all);
    s.addExtension(
        Extension.extendedKeyUsage, false, new ExtendedKeyUsage(KeyPurposeId.id_kp_serverAuth));
    out.put(SERVER, pem(d.signed(s)));
    out.put(SERVER_KEY, pem(server.getPrivate()));
    KeyPair client = d.keys();
    X509v3CertificateBuilder c = d.leaf("CN=InfiniLM-SVC development client", client);
    c.addExtension(
        Extension.extendedKeyUsage, false, new ExtendedKeyUsage(KeyPurposeId.id_kp_clientAuth));
    out.put(CLIENT, pem(d.signed(c)));
    out.put(CLIENT_KEY, pem(client.getPrivate()));
    return out;
  }

  private KeyPair keys() throws GeneralSecurityException {
    KeyPairGenerator g = KeyPairGenerator.getInstance("EC");
    g.initialize(new ECGenParameterSpec("secp256r1"), random);
    return g.generateKeyPair();
  }

  private BigInteger serial() {
    return new BigInteger(SERIAL_BITS, random);
  }

  private X509v3CertificateBuilder leaf(String subject, KeyPair keys)
      throws GeneralSecurityException, IOException {
    X509v3CertificateBuilder b =
        builder(authority.getSubjectX500Principal(), new X500Principal(subject), keys);
    b.addExtension(Extension.basicConstraints, true, new BasicConstraints(false));
    b.addExtension(Extension.keyUsage, true, new KeyUsage(KeyUsage.digitalSignature));
    return b;
  }

  private X509v3CertificateBuilder builder(X500Principal issuer, X500Principal subject, KeyPair k)
      throws GeneralSecurityException, IOException {
    JcaX509ExtensionUtils ids = new JcaX509ExtensionUtils();
    return new JcaX509v3CertificateBuilder(
            issuer, serial(), Date.from(from), Date.from(to), subject, k.getPublic())
        .addExtension(
            Extension.subjectKeyIdentifier, false, ids.createSubjectKeyIdentifier(k.getPublic()))
        .addExtension(
            Extension.authorityKeyIdentifier,
            false,
            ids.createAuthorityKeyIdentifier(authorityKeys.getPublic()));
  }

  private X509Certificate signed(X509v3CertificateBuilder b) throws GeneralSecurityException {
    PrivateKey by = authorityKeys.getPrivate();
    try {
      return new JcaX509CertificateConverter()
          .getCertificate(b.build(new JcaContentSignerBuilder(SIGNED).build(by)));
    } catch (OperatorCreationException e) {
      throw new GeneralSecurityException(e.getMessage(), e);
    }
  }

  private static String pem(Object o) throws IOException {
    StringWriter out = new StringWriter();
    try (JcaPEMWriter w = new JcaPEMWriter(out)) {
      w.writeObject(o instanceof PrivateKey k ? new JcaPKCS8Generator(k, null) : o);
    }
    return out.toString();
  }
}
