package org.infinilm.svc.babysitter;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.ConfigException.Wrongs;
import org.infinilm.svc.config.Key;
import org.infinilm.svc.config.TomlFile;
import org.jspecify.annotations.Nullable;

/// What a babysitter's file puts in force, with the place of each value, without starting anything.
final class FileCheck {
  private static final List<String> TABLES = List.of("backend", "metadata");

  private FileCheck() {}

  /// One line a warning and one a value, `key = value # origin`.
  static List<String> lines(Path path, Map<String, String> env) throws ConfigException {
    Wrongs wrong = new Wrongs();
    Config flags =
        Config.gather(
            Flags.ALL, Map.of(Flags.CONFIG_FILE.name(), path.toString()), env, null, wrong);
    Settings read =
        wrong.<@Nullable Settings>of(
            () -> SettingsReader.forStart(flags, registry -> "127.0.0.1", env), null);
    wrong.end();
    Settings s = Objects.requireNonNull(read);
    s.backend().argv(s, env.get("INFINI_HOME"));
    List<String> out = new ArrayList<>();
    s.warnings().forEach(w -> out.add("warning: " + w));
    TomlFile file = TomlFile.read(path);
    TomlFile babysitter = file.table("babysitter");
    Map<Key<?>, String> described = described(flags, file.has("backend"));
    for (Key<?> key : Flags.ALL) {
      if (key.equals(Flags.CONFIG_FILE) || key.equals(Flags.ENV)) {
        continue;
      }
      TomlFile from = file.has(key.name()) ? file : babysitter;
      if (!SettingsReader.isGiven(flags, key) && from != null && from.has(key.name())) {
        String prefix = from.equals(file) ? "" : "babysitter.";
        out.add(line(from, prefix, key.name()));
      } else {
        Optional.ofNullable(described.get(key)).ifPresent(out::add);
      }
    }
    for (String name : TABLES) {
      TomlFile table = file.table(name);
      if (table != null) {
        table.keys().stream().sorted().forEach(k -> out.add(line(table, name + ".", k)));
      }
    }
    String own = Entries.ownUrl(s, s.addresses().probe()) + "/health";
    out.add("own_health = " + own + "  # the babysitter's own, as this machine reaches it");
    return List.copyOf(out);
  }

  /// Lines of the values that flags, environment and defaults give; those without a value left out.
  /// A `[backend]` says the service type itself.
  private static Map<Key<?>, String> described(Config flags, boolean backend) {
    Map<Key<?>, String> out = new LinkedHashMap<>();
    List<String> lines = flags.describe();
    for (int k = 0; k < Flags.ALL.size(); k++) {
      boolean said = backend && Flags.ALL.get(k).equals(Flags.SERVICE_TYPE);
      if (!said && flags.find(Flags.ALL.get(k)).isPresent()) {
        out.put(Flags.ALL.get(k), lines.get(k));
      }
    }
    return out;
  }

  private static String line(TomlFile table, String prefix, String key) {
    return prefix + key + " = " + shown(key, table.plain().get(key)) + "  # " + table.place(key);
  }

  /// Secrets and the child's environment stay unsaid.
  private static String shown(String key, @Nullable Object value) {
    if (key.endsWith("token")) {
      return "(secret)";
    }
    return switch (value) {
      case Map<?, ?> m when key.equals("env") ->
          m.keySet().stream().map(k -> k + "=...").sorted().toList().toString();
      case List<?> words when key.equals("args") ->
          Secrets.masked(words.stream().map(String::valueOf).toList()).toString();
      case String s when key.equals("command") ->
          String.join(" ", Secrets.masked(Backend.commandWords(s)));
      case null, default -> String.valueOf(value);
    };
  }
}
