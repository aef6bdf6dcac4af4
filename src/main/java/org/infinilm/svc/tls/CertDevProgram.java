package org.infinilm.svc.tls;

import io.netty.util.NetUtil;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.bouncycastle.asn1.x509.GeneralName;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.config.Secrets.OwnFiles;
import org.infinilm.svc.telemetry.Ticker;

/// `infini cert dev`: certificates for a try on one machine.
public final class CertDevProgram {
  private static final Key<String> DIR =
      Key.text("dir", "infini-tls", "folder to write to; it is made where it is missing");
  private static final Key<Long> DAYS =
      Key.whole("days", 90L, 1, 825, "how long the certificates are valid");

  private static final List<String> ALWAYS = List.of("localhost", "127.0.0.1", "::1");
  private static final Pattern NAME =
      Pattern.compile(
          "(?=.{1,253}$)(\\*\\.)?[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?"
              + "(\\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*");

  public static final Program PROGRAM =
      new Program(
          "cert dev",
          "Certificates for a try: an authority, a server's for localhost and NAMES, a client's.",
          List.of(DIR, DAYS),
          Map.of(),
          "[NAME...]",
          false,
          CertDevProgram::run);

  private CertDevProgram() {}

  private static int run(Program.Args args) throws ConfigException {
    try {
      Path dir = Path.of(args.config().get(DIR));
      Duration valid = Duration.ofDays(args.config().get(DAYS));
      write(dir, args.positionals(), Ticker.SYSTEM.now(), valid).forEach(System.out::println);
      return 0;
    } catch (IOException e) {
      System.err.println("infini cert dev: " + e.getMessage());
      return 1;
    }
  }

  /// Makes everything anew; what is there already is never touched.
  ///
  /// @param names beside localhost and its addresses
  /// @return what to do with it, a line each
  static List<String> write(Path dir, List<String> names, Instant now, Duration valid)
      throws ConfigException, IOException {
    Set<String> all = new LinkedHashSet<>(ALWAYS);
    all.addAll(names);
    List<GeneralName> general = new ArrayList<>();
    for (String n : all) {
      general.add(general(n));
    }
    Map<String, String> files;
    try {
      files = DevCertificates.make(general, now, valid, new SecureRandom());
    } catch (GeneralSecurityException e) {
      throw new IOException("this JDK makes no certificates: " + e.getMessage(), e);
    }
    for (String f : files.keySet()) {
      if (Files.exists(dir.resolve(f), LinkOption.NOFOLLOW_LINKS)) {
        throw new IOException(
            dir.resolve(f) + " is there already (expected: another --dir, or it moved away)");
      }
    }
    OwnFiles.makeFolder(dir);
    for (Map.Entry<String, String> f : files.entrySet()) {
      try (FileChannel out =
          OwnFiles.open(dir.resolve(f.getKey()), StandardOpenOption.CREATE_NEW)) {
        ByteBuffer bytes = ByteBuffer.wrap(f.getValue().getBytes(StandardCharsets.US_ASCII));
        while (bytes.hasRemaining()) {
          out.write(bytes);
        }
      }
    }
    return told(dir, all, now.plus(valid));
  }

  private static GeneralName general(String name) throws ConfigException {
    if (NetUtil.isValidIpV4Address(name) || NetUtil.isValidIpV6Address(name)) {
      return new GeneralName(GeneralName.iPAddress, name);
    }
    if (!NAME.matcher(name).matches()) {
      throw new ConfigException("cert dev: " + name + " (expected: host names and addresses)");
    }
    return new GeneralName(GeneralName.dNSName, name);
  }

  private static List<String> told(Path dir, Set<String> names, Instant until) {
    Path ca = dir.resolve(DevCertificates.CA);
    return List.of(
        "For " + String.join(", ", names) + ", until " + until + "; for a try, not for service.",
        "",
        "registry, router and babysitter, to listen over TLS:",
        "  --tls-cert "
            + dir.resolve(DevCertificates.SERVER)
            + " --tls-key "
            + dir.resolve(DevCertificates.SERVER_KEY),
        "our own programs, to believe it (or INFINI_CA_FILE):",
        "  --ca-file " + ca + " --registry-url https://127.0.0.1:PORT",
        "other clients:",
        "  curl --cacert " + ca + " https://127.0.0.1:PORT/readyz",
        "  SSL_CERT_FILE=" + ca + " (Python, OpenSSL)   NODE_EXTRA_CA_CERTS=" + ca + " (Node)",
        "only clients that show a certificate:",
        "  --tls-client-ca " + ca,
        "  curl --cacert "
            + ca
            + " --cert "
            + dir.resolve(DevCertificates.CLIENT)
            + " --key "
            + dir.resolve(DevCertificates.CLIENT_KEY)
            + " https://127.0.0.1:PORT/readyz");
  }
}
