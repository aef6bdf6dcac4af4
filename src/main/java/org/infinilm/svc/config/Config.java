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

  /// @param refused whether what was given cannot be used, and `value` is the default
  private record Value(@Nullable Object value, String origin, boolean refused) {
    Value(@Nullable Object value, String origin) {
      this(value, origin, false);
    }
  }

  private final Given given;
  private final @Nullable TomlFile toml;
  private final Map<Key<?>, Value> values;
  private final List<String> warnings;

  /// What it was resolved from.
  private record Given(
      List<Key<?>> keys, Map<String, String> flags, Map<String, String> env, @Nullable Path file) {}

  private Config(
      Given given, @Nullable TomlFile toml, Map<Key<?>, Value> values, List<String> warnings) {
    this.given = given;
    this.toml = toml;
    this.values = values;
    this.warnings = List.copyOf(warnings);
  }

  /// The same with the file as it is now, as [#gather].
  public Config again(ConfigException.Wrongs wrong) throws ConfigException {
    return gather(given.keys(), given.flags(), given.env(), given.file(), wrong);
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
    ConfigException.Wrongs wrong = new ConfigException.Wrongs();
    Config c = gather(keys, flags, env, file, wrong);
    wrong.end();
    return c;
  }

  /// The same, with what is wrong said to `wrong`, so that more can be found wrong before all of it
  /// is told. A value that was refused is its default to those that read on; what reads one that
  /// has none ends there ([ConfigException.Wrongs#of]).
  ///
  /// @throws ConfigException when the file cannot be read or is no TOML
  public static Config gather(
      List<Key<?>> keys,
      Map<String, String> flags,
      Map<String, String> env,
      @Nullable Path file,
      ConfigException.Wrongs wrong)
      throws ConfigException {
    TomlFile toml = file == null ? null : TomlFile.read(file);
    List<String> known = keys.stream().map(Key::name).toList();
    if (toml != null) {
      wrong.addAll(toml.unknown(known));
    }
    Map<Key<?>, Value> values = new LinkedHashMap<>();
    List<String> warnings = new ArrayList<>();
    for (Key<?> key : keys) {
      Value refused = new Value(key.fallback(), DEFAULT, true);
      values.put(
          key,
          key.isTables()
              ? wrong.of(() -> tables(key, env, toml, wrong), refused)
              : wrong.of(() -> resolve(key, flags, env, toml, warnings, wrong), refused));
    }
    return new Config(new Given(keys, flags, env, file), toml, values, warnings);
  }

  /// Tables of which some are wrong are there all the same, so that the others can be read.
  private static Value tables(
      Key<?> key, Map<String, String> env, @Nullable TomlFile toml, ConfigException.Wrongs wrong)
      throws ConfigException {
    List<TomlFile> tables = toml == null ? List.of() : toml.tables(key.name());
    wrong.in(() -> key.type().tables().check(tables, env));
    if (!tables.isEmpty()) {
      return new Value(tables, tables.getFirst().place());
    }
    return new Value(
        key.fallback(), toml != null && toml.has(key.name()) ? toml.place(key.name()) : DEFAULT);
  }

  private static Value resolve(
      Key<?> key,
      Map<String, String> flags,
      Map<String, String> env,
      @Nullable TomlFile toml,
      List<String> warnings,
      ConfigException.Wrongs wrong)
      throws ConfigException {
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
      String v =
          key.pairs()
              ? toml.pairs(key.name(), wrong)
              : key.isText() ? toml.textual(key.name()) : toml.scalar(key.name());
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
    if (v.refused() && v.value() == null) {
      throw new ConfigException.Refused(key.name());
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

  /// What is wrong with a value, behind its place and name.
  ///
  /// @param said the value, or the part of it that is meant, and what was expected
  public ConfigException wrong(Key<?> key, String said) {
    return wrong(key, "", said);
  }

  /// The same of one entry, for a key that a file may give as a table: at the entry's own line.
  ///
  /// @param entry its name
  public ConfigException wrong(Key<?> key, String entry, String said) {
    return new ConfigException(place(key, entry) + ": " + said);
  }

  /// What a message about the value of a key begins with: where it was given, and its name.
  public String place(Key<?> key) {
    return place(key, "");
  }

  private String place(Key<?> key, String entry) {
    String origin = origin(key);
    if (origin.equals(DEFAULT) || origin.equals(key.flagName())) {
      return key.flagName();
    }
    String place =
        toml != null && origin.equals(toml.place(key.name()))
            ? toml.place(key.name(), entry)
            : origin;
    return place + ": " + key.name();
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
