package org.infinilm.svc.registry;

import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.IntNode;
import com.fasterxml.jackson.databind.node.LongNode;
import java.io.UncheckedIOException;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.http.Json;
import org.jspecify.annotations.Nullable;

/// Reads the bodies that services send and refuses what would harm later readers of the table: text
/// that is no Unicode, numbers that JSON cannot write, nesting without end, addresses that are
/// none.
final class Bodies {
  private static final int MAX_DEPTH = 100;

  /// A value costs fifty times as much in memory as in JSON.
  private static final int MAX_VALUES = 20_000;

  private static final int MAX_NAME = 256;
  private static final int MAX_URL = 2048;
  private static final int MAX_INCARNATION = 64;
  private static final int MAX_WEIGHT = 1_000_000;
  private static final Pattern HOST_NAME = Pattern.compile("[\\p{Alnum}_][\\p{Alnum}._-]{0,254}");

  private Bodies() {}

  static Entry registration(byte[] body) throws Refused {
    return registration(object(body));
  }

  /// @param n as [#object] gives it
  static Entry registration(JsonNode n) throws Refused {
    JsonNode metadata = n.path("metadata");
    if (metadata.isNull()) {
      throw wrong("metadata", metadata, "an object");
    }
    Map<String, Object> plain = metadata(metadata);
    return new Entry(
        required(name(n.path("name")), "name", "a string"),
        required(host(n.path("host")), "host", "a string"),
        required(port(n.path("port")), "port", "a whole number 0..65535"),
        required(text("hostname", n.path("hostname"), MAX_NAME), "hostname", "a string"),
        required(url(n.path("url")), "url", "a string"),
        required(text("status", n.path("status"), MAX_NAME), "status", "a string"),
        plain == null ? Map.of() : plain,
        weight(n.path("weight")),
        incarnation(n.path("incarnation")));
  }

  static Event.Update update(String name, byte[] body) throws Refused {
    JsonNode n = object(body);
    return new Event.Update(
        name,
        host(n.path("host")),
        port(n.path("port")),
        text("hostname", n.path("hostname"), MAX_NAME),
        url(n.path("url")),
        text("status", n.path("status"), MAX_NAME),
        metadata(n.path("metadata")),
        weight(n.path("weight")),
        incarnation(n.path("incarnation")));
  }

  /// A heartbeat; status and incarnation are null where none is given, and for a body that is not
  /// understood.
  static Event.Heartbeat heartbeat(String name, byte[] body) {
    if (body.length > 0 && !Json.isLargerThan(MAX_VALUES, body)) {
      try {
        JsonNode n = Json.tree(body);
        return new Event.Heartbeat(name, word(n, "status"), word(n, "incarnation"));
      } catch (JsonProcessingException | UncheckedIOException | Refused ignored) {
        // as an original registry does
      }
    }
    return new Event.Heartbeat(name, null);
  }

  private static @Nullable String word(JsonNode n, String field) throws Refused {
    return n.path(field).isTextual() ? text(field, n.path(field), MAX_NAME) : null;
  }

  /// A JSON object of not too many values.
  static JsonNode object(byte[] body) throws Refused {
    JsonNode n;
    if (Json.isLargerThan(MAX_VALUES, body)) {
      throw new Refused(
          413, "body: too many values (expected: at most " + MAX_VALUES + " names and values)");
    }
    try {
      n = Json.tree(body);
    } catch (JsonProcessingException e) {
      throw new Refused(400, "body: not JSON" + place(e.getLocation()));
    } catch (UncheckedIOException e) {
      throw new Refused(400, "body: not JSON");
    }
    if (n.isMissingNode()) {
      throw new Refused(400, "body: empty (expected: a JSON object)");
    }
    if (!n.isObject()) {
      throw new Refused(422, "body: " + kind(n) + " (expected: a JSON object)");
    }
    return n;
  }

  private static String place(@Nullable JsonLocation at) {
    return at == null || at.getLineNr() < 1
        ? ""
        : ", at line " + at.getLineNr() + ", column " + at.getColumnNr();
  }

  private static <T> T required(@Nullable T value, String field, String expected) throws Refused {
    if (value == null) {
      throw new Refused(422, field + ": missing (expected: " + expected + ")");
    }
    return value;
  }

  private static @Nullable String text(String field, JsonNode n, int max) throws Refused {
    if (n.isMissingNode() || n.isNull()) {
      return null;
    }
    if (!n.isTextual()) {
      throw wrong(field, n, "a string");
    }
    String s = n.asText();
    if (s.length() > max) {
      throw new Refused(
          422, field + ": " + s.length() + " characters (expected: at most " + max + ")");
    }
    requireUnicode(field, s);
    return s;
  }

  private static @Nullable String name(JsonNode n) throws Refused {
    String s = text("name", n, MAX_NAME);
    if (s != null && (s.isBlank() || s.chars().anyMatch(Character::isISOControl))) {
      throw new Refused(
          422, "name: " + Json.text(s) + " (expected: 1.." + MAX_NAME + " printable characters)");
    }
    return s;
  }

  private static @Nullable String host(JsonNode n) throws Refused {
    String s = text("host", n, MAX_NAME);
    if (s != null && !isHost(s)) {
      throw new Refused(422, "host: " + Json.text(s) + " (expected: a host name or address)");
    }
    return s;
  }

  private static @Nullable String url(JsonNode n) throws Refused {
    String s = text("url", n, MAX_URL);
    if (s != null && !isHttp(s)) {
      throw new Refused(422, "url: " + Json.text(s) + " (expected: http://host:port)");
    }
    return s;
  }

  private static boolean isHttp(String s) {
    return s.equals(s.strip()) && BaseUrl.parse(s) != null;
  }

  private static boolean isHost(String s) {
    if (HOST_NAME.matcher(s).matches()) {
      return true;
    }
    try {
      return s.indexOf(':') >= 0 && InetAddress.ofLiteral(s) instanceof Inet6Address;
    } catch (IllegalArgumentException noAddress) {
      return false;
    }
  }

  private static @Nullable Integer port(JsonNode n) throws Refused {
    return whole("port", n, 65535);
  }

  /// Null for what is none: the original let unknown fields be.
  private static @Nullable String incarnation(JsonNode n) throws Refused {
    return n.isTextual() && !n.asText().isEmpty() ? text("incarnation", n, MAX_INCARNATION) : null;
  }

  private static @Nullable Integer weight(JsonNode n) throws Refused {
    // Clients of the original send what they like here: it had no such field.
    JsonNode said = n;
    if (n.isTextual() && n.asText().strip().matches("[0-9]{1,9}")) {
      said = IntNode.valueOf(Integer.parseInt(n.asText().strip()));
    } else if (n.isFloatingPointNumber() && n.asDouble() == Math.rint(n.asDouble())) {
      said = LongNode.valueOf((long) n.asDouble());
    }
    return whole("weight", said, MAX_WEIGHT);
  }

  private static @Nullable Integer whole(String field, JsonNode n, int max) throws Refused {
    if (n.isMissingNode() || n.isNull()) {
      return null;
    }
    if (!n.isIntegralNumber() || !n.canConvertToInt() || n.asInt() < 0 || n.asInt() > max) {
      throw wrong(field, n, "a whole number 0.." + max);
    }
    return n.asInt();
  }

  private static @Nullable Map<String, Object> metadata(JsonNode n) throws Refused {
    if (n.isMissingNode() || n.isNull()) {
      return null;
    }
    if (!n.isObject()) {
      throw wrong("metadata", n, "an object");
    }
    requireWritable(n, 1);
    return plain(n);
  }

  /// As maps and lists; the mapper's own way costs several times as much.
  private static Map<String, Object> plain(JsonNode object) {
    Map<String, Object> out = new LinkedHashMap<>();
    object.properties().forEach(e -> out.put(e.getKey(), value(e.getValue())));
    return out;
  }

  private static @Nullable Object value(JsonNode n) {
    return switch (n.getNodeType()) {
      case OBJECT -> plain(n);
      case ARRAY -> {
        List<@Nullable Object> out = new ArrayList<>(n.size());
        n.forEach(e -> out.add(value(e)));
        yield out;
      }
      case STRING -> n.asText();
      case NUMBER -> n.numberValue();
      case BOOLEAN -> n.asBoolean();
      default -> null;
    };
  }

  private static void requireWritable(JsonNode n, int depth) throws Refused {
    if (depth > MAX_DEPTH) {
      throw new Refused(400, "metadata: nested deeper than " + MAX_DEPTH);
    }
    if (n.isTextual()) {
      requireUnicode("metadata", n.asText());
    } else if (n.isDouble() && !Double.isFinite(n.asDouble())) {
      throw new Refused(400, "metadata: a number out of range");
    }
    for (Iterator<String> names = n.fieldNames(); names.hasNext(); ) {
      requireUnicode("metadata", names.next());
    }
    for (JsonNode child : n) {
      requireWritable(child, depth + 1);
    }
  }

  private static void requireUnicode(String field, String s) throws Refused {
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      if (Character.isHighSurrogate(c)
          && i + 1 < s.length()
          && Character.isLowSurrogate(s.charAt(i + 1))) {
        i++;
      } else if (Character.isSurrogate(c)) {
        throw new Refused(400, field + ": half of a surrogate pair (expected: Unicode text)");
      }
    }
  }

  private static Refused wrong(String field, JsonNode n, String expected) {
    return new Refused(422, field + ": " + kind(n) + " (expected: " + expected + ")");
  }

  private static String kind(JsonNode n) {
    return switch (n.getNodeType()) {
      case OBJECT -> "an object";
      case ARRAY -> "an array";
      case STRING -> "a string";
      case NUMBER -> {
        String s = n.toString();
        yield s.length() <= 40 ? s : "a number";
      }
      case BOOLEAN -> n.toString();
      default -> "null";
    };
  }
}
