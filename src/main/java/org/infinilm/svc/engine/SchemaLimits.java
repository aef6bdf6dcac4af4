package org.infinilm.svc.engine;

import com.fasterxml.jackson.core.JsonPointer;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
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

  /// Ways in which an answer may go on at one place; each costs time with every token.
  private static final int MAX_WAYS = 128;

  private static final int MAX_HOPS = 8;

  private enum Kind {
    OBJECT,
    ARRAY,
    STRING,
    NUMBER,
    WORD
  }

  private final JsonNode document;
  private final Effort effort;

  /// What schemas can begin with, by the references that may still be followed from there; and
  /// where their references lead. Alternatives that name each other would be walked for months
  /// otherwise.
  private final IdentityHashMap<JsonNode, List<@Nullable Set<Kind>>> known =
      new IdentityHashMap<>();

  private final IdentityHashMap<JsonNode, JsonNode> targets = new IdentityHashMap<>();

  /// The ways to go on of lists of values; a list is met again with each reference to it.
  private final IdentityHashMap<JsonNode, Integer> ways = new IdentityHashMap<>();

  private final Map<String, Integer> open = new HashMap<>();
  private int visits;
  private int alternatives;
  private int values;

  private SchemaLimits(JsonNode document, Effort effort) {
    this.document = document;
    this.effort = effort;
  }

  static void check(JsonNode schema, Effort effort) throws ApiError {
    SchemaLimits limits = new SchemaLimits(schema, effort);
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
    bound(
        alike * Math.max(values(schema), optional(schema)),
        MAX_WAYS,
        "ways to go on at one place (values of an enum that differ there, optional properties in a"
            + " row, alternatives that begin alike around them)");
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

  /// In how many ways the values of a schema go on where most of them differ.
  private int values(JsonNode schema) throws ApiError {
    JsonNode list = schema.path("enum");
    effort.schema(1 + schema.size());
    Integer before = ways.get(list);
    if (list.isEmpty() || before != null) {
      return before == null ? 1 : before;
    }
    List<String> texts = new ArrayList<>(list.size());
    for (JsonNode value : list) {
      texts.add(effort.text(value));
    }
    int found = Literals.of(texts).ways();
    ways.put(list, found);
    return found;
  }

  /// How many properties, or the end, may come next where most may.
  private int optional(JsonNode schema) throws ApiError {
    JsonNode properties = schema.path("properties");
    JsonNode list = schema.path("required");
    effort.schema(properties.size() + list.size());
    Set<String> required = new HashSet<>();
    list.forEach(name -> required.add(name.asText("")));
    int most = 1;
    int row = 1;
    for (Map.Entry<String, JsonNode> p : properties.properties()) {
      row = required.contains(p.getKey()) ? 1 : row + 1;
      most = Math.max(most, row);
    }
    return most;
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
  private int mostAlike(JsonNode list) throws ApiError {
    Map<Kind, Integer> count = new EnumMap<>(Kind.class);
    for (JsonNode one : list) {
      for (Kind k : kinds(one, MAX_HOPS)) {
        count.merge(k, 1, Integer::sum);
      }
    }
    return count.values().stream().mapToInt(Integer::intValue).max().orElse(1);
  }

  private Set<Kind> kinds(JsonNode schema, int hops) throws ApiError {
    List<@Nullable Set<Kind>> byHops =
        known.computeIfAbsent(
            schema, s -> new ArrayList<>(Collections.nCopies(MAX_HOPS + 1, null)));
    Set<Kind> before = byHops.get(hops);
    if (before != null) {
      effort.schema(1);
      return before;
    }
    Set<Kind> found = hops == 0 ? EnumSet.allOf(Kind.class) : found(schema, hops);
    byHops.set(hops, found);
    return found;
  }

  private Set<Kind> found(JsonNode schema, int hops) throws ApiError {
    JsonNode target = target(schema);
    if (target != null) {
      effort.schema(1);
      return kinds(target, hops - 1);
    }
    Set<Kind> out = EnumSet.noneOf(Kind.class);
    for (String several : List.of("anyOf", "oneOf", "allOf")) {
      for (JsonNode one : schema.path(several)) {
        out.addAll(kinds(one, hops - 1));
      }
    }
    JsonNode type = schema.path("type");
    effort.schema(1 + type.size() + schema.path("enum").size());
    (type.isArray() ? type : List.of(type)).forEach(t -> out.addAll(kindsOf(t.asText(""))));
    schema.path("enum").forEach(v -> out.add(kindOf(v)));
    if (schema.has("const")) {
      out.add(kindOf(schema.path("const")));
    }
    return out.isEmpty() ? EnumSet.allOf(Kind.class) : out;
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
    JsonNode ref = schema.path("$ref");
    JsonNode target = targets.computeIfAbsent(ref, r -> pointed(document, r.asText("")));
    return target.isMissingNode() ? null : target;
  }

  private static JsonNode pointed(JsonNode document, String ref) {
    try {
      return ref.startsWith("#")
          ? document.at(JsonPointer.compile(ref.substring(1)))
          : MissingNode.getInstance();
    } catch (IllegalArgumentException e) {
      return MissingNode.getInstance();
    }
  }
}
