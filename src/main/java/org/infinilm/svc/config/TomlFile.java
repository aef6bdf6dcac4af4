package org.infinilm.svc.config;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.Temporal;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.tomlj.Toml;
import org.tomlj.TomlArray;
import org.tomlj.TomlParseError;
import org.tomlj.TomlParseResult;
import org.tomlj.TomlPosition;
import org.tomlj.TomlTable;

/// A parsed TOML file (or a table of one) whose values know their line. Reading a key of the wrong
/// type throws a [ConfigException] with `file:line`, the key, the value and what was expected.
public final class TomlFile {
  private static final Pattern HIDDEN =
      Pattern.compile(
          "backend\\.env(\\..*)?|.*(token|secret|password|passwd|credential|key|otlp_header)s?|keys\\[.*\\.hash",
          Pattern.CASE_INSENSITIVE);

  private static final String UNEXPECTED = "Unexpected ";

  /// The parser keeps hundreds of bytes for a character.
  private static final int MAX_BYTES = 64 << 10;

  private final Path file;
  private final String prefix;
  private final TomlTable table;

  private TomlFile(Path file, String prefix, TomlTable table) {
    this.file = file;
    this.prefix = prefix;
    this.table = table;
  }

  /// Reads and parses `file`; a syntax error names the first bad place.
  public static TomlFile read(Path file) throws ConfigException {
    TomlParseResult parsed;
    String text;
    try {
      text = UTF_8.newDecoder().decode(ByteBuffer.wrap(InputFile.read(file, MAX_BYTES))).toString();
      // Windows editors begin a file with a byte-order mark.
      parsed = Toml.parse(text.startsWith("\ufeff") ? text.substring(1) : text);
    } catch (NoSuchFileException e) {
      throw new ConfigException(file + ": no such file");
    } catch (CharacterCodingException e) {
      throw new ConfigException(file + ": not UTF-8 text (expected: a TOML file)");
    } catch (IOException e) {
      throw new ConfigException(file + ": cannot be read: " + ConfigException.reason(e));
    } catch (StackOverflowError e) {
      throw new ConfigException(file + ": nested too deeply (expected: a TOML file)");
    }
    if (parsed.hasErrors()) {
      TomlParseError first =
          Collections.min(
              parsed.errors(), Comparator.comparingInt((TomlParseError e) -> e.position().line()));
      throw new ConfigException(file + ":" + syntax(first, text));
    }
    return new TomlFile(file, "", parsed);
  }

  /// A syntax error and its line. It names a place and never what stands there, which may be half a
  /// secret; what is missing at the file's end is missing in its last line.
  private static String syntax(TomlParseError e, String text) {
    String said = String.valueOf(e.getMessage());
    int line = e.position().line();
    int expected = said.lastIndexOf(", expected ");
    if (!said.startsWith(UNEXPECTED) || expected < 0) {
      int quote = said.startsWith("Invalid") ? said.indexOf(" '") : -1;
      return line + ": " + (quote < 0 ? said : said.substring(0, quote));
    }
    String what = said.substring(UNEXPECTED.length(), expected);
    if (what.equals("end of input")) {
      line = Math.min(line, (int) text.stripTrailing().lines().count());
    } else if (!what.equals("end of line")) {
      what = "text in column " + e.position().column();
    }
    return line
        + ": unexpected "
        + what
        + " (expected: "
        + said.substring(expected + ", expected ".length())
        + ")";
  }

  public Path file() {
    return file;
  }

  public Set<String> keys() {
    return table.keySet();
  }

  public boolean has(String key) {
    return table.contains(List.of(key));
  }

  /// `file:line` of a key, or the file alone.
  public String place(String key) {
    TomlPosition at = table.inputPositionOf(List.of(key));
    return at == null ? file.toString() : file + ":" + at.line();
  }

  /// The same of what stands under `inner` in the table `key`; that of the table where there is
  /// none.
  String place(String key, String inner) {
    TomlPosition at =
        table.get(List.of(key)) instanceof TomlTable
            ? table.inputPositionOf(List.of(key, inner))
            : null;
    return at == null ? place(key) : file + ":" + at.line();
  }

  /// The error to throw for `key`: place, full key, value, expectation.
  public ConfigException wrong(String key, String expected) {
    Object v = table.get(List.of(key));
    return new ConfigException(
        place(key)
            + ": "
            + prefix
            + key
            + ": "
            + (v == null ? "missing" : isHidden(key, v) ? kind(v) : show(v))
            + " (expected: "
            + expected
            + ")");
  }

  public @Nullable TomlFile table(String key) throws ConfigException {
    Object v = table.get(List.of(key));
    if (v == null) {
      return null;
    }
    if (v instanceof TomlTable t) {
      return new TomlFile(file, prefix + key + ".", t);
    }
    throw wrong(key, "a table");
  }

  /// The tables `[[key]]`, none when there are none.
  public List<TomlFile> tables(String key) throws ConfigException {
    Object v = table.get(List.of(key));
    if (v == null) {
      return List.of();
    }
    if (!(v instanceof TomlArray a)) {
      throw wrong(key, "tables [[" + prefix + key + "]]");
    }
    List<TomlFile> out = new ArrayList<>();
    for (int i = 0; i < a.size(); i++) {
      if (!(a.get(i) instanceof TomlTable t)) {
        throw wrong(key, "tables [[" + prefix + key + "]]");
      }
      out.add(new TomlFile(file, prefix + key + "[" + i + "].", t));
    }
    return List.copyOf(out);
  }

  /// Where the table begins to say something: the first line of its keys, or the file alone.
  public String place() {
    return table.keySet().stream()
        .map(k -> table.inputPositionOf(List.of(k)))
        .filter(Objects::nonNull)
        .min(Comparator.comparingInt(TomlPosition::line))
        .map(at -> file + ":" + at.line())
        .orElse(file.toString());
  }

  /// Stops at a key that is none of `known`.
  public void allow(Collection<String> known) throws ConfigException {
    List<String> wrong = unknown(known);
    if (!wrong.isEmpty()) {
      throw new ConfigException(String.join("\n", wrong));
    }
  }

  /// What is to be said of keys that are none of `known`, a line each.
  List<String> unknown(Collection<String> known) {
    List<String> wrong = new ArrayList<>();
    for (String k : keys()) {
      if (!known.contains(k)) {
        wrong.add(place(k) + ": unknown key \"" + prefix + k + "\"" + Words.hint(k, known));
      }
    }
    return wrong;
  }

  /// A moment: a date and time with its offset, or a date, which begins at midnight UTC.
  public @Nullable Instant moment(String key) throws ConfigException {
    return switch (table.get(List.of(key))) {
      case null -> null;
      case OffsetDateTime t -> t.toInstant();
      case LocalDate d -> d.atStartOfDay(ZoneOffset.UTC).toInstant();
      case LocalDateTime t ->
          throw wrong(key, "a time with its offset from UTC, such as " + show(t) + "Z");
      default -> throw wrong(key, "a date, or a time such as 2027-01-31T12:00:00Z");
    };
  }

  public @Nullable String text(String key) throws ConfigException {
    return switch (table.get(List.of(key))) {
      case null -> null;
      case String s -> withoutNul(key, s);
      default -> throw wrong(key, "a string");
    };
  }

  public @Nullable Long whole(String key, long min, long max) throws ConfigException {
    return switch (table.get(List.of(key))) {
      case null -> null;
      case Long n when n >= min && n <= max -> n;
      default -> throw wrong(key, "a whole number " + min + ".." + max);
    };
  }

  public @Nullable List<String> texts(String key) throws ConfigException {
    Object v = table.get(List.of(key));
    if (v == null) {
      return null;
    }
    if (!(v instanceof TomlArray a)) {
      throw wrong(key, "an array of strings");
    }
    List<String> out = new ArrayList<>();
    for (int i = 0; i < a.size(); i++) {
      if (!(a.get(i) instanceof String s)) {
        throw wrong(key, "an array of strings; element " + i + " is " + kind(a.get(i)));
      }
      out.add(withoutNul(key, s));
    }
    return List.copyOf(out);
  }

  /// No path, command, name or address has one.
  private String withoutNul(String key, String s) throws ConfigException {
    if (s.indexOf('\0') >= 0) {
      throw new ConfigException(
          place(key) + ": " + prefix + key + ": has a NUL character (expected: text without)");
    }
    return s;
  }

  /// The scalar under `key` as the text a flag would carry, or null when absent.
  public @Nullable String scalar(String key) throws ConfigException {
    return switch (table.get(List.of(key))) {
      case null -> null;
      case TomlTable t -> throw wrong(key, "a single value");
      case TomlArray a -> String.join(",", requireTexts(key));
      case String s -> withoutNul(key, s);
      case Object o -> String.valueOf(o);
    };
  }

  /// The same of a key whose values are texts: `false` and 5 are none, and mean nothing as a path.
  @Nullable String textual(String key) throws ConfigException {
    return switch (table.get(List.of(key))) {
      case null -> null;
      case String s -> withoutNul(key, s);
      case TomlArray a -> String.join(",", requireTexts(key));
      default -> throw wrong(key, "a string");
    };
  }

  /// The same of a table too, as `NAME=VALUE,...`: the entries that can be used.
  ///
  /// @param wrong told of the others
  @Nullable String pairs(String key, ConfigException.Wrongs wrong) throws ConfigException {
    if (!(table.get(List.of(key)) instanceof TomlTable t)) {
      return textual(key);
    }
    TomlFile inner = new TomlFile(file, prefix + key + ".", t);
    List<String> out = new ArrayList<>();
    for (String name : t.keySet()) {
      wrong.in(() -> out.add(inner.pair(name)));
    }
    return String.join(",", out);
  }

  private String pair(String name) throws ConfigException {
    Object given = table.get(List.of(name));
    if (given instanceof Boolean) {
      throw wrong(name, "a text or a number");
    }
    String value = given instanceof TomlArray ? null : scalar(name);
    if (value == null || value.indexOf(',') >= 0) {
      throw wrong(name, "a single value without a comma");
    }
    if (name.isBlank() || name.indexOf(',') >= 0 || name.indexOf('=') >= 0) {
      throw new ConfigException(
          place(name) + ": " + prefix + name + " (expected: a name without , and =)");
    }
    return name + "=" + value;
  }

  private List<String> requireTexts(String key) throws ConfigException {
    List<String> t = texts(key);
    return t == null ? List.of() : t;
  }

  /// The whole table as plain JSON values: maps, lists, strings, longs, doubles, booleans;
  /// date-times as text; NaN and infinities dropped.
  public Map<String, Object> plain() {
    return plain(table);
  }

  private static Map<String, Object> plain(TomlTable t) {
    Map<String, Object> out = new LinkedHashMap<>();
    for (String k : t.keySet()) {
      Object v = plainValue(t.get(List.of(k)));
      if (v != null) {
        out.put(k, v);
      }
    }
    return out;
  }

  private static @Nullable Object plainValue(@Nullable Object v) {
    return switch (v) {
      case null -> null;
      case TomlTable t -> plain(t);
      case TomlArray a -> {
        List<Object> out = new ArrayList<>();
        for (int i = 0; i < a.size(); i++) {
          Object e = plainValue(a.get(i));
          if (e != null) {
            out.add(e);
          }
        }
        yield out;
      }
      case Double d when d.isNaN() || d.isInfinite() -> null;
      case String s -> s;
      case Long n -> n;
      case Double d -> d;
      case Boolean b -> b;
      case OffsetDateTime t -> DateTimeFormatter.ISO_OFFSET_DATE_TIME.format(t);
      case LocalDateTime t -> DateTimeFormatter.ISO_LOCAL_DATE_TIME.format(t);
      case LocalTime t -> DateTimeFormatter.ISO_LOCAL_TIME.format(t);
      default -> v.toString();
    };
  }

  /// Command lines, environments and what names itself a secret: messages say of what kind a text
  /// is, not which.
  private boolean isHidden(String key, Object value) {
    String full = prefix + key;
    return HIDDEN.matcher(full).matches()
        || (value instanceof String
            && (full.equals("backend.args") || full.equals("backend.command")));
  }

  private static String show(@Nullable Object v) {
    return switch (v) {
      case null -> "nothing";
      case String s -> '"' + s + '"';
      case Long n -> n.toString();
      case Double d -> d.toString();
      case Boolean b -> b.toString();
      case Temporal t -> String.valueOf(plainValue(t));
      default -> kind(v);
    };
  }

  /// In place of a value that may be a secret.
  private static String kind(Object v) {
    return switch (v) {
      case String s -> "a string";
      case Long n -> "a number";
      case Double d -> "a number";
      case Boolean b -> "true or false";
      case TomlTable t -> "a table";
      case TomlArray a -> "an array";
      default -> "a date or time";
    };
  }
}
