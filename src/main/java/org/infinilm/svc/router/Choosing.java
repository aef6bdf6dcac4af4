package org.infinilm.svc.router;

import java.io.IOException;
import java.net.InetAddress;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.http.BodyPeek;
import org.infinilm.svc.http.Front;
import org.infinilm.svc.http.ProxyServer;
import org.infinilm.svc.http.ProxyServer.Transport;
import org.infinilm.svc.http.RequestHead;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.telemetry.Metrics;
import org.infinilm.svc.telemetry.Ticker;
import org.infinilm.svc.tls.TlsSettings;
import org.jspecify.annotations.Nullable;

/// A router without its data plane: the same fleet, policies, places, keys and decisions, asked who
/// gets a request that somebody else carries. Its listener has the router's own routes.
/// Thread-safe.
public final class Choosing implements AutoCloseable {
  /// Its settings: the router's, with a port for its own routes in place of the data plane's.
  public static final List<Key<?>> KEYS =
      Stream.concat(
              Stream.<Key<?>>of(RouterConfig.ADMIN_PORT),
              RouterConfig.KEYS.stream().filter(k -> !k.name().equals(RouterConfig.PORT.name())))
          .toList();

  /// Its repeatable flags: the router's.
  public static final Map<String, String> REPEATABLE = RouterProgram.PROGRAM.repeatable();

  private final RouterConfig config;
  private final Router router;

  private Choosing(RouterConfig config, Router router) {
    this.config = config;
    this.router = router;
  }

  /// Starts everything; its own routes are open when this returns.
  ///
  /// @throws IOException when their port cannot be bound
  /// @throws ConfigException for settings with which it cannot start
  public static Choosing open(Program.Args args, Ticker ticker)
      throws ConfigException, IOException {
    return open(Sources.of(args), InetAddress::getAllByName, ticker);
  }

  /// The same with a name server of its own.
  static Choosing open(Sources from, Resolver.Lookup names, Ticker ticker)
      throws ConfigException, IOException {
    Sources.Read read = from.forStart(ticker::now);
    Router router = Router.thatPicks(read, names, ticker, new SecureRandom());
    BodyPeek.warm(ticker::nanos);
    return new Choosing(read.config(), router);
  }

  /// Says what a start would refuse, without starting.
  public static final Program.Check CHECK =
      (args, wrong) -> {
        wrong.in(() -> Sources.of(args).forStart(Ticker.SYSTEM::now));
        return List.of();
      };

  /// From here on a thread of it that ends before it should ends the process, with 70.
  public static void endWithThreads() {
    Endless.endWithThreads();
  }

  /// Chooses for one request, on its event loop; it ends in exactly one answer, or one call and
  /// what becomes of it.
  public void choose(Carried request) {
    router.front().pick(request);
  }

  /// Whether a path is one of its own routes, which need no body: [#choose] answers them by their
  /// heads.
  public boolean owns(RequestHead asked) {
    return OwnRoutes.owns(asked.path());
  }

  /// The answer to a request whose body need not come (401), which is on record when this returns;
  /// null to have it come. On any thread.
  public @Nullable Response unwelcome(RequestHead asked) {
    return router.front().unwelcome(asked);
  }

  /// The answer to a request that cannot be chosen for (408, 413, 503), in the form of its route;
  /// it is on record when this returns. On any thread.
  public Response refusal(int status, String why, RequestHead asked) {
    return router
        .front()
        .refusal(
            status,
            why,
            new Front.Asked(asked.method(), asked.target(), asked.header("x-request-id")));
  }

  /// Whether there is an instance for requests, and the end has not begun.
  public boolean ready() {
    return router.ready();
  }

  /// The port of its own routes.
  public int adminPort() {
    return router.port();
  }

  /// The address that it listens on.
  public String host() {
    return config.host();
  }

  /// How sockets are driven.
  public Transport transport() {
    return config.transport();
  }

  /// Event loops of what carries requests.
  public int threads() {
    return config.threads();
  }

  /// What a listener shows over TLS.
  public TlsSettings tls() {
    return config.tls();
  }

  /// Limits of bodies, each and all.
  public ProxyServer.Limits limits() {
    return config.clients().limits();
  }

  /// Time limits towards clients.
  public ProxyServer.Times times() {
    return config.clients().times();
  }

  /// How long a request that comes now may wait for a place.
  public Duration queueTimeout() {
    return router.front().queueTimeout();
  }

  /// How long it still takes requests at the end, while it says that it ends.
  public Duration lameDuck() {
    return config.clients().lameDuck();
  }

  /// How long requests in flight may take after that.
  public Duration drainTimeout() {
    return config.clients().drainTimeout();
  }

  /// The metrics of its `/metrics`, for more of them.
  public Metrics metrics() {
    return router.metrics();
  }

  /// Has its files read again now, where there are any.
  public void reload() {
    router.reload();
  }

  /// Says at `/readyz` that the end has begun.
  public void endBegins() {
    router.endBegins();
  }

  @Override
  public void close() {
    router.close();
  }
}
