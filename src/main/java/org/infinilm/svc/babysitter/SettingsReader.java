package org.infinilm.svc.babysitter;

import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import org.infinilm.svc.babysitter.Supervision.Limits;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.ConfigException.Wrongs;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.TomlFile;
import org.infinilm.svc.config.Words;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.registry.RegistryClient;
import org.infinilm.svc.telemetry.Ticker;
import org.infinilm.svc.tls.TlsSettings;
import org.jspecify.annotations.Nullable;

/// Settings from flags, environment and the TOML file in its old, nested layout: what was given
/// explicitly on the command line or in the environment wins over the file, the file over the
/// defaults.
final class SettingsReader {
  /// What a probe asks at most, each with the time limit of one question, and what else it does.
  private static final int PROBE_STEPS = 5;

  private static final Duration PROBE_REST = Duration.ofSeconds(30);

  /// How an address is read.
  private static final Key<String> ADDRESS = Key.host("host", null, "");

  private static final Duration STABLE = Duration.ofSeconds(60);

  /// Keys of the file outside its tables, and its tables.
  static final List<String> TOP =
      List.of(
          "name",
          "host",
          "bind_host",
          "advertise_host",
          "port",
          "registry_url",
          "router_url",
          "weight",
          "models",
          "tls_cert",
          "tls_key",
          "tls_client_ca",
          "tls_client_auth",
          "ca_file",
          "client_cert",
          "client_key",
          "babysitter",
          "backend",
          "metadata");

  private final Config flags;
  private final @Nullable TomlFile file;
  private final @Nullable TomlFile babysitter;
  private final @Nullable TomlFile metadata;
  private final Function<URI, String> toward;
  private final List<String> warnings = new ArrayList<>();
  private final Wrongs wrong = new Wrongs();

  /// The environment that the server's key is looked up in; null where it and the files of TLS are
  /// not looked at.
  private final @Nullable Map<String, String> env;

  private SettingsReader(
      Config flags,
      @Nullable TomlFile file,
      Function<URI, String> toward,
      @Nullable Map<String, String> env)
      throws ConfigException {
    this.flags = flags;
    this.env = env;
    this.file = file;
    this.babysitter = file == null ? null : file.table("babysitter");
    this.metadata = file == null ? null : file.table("metadata");
    this.toward = toward;
  }

  /// @param toward the address of this machine that a connection to the registry comes from
  static Settings read(Config flags, Function<URI, String> toward) throws ConfigException {
    return read(flags, toward, null);
  }

  /// The same before a start: files of TLS and the server's key are looked at too.
  static Settings forStart(Config flags, Function<URI, String> toward, Map<String, String> env)
      throws ConfigException {
    return read(flags, toward, env);
  }

  private static Settings read(
      Config flags, Function<URI, String> toward, @Nullable Map<String, String> env)
      throws ConfigException {
    Optional<String> path = flags.find(Flags.CONFIG_FILE);
    TomlFile file = path.isEmpty() ? null : TomlFile.read(Path.of(path.get()));
    return new SettingsReader(flags, file, toward, env).settings();
  }

  private Settings settings() throws ConfigException {
    warnings.addAll(flags.warnings());
    if (file != null) {
      warnUnknown(file, TOP, "");
    }
    if (babysitter != null) {
      warnUnknown(
          babysitter, Flags.SUPERVISION.stream().<String>map(Key::name).toList(), "babysitter.");
    }
    int port = wrong.of(this::port, 1);
    RegistryClient.Urls registry = wrong.<RegistryClient.@Nullable Urls>of(this::registry, null);
    Addresses found =
        wrong.<@Nullable Addresses>of(
            () -> addresses(registry == null ? null : registry.first()), null);
    BackendReader reader = new BackendReader(flags, file, warnings);
    Backend read = wrong.<@Nullable Backend>of(() -> reader.backend(wrong), null);
    BackendType type = read == null ? BackendType.COMMAND : read.type();
    String name = wrong.of(() -> name(type, port), "");
    List<String> models = wrong.of(() -> models(reader), List.of());
    if (type == BackendType.MOCK && models.isEmpty()) {
      wrong.add(
          reader.missing("models", "an array of model ids; the mock serves them").getMessage());
    }
    String registryToken = wrong.<@Nullable String>of(() -> token(Flags.REGISTRY_TOKEN), null);
    String adminToken = wrong.<@Nullable String>of(() -> token(Flags.ADMIN_TOKEN), null);
    int weight = wrong.of(() -> weight(reader), 1);
    Limits limits = limits();
    Duration heartbeat = seconds(Flags.HEARTBEAT_INTERVAL);
    Duration healthTimeout = seconds(Flags.HEALTH_TIMEOUT);
    Duration stopGrace = seconds(Flags.STOP_GRACE);
    Duration drainTimeout = seconds(Flags.DRAIN_TIMEOUT);
    boolean completion = supervisionWord(Flags.PROBE, Flags.PROBES).equals(Flags.COMPLETION);
    Path log = wrong.<@Nullable Path>of(() -> file(Flags.LOG_FILE), null);
    boolean ownListener = truth(Flags.OWN_LISTENER);
    Settings.Demand demand =
        wrong.<Settings.@Nullable Demand>of(() -> demand(registry != null, port), null);
    TlsSettings tls = wrong.<@Nullable TlsSettings>of(this::tls, null);
    Map<String, String> outer = env;
    if (outer != null && read != null) {
      wrong.in(() -> read.checkKey(outer));
    }
    if (!wrong.none()) {
      warnings.forEach(w -> wrong.add("warning: " + w));
    }
    wrong.end();
    Backend backend = Objects.requireNonNull(read);
    Addresses addresses = Objects.requireNonNull(found);
    if (addresses.advertise().equals("localhost")
        && registry != null
        && !Addresses.isLoopback(String.valueOf(registry.first().getHost()))) {
      warnings.add(
          "the registry "
              + registry
              + " is told \"localhost\" as this instance's address; set host or --host to one that"
              + " others reach");
    }
    return new Settings(
        name,
        port,
        addresses,
        registry,
        registryToken,
        adminToken,
        backend,
        metadata == null ? Map.of() : metadata.plain(),
        models,
        weight,
        limits,
        heartbeat,
        healthTimeout,
        stopGrace,
        drainTimeout,
        completion,
        log,
        ownListener,
        demand,
        Objects.requireNonNull(tls),
        List.copyOf(warnings));
  }

  private String name(BackendType type, int port) throws ConfigException {
    String name = text(Flags.NAME, file).orElse(type.tag() + "-" + port);
    if (name.isBlank() || name.chars().anyMatch(c -> c < ' ' || c == '/' || c == 127)) {
      throw new ConfigException(
          place(Flags.NAME)
              + ": name: \""
              + name
              + "\" (expected: a name without \"/\" and control characters)");
    }
    return name;
  }

  private int port() throws ConfigException {
    String expected = "1.." + Settings.MAX_PORT + "; port + 1 is the babysitter's own";
    if (isGiven(Flags.PORT)) {
      int port = flags.get(Flags.PORT);
      if (port < 1 || port > Settings.MAX_PORT) {
        throw new ConfigException(
            flags.origin(Flags.PORT) + ": port: " + port + " (expected: " + expected + ")");
      }
      return port;
    }
    if (file == null) {
      return flags.get(Flags.PORT);
    }
    Long port = file.whole("port", 0, 65535);
    if (port == null || port < 1 || port > Settings.MAX_PORT) {
      throw file.wrong("port", expected);
    }
    return port.intValue();
  }

  private RegistryClient.@Nullable Urls registry() throws ConfigException {
    String url = text(Flags.REGISTRY_URL, file).orElse("");
    text(Flags.ROUTER_URL, file);
    if (url.isBlank()) {
      return null;
    }
    RegistryClient.Urls urls = RegistryClient.Urls.parse(url);
    if (urls != null) {
      return urls;
    }
    throw new ConfigException(
        place(Flags.REGISTRY_URL)
            + ": registry_url: "
            + BaseUrl.shown(url)
            + " (expected: http://host:port)");
  }

  /// `--host` is the address that scripts inject: it wins over the file's advertise_host too.
  private Addresses addresses(@Nullable URI registry) throws ConfigException {
    Wrongs wrong = new Wrongs();
    String host = wrong.<@Nullable String>of(() -> host(Flags.HOST, file), null);
    String bind = wrong.<@Nullable String>of(() -> host(Flags.BIND_HOST, file), null);
    TomlFile from = isGiven(Flags.HOST) ? null : file;
    String advertise = wrong.<@Nullable String>of(() -> host(Flags.ADVERTISE_HOST, from), null);
    wrong.end();
    return Addresses.of(host, bind, advertise, registry, toward);
  }

  private @Nullable String host(Key<String> key, @Nullable TomlFile from) throws ConfigException {
    String said = text(key, from).orElse(null);
    try {
      return said == null || Addresses.isAny(said) ? said : ADDRESS.type().parser().parse(said);
    } catch (IllegalArgumentException e) {
      throw new ConfigException(
          place(key) + ": " + key.name() + ": " + said + " " + e.getMessage());
    }
  }

  private List<String> models(BackendReader reader) throws ConfigException {
    if (isGiven(Flags.MODELS)) {
      return commaSeparated(flags.get(Flags.MODELS));
    }
    for (TomlFile t : reader.placesOfSharedKeys(metadata)) {
      List<String> models = t.texts("models");
      if (models != null) {
        return models;
      }
    }
    return List.of();
  }

  private TlsSettings tls() throws ConfigException {
    TlsSettings.Source from =
        new TlsSettings.Source() {
          @Override
          public Optional<String> text(Key<String> key) throws ConfigException {
            Optional<String> said = SettingsReader.this.text(key, file);
            return said.isPresent() ? said : flags.find(key);
          }

          @Override
          public String place(Key<String> key) {
            return SettingsReader.this.place(key);
          }
        };
    return env == null ? TlsSettings.of(from) : TlsSettings.forStart(from, Ticker.SYSTEM::now);
  }

  private int weight(BackendReader reader) throws ConfigException {
    if (isGiven(Flags.WEIGHT)) {
      return flags.get(Flags.WEIGHT).intValue();
    }
    for (TomlFile t : reader.placesOfSharedKeys(metadata)) {
      Long weight = t.whole("weight", 0, Settings.MAX_WEIGHT);
      if (weight != null) {
        return weight.intValue();
      }
    }
    return 1;
  }

  private Limits limits() {
    return new Limits(
        whole(Flags.MAX_RESTARTS, Integer.MAX_VALUE),
        seconds(Flags.RESTART_DELAY),
        seconds(Flags.MAX_RESTART_DELAY),
        (int) whole(Flags.MAX_FAILED_STARTS, 1_000_000),
        seconds(Flags.STARTUP_TIMEOUT),
        seconds(Flags.HEALTH_INTERVAL),
        (int) whole(Flags.HEALTH_FAILURES, 1_000_000),
        seconds(Flags.HEALTH_TIMEOUT).multipliedBy(PROBE_STEPS).plus(PROBE_REST),
        STABLE,
        truth(Flags.ON_DEMAND) ? seconds(Flags.IDLE_STOP) : Duration.ZERO,
        truth(Flags.ON_DEMAND));
  }

  /// What goes with `on_demand`; what goes only with it and stands alone is an error.
  private Settings.@Nullable Demand demand(boolean registered, int port) throws ConfigException {
    if (!truth(Flags.ON_DEMAND)) {
      for (Key<?> key : List.<Key<?>>of(Flags.IDLE_STOP, Flags.STATE_FILE)) {
        if (isSaid(key) && !isSaid(Flags.ON_DEMAND)) {
          throw unfit(key, "on_demand = true with it: without that the server runs always");
        }
      }
      return null;
    }
    if (!registered) {
      throw unfit(
          Flags.ON_DEMAND,
          "registry_url with it: routers learn from the registry whom to wake for a request");
    }
    Duration idle = seconds(Flags.IDLE_STOP);
    if (!idle.isZero() && supervisionWord(Flags.PROBE, Flags.PROBES).equals(Flags.COMPLETION)) {
      throw unfit(
          Flags.PROBE,
          "\"health\" with on_demand, or idle_stop = 0: probes that ask for a token keep the"
              + " server in use");
    }
    Path kept =
        isSaid(Flags.STATE_FILE) ? file(Flags.STATE_FILE) : SeenModels.usual(System.getenv(), port);
    return new Settings.Demand(idle, kept);
  }

  private boolean isSaid(Key<?> key) {
    return isGiven(key) || (babysitter != null && babysitter.has(key.name()));
  }

  private ConfigException unfit(Key<?> key, String expected) throws ConfigException {
    return isGiven(key) || babysitter == null
        ? new ConfigException(
            flags.origin(key)
                + ": "
                + key.name()
                + ": "
                + flags.find(key).map(SettingsReader::shown).orElse("missing")
                + " (expected: "
                + expected
                + ")")
        : babysitter.wrong(key.name(), expected);
  }

  private static String shown(Object value) {
    return value instanceof Duration d
        ? Double.toString(d.toMillis() / 1000.0).replaceFirst("\\.0$", "")
        : String.valueOf(value);
  }

  private long whole(Key<Long> key, long max) {
    return wrong.of(() -> wholeOf(key, max), 1L);
  }

  private long wholeOf(Key<Long> key, long max) throws ConfigException {
    if (!isGiven(key) && babysitter != null) {
      Long v = babysitter.whole(key.name(), key.equals(Flags.MAX_RESTARTS) ? 0 : 1, max);
      if (v != null) {
        return v;
      }
    }
    return flags.get(key);
  }

  private @Nullable String token(Key<String> key) throws ConfigException {
    String given = flags.find(key).orElse("");
    return given.isEmpty() ? null : org.infinilm.svc.config.Secrets.key(given, flags.origin(key));
  }

  private Duration seconds(Key<Duration> key) {
    return wrong.of(() -> secondsOf(key), Duration.ofSeconds(1));
  }

  private Duration secondsOf(Key<Duration> key) throws ConfigException {
    if (!isGiven(key) && babysitter != null && babysitter.has(key.name())) {
      Object v = babysitter.plain().get(key.name());
      boolean mayBeZero =
          key.name().endsWith("_delay")
              || key.equals(Flags.STOP_GRACE)
              || key.equals(Flags.IDLE_STOP)
              || key.equals(Flags.DRAIN_TIMEOUT);
      if (v instanceof Number n
          && n.doubleValue() <= 1e9
          && n.doubleValue() >= (mayBeZero ? 0 : 0.05)) {
        return Duration.ofNanos(Math.round(n.doubleValue() * 1e9));
      }
      throw babysitter.wrong(
          key.name(), "seconds, a number " + (mayBeZero ? "of 0 or more" : "above 0"));
    }
    return flags.get(key);
  }

  private String supervisionWord(Key<String> key, List<String> words) {
    return wrong.of(() -> supervisionWordOf(key, words), words.getFirst());
  }

  private String supervisionWordOf(Key<String> key, List<String> words) throws ConfigException {
    if (!isGiven(key) && babysitter != null && babysitter.has(key.name())) {
      String said = babysitter.text(key.name());
      if (said != null && words.contains(said)) {
        return said;
      }
      throw babysitter.wrong(key.name(), "one of " + String.join(", ", words));
    }
    return flags.get(key);
  }

  /// A relative one is beside the file that names it.
  private @Nullable Path file(Key<String> key) throws ConfigException {
    String said = text(key, babysitter).orElse("");
    if (said.isEmpty()) {
      return null;
    }
    TomlFile from = isGiven(key) ? null : babysitter;
    Path all = (from == null ? Path.of(said) : from.file().resolveSibling(said)).toAbsolutePath();
    Path parent = all.getParent();
    if (parent == null
        || !Files.isDirectory(parent)
        || (Files.exists(all) && !Files.isRegularFile(all))) {
      throw new ConfigException(
          (from == null ? flags.origin(key) : from.place(key.name()))
              + ": "
              + key.name()
              + ": "
              + said
              + " (expected: a file in a folder that exists)");
    }
    return all;
  }

  private boolean truth(Key<Boolean> key) {
    return wrong.of(() -> truthOf(key), false);
  }

  private boolean truthOf(Key<Boolean> key) throws ConfigException {
    if (!isGiven(key) && babysitter != null && babysitter.has(key.name())) {
      if (babysitter.plain().get(key.name()) instanceof Boolean b) {
        return b;
      }
      throw babysitter.wrong(key.name(), "true or false");
    }
    return flags.get(key);
  }

  /// Flag or environment, else the file.
  private Optional<String> text(Key<String> key, @Nullable TomlFile from) throws ConfigException {
    if (isGiven(key)) {
      return flags.find(key).filter(s -> !s.isEmpty());
    }
    return Optional.ofNullable(from == null ? null : from.text(key.name()))
        .filter(s -> !s.isEmpty());
  }

  private boolean isGiven(Key<?> key) {
    return isGiven(flags, key);
  }

  static boolean isGiven(Config flags, Key<?> key) {
    return !flags.origin(key).equals("default");
  }

  private String place(Key<?> key) {
    if (isGiven(key) || file == null || !file.has(key.name())) {
      return isGiven(key) ? flags.origin(key) : key.flagName();
    }
    return file.place(key.name());
  }

  private void warnUnknown(TomlFile table, List<String> known, String prefix) {
    warnUnknown(table, known, prefix, warnings);
  }

  static void warnUnknown(
      TomlFile table, List<String> known, String prefix, List<String> warnings) {
    for (String k : table.keys()) {
      if (!known.contains(k)) {
        warnings.add(
            table.place(k)
                + ": unknown key \""
                + prefix
                + k
                + "\", ignored"
                + Words.hint(k, known));
      }
    }
  }

  static List<String> commaSeparated(String s) {
    List<String> out = new ArrayList<>();
    for (String m : s.split(",")) {
      if (!m.isBlank()) {
        out.add(m.strip());
      }
    }
    return List.copyOf(out);
  }

  static @Nullable Path folder(String place, @Nullable String path) throws ConfigException {
    if (path == null || path.isEmpty()) {
      return null;
    }
    Path p = Path.of(path);
    if (!Files.isDirectory(p)) {
      throw new ConfigException(place + ": work_dir: " + path + " (expected: a folder)");
    }
    return p;
  }
}
