package org.infinilm.svc.http;

import io.netty.buffer.ByteBufAllocator;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslHandler;
import io.netty.handler.ssl.SslProvider;
import io.netty.util.NetUtil;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.regex.Pattern;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SNIServerName;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLParameters;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// How a server is spoken to over TLS 1.2 or 1.3: whose certificates are believed, and under which
/// name it must show one (RFC 9110 section 4.3.4). Two that say the same share their connections.
///
/// @param caFile PEM certificates of the authorities to believe, or null for those of the JDK
/// @param serverName the name to ask for (SNI) and to find in the certificate, or null for the host
///   of the URL
public record Tls(@Nullable Path caFile, @Nullable String serverName) {
  /// The JDK's authorities, the URL's host.
  public static final Tls DEFAULT = new Tls(null, null);

  private static final Pattern NAME =
      Pattern.compile("[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\\.[A-Za-z0-9_-]+)*\\.?");

  private static final Logger LOG = LoggerFactory.getLogger(Tls.class);
  private static final ConcurrentMap<Path, Authorities> BY_FILE = new ConcurrentHashMap<>();

  /// How one writing of a file is told from another.
  private record Stamp(FileTime modified, long bytes, @Nullable Object file) {
    static Stamp of(Path p) throws IOException {
      BasicFileAttributes a = Files.readAttributes(p, BasicFileAttributes.class);
      return new Stamp(a.lastModifiedTime(), a.size(), a.fileKey());
    }
  }

  /// Those of one CA file, as it could be used last.
  private static final class Authorities {
    private final Path file;
    private volatile SslContext context;
    private @Nullable Stamp stamp;

    Authorities(Path file) throws IOException {
      this.file = file;
      this.stamp = stamp();
      this.context = read(file);
    }

    /// When it was written last, taken before it is read: what is written meanwhile is seen later.
    private @Nullable Stamp stamp() {
      try {
        return Stamp.of(file);
      } catch (IOException gone) {
        return null;
      }
    }

    synchronized void refresh() {
      Stamp now = stamp();
      if (Objects.equals(now, stamp)) {
        return;
      }
      stamp = now;
      try {
        context = read(file);
        LOG.info("CA file {} has changed and was read again", file);
      } catch (IOException e) {
        LOG.warn("CA file {} (expected: {}): what it said before stays", file, e.getMessage());
      }
    }
  }

  private static final class OfTheJdk {
    static final SslContext CONTEXT = build(SslContextBuilder.forClient());
  }

  /// Reads the CA file, once per process; [#refresh] reads it again when it has changed.
  ///
  /// @throws IOException when it holds no certificate, or the name is none; the message says what
  ///   was expected
  public static Tls of(@Nullable Path caFile, @Nullable String serverName) throws IOException {
    if (serverName != null && !NAME.matcher(serverName).matches() && !isAddress(serverName)) {
      throw new IOException("a host name in tls_server_name");
    }
    if (caFile != null && !BY_FILE.containsKey(caFile)) {
      BY_FILE.putIfAbsent(caFile, new Authorities(caFile));
    }
    return new Tls(caFile, serverName);
  }

  /// Takes over a CA file that has changed, for connections that are made from now on. One that
  /// cannot be used changes nothing, and the log says so once. Looks at the file: not for event
  /// loops.
  public void refresh() {
    Authorities a = caFile == null ? null : BY_FILE.get(caFile);
    if (a != null) {
      a.refresh();
    }
  }

  private static SslContext read(Path caFile) throws IOException {
    try (InputStream pem = Files.newInputStream(caFile)) {
      return build(SslContextBuilder.forClient().trustManager(pem));
    } catch (NoSuchFileException e) {
      throw new IOException("a file that exists", e);
    } catch (IllegalArgumentException | IllegalStateException e) {
      throw new IOException("a file of PEM certificates", e);
    }
  }

  private static SslContext build(SslContextBuilder b) {
    try {
      return b.sslProvider(SslProvider.JDK)
          .protocols("TLSv1.3", "TLSv1.2")
          .endpointIdentificationAlgorithm("HTTPS")
          .build();
    } catch (SSLException e) {
      throw new IllegalStateException(e);
    }
  }

  /// The handler of one connection to `host`, which may be an address in brackets. Its own limit is
  /// off: the handshake is part of the connect limit.
  public SslHandler handler(ByteBufAllocator alloc, String host, int port) {
    String name = serverName != null ? serverName : unbracketed(host);
    SslHandler h = context().newHandler(alloc, name, port);
    h.setHandshakeTimeoutMillis(0);
    SNIServerName asked = asked(name);
    if (asked != null) {
      SSLParameters p = h.engine().getSSLParameters();
      p.setServerNames(List.of(asked));
      h.engine().setSSLParameters(p);
    }
    return h;
  }

  private SslContext context() {
    if (caFile == null) {
      return OfTheJdk.CONTEXT;
    }
    Authorities a = BY_FILE.get(caFile);
    if (a == null) {
      throw new IllegalStateException(caFile + " was not read");
    }
    return a.context;
  }

  /// The name as it is asked for, which the JDK leaves out by itself where it has no dot; null for
  /// an address, which is never asked for (RFC 6066 section 3).
  private static @Nullable SNIServerName asked(String name) {
    if (isAddress(name)) {
      return null;
    }
    String bare = name.endsWith(".") ? name.substring(0, name.length() - 1) : name;
    return new SNIHostName(bare.getBytes(StandardCharsets.US_ASCII));
  }

  private static boolean isAddress(String name) {
    return NetUtil.isValidIpV4Address(name) || NetUtil.isValidIpV6Address(name);
  }

  private static String unbracketed(String host) {
    return host.startsWith("[") ? host.substring(1, host.length() - 1) : host;
  }
}
