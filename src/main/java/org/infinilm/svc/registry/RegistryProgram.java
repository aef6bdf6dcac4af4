package org.infinilm.svc.registry;

import java.io.IOException;
import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.security.Security;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.ConfigException.Wrongs;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Lifetime;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.telemetry.Ticker;
import org.infinilm.svc.tls.TlsSettings;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// `infini registry` (`infini-registry`) and `infini drain`.
public final class RegistryProgram {
  private static final Logger log = LoggerFactory.getLogger(RegistryProgram.class);

  private static final Key<String> HOST =
      Key.host("host", "0.0.0.0", "Address to listen on.").shownFirst();
  private static final Key<Integer> PORT =
      Key.port("port", 8081, "Port to listen on (infini up gives it 18000).").shownFirst();
  private static final Key<Duration> HEALTH_INTERVAL =
      Key.seconds("health_interval", 30.0, 0.05, "Seconds between probes of a service.");
  private static final Key<Duration> HEALTH_TIMEOUT =
      Key.seconds("health_timeout", 5.0, 0.05, "Seconds one probe may take.");
  private static final Key<Duration> CLEANUP_INTERVAL =
      Key.seconds("cleanup_interval", 60.0, 0.05, "Seconds between removals of silent services.");
  private static final Key<Duration> LEASE =
      Key.seconds(
              "lease",
              120.0,
              0.2,
              "Seconds without a heartbeat until an entry is unhealthy; after 2.5 times that it is"
                  + " removed.")
          .shownFirst();
  private static final Key<String> DATA_DIR =
      Key.path(
              "data_dir",
              null,
              "Folder of the journal; empty keeps everything in memory. Default:"
                  + " $XDG_STATE_HOME/infini/registry-PORT, else"
                  + " $HOME/.local/state/infini/registry-PORT.")
          .shownFirst();
  private static final Key<String> ALLOW_PROBE =
      Key.text(
          "allow_probe",
          "",
          "Ranges (ADDRESS/BITS,...) that may be registered although link-local or the like.");

  private static final Key<String> ROUTER =
      Key.text("router_url", null, "Router whose page /ui leads to, http://host:port.");

  public static final Program PROGRAM =
      Program.of(
              "registry",
              "Keep the list of services: who is there, who is alive.",
              TlsSettings.andAll(
                  HOST,
                  PORT,
                  HEALTH_INTERVAL,
                  HEALTH_TIMEOUT,
                  CLEANUP_INTERVAL,
                  LEASE,
                  DATA_DIR,
                  EtcdHome.STORE,
                  EtcdHome.USER,
                  EtcdHome.PASSWORD,
                  TokenKeys.TOKEN,
                  TokenKeys.READ_TOKEN,
                  TokenKeys.TOKEN_FILE,
                  ALLOW_PROBE,
                  ROUTER),
              RegistryProgram::run)
          .checkedBy((args, wrong) -> {
            wrong.in(() -> options(args));
            return List.of();
          });

  /// `infini drain NAME`.
  public static final Program DRAIN = Drain.PROGRAM;

  private RegistryProgram() {}

  private static int run(Program.Args args) throws Exception {
    Config c = args.config();
    c.warnings().forEach(log::warn);
    RegistryServer.Options options = options(args);
    // A name that could not be resolved is asked for again with the next probe, not 10 s later.
    Security.setProperty("networkaddress.cache.negative.ttl", "1");
    String host = options.host();
    EtcdHome etcd = options.etcd();
    Path dir = options.dataDir();
    String given = c.find(DATA_DIR).orElse(null);
    RegistryServer registry = start(options, given == null);
    Lifetime life = Lifetime.ofProcess(Duration.ofSeconds(5));
    life.onEnd(registry::close);
    if (options.tls().listens()) {
      life.onHangUp(registry::reload);
    }
    log.info(
        "registry listens on {}:{}{}, {} entries restored, {} ({})",
        host,
        registry.port(),
        options.tls().listens() ? " over TLS" : "",
        registry.size(),
        etcd != null ? etcd.address() : "journal " + (dir == null ? "in no folder" : dir),
        registry.journal());
    if (options.tokens().write().isEmpty() && !isLoopback(host)) {
      log.warn(
          "open on {} without a token: anyone who reaches it can register services"
              + " (--token-file, INFINI_REGISTRY_TOKEN or --host 127.0.0.1)",
          host);
    }
    return life.await();
  }

  /// @throws ConfigException with all that a start refuses
  private static RegistryServer.Options options(Program.Args args) throws ConfigException {
    Config c = args.config();
    Wrongs wrong = new Wrongs();
    if (!args.positionals().isEmpty()) {
      wrong.add("registry: " + args.positionals() + " (expected: flags only)");
    }
    Tokens tokens = wrong.of(() -> TokenKeys.tokens(c), Tokens.NONE);
    EtcdHome etcd = wrong.<@Nullable EtcdHome>of(() -> EtcdHome.of(c), null);
    Duration lease = wrong.of(() -> lease(c), Lease.FRESH);
    Path dir = wrong.<@Nullable Path>of(() -> dataDir(c), null);
    String ranges = wrong.of(() -> ranges(c), "");
    URI router = wrong.<@Nullable URI>of(() -> router(c), null);
    TlsSettings tls = wrong.of(() -> TlsSettings.forStart(c, Ticker.SYSTEM::now), TlsSettings.NONE);
    wrong.end();
    return new RegistryServer.Options(
        c.get(HOST),
        c.get(PORT),
        c.get(HEALTH_INTERVAL),
        c.get(HEALTH_TIMEOUT),
        c.get(CLEANUP_INTERVAL),
        lease,
        dir,
        etcd,
        tokens,
        ranges,
        router,
        tls);
  }

  /// Registries beside each other hear of heartbeats by etcd, which has to be there in time.
  private static Duration lease(Config c) throws ConfigException {
    Duration lease = c.get(LEASE);
    boolean stored = !c.find(EtcdHome.STORE).orElse("").isBlank();
    if (stored && lease.compareTo(EtcdPulse.SHORTEST_LEASE) < 0) {
      throw c.wrong(
          LEASE,
          lease.toMillis() / 1e3
              + " s (expected: "
              + EtcdPulse.SHORTEST_LEASE.toSeconds()
              + " s at least with --store)");
    }
    return lease;
  }

  private static @Nullable Path dataDir(Config c) throws ConfigException {
    String given = c.find(DATA_DIR).orElse(null);
    if (c.find(EtcdHome.STORE).orElse("").isBlank()) {
      return given == null ? defaultFolder(System.getenv(), c.get(PORT)) : folder(given);
    }
    if (given != null && !given.isBlank()) {
      throw c.wrong(DATA_DIR, given + " given with --store (expected: one of them)");
    }
    return null;
  }

  private static @Nullable URI router(Config c) throws ConfigException {
    String given = c.find(ROUTER).orElse("");
    if (given.isBlank()) {
      return null;
    }
    if (BaseUrl.parse(given) == null) {
      throw c.wrong(ROUTER, BaseUrl.shown(given) + " (expected: http://host:port)");
    }
    return URI.create(given.strip());
  }

  private static String ranges(Config c) throws ConfigException {
    String given = c.get(ALLOW_PROBE);
    try {
      ProbeGuard.ranges(given);
      return given;
    } catch (IllegalArgumentException e) {
      throw c.wrong(ALLOW_PROBE, given + " " + e.getMessage());
    }
  }

  /// The default journal folder; null (with a warning) where the environment names no place.
  static @Nullable Path defaultFolder(Map<String, String> env, int port) {
    if (port == 0) {
      return null;
    }
    String state = env.getOrDefault("XDG_STATE_HOME", "");
    String home = env.getOrDefault("HOME", "");
    String name = "registry-" + port;
    try {
      if (!state.isEmpty() && Path.of(state).isAbsolute()) {
        return Path.of(state, "infini", name);
      }
      if (!home.isEmpty() && Path.of(home).isAbsolute()) {
        return Path.of(home, ".local", "state", "infini", name);
      }
    } catch (InvalidPathException e) {
      log.warn("journal: {}", e.getMessage());
      return null;
    }
    log.warn("journal off: neither XDG_STATE_HOME nor HOME names a folder (set --data-dir)");
    return null;
  }

  /// A default folder that cannot be used is no reason not to start; one that was asked for is.
  private static RegistryServer start(RegistryServer.Options o, boolean byDefault)
      throws IOException {
    try {
      return RegistryServer.start(o, Ticker.SYSTEM, RandomGenerator.getDefault());
    } catch (JournalFolder.Misused e) {
      if (!byDefault || e.held()) {
        throw e;
      }
      log.warn("journal off: {} (set --data-dir)", e.getMessage());
      return RegistryServer.start(o.dataDir(null), Ticker.SYSTEM, RandomGenerator.getDefault());
    }
  }

  private static @Nullable Path folder(String given) {
    return given.isBlank() ? null : Path.of(given).toAbsolutePath();
  }

  private static boolean isLoopback(String host) throws IOException {
    try {
      return InetAddress.getByName(host).isLoopbackAddress();
    } catch (UnknownHostException e) {
      return false;
    }
  }
}
