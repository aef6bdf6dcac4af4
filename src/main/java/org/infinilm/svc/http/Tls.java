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
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.regex.Pattern;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SNIServerName;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLParameters;
import org.jspecify.annotations.Nullable;

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

  private static final ConcurrentMap<Path, SslContext> BY_FILE = new ConcurrentHashMap<>();

  private static final class OfTheJdk {
    static final SslContext CONTEXT = build(SslContextBuilder.forClient());
  }

  /// Reads the CA file, once per process.
  ///
  /// @throws IOException when it holds no certificate, or the name is none; the message says what
  ///   was expected
  public static Tls of(@Nullable Path caFile, @Nullable String serverName) throws IOException {
    if (serverName != null && !NAME.matcher(serverName).matches() && !isAddress(serverName)) {
      throw new IOException("a host name in tls_server_name");
    }
    if (caFile != null && !BY_FILE.containsKey(caFile)) {
      BY_FILE.put(caFile, read(caFile));
    }
    return new Tls(caFile, serverName);
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
  SslHandler handler(ByteBufAllocator alloc, String host, int port) {
    SslContext context = caFile == null ? OfTheJdk.CONTEXT : BY_FILE.get(caFile);
    if (context == null) {
      throw new IllegalStateException(caFile + " was not read");
    }
    String name = serverName != null ? serverName : unbracketed(host);
    SslHandler h = context.newHandler(alloc, name, port);
    h.setHandshakeTimeoutMillis(0);
    SNIServerName asked = asked(name);
    if (asked != null) {
      SSLParameters p = h.engine().getSSLParameters();
      p.setServerNames(List.of(asked));
      h.engine().setSSLParameters(p);
    }
    return h;
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
