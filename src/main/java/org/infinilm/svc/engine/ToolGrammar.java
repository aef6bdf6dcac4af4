package org.infinilm.svc.engine;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.infinilm.svc.http.ApiError;

/// Writes the calls that an answer must be as a grammar: the form of the model around the schemas
/// of the functions' arguments.
final class ToolGrammar {
  /// For the rules of the calls' form and those of JSON.
  private static final long FORM_WEIGHT = 20_000;

  private ToolGrammar() {}

  /// The rules of a function's arguments.
  ///
  /// @param from place of the first, which is the whole
  /// @param to place behind the last
  private record Part(int from, int to, long weight, boolean strict) {}

  /// @throws ApiError naming the function that is strict and whose schema a grammar cannot follow;
  ///   `schema_too_costly` with the param `tools` when all schemas together take too many steps,
  ///   strict or not, and with that param when those that are strict make too large a grammar
  static String of(ToolForm form, Tools tools, Effort effort) throws ApiError {
    JsonRules rules = new JsonRules();
    boolean tagged = !form.open().isEmpty();
    int more = tools.most() - 1;
    boolean several = tagged && more > 0;
    rules.add("root", several ? "call (\"\\n\" call){0," + more + "}" : "call");
    rules.add("call", "");
    List<String> functions = new ArrayList<>();
    List<Part> parts = new ArrayList<>();
    for (int i = 0; i < tools.all().size(); i++) {
      Tools.Tool tool = tools.all().get(i);
      if (tools.callable().contains(tool.name())) {
        String name = "tool" + i;
        int from = rules.count();
        arguments(rules, name, tool, "tools[" + i + "].function.parameters", effort);
        parts.add(new Part(from, rules.count(), rules.weightAfter(from), tool.strict()));
        String head = tool.name() + "\", \"" + form.argumentsKey() + "\": ";
        functions.add(JsonRules.literal(head) + " " + name);
      }
    }
    loosen(rules, parts);
    String before = tagged ? JsonRules.literal(form.open()) + " \"\\n\" " : "";
    String after = tagged ? " \"\\n\" " + JsonRules.literal(form.close()) : "";
    rules.add(
        "call",
        before
            + JsonRules.literal("{\"name\": \"")
            + " ("
            + String.join(" | ", functions)
            + ") \"}\""
            + after);
    return SchemaGrammar.text(rules, "tools");
  }

  /// Where all are too much for one grammar, the largest of those that are not strict are any
  /// object: as many as it takes.
  private static void loosen(JsonRules rules, List<Part> parts) {
    long weight = FORM_WEIGHT + parts.stream().mapToLong(Part::weight).sum();
    List<Part> loose = new ArrayList<>();
    for (Part p :
        parts.stream()
            .filter(p -> !p.strict())
            .sorted(Comparator.comparingLong(Part::weight).reversed())
            .toList()) {
      if (weight <= SchemaGrammar.MAX_WEIGHT) {
        break;
      }
      weight -= p.weight();
      loose.add(p);
    }
    // the last first: the places of those before it stay
    loose.sort(Comparator.comparingInt(Part::from).reversed());
    loose.forEach(p -> rules.replace(p.from(), p.to(), "any-object"));
  }

  /// What a grammar cannot follow is any object, unless the client wants it strict.
  private static void arguments(
      JsonRules rules, String name, Tools.Tool tool, String at, Effort effort) throws ApiError {
    JsonNode schema = tool.parameters();
    if (!Fields.given(schema)) {
      rules.add(name, "\"{\" ws \"}\"");
      return;
    }
    boolean object = schema.has("type") || schema.has("properties");
    int before = rules.count();
    try {
      if (object) {
        SchemaGrammar.add(rules, name, schema, effort);
        return;
      }
    } catch (ApiError e) {
      if (e.status() != 400) {
        throw e;
      }
      if (effort.exhausted()) {
        throw Effort.tooCostly("tools");
      }
      rules.cutBack(before);
      if (tool.strict()) {
        String why = String.valueOf(e.getMessage());
        throw new ApiError(
            400, "invalid_value", at, why.replace("response_format.json_schema.schema", at));
      }
    }
    rules.add(name, "any-object");
  }
}
