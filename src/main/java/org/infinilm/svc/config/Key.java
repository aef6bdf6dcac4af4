package org.infinilm.svc.config;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// One setting of one program, declared once: its name in a TOML file (`router_port`), its flag
/// (`--router-port`), its environment variables (`INFINI_ROUTER_PORT` after any older names), its
/// type, default and range.
///
/// @param name snake_case name, the key in a TOML file
/// @param type how text becomes a value
/// @param fallback the default; null means "absent" ([Config#find])
/// @param env older environment names, in order of precedence, before `INFINI_<NAME>`
/// @param lenient a value that cannot be parsed is a warning and the default, not an error
/// @param addsUp a flag given several times means all its values, with spaces between
/// @param first among the few that one needs first: `--help` shows them before the others
/// @param alsoFlag a second name of its flag, as `--port`; empty for none
/// @param pairs a table of the file, `[name]`, means the text `NAME=VALUE,...`
/// @param doc one line for `--help`
public record Key<T>(
    String name,
    Type<T> type,
    @Nullable T fallback,
    List<String> env,
    boolean lenient,
    boolean addsUp,
    boolean first,
    String alsoFlag,
    boolean pairs,
    String doc) {
  private static final String TABLES = "[[...]]";

  public Key(
      String name,
      Type<T> type,
      @Nullable T fallback,
      List<String> env,
      boolean lenient,
      String doc) {
    this(name, type, fallback, env, lenient, false, false, "", false, doc);
  }

  /// Text to value; throws [IllegalArgumentException] with "(expected: ...)" wording.
  ///
  /// @param label the placeholder in `--help`; empty for a switch
  /// @param schema what JSON Schema says of a value in a file
  /// @param tables what must hold of tables, for a key that is some
  public record Type<T>(String label, Parser<T> parser, Map<String, Object> schema, Tables tables) {
    public Type(String label, Parser<T> parser, Map<String, Object> schema) {
      this(label, parser, schema, (t, env) -> {});
    }

    /// One whose values are texts to a schema.
    public Type(String label, Parser<T> parser) {
      this(label, parser, Map.of("type", "string"));
    }

    public boolean isSwitch() {
      return label.isEmpty();
    }
  }

  /// Parses one value; the message of the exception says what was expected.
  @FunctionalInterface
  public interface Parser<T> {
    T parse(String text);
  }

  /// Says what is wrong with tables of a file.
  @FunctionalInterface
  public interface Tables {
    /// @param env the environment, whose variables tables may name
    void check(List<TomlFile> tables, Map<String, String> env) throws ConfigException;
  }

  /// Tables of the file, `[[name]]`: neither a flag nor a variable gives them.
  ///
  /// @param properties what JSON Schema says of the keys of one
  /// @param check throws for those that cannot be used
  public static Key<List<TomlFile>> tables(
      String name,
      String doc,
      Map<String, Object> properties,
      List<String> required,
      Tables check) {
    Map<String, Object> one =
        Map.of(
            "type",
            "object",
            "properties",
            properties,
            "required",
            required,
            "additionalProperties",
            false);
    return new Key<>(
        name,
        new Type<>(TABLES, Key::noTables, Map.of("type", "array", "items", one), check),
        List.of(),
        List.of(),
        false,
        doc);
  }

  private static Map<String, Object> numbers(String type, Number min, Number max) {
    return Map.of("type", type, "minimum", min, "maximum", max);
  }

  private static List<TomlFile> noTables(String text) {
    throw new IllegalArgumentException("(expected: tables of a file)");
  }

  /// Whether a file alone gives it.
  public boolean isTables() {
    return type.label().equals(TABLES);
  }

  /// Whether its values are texts to a file.
  boolean isText() {
    return "string".equals(type.schema().get("type"));
  }

  public static Key<String> text(String name, @Nullable String fallback, String doc) {
    return new Key<>(name, new Type<>("TEXT", s -> s), fallback, List.of(), false, doc);
  }

  /// An address to listen on or to register: an IPv4 or IPv6 address, or a host's name.
  public static Key<String> host(String name, @Nullable String fallback, String doc) {
    return new Key<>(name, new Type<>("ADDRESS", Hosts::address), fallback, List.of(), false, doc);
  }

  /// The path of a file or folder.
  public static Key<String> path(String name, @Nullable String fallback, String doc) {
    return new Key<>(name, new Type<>("FILE", Key::pathOf), fallback, List.of(), false, doc);
  }

  public static Key<Long> whole(
      String name, @Nullable Long fallback, long min, long max, String doc) {
    return new Key<>(
        name,
        new Type<>("N", s -> range(s, min, max), numbers("integer", min, max)),
        fallback,
        List.of(),
        false,
        doc);
  }

  public static Key<Integer> port(String name, @Nullable Integer fallback, String doc) {
    return new Key<>(
        name,
        new Type<>("PORT", s -> (int) range(s, 0, 65535), numbers("integer", 0, 65535)),
        fallback,
        List.of(),
        false,
        doc);
  }

  public static Key<Double> number(
      String name, @Nullable Double fallback, double min, double max, String doc) {
    return new Key<>(
        name,
        new Type<>("X", s -> decimal(s, min, max), numbers("number", min, max)),
        fallback,
        List.of(),
        false,
        doc);
  }

  /// A duration given in seconds, fractions allowed.
  public static Key<Duration> seconds(
      String name, @Nullable Double fallback, double min, String doc) {
    return new Key<>(
        name,
        new Type<>("SECONDS", s -> ofSeconds(decimal(s, min, 1e9)), numbers("number", min, 1e9)),
        fallback == null ? null : ofSeconds(fallback),
        List.of(),
        false,
        doc);
  }

  /// A switch: `--name` alone is true; `name = false` in a file and `--no-name` turn it off.
  public static Key<Boolean> flag(String name, boolean fallback, String doc) {
    return new Key<>(
        name,
        new Type<>("", Key::truth, Map.of("type", "boolean")),
        fallback,
        List.of(),
        false,
        doc);
  }

  /// One word of a closed set, case-insensitive.
  public static Key<String> oneOf(
      String name, @Nullable String fallback, List<String> words, String doc) {
    return new Key<>(
        name,
        new Type<>(String.join("|", words), s -> word(s, words), Map.of("enum", words)),
        fallback,
        List.of(),
        false,
        doc);
  }

  /// The same key, also read from these older environment variables (first wins).
  public Key<T> orEnv(String... names) {
    return new Key<>(
        name, type, fallback, List.of(names), lenient, addsUp, first, alsoFlag, pairs, doc);
  }

  /// The same key, whose unusable values are a warning and the default.
  public Key<T> orDefault() {
    return new Key<>(name, type, fallback, env, true, addsUp, first, alsoFlag, pairs, doc);
  }

  /// The same key, whose flag may be given several times.
  public Key<T> addingUp() {
    return new Key<>(name, type, fallback, env, lenient, true, first, alsoFlag, pairs, doc);
  }

  /// The same key, shown among the first in `--help`.
  public Key<T> shownFirst() {
    return new Key<>(name, type, fallback, env, lenient, addsUp, true, alsoFlag, pairs, doc);
  }

  /// The same key, whose flag has a second name.
  public Key<T> orFlag(String flag) {
    return new Key<>(name, type, fallback, env, lenient, addsUp, first, flag, pairs, doc);
  }

  /// The same key, which a file may give as a table of its own.
  public Key<T> orPairs() {
    return new Key<>(name, type, fallback, env, lenient, addsUp, first, alsoFlag, true, doc);
  }

  public String flagName() {
    return "--" + name.replace('_', '-');
  }

  public String envName() {
    return "INFINI_" + name.toUpperCase(Locale.ROOT);
  }

  /// The default as a user would type it; empty when there is none.
  public static String show(Key<?> key) {
    return key.fallback() == null ? "" : typed(key.fallback());
  }

  /// The default as JSON has it; empty when there is none.
  public Optional<Object> defaultInJson() {
    String shown = show(this);
    if (shown.isEmpty()) {
      return Optional.empty();
    }
    return Optional.of(
        switch (String.valueOf(type.schema().get("type"))) {
          case "boolean" -> Boolean.valueOf(shown);
          case "integer" -> Long.valueOf(shown);
          case "number" -> Double.valueOf(shown);
          default -> shown;
        });
  }

  /// A value as a user would type it.
  public static String typed(Object value) {
    return switch (value) {
      case Duration d -> seconds(d);
      case List<?> tables -> tables.isEmpty() ? "" : tables.size() + " of them";
      case Object o -> o.toString();
    };
  }

  private static String seconds(Duration d) {
    double s = d.toNanos() / 1e9;
    return s == Math.rint(s) ? Long.toString((long) s) : Double.toString(s);
  }

  private static Duration ofSeconds(double s) {
    return Duration.ofNanos(Math.round(s * 1e9));
  }

  private static long range(String s, long min, long max) {
    try {
      long v = Long.parseLong(s.strip());
      if (v >= min && v <= max) {
        return v;
      }
    } catch (NumberFormatException notANumber) {
      // falls through to the one message
    }
    throw new IllegalArgumentException("(expected: a whole number " + min + ".." + max + ")");
  }

  private static double decimal(String s, double min, double max) {
    try {
      double v = Double.parseDouble(s.strip());
      if (v >= min && v <= max) {
        return v;
      }
    } catch (NumberFormatException notANumber) {
      // falls through to the one message
    }
    throw new IllegalArgumentException("(expected: a number " + min + ".." + max + ")");
  }

  private static String pathOf(String s) {
    try {
      return Path.of(s).toString().isEmpty() ? "" : s;
    } catch (InvalidPathException e) {
      throw new IllegalArgumentException("(expected: a path that this system can have)");
    }
  }

  private static boolean truth(String s) {
    return switch (s.strip().toLowerCase(Locale.ROOT)) {
      case "", "true", "1", "yes", "on" -> true;
      case "false", "0", "no", "off" -> false;
      default -> throw new IllegalArgumentException("(expected: true or false)");
    };
  }

  private static String word(String s, List<String> words) {
    for (String w : words) {
      if (w.equalsIgnoreCase(s.strip())) {
        return w;
      }
    }
    throw new IllegalArgumentException("(expected: one of " + String.join(", ", words) + ")");
  }
}
