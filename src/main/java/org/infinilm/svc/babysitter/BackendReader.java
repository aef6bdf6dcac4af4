package org.infinilm.svc.babysitter;

import static org.infinilm.svc.babysitter.SettingsReader.isGiven;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.ConfigException.Wrongs;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.TomlFile;
import org.infinilm.svc.fleet.CacheType;
import org.jspecify.annotations.Nullable;

/// What to run, from the `[backend]` table and the flags over it.
final class BackendReader {
  private static final String TYPES =
      BackendType.words().stream()
          .map(w -> w.toLowerCase(java.util.Locale.ROOT))
          .collect(Collectors.joining(", "));

  private final Config flags;
  private final @Nullable TomlFile file;
  private final @Nullable TomlFile table;
  private final List<String> warnings;

  /// @param file the whole file, or null for none
  BackendReader(Config flags, @Nullable TomlFile file, List<String> warnings)
      throws ConfigException {
    this.flags = flags;
    this.file = file;
    this.table = file == null ? null : file.table("backend");
    this.warnings = warnings;
  }

  /// @param wrong what is wrong besides that without which nothing more can be told
  Backend backend(Wrongs wrong) throws ConfigException {
    BackendType type = type();
    if (table != null) {
      SettingsReader.warnUnknown(table, type.keys(), "backend.", warnings);
    }
    java.nio.file.Path workDir = wrong.<java.nio.file.@Nullable Path>of(this::workDir, null);
    boolean old = type == BackendType.INFINILM && Backend.hasOldInfiniLm(workDir);
    List<String> args = wrong.of(() -> args(type, old), List.of());
    CacheType cache = wrong.<@Nullable CacheType>of(() -> cacheType(type), null);
    if (type == BackendType.INFINILM && !old && cache == null) {
      cache = cacheOfInfiniLm(args);
    }
    return new Backend(
        type,
        wrong.<@Nullable String>of(() -> subject(type), null),
        cache,
        args,
        workDir,
        wrong.of(this::environment, Map.of()),
        wrong.<@Nullable String>of(this::apiKeyEnv, null));
  }

  /// Tables that may hold `weight` and `models`, the first wins.
  List<TomlFile> placesOfSharedKeys(@Nullable TomlFile metadata) {
    List<TomlFile> out = new ArrayList<>();
    for (TomlFile t : new @Nullable TomlFile[] {file, table, metadata}) {
      if (t != null) {
        out.add(t);
      }
    }
    return out;
  }

  ConfigException missing(String key, String expected) {
    return table == null
        ? new ConfigException("--" + key + ": missing (expected: " + expected + ")")
        : table.wrong(key, expected);
  }

  private BackendType type() throws ConfigException {
    if (isGiven(flags, Flags.SERVICE_TYPE) || file == null) {
      return BackendType.parse(flags.get(Flags.SERVICE_TYPE)).orElseThrow();
    }
    if (table == null) {
      throw new ConfigException(
          file.file() + ": backend: missing (expected: a table [backend] with type = ...)");
    }
    String word = table.text("type");
    Optional<BackendType> type = word == null ? Optional.empty() : BackendType.parse(word);
    if (type.isEmpty()) {
      throw table.wrong("type", "one of " + TYPES);
    }
    return type.get();
  }

  private @Nullable String subject(BackendType type) throws ConfigException {
    String key = type.subject();
    if (key == null) {
      return null;
    }
    String value = null;
    if (type == BackendType.COMMAND && isGiven(flags, Flags.COMMAND)) {
      value = flags.get(Flags.COMMAND);
    } else if (isGiven(flags, Flags.PATH)) {
      value = flags.get(Flags.PATH);
    } else if (table != null) {
      value = table.text(key);
    }
    if (value != null && !value.isBlank()) {
      if (type == BackendType.COMMAND) {
        warnOfQuotes(value);
      }
      return value;
    }
    if (!type.subjectRequired()) {
      return null;
    }
    if (table != null) {
      throw table.wrong(key, "a text, required for type " + type.tag());
    }
    throw new ConfigException(
        (type == BackendType.COMMAND ? "--command" : "--path")
            + ": missing (expected: the "
            + key.replace('_', ' ')
            + " to run, or --config-file FILE)");
  }

  private @Nullable CacheType cacheType(BackendType type) throws ConfigException {
    if (table == null || !type.keys().contains("cache_type")) {
      return null;
    }
    String word = table.text("cache_type");
    CacheType cache = CacheType.parse(word);
    if (word != null && cache == null) {
      throw table.wrong("cache_type", "paged or static");
    }
    return cache;
  }

  /// What the metadata says, else the flags: static unless they say otherwise.
  private CacheType cacheOfInfiniLm(List<String> args) throws ConfigException {
    TomlFile metadata = file == null ? null : file.table("metadata");
    CacheType said = metadata == null ? null : CacheType.parse(metadata.text("cache_type"));
    if (said != null) {
      return said;
    }
    return args.contains(Backend.PAGED_FLAG) ? CacheType.PAGED : CacheType.STATIC;
  }

  private List<String> args(BackendType type, boolean old) throws ConfigException {
    List<String> out = new ArrayList<>();
    if (isGiven(flags, Flags.ARGS)) {
      out.addAll(Backend.words(flags.get(Flags.ARGS)));
    } else if (table != null) {
      List<String> args = table.texts("args");
      if (args != null) {
        out.addAll(args);
        warnOfSpaces(args);
      }
    }
    addDeviceFlags(type, old, out);
    return out;
  }

  /// The original split commands at white space and passed quotes on.
  private void warnOfQuotes(String command) throws ConfigException {
    boolean flag = isGiven(flags, Flags.COMMAND);
    String place =
        flag || table == null
            ? flags.origin(Flags.COMMAND)
            : table.place("command") + ": backend.command";
    try {
      if (!flag && !ShellWords.split(command).equals(Backend.words(command))) {
        warnings.add(place + ": has quotes or backslashes, which are read as a shell does");
      }
    } catch (IllegalArgumentException e) {
      throw new ConfigException(place + ": " + e.getMessage() + " (expected: quotes in pairs)");
    }
  }

  /// The original joined the elements and split them again at white space.
  private void warnOfSpaces(List<String> args) {
    for (String a : args) {
      if (table != null && a.startsWith("-") && a.strip().matches("\\S+\\s+\\S.*")) {
        warnings.add(
            table.place("args")
                + ": backend.args: element "
                + args.indexOf(a)
                + " begins with \"-\" and has a space; it is passed as one argument (expected: one"
                + " element for each argument)");
      }
    }
  }

  /// @param old InfiniLM's earlier flags
  private void addDeviceFlags(BackendType type, boolean old, List<String> out)
      throws ConfigException {
    Map<Key<?>, String> names =
        switch (type) {
          case INFINILM ->
              old
                  ? Map.of(Flags.NDEV, "--tp", Flags.MAX_BATCH, "--max_batch_size")
                  : Map.of(
                      Flags.DEV,
                      "--device",
                      Flags.NDEV,
                      "--tp",
                      Flags.MAX_BATCH,
                      "--max-batch-size");
          case VLLM ->
              Map.of(Flags.NDEV, "--tensor-parallel-size", Flags.MAX_BATCH, "--max-num-seqs");
          case ENGINE -> Map.of(Flags.MAX_BATCH, "--max_batch_size");
          case COMMAND, MOCK, INFINILM_RUST, SIMULATE -> Map.of();
        };
    for (Key<?> key : List.<Key<?>>of(Flags.DEV, Flags.NDEV, Flags.MAX_BATCH)) {
      if (!isGiven(flags, key)) {
        continue;
      }
      String name = names.get(key);
      if (key.equals(Flags.DEV) && type == BackendType.INFINILM && old) {
        out.add("--" + flags.get(Flags.DEV));
      } else if (name != null) {
        out.add(name);
        out.add(String.valueOf(flags.get(key)));
      } else {
        warnings.add(
            flags.origin(key) + ": has no meaning for service type " + type.word() + ", ignored");
      }
    }
  }

  private java.nio.file.@Nullable Path workDir() throws ConfigException {
    if (isGiven(flags, Flags.WORK_DIR)) {
      return SettingsReader.folder(flags.origin(Flags.WORK_DIR), flags.get(Flags.WORK_DIR));
    }
    return table == null
        ? null
        : SettingsReader.folder(table.place("work_dir"), besideFile(table.text("work_dir")));
  }

  /// A relative folder is one beside the file that names it.
  private @Nullable String besideFile(@Nullable String folder) {
    java.nio.file.Path parent = table == null ? null : table.file().toAbsolutePath().getParent();
    return folder == null || folder.isEmpty() || parent == null
        ? folder
        : parent.resolve(folder).toString();
  }

  private @Nullable String apiKeyEnv() throws ConfigException {
    String name = table == null ? null : table.text("api_key_env");
    if (table != null && name != null) {
      checkName(table.place("api_key_env") + ": backend.api_key_env", name);
    }
    return name;
  }

  /// Values may be secrets: no message shows one.
  private Map<String, String> environment() throws ConfigException {
    Map<String, String> out = new LinkedHashMap<>();
    TomlFile env = table == null ? null : table.table("env");
    if (env != null) {
      for (Map.Entry<String, Object> e : env.plain().entrySet()) {
        if (!(e.getValue() instanceof String v)) {
          throw new ConfigException(
              env.place(e.getKey())
                  + ": backend.env."
                  + e.getKey()
                  + ": a value that is no string (expected: a string in quotes)");
        }
        checkName(env.place(e.getKey()) + ": backend.env", e.getKey());
        if (v.indexOf('\0') >= 0) {
          throw new ConfigException(
              env.place(e.getKey())
                  + ": backend.env."
                  + e.getKey()
                  + ": a value with a NUL character (expected: text that an environment can hold)");
        }
        out.put(e.getKey(), v);
      }
    }
    if (isGiven(flags, Flags.ENV)) {
      List<String> pairs = Backend.words(flags.get(Flags.ENV));
      for (int i = 0; i < pairs.size(); i++) {
        int eq = pairs.get(i).indexOf('=');
        if (eq < 1) {
          throw new ConfigException(
              flags.origin(Flags.ENV)
                  + ": element "
                  + (i + 1)
                  + " has no name before \"=\" (expected: \"K=V K=V\")");
        }
        out.put(pairs.get(i).substring(0, eq), pairs.get(i).substring(eq + 1));
      }
    }
    return out;
  }

  private static void checkName(String place, String name) throws ConfigException {
    if (name.isEmpty() || name.indexOf('=') >= 0 || name.indexOf('\0') >= 0) {
      throw new ConfigException(
          place + ": \"" + name + "\" (expected: the name of an environment variable)");
    }
  }
}
