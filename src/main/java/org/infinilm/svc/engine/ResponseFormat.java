package org.infinilm.svc.engine;

import com.fasterxml.jackson.databind.JsonNode;
import org.jspecify.annotations.Nullable;

/// The form that a request wants its answer in.
final class ResponseFormat {
  private ResponseFormat() {}

  /// The grammar for `response_format`, or null for free text.
  static @Nullable String grammar(JsonNode root) throws ApiError {
    String format = root.path("response_format").path("type").asText("text");
    if (!format.equals("text")) {
      throw ApiError.value("response_format.type", Fields.shown(format), "text");
    }
    return null;
  }
}
