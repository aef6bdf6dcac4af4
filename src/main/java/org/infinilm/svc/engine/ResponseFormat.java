package org.infinilm.svc.engine;

import com.fasterxml.jackson.databind.JsonNode;
import org.infinilm.svc.http.ApiError;
import org.jspecify.annotations.Nullable;

/// The form that a request wants its answer in.
final class ResponseFormat {
  private static final String EXPECTED = "text, json_object or json_schema";

  private ResponseFormat() {}

  /// The grammar for `response_format`, or null for free text.
  static @Nullable String grammar(JsonNode root, Effort effort) throws ApiError {
    JsonNode format = root.path("response_format");
    if (!Fields.given(format)) {
      return null;
    }
    JsonNode type = format.path("type");
    if (!type.isTextual()) {
      throw ApiError.value("response_format.type", Fields.kind(type), EXPECTED);
    }
    return switch (type.textValue()) {
      case "text" -> null;
      case "json_object" -> SchemaGrammar.anyObject();
      case "json_schema" -> {
        JsonNode schema = format.path("json_schema").path("schema");
        if (!schema.isObject()) {
          throw ApiError.value(
              "response_format.json_schema.schema", Fields.kind(schema), "a JSON schema");
        }
        yield SchemaGrammar.of(schema, effort);
      }
      default ->
          throw ApiError.value("response_format.type", Fields.shown(type.textValue()), EXPECTED);
    };
  }
}
