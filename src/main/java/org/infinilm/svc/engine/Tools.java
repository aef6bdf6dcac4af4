package org.infinilm.svc.engine;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.infinilm.svc.http.ApiError;
import org.infinilm.svc.http.Json;
import org.jspecify.annotations.Nullable;

/// The functions that a chat offers to the model, checked.
///
/// @param all in order; empty once the prompt is made
/// @param required whether the answer must be a call, of one of `callable`
/// @param callable the names that may be called
/// @param most calls in one answer
record Tools(List<Tool> all, boolean required, Set<String> callable, int most) {
  /// One function.
  ///
  /// @param text the whole tool as the client sent it
  /// @param parameters the JSON schema of its arguments; missing when it takes none
  /// @param strict whether its arguments must fit the schema or be refused
  record Tool(String name, JsonNode text, JsonNode parameters, boolean strict) {}

  /// Most calls in an answer that must be one.
  static final int MOST_CALLS = 16;

  private static final int MOST_TOOLS = 128;
  private static final int MOST_CHARS = 256 << 10;
  private static final Pattern NAME = Pattern.compile("[a-zA-Z0-9_.-]{1,64}");
  private static final String CHOICES = "none, auto, required or a function by name";

  Tools {
    all = List.copyOf(all);
    callable = Set.copyOf(callable);
  }

  /// What an answer is read by, without what the client sent.
  Tools withoutSchemas() {
    return new Tools(List.of(), required, callable, most);
  }

  /// The tools of a chat's body, or null when it offers none or wants no call.
  static @Nullable Tools of(JsonNode root) throws ApiError {
    JsonNode list = root.path("tools");
    JsonNode choice = root.path("tool_choice");
    if (choice.asText("").equals("none")) {
      return null;
    }
    boolean parallel = Fields.truth(root, "parallel_tool_calls", true);
    if (!Fields.given(list) || (list.isContainerNode() && list.isEmpty())) {
      if (Fields.given(choice) && !choice.asText("").equals("auto")) {
        throw ApiError.value("tool_choice", Fields.kind(choice), "none or auto without tools");
      }
      return null;
    }
    List<Tool> all = tools(list);
    Set<String> names = new HashSet<>();
    all.forEach(t -> names.add(t.name()));
    String named = named(choice, names);
    boolean required = named != null || choice.asText("").equals("required");
    return new Tools(
        all,
        required,
        named == null ? names : Set.of(named),
        named == null && parallel ? MOST_CALLS : 1);
  }

  private static List<Tool> tools(JsonNode list) throws ApiError {
    if (!list.isArray() || list.size() > MOST_TOOLS) {
      throw ApiError.value(
          "tools",
          list.isArray() ? "a list of " + list.size() : Fields.kind(list),
          "a list of at most " + MOST_TOOLS);
    }
    Set<String> names = new HashSet<>();
    List<Tool> out = new ArrayList<>();
    for (JsonNode t : list) {
      String at = "tools[" + out.size() + "]";
      Tool tool = tool(t, at);
      if (!names.add(tool.name())) {
        throw ApiError.value(
            at + ".function.name", Fields.shown(tool.name()), "each name only once");
      }
      out.add(tool);
    }
    int chars = list.toString().length();
    if (chars > MOST_CHARS) {
      throw ApiError.value("tools", chars + " characters", "at most " + MOST_CHARS);
    }
    return out;
  }

  private static Tool tool(JsonNode t, String at) throws ApiError {
    if (!t.isObject()) {
      throw ApiError.value(at, Fields.kind(t), "an object");
    }
    String type = t.path("type").asText("");
    if (!type.equals("function")) {
      throw ApiError.value(
          at + ".type",
          type.isEmpty() ? Fields.kind(t.path("type")) : Fields.shown(type),
          "function");
    }
    JsonNode f = t.path("function");
    if (!f.isObject()) {
      throw ApiError.value(at + ".function", Fields.kind(f), "an object");
    }
    JsonNode about = f.path("description");
    if (Fields.given(about) && !about.isTextual()) {
      throw ApiError.value(at + ".function.description", Fields.kind(about), "a string");
    }
    JsonNode parameters = f.path("parameters");
    JsonNode kind = parameters.path("type");
    if (Fields.given(parameters) && !parameters.isObject()) {
      throw ApiError.value(at + ".function.parameters", Fields.kind(parameters), "a JSON schema");
    }
    if (Fields.given(kind) && !kind.asText("").equals("object")) {
      throw ApiError.value(
          at + ".function.parameters.type", Fields.shown(kind.asText(Fields.kind(kind))), "object");
    }
    return new Tool(
        name(f.path("name"), at + ".function.name"),
        t,
        parameters,
        Fields.truth(f, "strict", false));
  }

  private static String name(JsonNode name, String at) throws ApiError {
    if (!name.isTextual() || !NAME.matcher(name.textValue()).matches()) {
      throw ApiError.value(
          at,
          name.isTextual() ? Fields.shown(name.textValue()) : Fields.kind(name),
          "1..64 letters, digits, _, - and .");
    }
    return name.textValue();
  }

  /// The function that `tool_choice` names, or null when it names none.
  private static @Nullable String named(JsonNode choice, Set<String> names) throws ApiError {
    if (!Fields.given(choice) || Set.of("auto", "required").contains(choice.asText(""))) {
      return null;
    }
    JsonNode name = choice.path("function").path("name");
    if (!choice.path("type").asText("").equals("function") || !name.isTextual()) {
      throw ApiError.value("tool_choice", Fields.kind(choice), CHOICES);
    }
    if (!names.contains(name.textValue())) {
      throw ApiError.value(
          "tool_choice.function.name", Fields.shown(name.textValue()), "a name of tools");
    }
    return name.textValue();
  }

  /// The calls of an assistant's message.
  static List<Vocabulary.Call> calls(JsonNode message, String at) throws ApiError {
    JsonNode list = message.path("tool_calls");
    if (!Fields.given(list) || (list.isContainerNode() && list.isEmpty())) {
      return List.of();
    }
    if (!message.path("role").asText("").equals("assistant")) {
      throw ApiError.value(at + ".tool_calls", Fields.kind(list), "only in a message of assistant");
    }
    if (!list.isArray() || list.size() > MOST_TOOLS) {
      throw ApiError.value(
          at + ".tool_calls",
          list.isArray() ? "a list of " + list.size() : Fields.kind(list),
          "a list of at most " + MOST_TOOLS);
    }
    List<Vocabulary.Call> out = new ArrayList<>();
    for (JsonNode call : list) {
      String place = at + ".tool_calls[" + out.size() + "].function";
      JsonNode f = call.path("function");
      JsonNode arguments = f.path("arguments");
      if (Fields.given(arguments) && !arguments.isTextual()) {
        throw ApiError.value(place + ".arguments", Fields.kind(arguments), "a string of JSON");
      }
      out.add(
          new Vocabulary.Call(
              name(f.path("name"), place + ".name"), respaced(arguments.asText(""))));
    }
    return out;
  }

  /// Arguments as the model saw them when it wrote them; what is no JSON becomes a JSON string.
  private static String respaced(String arguments) {
    if (arguments.isBlank()) {
      return "{}";
    }
    try {
      JsonNode n = Json.tree(arguments.getBytes(StandardCharsets.UTF_8));
      return json(n, 0);
    } catch (JsonProcessingException e) {
      return Json.text(arguments);
    }
  }

  /// JSON as Python's `json.dumps` writes it, which chat templates use and models have learnt.
  ///
  /// @param indent spaces a level; 0: all on one line
  static String json(JsonNode n, int indent) {
    StringBuilder out = new StringBuilder();
    write(n, indent, 0, out);
    return out.toString();
  }

  private static void write(JsonNode n, int indent, int level, StringBuilder out) {
    if (!n.isContainerNode() || n.isEmpty()) {
      out.append(n);
      return;
    }
    String line = indent == 0 ? "" : "\n" + " ".repeat(indent * (level + 1));
    String between = indent == 0 ? ", " : "," + line;
    out.append(n.isObject() ? "{" : "[").append(line);
    boolean first = true;
    if (n.isObject()) {
      for (Map.Entry<String, JsonNode> e : n.properties()) {
        out.append(first ? "" : between).append(Json.text(e.getKey())).append(": ");
        write(e.getValue(), indent, level + 1, out);
        first = false;
      }
    } else {
      for (JsonNode e : n) {
        out.append(first ? "" : between);
        write(e, indent, level + 1, out);
        first = false;
      }
    }
    out.append(indent == 0 ? "" : "\n" + " ".repeat(indent * level))
        .append(n.isObject() ? "}" : "]");
  }
}
