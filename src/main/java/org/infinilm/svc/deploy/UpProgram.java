package org.infinilm.svc.deploy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.random.RandomGenerator;
import java.util.stream.Collectors;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.InputFile;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.engine.KnownModels;
import org.infinilm.svc.history.HistorySettings;
import org.infinilm.svc.registry.TokenKeys;
import org.infinilm.svc.telemetry.Ticker;
import org.infinilm.svc.tls.TlsSettings;
import org.jspecify.annotations.Nullable;

/// `infini up`: registry, router and two instances on this machine, each its own process.
public final class UpProgram {
  private static final String BUNDLED_MODEL = "model/infini-tiny.gguf";
  private static final String AUTO = "auto";
  private static final int MOST_NAMED_BYTES = 1 << 20;
  private static final String EMBEDDED = "embedded";
  private static final String LLAMA_CPP = "llama.cpp";

  private static final Key<String> HOST =
      Key.host("host", "127.0.0.1", "Address that everything listens on.");
  private static final Key<String> ADVERTISE =
      Key.host(
          "advertise", null, "Address that instances register (default: --host, or loopback).");
  private static final Key<Integer> REGISTRY_PORT =
      Key.port("registry_port", 18000, "Port of the registry.").orEnv("REGISTRY_PORT");
  static final Key<Integer> ROUTER_PORT =
      Key.port("router_port", 8000, "Port of the router.").orEnv("ROUTER_PORT").orFlag("--port");
  private static final Key<Integer> PAGED_PORT =
      Key.port("paged_port", 8100, "Port of the paged instance; its babysitter has the next one.");
  private static final Key<Integer> STATIC_PORT =
      Key.port(
          "static_port", 8200, "Port of the static instance; its babysitter has the next one.");
  private static final Key<String> MODEL =
      Key.path("model", null, "GGUF file to serve (default: the bundled model).");
  private static final Key<String> ENGINE =
      Key.oneOf(
          "engine",
          AUTO,
          List.of(AUTO, EMBEDDED, LLAMA_CPP),
          "Who serves the model; auto: the embedded engine where it knows the model, else"
              + " llama.cpp's own server (of the PATH, or of Python's xllamacpp).");
  private static final Key<Long> THRESHOLD =
      Key.whole(
          "threshold",
          null,
          0,
          Long.MAX_VALUE,
          "Requests above this size go to the static instance (default: the router's).");
  private static final Key<String> POLICY =
      Key.text("policy", null, "Policy of the router, as adaptive (default: the router's).");
  private static final Key<String> HISTORY =
      Key.path(
          "history",
          null,
          "File of the router's history, or off (default: history.db in the run folder).");
  private static final Key<Boolean> SIMULATE =
      Key.flag("simulate", false, "Simulated instances instead of the engine: no model needed.");
  private static final Key<Boolean> DETACH =
      Key.flag("detach", false, "Return once it serves; infini down ends it.");
  private static final Key<Boolean> DEMO =
      Key.flag("demo", true, "Send a small and a large request (with --detach only when asked).");
  private static final Key<Duration> WAIT =
      Key.seconds("wait", 120.0, 1, "Longest wait until all instances serve, in seconds.");

  public static final Program PROGRAM =
      new Program(
          "up",
          "Start registry, router and two instances on this machine; show where two requests go.",
          TlsSettings.andAll(
              DETACH,
              HOST,
              ADVERTISE,
              REGISTRY_PORT,
              ROUTER_PORT,
              PAGED_PORT,
              STATIC_PORT,
              MODEL,
              ENGINE,
              THRESHOLD,
              POLICY,
              HISTORY,
              SIMULATE,
              DEMO,
              WAIT,
              TokenKeys.TOKEN,
              TokenKeys.READ_TOKEN,
              TokenKeys.TOKEN_FILE),
          Map.of(
              "config",
              "Babysitter TOML file of an instance to start instead of the two (repeatable)."),
          "",
          false,
          args -> run(args, List.of()),
          (args, wrong) -> {
            wrong.in(() -> tls(args.config()));
            wrong.in(() -> TokenKeys.toRead(args.config()));
            return List.of();
          });

  private UpProgram() {}

  /// The same, which knows what its parts read of the environment.
  ///
  /// @param parts the programs that it starts, directly or through babysitters
  public static Program of(Program... parts) {
    return new Program(
        PROGRAM.name(),
        PROGRAM.doc(),
        PROGRAM.keys(),
        PROGRAM.repeatable(),
        PROGRAM.positionals(),
        PROGRAM.takesFile(),
        args -> run(args, List.of(parts)),
        (args, wrong) -> {
          wrong.in(() -> checkPolicy(args.config(), List.of(parts)));
          return PROGRAM.check().check(args, wrong);
        });
  }

  private static int run(Program.Args args, List<Program> parts)
      throws ConfigException, IOException, InterruptedException {
    Map<String, String> env = System.getenv();
    checkPolicy(args.config(), parts);
    TlsSettings tls = tls(args.config());
    Plan.Settings settings = settings(args, tls, env);
    RunFolder folder = RunFolder.of(env, settings.routerPort());
    Config config = args.config();
    boolean detach = config.get(DETACH);
    boolean demo =
        detach ? config.get(DEMO) && args.flags().containsKey(DEMO.name()) : config.get(DEMO);
    Map<String, String> secrets = secrets(config, settings);
    List<Inherited.Setting> inherited = new Inherited(parts, PROGRAM).of(env);
    String salt = HexFormat.of().toHexDigits(RandomGenerator.getDefault().nextLong());
    Up.Manner manner =
        new Up.Manner(
            detach,
            demo,
            config.get(WAIT),
            tls,
            tls.client(),
            told(config),
            Asked.of(words(config, settings), secrets, inherited).sealed(salt),
            Asked.of(given(config, settings), secrets, inherited));
    Plan plan = Plan.of(settings, folder.path());
    return new Up(plan, manner, folder, home(env), Terminal.standard(env), Ticker.SYSTEM).run();
  }

  /// Reads the policy as the part does that it is handed to.
  private static void checkPolicy(Config config, List<Program> parts) throws ConfigException {
    String policy = config.find(POLICY).orElse(null);
    for (Program part : parts) {
      for (Key<?> k : part.keys()) {
        if (policy != null && k.name().equals(POLICY.name())) {
          try {
            k.type().parser().parse(policy);
          } catch (IllegalArgumentException e) {
            throw config.wrong(POLICY, policy + " " + e.getMessage());
          }
        }
      }
    }
  }

  /// All settings by key, as a user would type them.
  private static Map<String, String> words(Config config, Plan.Settings s) throws ConfigException {
    Map<String, String> out = new TreeMap<>(tlsWords(config));
    out.put(HOST.name(), s.host());
    out.put(ADVERTISE.name(), s.advertise());
    out.put(REGISTRY_PORT.name(), String.valueOf(s.registryPort()));
    out.put(PAGED_PORT.name(), String.valueOf(s.pagedPort()));
    out.put(STATIC_PORT.name(), String.valueOf(s.staticPort()));
    out.put(SIMULATE.name(), String.valueOf(s.simulate()));
    out.put(ENGINE.name(), config.get(ENGINE));
    if (s.model() != null) {
      out.put(MODEL.name(), s.model().toString());
    }
    if (s.threshold() != null) {
      out.put(THRESHOLD.name(), s.threshold().toString());
    }
    if (s.policy() != null) {
      out.put(POLICY.name(), s.policy());
    }
    if (s.history() != null) {
      out.put(HISTORY.name(), s.history());
    }
    config
        .find(TokenKeys.TOKEN_FILE)
        .filter(f -> !f.isEmpty())
        .ifPresent(f -> out.put(TokenKeys.TOKEN_FILE.name(), absolutePath(f)));
    if (!s.configs().isEmpty()) {
      out.put(
          "config",
          s.configs().stream()
              .map(f -> f.toAbsolutePath().normalize().toString())
              .collect(Collectors.joining(" ")));
    }
    return out;
  }

  /// What is compared and never shown: tokens, and what the given files hold.
  private static Map<String, String> secrets(Config config, Plan.Settings s) {
    Map<String, String> out = new TreeMap<>();
    for (Key<String> key : List.of(TokenKeys.TOKEN, TokenKeys.READ_TOKEN)) {
      config.find(key).filter(t -> !t.isEmpty()).ifPresent(t -> out.put(key.name(), t));
    }
    config
        .find(TokenKeys.TOKEN_FILE)
        .filter(f -> !f.isEmpty())
        .ifPresent(f -> putContent(TokenKeys.TOKEN_FILE.name(), Path.of(f), out));
    s.configs().forEach(f -> putContent("config", f, out));
    return out;
  }

  /// Whoever needs a file that cannot be read says so.
  private static void putContent(String key, Path file, Map<String, String> out) {
    try {
      byte[] content = InputFile.read(file, MOST_NAMED_BYTES);
      out.put(
          "content of " + key + " " + file.toAbsolutePath(),
          new String(content, StandardCharsets.ISO_8859_1));
    } catch (IOException unreadable) {
      out.put("content of " + key + " " + file.toAbsolutePath(), "");
    }
  }

  private static String absolutePath(String file) {
    return Path.of(file).toAbsolutePath().toString();
  }

  /// Those of [#words] that were given, by flag or variable.
  private static Map<String, String> given(Config config, Plan.Settings s) throws ConfigException {
    Map<String, String> out = words(config, s);
    for (Key<?> k : PROGRAM.keys()) {
      if (config.origin(k).equals("default")) {
        out.remove(k.name());
      }
    }
    return out;
  }

  /// What each part is told of the registry's tokens, and all of TLS.
  private static Map<State.Role, Map<String, String>> told(Config config) throws ConfigException {
    Map<State.Role, Map<String, String>> out =
        Map.of(
            State.Role.REGISTRY, new TreeMap<>(TokenKeys.ofRegistry(config)),
            State.Role.BABYSITTER, new TreeMap<>(TokenKeys.ofClient(config, true)),
            State.Role.ROUTER, new TreeMap<>(TokenKeys.ofClient(config, false)));
    Map<String, String> tls = tlsWords(config);
    for (Key<?> key : TlsSettings.KEYS) {
      String said = tls.get(key.name());
      if (said != null) {
        out.values().forEach(env -> env.put(key.envName(), said));
      }
    }
    return out;
  }

  /// What is said of TLS by key, files as absolute paths.
  private static Map<String, String> tlsWords(Config config) throws ConfigException {
    Map<String, String> out = new TreeMap<>();
    for (Key<?> key : TlsSettings.KEYS) {
      Optional<?> said = config.origin(key).equals("default") ? Optional.empty() : config.find(key);
      if (said.isPresent() && !said.get().toString().isEmpty()) {
        String word = said.get().toString();
        out.put(key.name(), key.equals(TlsSettings.CLIENT_AUTH) ? word : absolutePath(word));
      }
    }
    return out;
  }

  /// What the parts listen with, and how they and this program speak to each other.
  ///
  /// @throws ConfigException naming what they would refuse
  private static TlsSettings tls(Config config) throws ConfigException {
    TlsSettings tls = TlsSettings.forStart(config, Ticker.SYSTEM::now);
    if (tls.clientCa() != null && tls.clientRequired() && tls.own() == null) {
      throw new ConfigException(
          TlsSettings.CLIENT_CA.flagName()
              + ": "
              + tls.clientCa()
              + " (expected: "
              + TlsSettings.CLIENT_CERT.flagName()
              + " and "
              + TlsSettings.CLIENT_KEY.flagName()
              + " as well, which the parts show to each other, or "
              + TlsSettings.CLIENT_AUTH.flagName()
              + " optional)");
    }
    return tls;
  }

  private static Plan.Settings settings(Program.Args args, TlsSettings tls, Map<String, String> env)
      throws ConfigException, InterruptedException {
    Config config = args.config();
    Path given = absolute(config.find(MODEL).orElse(null));
    LlamaServer server = server(config, given, env);
    String host = config.get(HOST);
    Optional<String> advertise = config.find(ADVERTISE);
    return new Plan.Settings(
        host,
        advertise.orElse(Plan.Settings.isAny(host) ? "127.0.0.1" : host),
        config.get(REGISTRY_PORT),
        config.get(ROUTER_PORT),
        config.get(PAGED_PORT),
        config.get(STATIC_PORT),
        given == null && server != null ? home(env).resolve(BUNDLED_MODEL) : given,
        server,
        config.find(THRESHOLD).orElse(null),
        config.find(POLICY).orElse(null),
        config.find(HISTORY).map(UpProgram::history).orElse(null),
        config.get(SIMULATE),
        args.all("config").stream().map(Path::of).toList(),
        tls.scheme());
  }

  /// llama.cpp's own server where it was asked for, or the embedded engine does not know the model;
  /// else null.
  private static @Nullable LlamaServer server(
      Config config, @Nullable Path model, Map<String, String> env)
      throws ConfigException, InterruptedException {
    String engine = config.get(ENGINE);
    String unknown = model == null ? null : KnownModels.unknown(model);
    boolean wanted = engine.equals(LLAMA_CPP) || (engine.equals(AUTO) && unknown != null);
    if (!wanted || config.get(SIMULATE)) {
      return null;
    }
    Optional<LlamaServer> found = LlamaServer.find(env, home(env));
    if (found.isEmpty()) {
      throw new ConfigException(
          (unknown == null
                  ? "--engine: llama.cpp: its server is not on this machine"
                  : "--model: "
                      + model
                      + ": "
                      + unknown
                      + ", which the embedded engine does not serve, and llama.cpp's own server is not"
                      + " on this machine")
              + " (expected: llama-server on the PATH or named by "
              + LlamaServer.VARIABLE
              + ", or the package for python3: pip install xllamacpp)");
    }
    return found.get();
  }

  private static String history(String file) {
    return HistorySettings.isOff(file)
        ? HistorySettings.OFF
        : Path.of(file.strip()).toAbsolutePath().toString();
  }

  private static @Nullable Path absolute(@Nullable String file) {
    return file == null ? null : Path.of(file).toAbsolutePath();
  }

  private static Path home(Map<String, String> env) throws ConfigException {
    String home = env.getOrDefault("INFINI_HOME", "");
    if (home.isEmpty() || !Files.isExecutable(Path.of(home, "bin", "infini"))) {
      throw new ConfigException(
          "INFINI_HOME: "
              + (home.isEmpty() ? "not set" : home)
              + " (expected: the folder that holds bin/infini, which sets it)");
    }
    return Path.of(home);
  }
}
