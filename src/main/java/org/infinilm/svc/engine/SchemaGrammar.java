package org.infinilm.svc.engine;

import com.fasterxml.jackson.core.JsonPointer;
import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.infinilm.svc.http.ApiError;
import org.infinilm.svc.http.Json;

/// Writes a JSON schema (a useful part of draft 2020-12) as a grammar; what the grammar lets
/// through fits the schema, not everything that fits is let through: properties come in the order
/// of the schema, and no others beside declared ones. A keyword that is not known is refused, never
/// left out. One schema each.
final class SchemaGrammar {
  /// See [JsonRules#weight].
  static final int MAX_WEIGHT = 1_000_000;

  private static final int MAX_REPEATS = 1000;
  private static final int MAX_REPEATS_TOGETHER = 5000;

  private static final Set<String> NOTES =
      Set.of(
          "$schema",
          "$id",
          "$comment",
          "$defs",
          "definitions",
          "title",
          "description",
          "default",
          "examples",
          "deprecated",
          "readOnly",
          "writeOnly");

  private static final Set<String> KNOWN =
      new TreeSet<>(
          Set.of(
              "type",
              "properties",
              "required",
              "additionalProperties",
              "items",
              "minItems",
              "maxItems",
              "enum",
              "const",
              "anyOf",
              "oneOf",
              "allOf",
              "$ref",
              "minLength",
              "maxLength",
              "format"));

  private static final Set<String> FORMATS =
      new TreeSet<>(Set.of("date", "time", "date-time", "uuid"));

  private static final Map<String, List<String>> KEYWORDS_OF =
      Map.of(
          "object", List.of("properties", "required", "additionalProperties"),
          "array", List.of("items", "minItems", "maxItems"),
          "string", List.of("minLength", "maxLength", "format"));

  private final JsonNode document;
  private final JsonRules rules;
  private final Effort effort;
  private final Map<String, String> references = new HashMap<>();
  private int repeats;

  private SchemaGrammar(JsonNode document, JsonRules rules, Effort effort) {
    this.document = document;
    this.rules = rules;
    this.effort = effort;
  }

  /// The grammar of any JSON object.
  static String anyObject() {
    JsonRules rules = new JsonRules();
    rules.add("root", "any-object");
    return rules.text();
  }

  /// @throws ApiError naming the place and the keyword that cannot be honoured
  static String of(JsonNode schema, Effort effort) throws ApiError {
    JsonRules rules = new JsonRules();
    add(rules, "root", schema, effort);
    return text(rules, "response_format.json_schema.schema");
  }

  /// Adds the rules of a schema to others.
  ///
  /// @param name of the rule for the whole of it
  static void add(JsonRules rules, String name, JsonNode schema, Effort effort) throws ApiError {
    SchemaLimits.check(schema, effort);
    SchemaGrammar g = new SchemaGrammar(schema, rules, effort);
    rules.add(name, "");
    g.references.put("", name);
    rules.add(name, g.expression(schema, ""));
  }

  /// The whole grammar.
  ///
  /// @param at the field that it is made of
  /// @throws ApiError when it is too large
  static String text(JsonRules rules, String at) throws ApiError {
    String text = rules.text();
    long weight = JsonRules.weight(text);
    if (weight > MAX_WEIGHT) {
      throw ApiError.value(
          at,
          "a grammar of " + weight + " characters, repetitions written out",
          "schemas that make one of at most " + MAX_WEIGHT);
    }
    return text;
  }

  private static ApiError refused(String at, String seen, String expected) {
    return ApiError.value("response_format.json_schema.schema" + at, seen, expected);
  }

  /// A rule for a schema; its name.
  private String rule(JsonNode schema, String at) throws ApiError {
    String name = "s" + rules.count();
    rules.add(name, "");
    rules.add(name, expression(schema, at));
    return name;
  }

  private String expression(JsonNode schema, String at) throws ApiError {
    effort.schema(1 + schema.size() + schema.path("properties").size());
    if (schema.isBoolean() && schema.booleanValue()) {
      return "value";
    }
    if (!schema.isObject()) {
      throw refused(at, Fields.kind(schema), "a schema");
    }
    List<String> used = new ArrayList<>();
    for (Map.Entry<String, JsonNode> e : schema.properties()) {
      if (KNOWN.contains(e.getKey())) {
        used.add(e.getKey());
      } else if (!NOTES.contains(e.getKey())) {
        throw refused(
            at, "keyword " + Fields.shown(e.getKey()), "one of " + String.join(", ", KNOWN));
      }
    }
    for (String alone : List.of("$ref", "anyOf", "oneOf", "allOf")) {
      if (used.contains(alone)) {
        if (used.size() > 1) {
          throw refused(at, String.join(" and ", used), alone + " alone");
        }
        JsonNode value = schema.path(alone);
        return alone.equals("$ref") ? reference(value, at) : alternatives(alone, value, at);
      }
    }
    if (used.contains("const") || used.contains("enum")) {
      return literals(schema, at);
    }
    List<String> types = types(schema, used, at);
    List<String> out = new ArrayList<>();
    for (String type : types) {
      out.add(ofType(type, schema, at));
    }
    return String.join(" | ", out);
  }

  private String alternatives(String keyword, JsonNode list, String at) throws ApiError {
    if (!list.isArray() || list.isEmpty() || (keyword.equals("allOf") && list.size() > 1)) {
      throw refused(
          at + "/" + keyword,
          list.isArray() ? "a list of " + list.size() : Fields.kind(list),
          keyword.equals("allOf") ? "a list of one schema" : "a list of schemas");
    }
    List<String> out = new ArrayList<>();
    for (JsonNode one : list) {
      out.add(rule(one, at + "/" + keyword + "/" + out.size()));
    }
    return String.join(" | ", out);
  }

  private String reference(JsonNode ref, String at) throws ApiError {
    String text = ref.asText("");
    if (!text.startsWith("#")) {
      throw refused(at + "/$ref", Fields.kind(ref), "a place in this schema, #/...");
    }
    String pointer = text.substring(1);
    String known = references.get(pointer);
    if (known != null) {
      return known;
    }
    JsonNode target;
    try {
      target = document.at(JsonPointer.compile(pointer));
    } catch (IllegalArgumentException e) {
      throw refused(at + "/$ref", Fields.shown(text), "#/ and a JSON pointer");
    }
    if (target.isMissingNode()) {
      throw refused(at + "/$ref", Fields.shown(text), "a place that is there");
    }
    String name = "r" + rules.count();
    references.put(pointer, name);
    rules.add(name, "");
    rules.add(name, expression(target, pointer));
    return name;
  }

  private String literals(JsonNode schema, String at) throws ApiError {
    List<JsonNode> values = new ArrayList<>();
    if (schema.has("const")) {
      values.add(schema.path("const"));
    } else {
      schema.path("enum").forEach(values::add);
    }
    Set<String> types = new TreeSet<>();
    JsonNode type = schema.path("type");
    (type.isArray() ? type : List.of(type)).forEach(t -> types.add(t.asText("")));
    List<String> out = new ArrayList<>();
    for (JsonNode v : values) {
      String text = effort.text(v);
      if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
        throw refused(at, "a text with half a surrogate pair", "Unicode text");
      }
      if (type.isMissingNode() || types.contains(typeOf(v)) || isNumber(types, v)) {
        out.add(text);
      }
    }
    if (out.isEmpty()) {
      throw refused(at + "/enum", "no value of the type", "at least one");
    }
    return Literals.of(out).expression();
  }

  private static boolean isNumber(Set<String> types, JsonNode v) {
    return v.isNumber() && types.contains("number");
  }

  private static String typeOf(JsonNode v) {
    return switch (v.getNodeType()) {
      case STRING -> "string";
      case NUMBER -> v.canConvertToExactIntegral() ? "integer" : "number";
      case BOOLEAN -> "boolean";
      case OBJECT -> "object";
      case ARRAY -> "array";
      default -> "null";
    };
  }

  /// The types that a schema names; without a name, the one whose keywords it uses.
  private static List<String> types(JsonNode schema, List<String> used, String at) throws ApiError {
    JsonNode type = schema.path("type");
    if (type.isMissingNode()) {
      List<String> meant =
          KEYWORDS_OF.keySet().stream()
              .filter(t -> KEYWORDS_OF.getOrDefault(t, List.of()).stream().anyMatch(used::contains))
              .sorted()
              .toList();
      return meant.isEmpty() ? List.of("value") : meant;
    }
    List<String> out = new ArrayList<>();
    for (JsonNode t : type.isArray() ? type : List.of(type)) {
      out.add(t.asText(""));
    }
    Set<String> expected =
        Set.of("string", "number", "integer", "boolean", "null", "object", "array");
    if (out.isEmpty() || !expected.containsAll(out)) {
      throw refused(
          at + "/type",
          out.isEmpty() ? Fields.kind(type) : Fields.shown(String.join(", ", out)),
          expected.stream().sorted().collect(Collectors.joining(", ")));
    }
    return out;
  }

  private String ofType(String type, JsonNode schema, String at) throws ApiError {
    return switch (type) {
      case "object" -> object(schema, at);
      case "array" -> array(schema, at);
      case "string" -> string(schema, at);
      default -> type;
    };
  }

  private String string(JsonNode schema, String at) throws ApiError {
    JsonNode format = schema.path("format");
    boolean sized = schema.has("minLength") || schema.has("maxLength");
    if (Fields.given(format)) {
      if (!FORMATS.contains(format.asText("")) || sized) {
        throw refused(
            at + "/format",
            sized ? "beside minLength or maxLength" : Fields.shown(format.asText("")),
            sized ? "one of them" : "one of " + String.join(", ", FORMATS));
      }
      return format.textValue();
    }
    if (!sized) {
      return "string";
    }
    return "\"\\\"\" char" + times(schema, "minLength", "maxLength", 0, at) + " \"\\\"\"";
  }

  private String array(JsonNode schema, String at) throws ApiError {
    String item = schema.has("items") ? rule(schema.path("items"), at + "/items") : "value";
    int least = bound(schema, "minItems", 0, at);
    if (bound(schema, "maxItems", MAX_REPEATS, at) == 0) {
      times(schema, "minItems", "maxItems", 0, at);
      return "\"[\" ws \"]\"";
    }
    String more = item + " (\",\" ws " + item + ")" + times(schema, "minItems", "maxItems", 1, at);
    return least == 0 ? "\"[\" ws (" + more + " ws)? \"]\"" : "\"[\" ws " + more + " ws \"]\"";
  }

  /// How often something comes after the first `already` of it.
  private String times(JsonNode schema, String least, String most, int already, String at)
      throws ApiError {
    int from = bound(schema, least, 0, at);
    boolean open = !Fields.given(schema.path(most));
    int to = bound(schema, most, Math.max(from, already), at);
    if (from > to) {
      throw refused(at + "/" + least, "" + from, "at most " + most + ", " + to);
    }
    repeats += to;
    if (repeats > MAX_REPEATS_TOGETHER) {
      throw refused(at, "too many repetitions", "at most " + MAX_REPEATS_TOGETHER + " together");
    }
    int rest = Math.max(0, from - already);
    if (open) {
      return rest == 0 ? "*" : "{" + rest + ",}";
    }
    return "{" + rest + "," + Math.max(0, to - already) + "}";
  }

  private static int bound(JsonNode schema, String keyword, int fallback, String at)
      throws ApiError {
    JsonNode n = schema.path(keyword);
    if (!Fields.given(n)) {
      return fallback;
    }
    if (!Fields.isWhole(n) || n.longValue() < 0 || n.longValue() > MAX_REPEATS) {
      throw refused(at + "/" + keyword, Fields.kind(n), "a whole number 0.." + MAX_REPEATS);
    }
    return n.intValue();
  }

  private String object(JsonNode schema, String at) throws ApiError {
    JsonNode list = schema.path("required");
    if (Fields.given(list) && !list.isArray()) {
      throw refused(at + "/required", Fields.kind(list), "a list of names");
    }
    JsonNode properties = schema.path("properties");
    if (Fields.given(properties) && !properties.isObject()) {
      throw refused(at + "/properties", Fields.kind(properties), "an object");
    }
    Set<String> required = new TreeSet<>();
    list.forEach(name -> required.add(name.asText("")));
    Map<String, String> members = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> p : properties.properties()) {
      members.put(p.getKey(), rule(p.getValue(), at + "/properties/" + Fields.shown(p.getKey())));
    }
    required.forEach(name -> members.putIfAbsent(name, "value"));
    JsonNode more = schema.path("additionalProperties");
    if (members.isEmpty()) {
      return map(more, at);
    }
    if (more.isObject()) {
      throw refused(at + "/additionalProperties", "a schema beside properties", "true or false");
    }
    return "\"{\" ws " + members(members, required, at) + " \"}\"";
  }

  private String map(JsonNode more, String at) throws ApiError {
    if (more.isMissingNode() || (more.isBoolean() && more.booleanValue())) {
      return "any-object";
    }
    if (more.isBoolean()) {
      return "\"{\" ws \"}\"";
    }
    String member = "string \":\" ws " + rule(more, at + "/additionalProperties");
    return "\"{\" ws (" + member + " (\",\" ws " + member + ")* ws)? \"}\"";
  }

  /* One rule for what may follow when the properties before it are decided: once for the case that
  one of them was written (a comma comes first) and once for the case that none was. */
  private String members(Map<String, String> members, Set<String> required, String at)
      throws ApiError {
    String first = "";
    String next = "ws";
    for (String key : List.copyOf(members.keySet()).reversed()) {
      String text = Json.text(key);
      if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
        throw refused(at, "a property name with half a surrogate pair", "Unicode text");
      }
      String named = "p" + rules.count();
      rules.add(named, JsonRules.literal(text + ":") + " ws " + members.get(key));
      String member = named + " ";
      String after = "m" + rules.count();
      rules.add(after, next);
      next = "\",\" ws " + member + after;
      String start = member + after;
      if (!required.contains(key)) {
        next += " | " + after;
        if (first.isEmpty()) {
          start += " | \"\"";
        } else {
          String skipped = "m" + rules.count();
          rules.add(skipped, first);
          start += " | " + skipped;
        }
      }
      first = start;
    }
    return "(" + first + ")";
  }
}
