package org.infinilm.svc.http;

import io.netty.buffer.ByteBufAllocator;
import io.netty.handler.ssl.ApplicationProtocolConfig;
import io.netty.handler.ssl.ApplicationProtocolConfig.Protocol;
import io.netty.handler.ssl.ApplicationProtocolConfig.SelectedListenerFailureBehavior;
import io.netty.handler.ssl.ApplicationProtocolConfig.SelectorFailureBehavior;
import io.netty.handler.ssl.ClientAuth;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslHandler;
import io.netty.handler.ssl.SslProvider;
import io.netty.handler.ssl.SupportedCipherSuiteFilter;
import io.netty.util.NetUtil;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.regex.Pattern;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SNIServerName;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLParameters;
import org.infinilm.svc.files.Patience;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// How a server is spoken to over TLS 1.2 or 1.3: whose certificates are believed, and under which
/// name it must show one (RFC 9110 section 4.3.4). Two that say the same share their connections.
///
/// @param caFile PEM certificates of the authorities to believe, or null for those of the JDK
/// @param serverName the name to ask for (SNI) and to find in the certificate, or null for the host
///   of the URL
/// @param own what to show to a server that asks for a certificate, or null for none
public record Tls(@Nullable Path caFile, @Nullable String serverName, @Nullable Own own) {
  /// PEM files of a certificate and its key.
  public record Own(Path cert, Path key) {}

  /// The JDK's authorities, the URL's host.
  public static final Tls DEFAULT = new Tls(null, null);

  private static final int MOST_AUTHORITIES_BYTES = 16 << 20;
  private static final String ONE_HANDSHAKE = "jdk.tls.rejectClientInitiatedRenegotiation";

  static {
    // A client of TLS 1.2 may not have a listener sign again and again on one connection. Read by
    // the JDK's class when it is first used.
    if (System.getProperty(ONE_HANDSHAKE) == null) {
      System.setProperty(ONE_HANDSHAKE, "true");
    }
  }

  /// What went wrong in a handshake that another client made, in a few words.
  public static String trouble(SSLException e) {
    return TlsTrouble.detail(e, DEFAULT);
  }

  public Tls(@Nullable Path caFile, @Nullable String serverName) {
    this(caFile, serverName, null);
  }

  private static final Pattern NAME =
      Pattern.compile("[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\\.[A-Za-z0-9_-]+)*\\.?");

  private static final Logger LOG = LoggerFactory.getLogger(Tls.class);
  private static final ConcurrentMap<Sources, Credentials> BY_FILES = new ConcurrentHashMap<>();

  /// What a client's context is made of.
  record Sources(@Nullable Path caFile, @Nullable Own own) {
    List<Path> files() {
      List<Path> out = new ArrayList<>();
      if (caFile != null) {
        out.add(caFile);
      }
      if (own != null) {
        out.add(own.cert());
        out.add(own.key());
      }
      return out;
    }
  }

  /// What clients go by, as it could be used last.
  static final class Credentials {
    private final Sources from;
    private final StillFiles files;
    volatile SslContext context;

    /// Whether a thread looks at files that have changed, or that cannot be used.
    private boolean follows;

    /// Why the files of now are not in force; empty while they are.
    private String wrong = "";

    private boolean late;

    Credentials(Sources from, @Nullable Instant now) throws IOException {
      this.from = from;
      this.files = new StillFiles(from.files());
      this.context = read(from, now);
    }

    synchronized void refresh() {
      if (!follows && files.mayHaveChanged()) {
        look();
        follows = true;
        Thread.ofVirtual().name("tls-files").start(this::follow);
      }
    }

    private void follow() {
      try {
        do {
          Thread.sleep(StillFiles.LOOK);
        } while (look());
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }

    /// @return whether more is to be seen
    synchronized boolean look() {
      if (files.look(!wrong.isEmpty())) {
        take();
      }
      List<Path> changing = files.late();
      if (!changing.isEmpty() && !late) {
        LOG.warn("TLS files {}{}", changing, Patience.CHANGES);
      }
      late = !changing.isEmpty();
      follows = !wrong.isEmpty() || files.mayHaveChanged();
      return follows;
    }

    private void take() {
      String why = "";
      SslContext now = context;
      try {
        now = read(from, null);
      } catch (IOException | IllegalStateException e) {
        why = String.valueOf(e.getMessage()).replace("\n", "; ");
      }
      if (!files.stood()) {
        return;
      }
      boolean told = !why.isEmpty() && why.equals(wrong);
      context = now;
      wrong = why;
      if (why.isEmpty()) {
        LOG.info("TLS files {} have changed and were read again", from.files());
      } else if (!told) {
        LOG.warn("TLS files {} (expected: {}): what they said before stays", from.files(), why);
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
    return of(caFile, serverName, null, null);
  }

  /// The same with a certificate of ours.
  ///
  /// @param now when that is to be valid; null for whenever
  /// @throws Unusable when certificate and key cannot be used
  public static Tls of(
      @Nullable Path caFile, @Nullable String serverName, @Nullable Own own, @Nullable Instant now)
      throws IOException {
    if (serverName != null && !NAME.matcher(serverName).matches() && !isAddress(serverName)) {
      throw new IOException("a host name in tls_server_name");
    }
    Sources from = new Sources(caFile, own);
    if (!from.files().isEmpty() && !BY_FILES.containsKey(from)) {
      BY_FILES.putIfAbsent(from, new Credentials(from, now));
    }
    return new Tls(caFile, serverName, own);
  }

  /// What is wrong with those of a program's files that are given, a line each: of a certificate
  /// that still lacks its key too. Reads them and does nothing with them.
  ///
  /// @param settings how the settings of certificate and key begin, for errors
  /// @param now when the certificate is to be valid
  public static List<String> wrong(
      String settings,
      @Nullable Path cert,
      @Nullable Path key,
      @Nullable Path clientCa,
      Instant now) {
    return TlsFiles.wrong(settings, cert, key, clientCa, now);
  }

  /// Has files that have changed taken over once they stand still (half a second; 2 s where they
  /// are written in place), for connections that are made from then on. What cannot be used changes
  /// nothing, and the log says so once. Looks at the files: not for event loops.
  public void refresh() {
    Credentials c = BY_FILES.get(new Sources(caFile, own));
    if (c != null) {
      c.refresh();
    }
  }

  private static SslContext read(Sources from, @Nullable Instant now) throws IOException {
    SslContextBuilder b = SslContextBuilder.forClient();
    Own own = from.own();
    if (own != null) {
      TlsFiles.Paths at = new TlsFiles.Paths("client_", own.cert(), own.key(), null, true);
      TlsFiles.Pair p = TlsFiles.read(at, now);
      b.keyManager(p.key(), p.chain());
    }
    return from.caFile() == null ? build(b) : believing(b, from.caFile());
  }

  private static SslContext believing(SslContextBuilder b, Path caFile) throws IOException {
    if (Files.exists(caFile) && !Files.isRegularFile(caFile)) {
      throw new IOException("a regular file");
    }
    try (InputStream file = Files.newInputStream(caFile)) {
      byte[] pem = file.readNBytes(MOST_AUTHORITIES_BYTES + 1);
      if (pem.length > MOST_AUTHORITIES_BYTES) {
        throw new IOException("a file of at most 16 MiB");
      }
      return build(b.trustManager(new ByteArrayInputStream(pem)));
    } catch (NoSuchFileException e) {
      throw new IOException("a file that exists", e);
    } catch (AccessDeniedException e) {
      throw new IOException("a file that this user may read", e);
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

  /// A listener's files cannot be used; the message names each of them and what was expected, a
  /// line each.
  public static final class Unusable extends IOException {
    private static final long serialVersionUID = 1;

    Unusable(String message) {
      super(message);
    }
  }

  /// What a listener shows over TLS 1.2 or 1.3: a certificate and its key, and whose certificates
  /// clients may or must show. Its files are followed: what is new and can be used holds for
  /// connections that are made from then on; what cannot be used changes nothing, and the log says
  /// why. Thread-safe.
  public static final class Listener implements AutoCloseable {
    private static final String HTTP_1_1 = "http/1.1";
    private static final Duration SOON = Duration.ofDays(14);
    private static final Duration AGAIN = Duration.ofDays(1);

    /// Those with forward secrecy and authenticated encryption (RFC 9325 section 4.2).
    private static final List<String> CIPHERS =
        List.of(
            "TLS_AES_128_GCM_SHA256",
            "TLS_AES_256_GCM_SHA384",
            "TLS_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256");

    /// Of a certificate in force.
    private record Shown(SslContext context, X509Certificate own) {}

    private final TlsFiles.Paths files;
    private final String protocol;
    private final InstantSource clock;
    private final TlsHandshakes handshakes = new TlsHandshakes();
    private final Thread follower = Thread.ofVirtual().name("tls-files").unstarted(this::follow);
    private volatile Shown shown;
    private volatile @Nullable String refused;
    private volatile @Nullable String late;

    private final StillFiles still;
    private Instant warned = Instant.EPOCH;

    Listener(TlsFiles.Paths files, String protocol, InstantSource clock) throws Unusable {
      this.files = files;
      this.protocol = protocol;
      this.clock = clock;
      Path ca = files.clientCa();
      this.still =
          new StillFiles(
              ca == null
                  ? List.of(files.cert(), files.key())
                  : List.of(files.cert(), files.key(), ca));
      this.shown = load();
    }

    /// Reads everything and begins to follow the files.
    ///
    /// @param clientCa authorities of clients' certificates; null: clients are asked for none
    /// @param required whether a client without a certificate is turned away
    public static Listener open(
        Path cert, Path key, @Nullable Path clientCa, boolean required, InstantSource clock)
        throws Unusable {
      return open(cert, key, clientCa, required, HTTP_1_1, clock);
    }

    /// The same for another protocol than HTTP/1.1.
    ///
    /// @param protocol its name in ALPN (RFC 7301), `h2`
    public static Listener open(
        Path cert,
        Path key,
        @Nullable Path clientCa,
        boolean required,
        String protocol,
        InstantSource clock)
        throws Unusable {
      Listener l =
          new Listener(new TlsFiles.Paths("tls_", cert, key, clientCa, required), protocol, clock);
      l.follower.start();
      return l;
    }

    /// Reads everything and does nothing with it.
    ///
    /// @throws Unusable for what [#open] would refuse
    public static void check(Path cert, Path key, @Nullable Path clientCa, InstantSource clock)
        throws Unusable {
      new Listener(new TlsFiles.Paths("tls_", cert, key, clientCa, true), HTTP_1_1, clock).close();
    }

    /// When the certificate in force ends.
    public Instant expires() {
      return shown.own().getNotAfter().toInstant();
    }

    /// Why the files of now are not in force, or null.
    public @Nullable String refused() {
      String changes = late;
      return changes == null ? refused : changes;
    }

    /// How handshakes ended, since the start, by kind.
    public Map<String, Long> endings() {
      return handshakes.counts();
    }

    TlsHandshakes handshakes() {
      return handshakes;
    }

    /// For servers of other libraries: each new engine is of the files that are in force then.
    public SslContext context() {
      return new FollowedContext(() -> shown.context());
    }

    SslHandler handler(ByteBufAllocator alloc) {
      SslHandler h = shown.context().newHandler(alloc, TlsHandshakes.workers());
      h.setHandshakeTimeoutMillis(TlsHandshakes.LIMIT_MILLIS);
      return h;
    }

    private void follow() {
      try {
        while (true) {
          look();
          Thread.sleep(StillFiles.LOOK);
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }

    synchronized void look() {
      if (still.look(refused != null)) {
        take(true);
      }
      warnOfChanges();
      warnOfTheEnd();
    }

    private void warnOfChanges() {
      List<Path> changing = still.late();
      String was = late;
      late = changing.isEmpty() ? null : changing + Patience.CHANGES;
      if (was == null && late != null) {
        LOG.error("the certificate stays as it was: {}", late);
      }
    }

    private void warnOfTheEnd() {
      Instant now = clock.instant();
      Instant end = expires();
      if (now.isAfter(end.minus(SOON)) && now.isAfter(warned.plus(AGAIN))) {
        warned = now;
        LOG.warn(
            "the certificate {} {} at {} (expected: a new one in its place)",
            files.cert(),
            now.isAfter(end) ? "has expired" : "expires",
            end);
      }
    }

    /// Reads the files now, changed or not.
    public synchronized void refresh() {
      still.taken();
      take(false);
    }

    /// @param whole whether what is written meanwhile is left for a later look
    private void take(boolean whole) {
      Shown now = shown;
      String why = null;
      try {
        now = load();
      } catch (Unusable e) {
        why = String.valueOf(e.getMessage()).replace("\n", "; ");
      }
      if (whole && !still.stood()) {
        return;
      }
      boolean told = whole && why != null && why.equals(refused);
      shown = now;
      refused = why;
      if (why == null) {
        LOG.info("the certificate {} was read anew, it expires at {}", files.cert(), expires());
      } else if (!told) {
        LOG.error("the certificate stays as it was: {}", why);
      }
    }

    private Shown load() throws Unusable {
      TlsFiles.Pair p = TlsFiles.read(files, clock.instant());
      boolean asks = !p.authorities().isEmpty();
      try {
        SslContext context =
            SslContextBuilder.forServer(p.key(), p.chain())
                .sslProvider(SslProvider.JDK)
                .protocols("TLSv1.3", "TLSv1.2")
                .ciphers(CIPHERS, SupportedCipherSuiteFilter.INSTANCE)
                .applicationProtocolConfig(
                    new ApplicationProtocolConfig(
                        Protocol.ALPN,
                        SelectorFailureBehavior.NO_ADVERTISE,
                        SelectedListenerFailureBehavior.ACCEPT,
                        protocol))
                .trustManager(p.authorities())
                .clientAuth(
                    !asks
                        ? ClientAuth.NONE
                        : files.required() ? ClientAuth.REQUIRE : ClientAuth.OPTIONAL)
                .build();
        return new Shown(context, p.own());
      } catch (SSLException | IllegalArgumentException e) {
        throw new Unusable("tls_cert: " + files.cert() + ": cannot be used: " + e.getMessage());
      }
    }

    /// Follows the files no more.
    @Override
    public void close() {
      follower.interrupt();
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

  /// What new connections are made with; another object once the files were read anew.
  SslContext context() {
    if (caFile == null && own == null) {
      return OfTheJdk.CONTEXT;
    }
    Credentials c = BY_FILES.get(new Sources(caFile, own));
    if (c == null) {
      throw new IllegalStateException(caFile + " was not read");
    }
    return c.context;
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
