package org.infinilm.svc.engine;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.LongSupplier;
import org.infinilm.svc.http.Json;
import org.jspecify.annotations.Nullable;

/// Reads the bodies of the generation routes. Unknown fields are ignored; a known one that cannot
/// be honoured is refused with its range. Thread-safe.
final class AskReader {
  /// What a client that gives no value gets.
  record Defaults(double temperature, double topP, int topK) {}

  private static final Set<String> ROLES =
      Set.of("system", "developer", "user", "assistant", "tool", "function");
  private static final int MAX_STOPS = 16;

  private final Defaults defaults;
  private final LongSupplier seeds;

  /// @param seeds seeds for requests that name none
  AskReader(Defaults defaults, LongSupplier seeds) {
    this.defaults = defaults;
    this.seeds = seeds;
  }

  /// The body of a chat request.
  Ask chat(byte[] body) throws ApiError {
    JsonNode root = object(body);
    JsonNode messages = root.path("messages");
    if (given(messages)) {
      return ask(root, messages(messages), null, null);
    }
    JsonNode prompt = root.path("prompt");
    if (!given(prompt)) {
      throw ApiError.value("messages", "missing", "a list of messages, or prompt: a string");
    }
    return ask(root, List.of(new Vocabulary.Message("user", text(prompt))), null, null);
  }

  /// The body of a completion request.
  Ask completion(byte[] body) throws ApiError {
    JsonNode root = object(body);
    JsonNode prompt = root.path("prompt");
    if (prompt.isArray() && !prompt.isEmpty() && prompt.get(0).isNumber()) {
      return ask(root, null, null, ids("prompt", prompt));
    }
    if (prompt.isArray() && prompt.size() == 1 && prompt.get(0).isArray()) {
      return ask(root, null, null, ids("prompt", prompt.get(0)));
    }
    if (!given(prompt)) {
      throw ApiError.value("prompt", "missing", "a string or a list of token ids");
    }
    return ask(root, null, text(prompt), null);
  }

  /// The body of a tokenize request: `messages`, or `prompt` or `content`.
  Ask tokenize(byte[] body) throws ApiError {
    JsonNode root = object(body);
    if (given(root.path("messages"))) {
      return ask(root, messages(root.path("messages")), null, null);
    }
    JsonNode prompt = given(root.path("prompt")) ? root.path("prompt") : root.path("content");
    if (!prompt.isTextual()) {
      throw ApiError.value("prompt", kind(prompt), "a string, or messages");
    }
    return ask(root, null, prompt.textValue(), null);
  }

  /// The token ids of a detokenize request.
  List<Integer> detokenize(byte[] body) throws ApiError {
    return ids("tokens", object(body).path("tokens"));
  }

  private Ask ask(
      JsonNode root,
      @Nullable List<Vocabulary.Message> messages,
      @Nullable String text,
      @Nullable List<Integer> tokens)
      throws ApiError {
    refuseUnsupported(root);
    JsonNode model = root.path("model");
    if (given(model) && !model.isTextual()) {
      throw ApiError.value("model", kind(model), "a string");
    }
    String limit =
        given(root.path("max_completion_tokens")) ? "max_completion_tokens" : "max_tokens";
    JsonNode options = root.path("stream_options");
    boolean usage = truth(options, "include_usage");
    return new Ask(
        given(model) ? model.textValue() : null,
        messages,
        text,
        tokens,
        given(root.path(limit))
            ? (Integer) (int) whole(root, limit, 0, 1, Integer.MAX_VALUE)
            : null,
        truth(root, "stream"),
        usage,
        usage && truth(options, "continuous_usage_stats"),
        sampling(root));
  }

  private Sampling sampling(JsonNode root) throws ApiError {
    return new Sampling(
        number(root, "temperature", defaults.temperature(), 0, 2),
        (int) whole(root, "top_k", defaults.topK(), -1, Integer.MAX_VALUE),
        number(root, "top_p", defaults.topP(), 0, 1),
        number(root, "min_p", 0, 0, 1),
        given(root.path("seed"))
            ? whole(root, "seed", 0, Long.MIN_VALUE, Long.MAX_VALUE)
            : seeds.getAsLong(),
        stops(root.path("stop")),
        truth(root, "ignore_eos"));
  }

  private static void refuseUnsupported(JsonNode root) throws ApiError {
    whole(root, "n", 1, 1, 1);
    JsonNode logprobs = root.path("logprobs");
    if (given(logprobs) && !(logprobs.isBoolean() && !logprobs.booleanValue())) {
      throw ApiError.value("logprobs", logprobs, "null or false; this server gives none");
    }
    String format = root.path("response_format").path("type").asText("text");
    if (!format.equals("text")) {
      throw ApiError.value("response_format.type", format, "text");
    }
  }

  private static List<Vocabulary.Message> messages(JsonNode list) throws ApiError {
    if (!list.isArray() || list.isEmpty()) {
      throw ApiError.value("messages", kind(list), "a list with at least one message");
    }
    List<Vocabulary.Message> out = new ArrayList<>();
    for (JsonNode m : list) {
      String at = "messages[" + out.size() + "]";
      String role = m.path("role").asText("");
      if (!ROLES.contains(role)) {
        throw ApiError.value(
            at + ".role",
            role.isEmpty() ? "missing" : role,
            String.join(", ", ROLES.stream().sorted().toList()));
      }
      out.add(
          new Vocabulary.Message(
              role.equals("developer") ? "system" : role, content(at, m.path("content"))));
    }
    return out;
  }

  private static String content(String at, JsonNode content) throws ApiError {
    if (!given(content)) {
      return "";
    }
    if (content.isTextual()) {
      return content.textValue();
    }
    if (!content.isArray()) {
      throw ApiError.value(at + ".content", kind(content), "a string or a list of text parts");
    }
    StringBuilder text = new StringBuilder();
    for (JsonNode part : content) {
      String type = part.path("type").asText("text");
      if (!type.equals("text") || !part.path("text").isTextual()) {
        throw ApiError.value(at + ".content", "a part of type " + type, "parts of type text");
      }
      text.append(part.path("text").textValue());
    }
    return text.toString();
  }

  /// A prompt as one text: a string or a list with one string.
  private static String text(JsonNode prompt) throws ApiError {
    JsonNode one = prompt.isArray() && prompt.size() == 1 ? prompt.get(0) : prompt;
    if (!one.isTextual()) {
      throw ApiError.value(
          "prompt",
          prompt.isArray() ? "a list of " + prompt.size() : kind(prompt),
          "a string, or a list with one string");
    }
    return one.textValue();
  }

  private static List<Integer> ids(String param, JsonNode list) throws ApiError {
    if (!list.isArray()) {
      throw ApiError.value(param, kind(list), "a list of token ids");
    }
    List<Integer> out = new ArrayList<>(list.size());
    for (JsonNode id : list) {
      if (!id.canConvertToExactIntegral() || !id.canConvertToInt()) {
        throw ApiError.value(param + "[" + out.size() + "]", kind(id), "a token id");
      }
      out.add(id.intValue());
    }
    return out;
  }

  private static List<String> stops(JsonNode stop) throws ApiError {
    if (!given(stop)) {
      return List.of();
    }
    List<String> out = new ArrayList<>();
    for (JsonNode s : stop.isArray() ? stop : List.of(stop)) {
      if (!s.isTextual() || s.textValue().isEmpty()) {
        throw ApiError.value("stop", kind(s), "a string that is not empty, or a list of them");
      }
      out.add(s.textValue());
    }
    if (out.size() > MAX_STOPS) {
      throw ApiError.value("stop", out.size() + " strings", "at most " + MAX_STOPS);
    }
    return out;
  }

  private static JsonNode object(byte[] body) throws ApiError {
    try {
      JsonNode root = Json.tree(body);
      if (!root.isObject()) {
        throw new ApiError(
            400, "invalid_json", null, "body: " + kind(root) + " (expected: a JSON object)");
      }
      return root;
    } catch (JsonProcessingException e) {
      throw new ApiError(
          400,
          "invalid_json",
          null,
          "Invalid JSON at line "
              + e.getLocation().getLineNr()
              + ", column "
              + e.getLocation().getColumnNr()
              + " (expected: a JSON object)");
    }
  }

  private static boolean given(JsonNode n) {
    return !n.isMissingNode() && !n.isNull();
  }

  private static boolean truth(JsonNode object, String field) throws ApiError {
    JsonNode n = object.path(field);
    if (given(n) && !n.isBoolean()) {
      throw ApiError.value(field, kind(n), "true or false");
    }
    return n.booleanValue();
  }

  private static long whole(JsonNode root, String field, long fallback, long min, long max)
      throws ApiError {
    JsonNode n = root.path(field);
    if (!given(n)) {
      return fallback;
    }
    if (!n.isNumber()
        || !n.canConvertToExactIntegral()
        || !n.canConvertToLong()
        || n.longValue() < min
        || n.longValue() > max) {
      String range =
          min == Long.MIN_VALUE
              ? "a whole number"
              : min == max ? "" + min : "a whole number " + min + ".." + max;
      throw ApiError.value(field, kind(n), range);
    }
    return n.longValue();
  }

  private static double number(JsonNode root, String field, double fallback, double min, double max)
      throws ApiError {
    JsonNode n = root.path(field);
    if (!given(n)) {
      return fallback;
    }
    if (!n.isNumber() || !(n.doubleValue() >= min && n.doubleValue() <= max)) {
      throw ApiError.value(field, kind(n), "a number " + min + ".." + max);
    }
    return n.doubleValue();
  }

  /// A number as it is, everything else by its kind: messages carry no request text.
  private static String kind(JsonNode n) {
    return switch (n.getNodeType()) {
      case NUMBER, BOOLEAN -> n.asText();
      case STRING -> "a string";
      case ARRAY -> n.isEmpty() ? "an empty list" : "a list";
      case OBJECT -> "an object";
      case NULL -> "null";
      default -> "missing";
    };
  }
}
