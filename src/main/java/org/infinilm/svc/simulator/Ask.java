package org.infinilm.svc.simulator;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.OptionalInt;
import org.infinilm.svc.http.ApiError;
import org.infinilm.svc.http.Json;
import org.jspecify.annotations.Nullable;

/// What the body of a generation request says, as far as the simulator cares.
///
/// @param model null when the body names none
/// @param text the prompt as UTF-8, all messages and parts joined
/// @param maxTokens as asked for; absent leaves it to the engine
/// @param includeUsage whether a usage chunk ends the stream
/// @param continuousUsage whether every chunk carries usage
record Ask(
    @Nullable String model,
    ByteArrayOutputStream text,
    OptionalInt maxTokens,
    boolean stream,
    boolean includeUsage,
    boolean continuousUsage) {

  /// Bytes that one token id stands for when a prompt comes as ids.
  private static final int BYTES_PER_ID = 4;

  static Ask parse(byte[] body) throws ApiError {
    JsonNode root;
    try {
      root = Json.tree(body);
    } catch (JsonProcessingException e) {
      throw invalid(null, "body is no JSON: " + Json.wrong(e));
    }
    if (!root.isObject()) {
      throw invalid(null, "body: " + root.getNodeType() + " (expected: a JSON object)");
    }
    JsonNode options = root.path("stream_options");
    return new Ask(
        text(root, "model"),
        prompt(root),
        maxTokens(root),
        root.path("stream").asBoolean(false),
        options.path("include_usage").asBoolean(false),
        options.path("continuous_usage_stats").asBoolean(false));
  }

  private static @Nullable String text(JsonNode root, String field) throws ApiError {
    JsonNode n = root.path(field);
    if (n.isMissingNode() || n.isNull()) {
      return null;
    }
    if (!n.isTextual()) {
      throw invalid(field, field + ": " + n.getNodeType() + " (expected: a string)");
    }
    return n.asText();
  }

  private static OptionalInt maxTokens(JsonNode root) throws ApiError {
    for (String field : new String[] {"max_completion_tokens", "max_tokens"}) {
      JsonNode n = root.path(field);
      if (!n.isMissingNode() && !n.isNull()) {
        if (!n.canConvertToInt() || !n.isIntegralNumber() || n.asInt() < 1) {
          throw invalid(field, field + ": " + n + " (expected: a whole number from 1)");
        }
        return OptionalInt.of(n.asInt());
      }
    }
    return OptionalInt.empty();
  }

  private static ByteArrayOutputStream prompt(JsonNode root) throws ApiError {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    JsonNode messages = root.path("messages");
    if (messages.isArray() && !messages.isEmpty()) {
      messages.forEach(m -> content(m.path("content"), out));
      return out;
    }
    for (String field : new String[] {"prompt", "input", "content"}) {
      JsonNode n = root.path(field);
      if (n.isTextual() || n.isArray()) {
        content(n, out);
        return out;
      }
    }
    throw invalid("messages", "messages: none (expected: messages or a prompt)");
  }

  private static void content(JsonNode n, ByteArrayOutputStream out) {
    if (n.isTextual()) {
      out.writeBytes(n.asText().getBytes(StandardCharsets.UTF_8));
    } else if (n.isArray()) {
      n.forEach(part -> content(part, out));
    } else if (n.isObject()) {
      content(n.path("text"), out);
    } else if (n.isIntegralNumber()) {
      for (int i = 0; i < BYTES_PER_ID; i++) {
        out.write(n.asInt() >> (8 * i));
      }
    }
  }

  private static ApiError invalid(@Nullable String param, String message) {
    return new ApiError(400, "invalid_request", param, message);
  }
}
