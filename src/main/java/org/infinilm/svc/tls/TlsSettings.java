package org.infinilm.svc.tls;

import java.io.IOException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.ConfigException.Wrongs;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.http.Tls;
import org.infinilm.svc.telemetry.Metrics;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// What one program is told of TLS: what its listener shows, and whom it believes as a client.
///
/// @param cert of the listener, or null for plain HTTP
/// @param key of the certificate; null only with it
/// @param clientCa authorities of clients' certificates; null: clients are asked for none
/// @param clientRequired whether a client without a certificate is turned away
/// @param caFile authorities to believe at https addresses; null for the JDK's
/// @param own what to show to servers that ask for a certificate, or null for none
public record TlsSettings(
    @Nullable Path cert,
    @Nullable Path key,
    @Nullable Path clientCa,
    boolean clientRequired,
    @Nullable Path caFile,
    Tls.@Nullable Own own) {
  private static final String REQUIRED = "required";

  public static final Key<String> CERT =
      Key.path(
          "tls_cert",
          null,
          "PEM file of the certificate to listen with over TLS, with its chain; plain HTTP when absent");
  public static final Key<String> KEY =
      Key.path("tls_key", null, "PEM file of the private key of tls_cert");
  public static final Key<String> CLIENT_CA =
      Key.path(
          "tls_client_ca",
          null,
          "PEM file of authorities: clients are asked for a certificate of theirs");
  public static final Key<String> CLIENT_AUTH =
      Key.oneOf(
          "tls_client_auth",
          REQUIRED,
          List.of(REQUIRED, "optional"),
          "with tls_client_ca, whether a client without a certificate is turned away");
  public static final Key<String> CA_FILE =
      Key.path(
          "ca_file",
          null,
          "PEM file of the authorities to believe at https addresses of our own programs; the JDK's when absent");

  public static final Key<String> CLIENT_CERT =
      Key.path(
          "client_cert",
          null,
          "PEM file of the certificate to show to those of our own programs that ask for one");
  public static final Key<String> CLIENT_KEY =
      Key.path("client_key", null, "PEM file of the private key of client_cert");

  /// Those of a program that only asks.
  private static final List<Key<?>> CLIENT = List.of(CA_FILE, CLIENT_CERT, CLIENT_KEY);

  /// All of them, in the order of `--help`.
  public static final List<Key<?>> KEYS =
      List.of(CERT, KEY, CLIENT_CA, CLIENT_AUTH, CA_FILE, CLIENT_CERT, CLIENT_KEY);

  /// The settings of a program that only asks, behind its own.
  public static List<Key<?>> andClient(Key<?>... own) {
    return Stream.of(List.of(own), CLIENT).<Key<?>>flatMap(List::stream).toList();
  }

  /// The settings of a program that listens and asks, behind its own.
  public static List<Key<?>> andAll(Key<?>... own) {
    return Stream.of(List.of(own), KEYS).<Key<?>>flatMap(List::stream).toList();
  }

  /// Plain HTTP, and the JDK's authorities.
  public static final TlsSettings NONE = new TlsSettings(null, null, null, true, null, null);

  /// Where a program's settings come from.
  public interface Source {
    Optional<String> text(Key<String> key) throws ConfigException;

    /// Where a setting was given, or its flag, for errors.
    String place(Key<String> key);
  }

  /// Where a command line, the environment and a file say it.
  private record Told(Config c) implements Source {
    @Override
    public Optional<String> text(Key<String> key) throws ConfigException {
      return c.find(key);
    }

    @Override
    public String place(Key<String> key) {
      String origin = c.origin(key);
      return origin.equals("default") ? key.flagName() : origin;
    }
  }

  public static TlsSettings of(Config c) throws ConfigException {
    return of(new Told(c));
  }

  /// @throws ConfigException where one is given without what it needs; files are not read
  public static TlsSettings of(Source from) throws ConfigException {
    Wrongs wrong = new Wrongs();
    Tls.Own listener = wrong.<Tls.@Nullable Own>of(() -> pair(from, CERT, KEY), null);
    Path clientCa = wrong.<@Nullable Path>of(() -> path(from, CLIENT_CA), null);
    if (listener == null && clientCa != null && wrong.none()) {
      wrong.add(missing(from, CERT, CLIENT_CA).getMessage());
    }
    boolean required = wrong.of(() -> isRequired(from), true);
    Path caFile = wrong.<@Nullable Path>of(() -> path(from, CA_FILE), null);
    Tls.Own own = wrong.<Tls.@Nullable Own>of(() -> pair(from, CLIENT_CERT, CLIENT_KEY), null);
    wrong.end();
    return new TlsSettings(
        listener == null ? null : listener.cert(),
        listener == null ? null : listener.key(),
        clientCa,
        required,
        caFile,
        own);
  }

  private static boolean isRequired(Source from) throws ConfigException {
    String auth = from.text(CLIENT_AUTH).orElse(REQUIRED);
    try {
      return CLIENT_AUTH.type().parser().parse(auth).equals(REQUIRED);
    } catch (IllegalArgumentException e) {
      throw new ConfigException(
          from.place(CLIENT_AUTH) + ": " + CLIENT_AUTH.name() + ": " + auth + " " + e.getMessage());
    }
  }

  private static Tls.@Nullable Own pair(Source from, Key<String> cert, Key<String> key)
      throws ConfigException {
    Path c = path(from, cert);
    Path k = path(from, key);
    if (c == null && k == null) {
      return null;
    }
    if (c == null) {
      throw missing(from, cert, key);
    }
    if (k == null) {
      throw missing(from, key, cert);
    }
    return new Tls.Own(c, k);
  }

  private static ConfigException missing(Source from, Key<String> what, Key<String> given) {
    return new ConfigException(
        from.place(given)
            + ": "
            + given.name()
            + " without "
            + what.name()
            + " (expected: both, "
            + what.flagName()
            + " "
            + what.doc()
            + ")");
  }

  private static @Nullable Path path(Source from, Key<String> key) throws ConfigException {
    String said = from.text(key).orElse("");
    try {
      return said.isEmpty() ? null : Path.of(said);
    } catch (InvalidPathException e) {
      throw new ConfigException(
          from.place(key) + ": " + key.name() + ": " + said + " (expected: a file's path)");
    }
  }

  /// Whether the listener speaks TLS.
  public boolean listens() {
    return cert != null;
  }

  /// `https` or `http`, what the listener is reached by.
  public String scheme() {
    return listens() ? "https" : "http";
  }

  /// Reads what the listener shows and follows its files; null for plain HTTP.
  ///
  /// @throws Tls.Unusable naming the files that cannot be used
  public Tls.@Nullable Listener listener(InstantSource clock) throws Tls.Unusable {
    return cert == null || key == null
        ? null
        : Tls.Listener.open(cert, key, clientCa, clientRequired, clock);
  }

  /// The same for HTTP/2.
  public Tls.@Nullable Listener http2Listener(InstantSource clock) throws Tls.Unusable {
    return cert == null || key == null
        ? null
        : Tls.Listener.open(cert, key, clientCa, clientRequired, "h2", clock);
  }

  /// How https addresses are spoken to.
  ///
  /// @throws ConfigException naming the files that cannot be used
  public Tls client() throws ConfigException {
    return client(caFile, own, Ticker.SYSTEM.now());
  }

  private static Tls client(@Nullable Path caFile, Tls.@Nullable Own own, Instant now)
      throws ConfigException {
    try {
      return Tls.of(caFile, null, own, now);
    } catch (Tls.Unusable e) {
      throw new ConfigException(String.valueOf(e.getMessage()));
    } catch (IOException e) {
      throw new ConfigException(
          CA_FILE.name() + ": " + caFile + " (expected: " + e.getMessage() + ")");
    }
  }

  /// How a program that only asks speaks to https addresses.
  public static Tls client(Config c) throws ConfigException {
    return client(new Told(c));
  }

  /// The same, wherever it is said.
  public static Tls client(Source from) throws ConfigException {
    return new TlsSettings(
            null, null, null, true, path(from, CA_FILE), pair(from, CLIENT_CERT, CLIENT_KEY))
        .client();
  }

  /// The settings of a program before its start: its files are looked at too.
  ///
  /// @throws ConfigException with all that a start would refuse
  public static TlsSettings forStart(Config c, InstantSource clock) throws ConfigException {
    return forStart(new Told(c), clock);
  }

  /// The same, wherever it is said.
  public static TlsSettings forStart(Source from, InstantSource clock) throws ConfigException {
    Wrongs wrong = new Wrongs();
    TlsSettings out = wrong.of(() -> of(from), NONE);
    said(wrong, from, () -> checkListener(from, clock));
    said(wrong, from, () -> checkOwn(from, clock.instant()));
    said(wrong, from, () -> client(path(from, CA_FILE), null, clock.instant()));
    wrong.end();
    return out;
  }

  /// Goes on with the next files where those of `part` cannot be used.
  private static void said(Wrongs wrong, Source from, Wrongs.Step part) {
    wrong.in(() -> {
      try {
        part.take();
      } catch (ConfigException e) {
        Wrongs placed = new Wrongs();
        String.valueOf(e.getMessage()).lines().forEach(l -> placed.add(placed(from, l)));
        placed.end();
      }
    });
  }

  private static void checkListener(Source from, InstantSource clock) throws ConfigException {
    Path cert = path(from, CERT);
    Path key = path(from, KEY);
    Path clientCa = path(from, CLIENT_CA);
    if (cert == null || key == null) {
      refuse(Tls.wrong("tls_", cert, key, clientCa, clock.instant()));
      return;
    }
    try {
      Tls.Listener.check(cert, key, clientCa, clock);
    } catch (Tls.Unusable e) {
      throw new ConfigException(String.valueOf(e.getMessage()));
    }
  }

  private static void checkOwn(Source from, Instant now) throws ConfigException {
    refuse(Tls.wrong("client_", path(from, CLIENT_CERT), path(from, CLIENT_KEY), null, now));
  }

  private static void refuse(List<String> lines) throws ConfigException {
    if (!lines.isEmpty()) {
      throw new ConfigException(String.join("\n", lines));
    }
  }

  /// A message that begins with a setting's name, behind the place where a file or a variable gives
  /// that.
  private static String placed(Source from, String message) {
    for (Key<?> k : KEYS) {
      if (message.startsWith(k.name() + ": ") && k.fallback() == null) {
        @SuppressWarnings("unchecked") // all of ours without a default are texts
        String place = from.place((Key<String>) k);
        return place.equals(k.flagName()) ? message : place + ": " + message;
      }
    }
    return message;
  }

  /// What `/readyz` and `/stats` say of a listener.
  public static Map<String, @Nullable Object> told(Tls.Listener l) {
    Map<String, @Nullable Object> m = new LinkedHashMap<>();
    m.put("certificate_expires", l.expires().toString());
    m.put("refused", l.refused() == null ? null : "the log says which");
    return m;
  }

  /// Shows how it stands with a listener.
  public static void show(Metrics metrics, Tls.Listener l) {
    metrics.gauge(
        "infini_tls_certificate_expiry_timestamp_seconds",
        "When the certificate in force ends.",
        c -> c.call((double) l.expires().getEpochSecond()));
    metrics.gauge(
        "infini_tls_certificate_refused",
        "1 while the files of certificate and key cannot be used and what was in force stays.",
        c -> c.call(l.refused() == null ? 0 : 1));
    metrics.counter(
        "infini_tls_handshakes_total",
        "Handshakes of clients by how they ended.",
        c -> l.endings().forEach((result, n) -> c.call((double) n, result)),
        "result");
  }
}
