package org.infinilm.svc.router;

import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.ConfigException.Wrongs;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Lifetime;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.http.BodyPeek;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// `infini router`: sends each OpenAI request to the instance that serves it best.
public final class RouterProgram {
  private static final Key<Boolean> KEY_JSON = Key.flag("json", false, "print JSON");

  public static final Program PROGRAM =
      new Program(
          "router",
          "One OpenAI-compatible address in front of all instances.",
          RouterConfig.KEYS,
          Map.of(
              "instance",
              "A server that runs already: URL[,name=N][,cache_type=paged|static][,weight=W][,tier=T][,max_concurrency=N][,dns=all][,api_key_env=VAR][,health_url=U][,ca_file=PEM][,tls_server_name=N]. URL is http://, https:// or unix:/path. May be repeated.",
              "alias",
              "Another name of a model: NAME=MODEL. May be repeated."),
          "",
          true,
          RouterProgram::run,
          RouterProgram::check);

  public static final Program KEY_NEW =
      new Program(
          "key new",
          "A client's key, and what the router's file says of it.",
          List.of(KEY_JSON),
          Map.of(),
          "[NAME]",
          false,
          RouterProgram::newKey);

  private static final Logger LOG = LoggerFactory.getLogger(RouterProgram.class);

  /// For closing connections and ending threads, beside the times that are set.
  private static final Duration END = Duration.ofSeconds(5);

  private RouterProgram() {}

  private static List<String> check(Program.Args args, Wrongs wrong) throws ConfigException {
    wrong.in(() -> Sources.of(args).forStart(Ticker.SYSTEM::now));
    return Timeouts.warnings(args.config());
  }

  /// What is said of a router that can know of no other; null of one that has a place to meet, or
  /// whose instances are nobody else's.
  static @Nullable String alone(RouterConfig config) {
    return config.registry() != null || config.sources().isEmpty()
        ? null
        : "--discover without --registry-url: routers beside this one are not known here, and each gives"
            + " instances all of their seats and keys all of their limits (--registry-url is where they meet)";
  }

  private static int newKey(Program.Args args) throws ConfigException {
    List<String> names = args.positionals();
    if (names.size() > 1) {
      throw new ConfigException("key new: " + names.size() + " names (expected: at most one)");
    }
    String name = names.isEmpty() ? "NAME" : ClientKey.name(names.getFirst());
    String key = ClientKey.fresh(new SecureRandom());
    System.out.println(
        args.config().get(KEY_JSON)
            ? Json.text(Map.of("name", name, "key", key, "hash", ClientKey.hashLine(key)))
            : ClientKey.printed(name, key));
    return 0;
  }

  private static boolean isLoopback(String host) {
    try {
      return InetAddress.getByName(host).isLoopbackAddress();
    } catch (UnknownHostException e) {
      return false;
    }
  }

  private static int run(Program.Args args) throws ConfigException, InterruptedException {
    Sources.Read read = Sources.of(args).forStart(Ticker.SYSTEM::now);
    RouterConfig config = read.config();
    args.config().warnings().forEach(LOG::warn);
    Timeouts.warnings(args.config()).forEach(LOG::warn);
    if (read.fixed().isEmpty() && config.sources().isEmpty() && config.addedInstances() == null) {
      LOG.warn(
          "no instances: none of --registry-url, --discover, --instance and --static-services is given;"
              + " every request will be answered 503");
    }
    String alone = alone(config);
    if (alone != null) {
      LOG.info(alone);
    }
    Decisions.warnOfSize(config.decisions(), Runtime.getRuntime().maxMemory());
    try (Router router =
        new Router(read, InetAddress::getAllByName, Ticker.SYSTEM, new SecureRandom())) {
      Endless.endWithThreads();
      BodyPeek.warm(Ticker.SYSTEM::nanos);
      Lifetime life =
          Lifetime.ofProcess(
              END.plus(config.clients().lameDuck()).plus(config.clients().drainTimeout()));
      life.onEnd(router::close);
      life.onEnd(router::drain);
      if (!read.of().files().isEmpty() || config.tls().listens()) {
        life.onHangUp(router::reload);
      }
      if (!isLoopback(config.host()) && config.adminToken() == null && config.keys().isEmpty()) {
        LOG.warn(
            "listening on {} without a token or keys: everyone who reaches the port may use it (--host 127.0.0.1 keeps it to this machine)",
            config.host());
      }
      LOG.info(
          "router on {}:{}{}, policy {}, {} <= {} is small{}",
          config.host(),
          router.port(),
          config.tls().listens() ? " over TLS" : "",
          config.policy(),
          config.metric().label(),
          config.threshold(),
          config.registry() == null ? "" : ", registry " + config.registry());
      return life.await();
    } catch (IOException e) {
      System.err.println("router: " + e.getMessage());
      return 1;
    }
  }
}
