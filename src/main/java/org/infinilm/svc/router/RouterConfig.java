package org.infinilm.svc.router;

import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.ConfigException.Wrongs;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Secrets;
import org.infinilm.svc.config.TomlFile;
import org.infinilm.svc.discovery.SourceSpec;
import org.infinilm.svc.history.HistorySettings;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.http.ProxyServer.Framing;
import org.infinilm.svc.http.ProxyServer.Transport;
import org.infinilm.svc.policy.Policies;
import org.infinilm.svc.registry.TableHome;
import org.infinilm.svc.tls.TlsSettings;
import org.infinilm.svc.trace.TraceSettings;
import org.jspecify.annotations.Nullable;

/// The router's settings.
///
/// @param thresholds per model, where they differ from `threshold`
/// @param discover sources of instances beside the registry
/// @param maxErrors failed connections and probes in a row that take an instance out
record RouterConfig(
    String host,
    int port,
    @Nullable TableHome registry,
    @Nullable String registryToken,
    @Nullable Path staticServices,
    @Nullable Path addedInstances,
    Duration healthInterval,
    Duration healthTimeout,
    int maxErrors,
    Duration syncInterval,
    Duration grace,
    String policy,
    Learning learning,
    Seating seating,
    SizeMetric metric,
    long threshold,
    Map<String, Long> thresholds,
    Timeouts timeouts,
    Clients clients,
    int threads,
    Transport transport,
    Framing framing,
    boolean decisionHeaders,
    boolean accessLog,
    int decisions,
    @Nullable String sessionHeader,
    @Nullable String adminToken,
    boolean loopbackNeedsToken,
    Set<String> uiHosts,
    Forwarding forwarding,
    Optional<Duration> sseComments,
    boolean relaysInformational,
    ModelNames names,
    List<ClientKey> keys,
    Optional<HistorySettings> history,
    TlsSettings tls,
    Optional<TraceSettings> traces,
    List<SourceSpec> discover) {
  static final Key<Integer> PORT =
      Key.port("router_port", 8080, "port to listen on (infini up gives it 8000)")
          .shownFirst()
          .orFlag("--port");
  static final Key<Integer> ADMIN_PORT =
      Key.port("admin_port", 9090, "port of /metrics, /decisions and the like").shownFirst();
  static final Key<String> HOST = Key.host("host", "0.0.0.0", "address to listen on").shownFirst();
  static final Key<String> REGISTRY =
      Key.text(
              "registry_url",
              null,
              "registry to follow, http://host:port; several over one store with commas between; or the etcd that they keep the table in, etcd://HOST:PORT,HOST:PORT/PREFIX (etcds:// over TLS)")
          .shownFirst();
  static final Key<String> REGISTRY_TOKEN =
      Key.text("registry_token", null, "token for reading the registry")
          .orEnv("INFINI_REGISTRY_READ_TOKEN");
  static final Key<String> DISCOVER =
      Key.text(
              "discover",
              "",
              "sources of instances beside the registry: folder:/path, dns:NAME[:PORT], dns+srv:_SERVICE._tcp.NAME, kubernetes[:NAMESPACE,...][/SELECTOR]; several with commas between")
          .addingUp()
          .shownFirst();
  static final Key<String> STATIC =
      Key.path("static_services", null, "JSON file of services that run already").shownFirst();
  static final Key<String> ADDED =
      Key.path(
          "added_instances",
          null,
          "file that keeps instances over a restart which were added over HTTP to be kept; none are when absent");
  static final Key<Duration> HEALTH_INTERVAL =
      Key.seconds("health_interval", 30.0, 0.05, "pause between health checks");
  static final Key<Duration> HEALTH_TIMEOUT =
      Key.seconds("health_timeout", 5.0, 0.05, "limit of one health check");
  static final Key<Long> MAX_ERRORS =
      Key.whole("max_errors", 3L, 1, 1000, "failures in a row that make an instance unhealthy");
  static final Key<Duration> SYNC =
      Key.seconds("registry_sync_interval", 10.0, 0.05, "how often the registry is asked");
  static final Key<Duration> GRACE =
      Key.seconds(
          "service_removal_grace_period",
          60.0,
          0,
          "how long an instance outlives its registry entry, unless it was deleted");
  static final Key<String> POLICY =
      Key.oneOf("policy", "cache-type", Policies.names(), "how an instance is chosen").shownFirst();
  static final Key<String> METRIC =
      Key.oneOf(
              "size_metric",
              "body",
              List.of("body", "text", "tokens"),
              "what the size rule measures")
          .orEnv("CACHE_TYPE_ROUTING_METRIC")
          .orDefault()
          .shownFirst();
  static final Key<Long> THRESHOLD =
      Key.whole(
              "threshold",
              51200L,
              0,
              Long.MAX_VALUE,
              "largest size that is small: up to it paged, above it static")
          .orEnv("CACHE_TYPE_ROUTING_THRESHOLD")
          .orDefault()
          .shownFirst();
  static final Key<String> THRESHOLDS =
      Key.text("model_thresholds", "", "thresholds of single models, MODEL=N,..., or a table")
          .orPairs();
  static final Key<Long> THREADS =
      Key.whole("threads", null, 1, 256, "event loops; the number of cores when absent");
  static final Key<String> TRANSPORT =
      Key.oneOf(
          "transport",
          "auto",
          List.of("auto", "epoll", "io_uring", "nio"),
          "how sockets are driven; auto is epoll where the kernel has it, else nio");
  static final Key<String> FRAMING =
      Key.oneOf(
          "framing",
          "auto",
          List.of("auto", "codec"),
          "how messages are read and worded; codec leaves all of it to Netty's codec");
  static final Key<Boolean> HEADERS =
      Key.flag("decision_headers", true, "send x-infini-* headers with answers");
  static final Key<Boolean> ACCESS_LOG =
      Key.flag("access_log", true, "write one line a request to standard output");
  static final Key<Long> DECISIONS =
      Key.whole("decisions", 4096L, 16, 1 << 20, "decisions kept for /decisions");
  static final Key<String> SESSION_HEADER =
      Key.text(
          "session_header",
          null,
          "header whose value keeps requests together when there is no prompt_cache_key");
  static final Key<String> ADMIN_TOKEN =
      Key.text(
              "admin_token",
              null,
              "token for /decisions, /events and actions outside loopback; where it is set, for actions everywhere")
          .shownFirst();

  static final Key<Boolean> LOOPBACK_NEEDS_TOKEN =
      Key.flag(
          "loopback_needs_token",
          false,
          "whether this machine itself needs the admin token for /decisions, /events and the like, as with a proxy on it that leaves no mark");

  static final Key<String> UI_HOSTS =
      Key.text(
          "ui_hosts",
          "",
          "host names, NAME,..., under which this machine itself may open /ui, /events and /decisions without the token");

  static final Key<String> TRUSTED_PROXIES =
      Key.text(
          "trusted_proxies",
          "",
          "addresses and ranges whose X-Forwarded-For and Forwarded are continued, 10.0.0.0/8,...; everybody's when empty");

  static final Key<Duration> SSE_COMMENTS =
      Key.seconds(
          "sse_comments",
          null,
          0.25,
          "silence of a stream after which an SSE comment is sent, for clients behind proxies that cut silent connections; never when absent");

  static final Key<String> INFORMATIONAL =
      Key.oneOf(
          "informational",
          "drop",
          List.of("drop", "relay"),
          "what becomes of instances' 1xx answers; clients built on Python's http.client take one for the answer");

  static final Key<String> ALIASES =
      Key.text(
              "aliases",
              "",
              "other names of models, NAME=MODEL,..., or a table; also --alias NAME=MODEL")
          .orPairs();
  static final Key<String> ALIAS_ANSWERS =
      Key.oneOf(
          "alias_answers",
          "model",
          List.of("model", "name"),
          "what answers to a request under an alias call the model: by its own name as the instance wrote it, or by the name that the client asked for");
  static final Key<String> UNKNOWN_MODEL =
      Key.oneOf(
          "unknown_model_status",
          null,
          List.of("404", "503"),
          "answer to a model that nobody offers; 404, and 503 under the drop-in name");

  static final Key<List<TomlFile>> CLIENT_KEYS =
      Key.tables(
          "keys",
          "keys of clients; without any, everybody may ask",
          ClientKey.SCHEMA,
          List.of("name", "hash"),
          (tables, env) -> ClientKey.of(tables));
  static final Key<List<TomlFile>> INSTANCES =
      Key.tables(
          "instance",
          "servers that run already",
          StaticServices.SCHEMA,
          List.of("url"),
          StaticServices::check);

  /// 503 where the earlier system's clients call it by its own name.
  private static final int UNKNOWN_MODEL_STATUS =
      System.getProperty("infini.program", "").isEmpty() ? 404 : 503;

  /// RFC 9110 section 5.6.2.
  private static final Pattern TOKEN = Pattern.compile("[!#$%&'*+.^_`|~0-9A-Za-z-]+");

  private static final List<Key<?>> OWN =
      List.of(
          PORT,
          HOST,
          REGISTRY,
          REGISTRY_TOKEN,
          DISCOVER,
          STATIC,
          ADDED,
          HEALTH_INTERVAL,
          HEALTH_TIMEOUT,
          MAX_ERRORS,
          SYNC,
          GRACE,
          POLICY,
          METRIC,
          THRESHOLD,
          THRESHOLDS,
          THREADS,
          TRANSPORT,
          FRAMING,
          HEADERS,
          ACCESS_LOG,
          DECISIONS,
          SESSION_HEADER,
          ADMIN_TOKEN,
          LOOPBACK_NEEDS_TOKEN,
          UI_HOSTS,
          TRUSTED_PROXIES,
          SSE_COMMENTS,
          INFORMATIONAL,
          ALIASES,
          ALIAS_ANSWERS,
          UNKNOWN_MODEL,
          CLIENT_KEYS,
          INSTANCES);

  static final List<Key<?>> KEYS =
      Stream.of(
              OWN,
              Learning.KEYS,
              Seating.KEYS,
              Timeouts.KEYS,
              Clients.KEYS,
              HistorySettings.KEYS,
              TlsSettings.KEYS,
              TraceSettings.KEYS,
              TableHome.KEYS)
          .flatMap(List::stream)
          .toList();

  static RouterConfig of(Config c) throws ConfigException {
    return of(c, List.of());
  }

  /// @param aliasFlags `NAME=MODEL` each, beside those of the file
  /// @throws ConfigException with all that is wrong
  static RouterConfig of(Config c, List<String> aliasFlags) throws ConfigException {
    Wrongs wrong = new Wrongs();
    TableHome registry = wrong.<@Nullable TableHome>of(() -> TableHome.of(c, REGISTRY), null);
    String registryToken = wrong.<@Nullable String>of(() -> token(c, REGISTRY_TOKEN), null);
    Path statics = wrong.<@Nullable Path>of(() -> path(c, STATIC), null);
    Path added = wrong.<@Nullable Path>of(() -> path(c, ADDED), null);
    Learning learning = wrong.<@Nullable Learning>of(() -> Learning.of(c), null);
    Map<String, Long> thresholds = wrong.of(() -> thresholds(c), Map.of());
    Timeouts timeouts = wrong.<@Nullable Timeouts>of(() -> Timeouts.of(c), null);
    Clients clients = wrong.<@Nullable Clients>of(() -> Clients.of(c), null);
    long threads =
        wrong.of(
            () -> c.find(THREADS).orElse((long) Runtime.getRuntime().availableProcessors()), 1L);
    Transport transport = wrong.of(() -> transport(c), Transport.NIO);
    String sessionHeader = wrong.<@Nullable String>of(() -> fieldName(c, SESSION_HEADER), null);
    String adminToken = wrong.<@Nullable String>of(() -> token(c, ADMIN_TOKEN), null);
    if (c.get(LOOPBACK_NEEDS_TOKEN) && adminToken == null) {
      wrong.in(() -> {
        if (c.find(ADMIN_TOKEN).orElse("").isEmpty()) {
          throw c.wrong(LOOPBACK_NEEDS_TOKEN, "true without admin_token (expected: both)");
        }
      });
    }
    Set<String> uiHosts = wrong.of(() -> uiHosts(c), Set.of());
    Forwarding forwarding =
        wrong.<@Nullable Forwarding>of(
            () -> Forwarding.of(c.get(TRUSTED_PROXIES), c.place(TRUSTED_PROXIES)), null);
    Optional<Duration> sseComments = wrong.of(() -> c.find(SSE_COMMENTS), Optional.empty());
    ModelNames names = wrong.<@Nullable ModelNames>of(() -> names(c, aliasFlags), null);
    List<ClientKey> keys = wrong.of(() -> ClientKey.of(c.get(CLIENT_KEYS)), List.of());
    Optional<HistorySettings> history = wrong.of(() -> HistorySettings.of(c), Optional.empty());
    TlsSettings tls = wrong.of(() -> TlsSettings.of(c), TlsSettings.NONE);
    Optional<TraceSettings> traces = wrong.of(() -> TraceSettings.of(c), Optional.empty());
    List<SourceSpec> discover =
        wrong.of(() -> SourceSpec.list(c.get(DISCOVER), c.place(DISCOVER)), List.of());
    wrong.end();
    return new RouterConfig(
        c.get(HOST),
        c.get(c.knows(ADMIN_PORT) ? ADMIN_PORT : PORT),
        registry,
        registryToken,
        statics,
        added,
        c.get(HEALTH_INTERVAL),
        c.get(HEALTH_TIMEOUT),
        c.get(MAX_ERRORS).intValue(),
        c.get(SYNC),
        c.get(GRACE),
        c.get(POLICY),
        Objects.requireNonNull(learning),
        Seating.of(c),
        SizeMetric.of(c.get(METRIC)),
        c.get(THRESHOLD),
        thresholds,
        Objects.requireNonNull(timeouts),
        Objects.requireNonNull(clients),
        (int) threads,
        transport,
        Framing.valueOf(c.get(FRAMING).toUpperCase(Locale.ROOT)),
        c.get(HEADERS),
        c.get(ACCESS_LOG),
        c.get(DECISIONS).intValue(),
        sessionHeader,
        adminToken,
        c.get(LOOPBACK_NEEDS_TOKEN),
        uiHosts,
        Objects.requireNonNull(forwarding),
        sseComments,
        c.get(INFORMATIONAL).equals("relay"),
        Objects.requireNonNull(names),
        keys,
        history,
        tls,
        traces,
        discover);
  }

  /// These settings with what of `next` holds without a restart ([Settings#LIVE]), and thresholds
  /// over those of its own; that of an empty name is the usual one.
  RouterConfig live(RouterConfig next, Map<String, Long> own) {
    Map<String, Long> all = new HashMap<>(next.thresholds);
    all.putAll(own);
    Long usual = all.remove("");
    return new RouterConfig(
        host,
        port,
        registry,
        registryToken,
        next.staticServices,
        addedInstances,
        healthInterval,
        healthTimeout,
        maxErrors,
        syncInterval,
        grace,
        next.policy,
        learning.live(next.learning),
        seating.live(next.seating),
        metric,
        usual == null ? next.threshold : usual,
        Map.copyOf(all),
        next.timeouts,
        clients,
        threads,
        transport,
        framing,
        next.decisionHeaders,
        accessLog,
        decisions,
        next.sessionHeader,
        next.adminToken,
        next.loopbackNeedsToken,
        next.uiHosts,
        next.forwarding,
        next.sseComments,
        next.relaysInformational,
        next.names,
        next.keys,
        history,
        tls,
        traces,
        discover);
  }

  private static Transport transport(Config c) throws ConfigException {
    try {
      return Transport.named(c.get(TRANSPORT));
    } catch (IllegalArgumentException e) {
      throw c.wrong(TRANSPORT, String.valueOf(e.getMessage()));
    }
  }

  private static @Nullable String fieldName(Config c, Key<String> key) throws ConfigException {
    String name = c.find(key).orElse(null);
    if (name != null && !TOKEN.matcher(name).matches()) {
      throw c.wrong(key, name + " (expected: a header field's name)");
    }
    return name;
  }

  private static ModelNames names(Config c, List<String> aliasFlags) throws ConfigException {
    List<String> pairs = Stream.of(c.get(ALIASES).split(",")).filter(p -> !p.isBlank()).toList();
    Wrongs wrong = new Wrongs();
    BiFunction<String, String, ConfigException> inFile =
        (name, said) -> c.wrong(ALIASES, name, said);
    BiFunction<String, String, ConfigException> byFlag =
        (name, said) -> new ConfigException("--alias: " + said);
    Map<String, String> all = new HashMap<>();
    wrong.in(() -> all.putAll(ModelNames.aliases(pairs, inFile)));
    Map<String, String> flags = wrong.of(() -> ModelNames.aliases(aliasFlags, byFlag), Map.of());
    all.putAll(flags);
    ModelNames.refuseChains(
        all, (name, said) -> (flags.containsKey(name) ? byFlag : inFile).apply(name, said), wrong);
    int unknown =
        wrong.of(
            () -> c.find(UNKNOWN_MODEL).map(Integer::parseInt).orElse(UNKNOWN_MODEL_STATUS),
            UNKNOWN_MODEL_STATUS);
    wrong.end();
    return new ModelNames(all, c.get(ALIAS_ANSWERS).equals("name"), unknown);
  }

  private static @Nullable Path path(Config c, Key<String> key) {
    return c.find(key).map(Path::of).orElse(null);
  }

  private static Set<String> uiHosts(Config c) throws ConfigException {
    Wrongs wrong = new Wrongs();
    Set<String> out = new HashSet<>();
    for (String one : c.get(UI_HOSTS).split(",")) {
      String host = one.strip();
      try {
        if (!host.isEmpty()) {
          out.add(Access.alike(HOST.type().parser().parse(host)));
        }
      } catch (IllegalArgumentException e) {
        wrong.add(c.wrong(UI_HOSTS, BaseUrl.shown(host) + " " + e.getMessage()).getMessage());
      }
    }
    wrong.end();
    return Set.copyOf(out);
  }

  /// Those that list instances, as [Known#source] calls them: the first one counts where several
  /// list the same name.
  List<String> sources() {
    return Stream.concat(
            registry == null ? Stream.empty() : Stream.of(Known.REGISTRY),
            discover.stream().map(SourceSpec::text))
        .toList();
  }

  long thresholdOf(@Nullable String model) {
    return model == null ? threshold : thresholds.getOrDefault(model, threshold);
  }

  private static @Nullable String token(Config c, Key<String> key) throws ConfigException {
    String s = c.find(key).orElse("");
    return s.isEmpty() ? null : Secrets.key(s, c.place(key));
  }

  private static Map<String, Long> thresholds(Config c) throws ConfigException {
    Map<String, Long> out = new HashMap<>();
    Wrongs wrong = new Wrongs();
    for (String pair : c.get(THRESHOLDS).split(",")) {
      if (!pair.isBlank()) {
        wrong.in(() -> threshold(c, pair.strip(), out));
      }
    }
    wrong.end();
    return Map.copyOf(out);
  }

  private static void threshold(Config c, String pair, Map<String, Long> to)
      throws ConfigException {
    int eq = pair.lastIndexOf('=');
    String model = eq < 0 ? "" : pair.substring(0, eq).strip();
    long threshold = whole(pair.substring(eq + 1).strip());
    if (model.isEmpty() || threshold < 0) {
      throw c.wrong(THRESHOLDS, model, pair + " (expected: MODEL=N, a whole number of 0 or more)");
    }
    if (to.put(model, threshold) != null) {
      throw c.wrong(THRESHOLDS, model, model + " given twice (expected: once)");
    }
  }

  /// -1 where it is none.
  private static long whole(String s) {
    try {
      return Long.parseLong(s);
    } catch (NumberFormatException e) {
      return -1;
    }
  }
}
