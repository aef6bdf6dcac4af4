package org.infinilm.svc.deploy;

import java.net.URI;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.TomlFile;
import org.infinilm.svc.history.HistorySettings;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.http.IpText;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.tls.TlsSettings;
import org.jspecify.annotations.Nullable;

/// What `infini up` will start and write: decided before anything happens. Pure.
///
/// @param parts in the order of starting: what takes longest first
/// @param files generated configuration, path to text
record Plan(List<Part> parts, Map<Path, String> files, String model, Settings settings) {
  private static final String SERVER_LOG = ".server.log";
  private static final String MODEL = "9g_8b_thinking";

  /// What the user asked for.
  ///
  /// @param host what everything listens on
  /// @param advertise address that instances register and that is printed
  /// @param model a GGUF file, or null for the bundled one
  /// @param server llama.cpp's own server for it, or null for the embedded engine
  /// @param threshold bytes, or null for the router's own default
  /// @param policy the router's, or null for its default
  /// @param history the router's file, `off`, or null for the one in the run folder
  /// @param configs babysitter files to run instead of the two instances of the seed
  /// @param scheme `https` where the parts listen over TLS, else `http`
  record Settings(
      String host,
      String advertise,
      int registryPort,
      int routerPort,
      int pagedPort,
      int staticPort,
      @Nullable Path model,
      @Nullable LlamaServer server,
      @Nullable Long threshold,
      @Nullable String policy,
      @Nullable String history,
      boolean simulate,
      List<Path> configs,
      String scheme) {
    /// The address under which this machine reaches what listens on [#host].
    String local() {
      return isAny(host) ? "127.0.0.1" : BaseUrl.bracketed(host);
    }

    static boolean isAny(String host) {
      String h = IpText.host(host);
      return h.equals("0.0.0.0") || h.equals("::") || h.equals("[::]");
    }

    URI registry() {
      return URI.create(scheme + "://" + local() + ":" + registryPort);
    }

    URI router() {
      return URI.create(scheme + "://" + local() + ":" + routerPort);
    }

    /// The router's address as others are told it.
    URI shown() {
      return shown(routerPort);
    }

    URI shown(int port) {
      return URI.create(scheme + "://" + BaseUrl.bracketed(advertise) + ":" + port);
    }
  }

  /// One process to start.
  ///
  /// @param arguments of `infini`, the program first
  /// @param env added to this process's environment
  /// @param port its first port
  /// @param portFlag how to choose another one
  /// @param embedded the backend is our engine or simulator
  record Part(
      String name,
      State.Role role,
      List<String> arguments,
      Map<String, String> env,
      int port,
      String portFlag,
      URI health,
      boolean embedded) {
    List<Integer> ports() {
      return role == State.Role.BABYSITTER ? List.of(port, port + 1) : List.of(port);
    }
  }

  Plan {
    parts = List.copyOf(parts);
  }

  static Plan of(Settings s, Path folder) throws ConfigException {
    Map<Path, String> files = new LinkedHashMap<>();
    List<Part> parts = new ArrayList<>();
    String model = s.model() == null ? MODEL : modelName(s.model());
    Map<String, String> env = new TreeMap<>();
    if (s.configs().isEmpty()) {
      for (String cache : List.of("paged", "static")) {
        int port = cache.equals("paged") ? s.pagedPort() : s.staticPort();
        String name = cache + "-cache-" + model;
        Path file = folder.resolve(name + ".toml");
        files.put(file, toml(s, name, port, cache, model));
        boolean embedded = s.server() == null;
        String flag = "--" + cache + "-port";
        parts.add(instance(s, name, port, flag, file, env, embedded, s.scheme()));
      }
    } else {
      if (s.model() != null) {
        env.put("INFINI_MODEL_PATH", s.model().toString());
      }
      for (Path file : s.configs()) {
        parts.add(configured(s, file, folder, env));
      }
    }
    parts.add(registry(s));
    parts.add(router(s, folder));
    Plan plan = new Plan(parts, files, model, s);
    plan.refuseSharedNames();
    plan.refuseSharedPorts();
    return plan;
  }

  private static Part registry(Settings s) {
    List<String> arguments =
        List.of(
            "registry",
            "--host",
            s.host(),
            "--port",
            String.valueOf(s.registryPort()),
            "--router-url",
            s.shown().toString());
    return new Part(
        "registry",
        State.Role.REGISTRY,
        arguments,
        Map.of(),
        s.registryPort(),
        "--registry-port",
        s.registry().resolve("/health"),
        false);
  }

  private static Part router(Settings s, Path folder) {
    List<String> arguments =
        List.of(
            "router",
            "--host",
            s.host(),
            "--router-port",
            String.valueOf(s.routerPort()),
            "--registry-url",
            s.registry().toString());
    Map<String, String> env = new TreeMap<>();
    if (s.threshold() != null) {
      env.put("CACHE_TYPE_ROUTING_THRESHOLD", s.threshold().toString());
    }
    if (s.policy() != null) {
      env.put("INFINI_POLICY", s.policy());
    }
    env.put(
        HistorySettings.FILE.envName(),
        s.history() == null ? new RunFolder(folder).history().toString() : s.history());
    return new Part(
        "router",
        State.Role.ROUTER,
        arguments,
        env,
        s.routerPort(),
        "--router-port",
        s.router().resolve("/health"),
        false);
  }

  private static Part instance(
      Settings s,
      String name,
      int port,
      String flag,
      Path file,
      Map<String, String> env,
      boolean embedded,
      String scheme) {
    List<String> arguments =
        List.of(
            "babysitter",
            "--config-file",
            file.toString(),
            "--registry-url",
            s.registry().toString(),
            "--bind-host",
            s.host(),
            "--advertise-host",
            s.advertise());
    URI health = URI.create(scheme + "://" + s.local() + ":" + (port + 1) + "/health");
    return new Part(name, State.Role.BABYSITTER, arguments, env, port, flag, health, embedded);
  }

  /// An instance that a babysitter's TOML file describes. Where it names no file for its server's
  /// lines, they get one of bounded size in the run folder.
  private static Part configured(Settings s, Path file, Path folder, Map<String, String> shared)
      throws ConfigException {
    TomlFile toml = TomlFile.read(file);
    Long port = toml.whole("port", 1, 65534);
    if (port == null) {
      throw toml.wrong("port", "a whole number 1..65534");
    }
    TomlFile backend = toml.table("backend");
    String type = backend == null ? null : backend.text("type");
    String name = toml.text("name");
    if (name == null) {
      name = (type == null ? "command" : type) + "-" + port;
    }
    if (name.contains("/") || name.chars().anyMatch(Character::isISOControl)) {
      throw toml.wrong("name", "a name without / and control characters");
    }
    TomlFile babysitter = toml.table("babysitter");
    String log = babysitter == null ? null : babysitter.text("log_file");
    Map<String, String> env = new TreeMap<>(shared);
    if (log == null || log.isBlank()) {
      env.put("INFINI_LOG_FILE", folder.resolve(name + SERVER_LOG).toString());
    }
    boolean embedded = "engine".equals(type) || "simulate".equals(type);
    return instance(
        s,
        name,
        port.intValue(),
        "port in " + file,
        file.toAbsolutePath(),
        env,
        embedded,
        toml.text(TlsSettings.CERT.name()) == null ? s.scheme() : "https");
  }

  /// A model's and its instances' name from its file.
  static String modelName(Path file) {
    String stem = String.valueOf(file.getFileName()).replaceFirst("(?i)\\.gguf$", "");
    String clean = stem.replaceAll("[^A-Za-z0-9._-]+", "-");
    return clean.isEmpty() ? MODEL : clean;
  }

  /// The babysitter's file of one of the seed's two instances.
  private static String toml(Settings s, String name, int port, String cache, String model) {
    StringBuilder t = new StringBuilder("# Written by infini up.\n");
    t.append("name = ").append(Json.text(name)).append('\n');
    t.append("host = ").append(Json.text(s.advertise())).append('\n');
    t.append("port = ").append(port).append('\n');
    t.append("registry_url = ").append(Json.text(s.registry().toString())).append('\n');
    if (s.server() != null) {
      // known while it loads
      t.append("models = ").append(Json.text(List.of(model))).append('\n');
    }
    t.append("\n[babysitter]\n");
    t.append("log_file = ").append(Json.text(name + SERVER_LOG)).append('\n');
    LlamaServer server = s.server();
    t.append("\n[backend]\n");
    t.append(server == null ? own(s, name, cache, model) : of(server, s, port, cache, model));
    t.append("\n[metadata]\ncache_type = ").append(Json.text(cache)).append('\n');
    if (server != null) {
      t.append("max_concurrency = ").append(LlamaServer.slots(cache)).append('\n');
    }
    return t.toString();
  }

  private static String own(Settings s, String name, String cache, String model) {
    List<String> args =
        new ArrayList<>(
            s.simulate()
                ? List.of("--model", model, "--name", name)
                : List.of("--served_model_name", model));
    if (cache.equals("static")) {
      args.addAll(List.of("--max_cache_len", "32768"));
    } else {
      args.addAll(List.of("--num_blocks", "8192", "--block_size", "16", "--max_batch_size", "8"));
    }
    StringBuilder t = new StringBuilder();
    t.append("type = ").append(s.simulate() ? "\"simulate\"" : "\"engine\"").append('\n');
    if (s.model() != null && !s.simulate()) {
      t.append("model_path = ").append(Json.text(s.model().toString())).append('\n');
    }
    t.append("cache_type = ").append(Json.text(cache)).append('\n');
    t.append("args = ").append(Json.text(args)).append('\n');
    return t.toString();
  }

  private static String of(LlamaServer server, Settings s, int port, String cache, String model) {
    Path file = Objects.requireNonNull(s.model());
    List<String> args = new ArrayList<>(server.command().subList(1, server.command().size()));
    args.addAll(server.arguments(file, model, s.host(), port, cache));
    return "type = \"command\"\ncommand = "
        + Json.text(quoted(server.command().getFirst()))
        + "\nargs = "
        + Json.text(args)
        + "\n";
  }

  /// One word of a command as a shell reads it.
  private static String quoted(String word) {
    return word.matches("[A-Za-z0-9_./+-]+") ? word : "'" + word.replace("'", "'\\''") + "'";
  }

  private void refuseSharedNames() throws ConfigException {
    Set<String> seen = new HashSet<>();
    for (Part p : parts) {
      if (!seen.add(p.name())) {
        throw new ConfigException(
            "name " + p.name() + ": given to two parts (expected: names of their own)");
      }
    }
  }

  private void refuseSharedPorts() throws ConfigException {
    Map<Integer, String> used = new TreeMap<>();
    for (Part p : parts) {
      for (int port : p.ports()) {
        String other = used.put(port, p.name());
        if (other != null) {
          throw new ConfigException(
              "port "
                  + port
                  + ": wanted by "
                  + other
                  + " and by "
                  + p.name()
                  + " (expected: ports of their own; an instance takes its port and the next one)");
        }
      }
    }
  }

  /// The `NAME-server` entries that the router must list as healthy.
  List<String> servers() {
    return parts.stream()
        .filter(p -> p.role() == State.Role.BABYSITTER)
        .map(p -> p.name() + Discovery.SERVER)
        .toList();
  }
}
