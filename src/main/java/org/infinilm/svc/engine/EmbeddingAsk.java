package org.infinilm.svc.engine;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import org.infinilm.svc.http.ApiError;
import org.jspecify.annotations.Nullable;

/// What a request for embeddings asks for. Unknown fields are ignored; known ones that would give
/// other vectors are refused.
///
/// @param inputs in order, at least one
/// @param dimensions values of a vector that the client expects; null when it does not say
/// @param base64 vectors as little-endian floats in base64 instead of lists of numbers
record EmbeddingAsk(
    @Nullable String model, List<Input> inputs, @Nullable Long dimensions, boolean base64) {
  /// One text.
  sealed interface Input {
    /// @param text not empty
    record Text(String text) implements Input {}

    /// @param ids at least one, of any value
    record Tokens(int[] ids) implements Input {}
  }

  private static final String FORMS =
      "a string, a list of strings, a list of token ids, or a list of such lists";
  private static final int MOST_DIMENSIONS = 1 << 20;

  static EmbeddingAsk read(byte[] body) throws ApiError {
    JsonNode root = Fields.object(body);
    Refusals.checkEmbeddings(root);
    JsonNode dimensions = root.path("dimensions");
    return new EmbeddingAsk(
        Fields.model(root),
        inputs(root.path("input")),
        Fields.given(dimensions)
            ? (Long) Fields.whole(root, "dimensions", 0, 1, MOST_DIMENSIONS)
            : null,
        base64(root.path("encoding_format")));
  }

  private static boolean base64(JsonNode format) throws ApiError {
    if (!Fields.given(format)) {
      return false;
    }
    return switch (format.asText()) {
      case "float" -> false;
      case "base64" -> true;
      default ->
          throw ApiError.value(
              "encoding_format",
              format.isTextual() ? Fields.shown(format.textValue()) : Fields.kind(format),
              "float or base64");
    };
  }

  private static List<Input> inputs(JsonNode input) throws ApiError {
    if (input.isTextual()) {
      return List.of(text("input", input));
    }
    if (!input.isArray() || input.isEmpty()) {
      throw ApiError.value("input", Fields.kind(input), FORMS);
    }
    JsonNode first = input.get(0);
    if (first.isNumber()) {
      return List.of(tokens("input", input));
    }
    if (!first.isTextual() && !first.isArray()) {
      throw ApiError.value(
          "input[0]", Fields.kind(first), "a string, a token id or a list of them");
    }
    if (input.size() > Embedder.MOST_INPUTS) {
      throw ApiError.value("input", "a list of " + input.size(), "at most " + Embedder.MOST_INPUTS);
    }
    List<Input> out = new ArrayList<>(input.size());
    for (JsonNode one : input) {
      String at = "input[" + out.size() + "]";
      out.add(first.isTextual() ? text(at, one) : tokens(at, one));
    }
    return List.copyOf(out);
  }

  private static Input.Text text(String at, JsonNode text) throws ApiError {
    if (!text.isTextual()) {
      throw ApiError.value(at, Fields.kind(text), "a string");
    }
    if (text.textValue().isEmpty()) {
      throw ApiError.value(at, "an empty string", "a text");
    }
    return new Input.Text(text.textValue());
  }

  private static Input.Tokens tokens(String at, JsonNode list) throws ApiError {
    if (!list.isArray() || list.isEmpty()) {
      throw ApiError.value(at, Fields.kind(list), "a list of token ids");
    }
    if (list.size() > Embedder.MOST_TOKENS) {
      throw tooLong(at, "" + list.size(), Embedder.MOST_TOKENS);
    }
    return new Input.Tokens(Fields.ids(at, list));
  }

  /// @param most tokens that a text may have
  static ApiError tooLong(String at, String tokens, int most) {
    return new ApiError(
        400,
        "context_length_exceeded",
        "input",
        at
            + " has "
            + tokens
            + " tokens (expected: at most "
            + most
            + " tokens, the maximum context length for embeddings)");
  }
}
