package org.infinilm.svc.engine;

import com.fasterxml.jackson.core.JsonPointer;
import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.infinilm.svc.http.ApiError;
import org.jspecify.annotations.Nullable;

/// Keeps a schema so small that following an answer through its grammar stays cheap. One schema
/// each.
final class SchemaLimits {
  /* llama.cpp follows all ways at once in which the text so far can be read. Alternatives that
  begin alike, say two kinds of object, double the ways until the text decides, and alternatives
  within them multiply; in a recursion they would do so without end. So the product of alike
  alternatives along each path is bounded, and a recursion through alike ones is refused. */
  private static final int MAX_DEPTH = 64;
  private static final int MAX_VISITS = 5000;
  private static final int MAX_ALIKE = 64;
  private static final int MAX_ALTERNATIVES = 200;
  private static final int MAX_VALUES = 1000;
  private static final int MAX_HOPS = 8;

  private enum Kind {
    OBJECT,
    ARRAY,
    STRING,
    NUMBER,
    WORD
  }

  private final JsonNode document;
  private final Map<String, Integer> open = new HashMap<>();
  private int visits;
  private int alternatives;
  private int values;

  private SchemaLimits(JsonNode document) {
    this.document = document;
  }

  static void check(JsonNode schema) throws ApiError {
    SchemaLimits limits = new SchemaLimits(schema);
    limits.open.put("", 1);
    limits.visit(schema, 1, 0);
  }

  private static ApiError refused(String seen, String expected) {
    return ApiError.value("response_format.json_schema.schema", seen, expected);
  }

  private static void bound(int seen, int most, String what) throws ApiError {
    if (seen > most) {
      throw refused("more than " + most + " " + what, "at most " + most);
    }
  }

  private void visit(JsonNode schema, int alike, int depth) throws ApiError {
    bound(depth, MAX_DEPTH, "levels");
    bound(++visits, MAX_VISITS, "parts");
    values += schema.path("enum").size();
    bound(values, MAX_VALUES, "values in enum");
    for (JsonNode property : schema.path("properties")) {
      visit(property, alike, depth + 1);
    }
    for (String one : List.of("items", "additionalProperties")) {
      if (schema.path(one).isObject()) {
        visit(schema.path(one), alike, depth + 1);
      }
    }
    for (String several : List.of("anyOf", "oneOf", "allOf")) {
      JsonNode list = schema.path(several);
      alternatives += list.size();
      bound(alternatives, MAX_ALTERNATIVES, "alternatives");
      int product = alike * mostAlike(list);
      bound(product, MAX_ALIKE, "alternatives that begin alike, one in another");
      for (JsonNode one : list) {
        visit(one, product, depth + 1);
      }
    }
    JsonNode target = target(schema);
    if (target != null) {
      reference(schema.path("$ref").asText(), target, alike, depth);
    }
  }

  private void reference(String pointer, JsonNode target, int alike, int depth) throws ApiError {
    String key = pointer.substring(1);
    Integer before = open.get(key);
    if (before == null) {
      open.put(key, alike);
      visit(target, alike, depth + 1);
      open.remove(key);
    } else if (alike > before) {
      throw refused(
          "a recursion through alternatives that begin alike", "alternatives of different types");
    }
  }

  /// How many schemas of a list can begin with the same character, at least 1.
  private int mostAlike(JsonNode list) {
    Map<Kind, Integer> count = new EnumMap<>(Kind.class);
    for (JsonNode one : list) {
      kinds(one, MAX_HOPS).forEach(k -> count.merge(k, 1, Integer::sum));
    }
    return count.values().stream().mapToInt(Integer::intValue).max().orElse(1);
  }

  private Set<Kind> kinds(JsonNode schema, int hops) {
    Set<Kind> all = new TreeSet<>(List.of(Kind.values()));
    JsonNode target = target(schema);
    if (hops == 0) {
      return all;
    }
    if (target != null) {
      return kinds(target, hops - 1);
    }
    List<JsonNode> inner = new ArrayList<>();
    List.of("anyOf", "oneOf", "allOf").forEach(k -> schema.path(k).forEach(inner::add));
    Set<Kind> out = new TreeSet<>();
    inner.forEach(one -> out.addAll(kinds(one, hops - 1)));
    JsonNode type = schema.path("type");
    (type.isArray() ? type : List.of(type)).forEach(t -> out.addAll(kindsOf(t.asText(""))));
    schema.path("enum").forEach(v -> out.add(kindOf(v)));
    if (schema.has("const")) {
      out.add(kindOf(schema.path("const")));
    }
    return out.isEmpty() ? all : out;
  }

  private static Set<Kind> kindsOf(String type) {
    return switch (type) {
      case "object" -> Set.of(Kind.OBJECT);
      case "array" -> Set.of(Kind.ARRAY);
      case "string" -> Set.of(Kind.STRING);
      case "number", "integer" -> Set.of(Kind.NUMBER);
      case "boolean", "null" -> Set.of(Kind.WORD);
      default -> Set.of();
    };
  }

  private static Kind kindOf(JsonNode value) {
    return switch (value.getNodeType()) {
      case OBJECT -> Kind.OBJECT;
      case ARRAY -> Kind.ARRAY;
      case STRING -> Kind.STRING;
      case NUMBER -> Kind.NUMBER;
      default -> Kind.WORD;
    };
  }

  private @Nullable JsonNode target(JsonNode schema) {
    String ref = schema.path("$ref").asText("");
    if (!ref.startsWith("#")) {
      return null;
    }
    try {
      JsonNode target = document.at(JsonPointer.compile(ref.substring(1)));
      return target.isMissingNode() ? null : target;
    } catch (IllegalArgumentException e) {
      return null;
    }
  }
}
