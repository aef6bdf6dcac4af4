package org.infinilm.svc.config;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// The settings of one program, resolved: flag over environment over file over default. Immutable;
/// each value remembers its origin.
public final class Config {
  /// The origin of a value that nothing gives.
  public static final String DEFAULT = "default";

  private record Value(@Nullable Object value, String origin) {}

  private final Given given;
  private final Map<Key<?>, Value> values;
  private final List<String> warnings;

  /// What it was resolved from.
  private record Given(
      List<Key<?>> keys, Map<String, String> flags, Map<String, String> env, @Nullable Path file) {}

  private Config(Given given, Map<Key<?>, Value> values, List<String> warnings) {
    this.given = given;
    this.values = values;
    this.warnings = List.copyOf(warnings);
  }

  /// The same with the file as it is now.
  public Config again() throws ConfigException {
    return resolve(given.keys(), given.flags(), given.env(), given.file());
  }

  /// The file, if there is one.
  public Optional<Path> file() {
    return Optional.ofNullable(given.file());
  }

  /// The keys whose values are others here, in their order.
  public List<Key<?>> changedFrom(Config before) {
    List<Key<?>> out = new ArrayList<>();
    for (Key<?> k : given.keys()) {
      if (!k.isTables() && !Objects.equals(value(k), before.value(k))) {
        out.add(k);
      }
    }
    return out;
  }

  private @Nullable Object value(Key<?> key) {
    Value v = values.get(key);
    return v == null ? null : v.value();
  }

  /// Resolves every key; throws when a value cannot be used or a key of the file is not known, with
  /// all that is wrong, a line each.
  ///
  /// @param flags values given on the command line, by key name
  /// @param file the TOML file, or null for none
  public static Config resolve(
      List<Key<?>> keys, Map<String, String> flags, Map<String, String> env, @Nullable Path file)
      throws ConfigException {
    TomlFile toml = file == null ? null : TomlFile.read(file);
    ConfigException.Wrongs wrong = new ConfigException.Wrongs();
    List<String> known = keys.stream().map(Key::name).toList();
    if (toml != null) {
      wrong.addAll(toml.unknown(known));
    }
    Map<Key<?>, Value> values = new LinkedHashMap<>();
    List<String> warnings = new ArrayList<>();
    for (Key<?> key : keys) {
      wrong.in(() -> values.put(key, resolve(key, flags, env, toml, warnings)));
    }
    wrong.end();
    return new Config(new Given(keys, flags, env, file), values, warnings);
  }

  private static Value resolve(
      Key<?> key,
      Map<String, String> flags,
      Map<String, String> env,
      @Nullable TomlFile toml,
      List<String> warnings)
      throws ConfigException {
    if (key.isTables()) {
      List<TomlFile> tables = toml == null ? List.of() : toml.tables(key.name());
      key.type().tables().check(tables, env);
      if (!tables.isEmpty()) {
        return new Value(tables, tables.getFirst().place());
      }
      return new Value(
          key.fallback(), toml != null && toml.has(key.name()) ? toml.place(key.name()) : DEFAULT);
    }
    String flag = flags.get(key.name());
    if (flag != null) {
      return parse(key, flag, key.flagName(), warnings);
    }
    List<String> names = new ArrayList<>(key.env());
    names.add(key.envName());
    for (String name : names) {
      String v = env.get(name);
      if (v != null) {
        return parse(key, v, name, warnings);
      }
    }
    if (toml != null) {
      String v = toml.scalar(key.name(), key.pairs());
      if (v != null) {
        return parse(key, v, toml.place(key.name()), warnings);
      }
    }
    return new Value(key.fallback(), DEFAULT);
  }

  private static Value parse(Key<?> key, String text, String origin, List<String> warnings)
      throws ConfigException {
    try {
      return new Value(key.type().parser().parse(text), origin);
    } catch (IllegalArgumentException e) {
      String name = origin.equals(key.flagName()) ? "" : key.name() + ": ";
      String said = origin + ": " + name + text + " " + e.getMessage();
      if (!key.lenient()) {
        throw new ConfigException(said);
      }
      warnings.add(said + "; using the default " + Key.show(key));
      return new Value(key.fallback(), DEFAULT);
    }
  }

  /// The value of a key that has a default or is required.
  public <T> T get(Key<T> key) throws ConfigException {
    Optional<T> v = find(key);
    if (v.isEmpty()) {
      throw new ConfigException(
          key.flagName() + ": missing (expected: " + key.type().label() + ", " + key.doc() + ")");
    }
    return v.get();
  }

  /// The value of a key that may be absent.
  @SuppressWarnings("unchecked") // a key's parser and default both give T
  public <T> Optional<T> find(Key<T> key) {
    Value v = values.get(key);
    if (v == null) {
      throw new IllegalArgumentException(key.name() + " was not resolved");
    }
    return Optional.ofNullable((T) v.value());
  }

  /// Whether a key is one of the program's.
  public boolean knows(Key<?> key) {
    return values.containsKey(key);
  }

  /// `default`, `file:line`, the variable's name or the flag.
  public String origin(Key<?> key) {
    Value v = values.get(key);
    return v == null ? "absent" : v.origin();
  }

  /// Values that were replaced by their defaults, one line each.
  public List<String> warnings() {
    return warnings;
  }

  /// One line a key: `name = value # origin`; the values of secrets stay unsaid.
  public List<String> describe() {
    List<String> out = new ArrayList<>();
    values.forEach((k, v) -> out.add(k.name() + " = " + shown(k, v) + "  # " + v.origin()));
    return out;
  }

  private static String shown(Key<?> k, Value v) {
    if (v.value() == null || v.value().equals(List.of())) {
      return "(none)";
    }
    return k.name().endsWith("token")
            || k.name().endsWith("api_key")
            || k.name().endsWith("otlp_headers")
        ? "(secret)"
        : Key.typed(v.value());
  }
}
