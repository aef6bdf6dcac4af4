package org.infinilm.svc.babysitter;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.fleet.CacheType;
import org.jspecify.annotations.Nullable;

/// What is run, and how.
///
/// @param subject the command, the model or the configuration file, see [BackendType#subject]
/// @param args elements of the argument vector as they are; one with a space stays one argument
/// @param env added to the babysitter's own environment; never logged
/// @param apiKeyEnv the variable that holds the key that the server wants, or null
record Backend(
    BackendType type,
    @Nullable String subject,
    @Nullable CacheType cacheType,
    List<String> args,
    @Nullable Path workDir,
    Map<String, String> env,
    @Nullable String apiKeyEnv) {
  /// InfiniLM's server in its checkout: today's, and the one that went in April 2026.
  private static final String INFINILM = "python/infinilm/server/inference_server.py";

  private static final String OLD_INFINILM = "launch_server.py";

  /// Without it today's InfiniLM has a static cache.
  static final String PAGED_FLAG = "--enable-paged-attn";

  private static final List<String> MOCK_FOLDERS =
      List.of("rust/tests/integration", "tests/integration", ".");

  /// Env values are left out.
  @Override
  public String toString() {
    return "Backend[" + type.word() + ", env " + env.keySet() + "]";
  }

  /// The argument vector.
  ///
  /// @param home root of this program's installation, or null when unknown
  /// @throws ConfigException when a program that the type needs is not there; names where it was
  ///   looked for
  List<String> argv(Settings s, @Nullable String home) throws ConfigException {
    List<String> out = new ArrayList<>();
    String port = Integer.toString(s.port());
    String bind = s.addresses().bind();
    switch (type) {
      case COMMAND -> out.addAll(commandWords(required()));
      case VLLM -> {
        String path = env.getOrDefault("PATH", System.getenv().getOrDefault("PATH", ""));
        out.addAll(
            Child.findOnPath("vllm", path) != null
                ? List.of("vllm", "serve", required())
                : List.of(
                    "python3", "-m", "vllm.entrypoints.openai.api_server", "--model", required()));
        out.addAll(List.of("--port", port, "--host", bind));
      }
      case MOCK -> {
        out.addAll(List.of("python3", mockScript(), "--name", s.name(), "--port", port));
        out.addAll(List.of("--models", String.join(",", s.models())));
        if (s.registry() != null) {
          out.addAll(List.of("--registry-url", s.registry().first().toString()));
        }
      }
      case INFINILM -> {
        boolean old = hasOldInfiniLm(workDir);
        out.addAll(List.of("python3", old ? OLD_INFINILM : INFINILM));
        out.addAll(List.of(old ? "--model_path" : "--model", required()));
        out.addAll(List.of("--port", port, "--host", bind));
        if (!old && cacheType == CacheType.PAGED && !args.contains(PAGED_FLAG)) {
          out.add(PAGED_FLAG);
        }
      }
      case INFINILM_RUST -> out.addAll(List.of("xtask", "service", required(), "-p", port));
      case ENGINE, SIMULATE -> {
        out.add(launcher(home));
        out.addAll(List.of(type.word(), "--host", bind, "--port", port));
        if (subject != null) {
          out.addAll(List.of("--model_path", subject));
        }
        if (cacheType != null) {
          out.addAll(List.of("--cache_type", cacheType.label()));
        }
      }
    }
    out.addAll(args);
    return List.copyOf(out);
  }

  /// Whether the folder that InfiniLM is run in holds the entry that it had before.
  static boolean hasOldInfiniLm(@Nullable Path workDir) {
    Path script = Path.of(OLD_INFINILM);
    return Files.isRegularFile(workDir == null ? script : workDir.resolve(script));
  }

  /// The key that the server wants: from the variable named, else vLLM's own; null for none.
  ///
  /// @param outer the babysitter's environment, where `env` does not have the variable
  @Nullable String apiKey(Map<String, String> outer) {
    String key =
        apiKeyEnv == null
            ? env.get("VLLM_API_KEY")
            : env.getOrDefault(apiKeyEnv, outer.getOrDefault(apiKeyEnv, ""));
    // Files and mounted secrets end with a line break.
    return key == null ? null : blankToNull(key.replaceFirst("[\r\n]+$", ""));
  }

  /// @throws ConfigException when the key has a character that no request can carry; names the
  ///   variable and the position
  void checkKey(Map<String, String> outer) throws ConfigException {
    String key = apiKey(outer);
    for (int k = 0; key != null && k < key.length(); k++) {
      if (Character.isISOControl(key.charAt(k))) {
        throw new ConfigException(
            (apiKeyEnv == null ? "VLLM_API_KEY" : apiKeyEnv)
                + ": a control character at position "
                + (k + 1)
                + " (expected: a key of visible ASCII characters)");
      }
    }
  }

  private static @Nullable String blankToNull(@Nullable String s) {
    return s == null || s.isBlank() ? null : s;
  }

  /// The command for people: the program, or the type and its model; never an argument, which may
  /// be a secret.
  String describe() {
    if (subject == null) {
      return type.word();
    }
    return type == BackendType.COMMAND
        ? Secrets.program(commandWords(subject).getFirst())
        : type.word() + " " + subject;
  }

  /// The words of a command; one whose quotes do not fit is split at white space.
  static List<String> commandWords(String command) {
    try {
      return ShellWords.split(command);
    } catch (IllegalArgumentException asBefore) {
      return words(command);
    }
  }

  /// Non-blank words of `s`.
  static List<String> words(String s) {
    return s.isBlank() ? List.of() : List.of(s.strip().split("\\s+"));
  }

  private String required() {
    if (subject == null) {
      throw new IllegalStateException(type + " without " + type.subject());
    }
    return subject;
  }

  private String mockScript() throws ConfigException {
    List<Path> places = new ArrayList<>();
    for (String folder : MOCK_FOLDERS) {
      Path p = Path.of(folder, "mock_service.py").toAbsolutePath().normalize();
      if (Files.isRegularFile(p)) {
        return p.toString();
      }
      places.add(p);
    }
    throw new ConfigException(
        "backend type mock: mock_service.py not found (looked at: "
            + places.stream().map(Path::toString).collect(Collectors.joining(", "))
            + ")");
  }

  private String launcher(@Nullable String home) throws ConfigException {
    if (home == null || home.isBlank()) {
      throw new ConfigException(
          "backend type "
              + type.word()
              + ": INFINI_HOME is not set (expected: the folder that has bin/infini; bin/infini"
              + " sets it)");
    }
    Path p = Path.of(home, "bin", "infini");
    if (!Files.isExecutable(p)) {
      throw new ConfigException(
          "INFINI_HOME: " + home + " (expected: a folder that has an executable bin/infini)");
    }
    return p.toString();
  }
}
