package org.infinilm.svc.engine;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.LongSupplier;
import java.util.regex.Pattern;
import org.infinilm.svc.http.ApiError;
import org.jspecify.annotations.Nullable;

/// Reads the bodies of the generation routes. Unknown fields are ignored; a known one that cannot
/// be honoured is refused with its range. Thread-safe.
final class AskReader {
  /// What a client that gives no value gets.
  record Defaults(double temperature, double topP, int topK) {}

  private static final Set<String> ROLES =
      Set.of("system", "developer", "user", "assistant", "tool", "function");
  private static final int MAX_CHOICES = 16;
  private static final int MAX_STOPS = 16;
  private static final int MAX_STOP_CHARS = 1024;
  private static final int MAX_CHAT_LOGPROBS = 20;
  private static final int MAX_COMPLETION_LOGPROBS = 5;
  private static final int MAX_BIASES = 1024;
  private static final int MAX_BIAS = 100;
  private static final Pattern TOKEN_ID = Pattern.compile("0|[1-9][0-9]{0,8}");

  private static final Sampling NO_SAMPLING = new Sampling(0, 1, 1, 0, 0, List.of(), false);

  private final Defaults defaults;
  private final LongSupplier seeds;

  /// @param seeds seeds for requests that name none
  AskReader(Defaults defaults, LongSupplier seeds) {
    this.defaults = defaults;
    this.seeds = seeds;
  }

  /// The body of a chat request, read for a client that stays.
  Ask chat(byte[] body) throws ApiError {
    return chat(body, Effort.alone());
  }

  /// The body of a chat request.
  Ask chat(byte[] body, Effort effort) throws ApiError {
    JsonNode root = Fields.object(body);
    JsonNode messages = root.path("messages");
    int logprobs = chatLogprobs(root);
    if (Fields.given(messages)) {
      return ask(effort, root, messages(messages), null, null, logprobs, Tools.of(root));
    }
    JsonNode prompt = root.path("prompt");
    if (!Fields.given(prompt)) {
      throw ApiError.value("messages", "missing", "a list of messages, or prompt: a string");
    }
    List<Vocabulary.Message> one = List.of(new Vocabulary.Message("user", text(prompt)));
    return ask(effort, root, one, null, null, logprobs, Tools.of(root));
  }

  /// The body of a completion request, read for a client that stays.
  Ask completion(byte[] body) throws ApiError {
    return completion(body, Effort.alone());
  }

  /// The body of a completion request.
  Ask completion(byte[] body, Effort effort) throws ApiError {
    JsonNode root = Fields.object(body);
    JsonNode prompt = root.path("prompt");
    int logprobs = completionLogprobs(root);
    Tools tools = Tools.of(root);
    if (tools != null) {
      throw ApiError.value(
          "tools", "a list of " + tools.all().size(), "none; chats take tools, completions do not");
    }
    if (prompt.isArray() && !prompt.isEmpty() && prompt.get(0).isNumber()) {
      return ask(effort, root, null, null, Fields.ids("prompt", prompt), logprobs, null);
    }
    if (prompt.isArray() && prompt.size() == 1 && prompt.get(0).isArray()) {
      return ask(effort, root, null, null, Fields.ids("prompt", prompt.get(0)), logprobs, null);
    }
    if (!Fields.given(prompt)) {
      throw ApiError.value("prompt", "missing", "a string or a list of token ids");
    }
    return ask(effort, root, null, text(prompt), null, logprobs, null);
  }

  /// The body of a tokenize request: `messages`, or `prompt` or `content`.
  Ask tokenize(byte[] body) throws ApiError {
    JsonNode root = Fields.object(body);
    boolean ownStart = Fields.truth(root, "add_special_tokens", true);
    boolean answerTurn = Fields.truth(root, "add_generation_prompt", true);
    List<Vocabulary.Message> messages = null;
    String text = null;
    if (Fields.given(root.path("messages"))) {
      messages = messages(root.path("messages"));
    } else {
      JsonNode prompt =
          Fields.given(root.path("prompt")) ? root.path("prompt") : root.path("content");
      if (!prompt.isTextual()) {
        throw ApiError.value("prompt", Fields.kind(prompt), "a string, or messages");
      }
      text = prompt.textValue();
    }
    return new Ask(
        Fields.model(root),
        messages,
        text,
        null,
        ownStart,
        answerTurn,
        null,
        false,
        false,
        false,
        1,
        NO_SAMPLING,
        messages == null ? null : Tools.of(root));
  }

  /// The token ids of a detokenize request.
  int[] detokenize(byte[] body) throws ApiError {
    return Fields.ids("tokens", Fields.object(body).path("tokens"));
  }

  private Ask ask(
      Effort effort,
      JsonNode root,
      @Nullable List<Vocabulary.Message> messages,
      @Nullable String text,
      int @Nullable [] tokens,
      int logprobs,
      @Nullable Tools tools)
      throws ApiError {
    Refusals.check(root);
    Integer mostOld = limit(root, "max_tokens");
    Integer most = limit(root, "max_completion_tokens");
    JsonNode options = root.path("stream_options");
    if (Fields.given(options) && !options.isObject()) {
      throw ApiError.value("stream_options", Fields.kind(options), "an object");
    }
    boolean usage = Fields.truth(options, "include_usage", false);
    String grammar = ResponseFormat.grammar(root, effort);
    if (grammar != null && tools != null) {
      throw ApiError.value(
          "response_format", "a form of JSON", "text beside tools, or tool_choice none");
    }
    return new Ask(
        Fields.model(root),
        messages,
        text,
        tokens,
        true,
        true,
        most == null ? mostOld : most,
        Fields.truth(root, "stream", false),
        usage,
        usage && Fields.truth(options, "continuous_usage_stats", false),
        (int) Fields.whole(root, "n", 1, 1, MAX_CHOICES),
        sampling(root, logprobs, grammar, tools),
        tools);
  }

  private static @Nullable Integer limit(JsonNode root, String field) throws ApiError {
    return Fields.given(root.path(field))
        ? (Integer) (int) Fields.whole(root, field, 0, 1, Integer.MAX_VALUE)
        : null;
  }

  private Sampling sampling(
      JsonNode root, int logprobs, @Nullable String grammar, @Nullable Tools tools)
      throws ApiError {
    boolean ignoreEnd = Fields.truth(root, "ignore_eos", false);
    int minTokens = (int) Fields.whole(root, "min_tokens", 0, 0, Integer.MAX_VALUE);
    boolean called = tools != null && tools.required();
    if ((grammar != null || called) && (ignoreEnd || minTokens > 0)) {
      throw ApiError.value(
          ignoreEnd ? "ignore_eos" : "min_tokens",
          ignoreEnd ? true : minTokens,
          (ignoreEnd ? "false" : "0")
              + " beside a "
              + (called ? "tool_choice" : "response_format")
              + ", which says where it ends");
    }
    return new Sampling(
        Fields.number(root, "temperature", defaults.temperature(), 0, 2),
        (int) Fields.whole(root, "top_k", defaults.topK(), -1, Integer.MAX_VALUE),
        Fields.number(root, "top_p", defaults.topP(), 0, 1),
        Fields.number(root, "min_p", 0, 0, 1),
        Fields.given(root.path("seed"))
            ? Fields.whole(root, "seed", 0, Long.MIN_VALUE, Long.MAX_VALUE)
            : seeds.getAsLong(),
        stops(root.path("stop")),
        ignoreEnd,
        minTokens,
        new Sampling.Penalties(
            Fields.number(root, "presence_penalty", 0, -2, 2),
            Fields.number(root, "frequency_penalty", 0, -2, 2),
            Fields.number(root, "repetition_penalty", 1, 0.01, 100),
            bias(root.path("logit_bias"))),
        logprobs,
        grammar);
  }

  /// How many alternatives a chat wants beside each token, -1 when it wants no log probabilities.
  private static int chatLogprobs(JsonNode root) throws ApiError {
    boolean wanted = Fields.truth(root, "logprobs", false);
    int top = (int) Fields.whole(root, "top_logprobs", 0, 0, MAX_CHAT_LOGPROBS);
    if (top > 0 && !wanted) {
      throw ApiError.value("top_logprobs", top, "logprobs: true beside it");
    }
    return wanted ? top : -1;
  }

  private static int completionLogprobs(JsonNode root) throws ApiError {
    JsonNode logprobs = root.path("logprobs");
    return logprobs.isBoolean() && !logprobs.booleanValue()
        ? -1
        : (int) Fields.whole(root, "logprobs", -1, 0, MAX_COMPLETION_LOGPROBS);
  }

  private static Map<Integer, Double> bias(JsonNode map) throws ApiError {
    if (!Fields.given(map)) {
      return Map.of();
    }
    if (!map.isObject() || map.size() > MAX_BIASES) {
      throw ApiError.value(
          "logit_bias",
          map.isObject() ? map.size() + " tokens" : Fields.kind(map),
          "an object of at most " + MAX_BIASES + " token ids with a number -100..100 each");
    }
    Map<Integer, Double> out = new HashMap<>();
    for (Map.Entry<String, JsonNode> e : map.properties()) {
      if (!TOKEN_ID.matcher(e.getKey()).matches()) {
        throw ApiError.value("logit_bias", "a key that is no number", "token ids as keys");
      }
      int token = Integer.parseInt(e.getKey());
      JsonNode n = e.getValue();
      if (!n.isNumber() || !(Math.abs(n.doubleValue()) <= MAX_BIAS)) {
        throw ApiError.value("logit_bias." + token, Fields.kind(n), "a number -100..100");
      }
      out.put(token, n.doubleValue());
    }
    return out;
  }

  private static List<Vocabulary.Message> messages(JsonNode list) throws ApiError {
    if (!list.isArray() || list.isEmpty()) {
      throw ApiError.value("messages", Fields.kind(list), "a list with at least one message");
    }
    List<Vocabulary.Message> out = new ArrayList<>();
    for (JsonNode m : list) {
      String at = "messages[" + out.size() + "]";
      String role = m.path("role").asText("");
      if (!ROLES.contains(role)) {
        throw ApiError.value(
            at + ".role",
            role.isEmpty() ? "missing" : Fields.shown(role),
            String.join(", ", ROLES.stream().sorted().toList()));
      }
      out.add(
          new Vocabulary.Message(
              role.equals("developer") ? "system" : role,
              content(at, m.path("content")),
              Tools.calls(m, at)));
    }
    return out;
  }

  private static String content(String at, JsonNode content) throws ApiError {
    if (!Fields.given(content)) {
      return "";
    }
    if (content.isTextual()) {
      return content.textValue();
    }
    if (!content.isArray()) {
      throw ApiError.value(
          at + ".content", Fields.kind(content), "a string or a list of text parts");
    }
    StringBuilder text = new StringBuilder();
    for (JsonNode part : content) {
      if (!part.isObject()) {
        throw ApiError.value(
            at + ".content", "a list with " + Fields.kind(part), "objects of type text");
      }
      String type = part.path("type").asText("text");
      if (type.equals("text") && !part.path("text").isTextual()) {
        throw ApiError.value(
            at + ".content", "a part whose text is " + Fields.kind(part.path("text")), "a string");
      }
      if (!type.equals("text")) {
        throw ApiError.value(
            at + ".content", "a part of type " + Fields.shown(type), "parts of type text");
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
          prompt.isArray() ? "a list of " + prompt.size() : Fields.kind(prompt),
          "a string, or a list with one string");
    }
    return one.textValue();
  }

  private static List<String> stops(JsonNode stop) throws ApiError {
    if (!Fields.given(stop)) {
      return List.of();
    }
    List<String> out = new ArrayList<>();
    for (JsonNode s : stop.isArray() ? stop : List.of(stop)) {
      if (!s.isTextual() || s.textValue().isEmpty()) {
        throw ApiError.value(
            "stop",
            s.isTextual() ? "an empty string" : Fields.kind(s),
            "a string that is not empty, or a list of them");
      }
      String text = s.textValue();
      if (text.length() > MAX_STOP_CHARS) {
        throw ApiError.value(
            "stop", "a string of " + text.length() + " characters", "at most " + MAX_STOP_CHARS);
      }
      if (text.codePoints()
          .anyMatch(c -> c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE)) {
        throw ApiError.value("stop", "half a character (a lone surrogate)", "whole characters");
      }
      out.add(text);
    }
    if (out.size() > MAX_STOPS) {
      throw ApiError.value("stop", out.size() + " strings", "at most " + MAX_STOPS);
    }
    return out;
  }
}
