package org.infinilm.svc.router;

import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Secrets;
import org.infinilm.svc.config.TomlFile;
import org.infinilm.svc.discovery.SourceSpec;
import org.infinilm.svc.history.HistorySettings;
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
  static final Key<String> HOST = Key.text("host", "0.0.0.0", "address to listen on").shownFirst();
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
      Key.text("static_services", null, "JSON file of services that run already").shownFirst();
  static final Key<String> ADDED =
      Key.text(
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
  static RouterConfig of(Config c, List<String> aliasFlags) throws ConfigException {
    return new RouterConfig(
        c.get(HOST),
        c.get(c.knows(ADMIN_PORT) ? ADMIN_PORT : PORT),
        TableHome.of(c, REGISTRY),
        token(c, REGISTRY_TOKEN),
        c.find(STATIC).map(Path::of).orElse(null),
        c.find(ADDED).map(Path::of).orElse(null),
        c.get(HEALTH_INTERVAL),
        c.get(HEALTH_TIMEOUT),
        c.get(MAX_ERRORS).intValue(),
        c.get(SYNC),
        c.get(GRACE),
        c.get(POLICY),
        Learning.of(c),
        Seating.of(c),
        SizeMetric.of(c.get(METRIC)),
        c.get(THRESHOLD),
        thresholds(c),
        Timeouts.of(c),
        Clients.of(c),
        c.find(THREADS).orElse((long) Runtime.getRuntime().availableProcessors()).intValue(),
        transport(c),
        Framing.valueOf(c.get(FRAMING).toUpperCase(Locale.ROOT)),
        c.get(HEADERS),
        c.get(ACCESS_LOG),
        c.get(DECISIONS).intValue(),
        fieldName(c, SESSION_HEADER),
        token(c, ADMIN_TOKEN),
        uiHosts(c),
        Forwarding.of(c.get(TRUSTED_PROXIES), c.origin(TRUSTED_PROXIES)),
        c.find(SSE_COMMENTS),
        c.get(INFORMATIONAL).equals("relay"),
        names(c, aliasFlags),
        ClientKey.of(c.get(CLIENT_KEYS)),
        HistorySettings.of(c),
        TlsSettings.of(c),
        TraceSettings.of(c),
        SourceSpec.list(c.get(DISCOVER), c.origin(DISCOVER)));
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
      throw new ConfigException(c.origin(TRANSPORT) + ": " + e.getMessage());
    }
  }

  private static @Nullable String fieldName(Config c, Key<String> key) throws ConfigException {
    String name = c.find(key).orElse(null);
    if (name != null && !TOKEN.matcher(name).matches()) {
      throw new ConfigException(c.origin(key) + ": " + name + " (expected: a header field's name)");
    }
    return name;
  }

  private static ModelNames names(Config c, List<String> aliasFlags) throws ConfigException {
    List<String> pairs = Stream.of(c.get(ALIASES).split(",")).filter(p -> !p.isBlank()).toList();
    Map<String, String> aliases = ModelNames.aliases(pairs, c.origin(ALIASES));
    Map<String, String> all = new HashMap<>(aliases);
    all.putAll(ModelNames.aliases(aliasFlags, "--alias"));
    int unknown = c.find(UNKNOWN_MODEL).map(Integer::parseInt).orElse(UNKNOWN_MODEL_STATUS);
    return new ModelNames(all, c.get(ALIAS_ANSWERS).equals("name"), unknown);
  }

  private static Set<String> uiHosts(Config c) throws ConfigException {
    return Stream.of(c.get(UI_HOSTS).split(","))
        .map(h -> h.strip().toLowerCase(Locale.ROOT))
        .filter(h -> !h.isEmpty())
        .collect(Collectors.toUnmodifiableSet());
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
    return s.isEmpty() ? null : Secrets.key(s, c.origin(key));
  }

  private static Map<String, Long> thresholds(Config c) throws ConfigException {
    Map<String, Long> out = new HashMap<>();
    for (String pair : c.get(THRESHOLDS).split(",")) {
      if (pair.isBlank()) {
        continue;
      }
      int eq = pair.lastIndexOf('=');
      try {
        String model = pair.substring(0, eq).strip();
        long threshold = Long.parseLong(pair.substring(eq + 1).strip());
        if (threshold < 0) {
          throw new NumberFormatException();
        }
        if (out.put(model, threshold) != null) {
          throw new ConfigException(
              c.origin(THRESHOLDS) + ": " + model + " given twice (expected: once)");
        }
      } catch (NumberFormatException | StringIndexOutOfBoundsException e) {
        throw new ConfigException(c.origin(THRESHOLDS) + ": " + pair + " (expected: MODEL=N)");
      }
    }
    return Map.copyOf(out);
  }
}
