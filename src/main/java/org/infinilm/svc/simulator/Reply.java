package org.infinilm.svc.simulator;

import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.http.Json;
import org.jspecify.annotations.Nullable;

/// The JSON of one answer, whole or as server-sent events, in OpenAI's shapes.
///
/// @param chat chat completion; otherwise a text completion
/// @param created epoch seconds
/// @param fingerprint names the instance that answers
record Reply(boolean chat, String id, long created, String model, String fingerprint) {
  static final byte[] DONE = "data: [DONE]\n\n".getBytes(StandardCharsets.UTF_8);

  /// Token counts.
  record Usage(int promptTokens, int completionTokens, int cachedTokens) {
    Map<String, Object> json() {
      return Map.of(
          "completion_tokens",
          completionTokens,
          "prompt_tokens",
          promptTokens,
          "prompt_tokens_details",
          Map.of("cached_tokens", cachedTokens),
          "total_tokens",
          promptTokens + completionTokens);
    }
  }

  byte[] whole(String text, String finish, Usage usage) {
    Map<String, @Nullable Object> choice = choice(finish);
    if (chat) {
      choice.put("message", Map.of("content", text, "role", "assistant"));
    } else {
      choice.put("text", text);
    }
    Map<String, @Nullable Object> root =
        envelope(chat ? "chat.completion" : "text_completion", List.of(choice));
    root.put("usage", usage.json());
    return Json.bytes(root);
  }

  /// The chunk that opens a chat stream; empty for text completions.
  byte[] opening() {
    return chat ? event(delta(Map.of("content", "", "role", "assistant"), null), null) : NOTHING;
  }

  private static final byte[] NOTHING = new byte[0];

  /// One token.
  ///
  /// @param usage when every chunk is to carry it
  byte[] piece(String text, @Nullable Usage usage) {
    if (chat) {
      return event(delta(Map.of("content", text), null), usage);
    }
    Map<String, @Nullable Object> choice = choice(null);
    choice.put("text", text);
    return event(choice, usage);
  }

  /// The chunk with the finish reason.
  byte[] closing(String finish) {
    if (chat) {
      return event(delta(Map.of(), finish), null);
    }
    Map<String, @Nullable Object> choice = choice(finish);
    choice.put("text", "");
    return event(choice, null);
  }

  /// The chunk without choices.
  byte[] usage(Usage usage) {
    Map<String, @Nullable Object> root = envelope(chunkObject(), List.of());
    root.put("usage", usage.json());
    return event(root);
  }

  private Map<String, @Nullable Object> delta(Map<String, Object> delta, @Nullable String finish) {
    Map<String, @Nullable Object> choice = choice(finish);
    choice.put("delta", delta);
    return choice;
  }

  private static Map<String, @Nullable Object> choice(@Nullable String finish) {
    Map<String, @Nullable Object> choice = new LinkedHashMap<>();
    choice.put("index", 0);
    choice.put("finish_reason", finish);
    choice.put("logprobs", null);
    return choice;
  }

  private byte[] event(Map<String, @Nullable Object> choice, @Nullable Usage usage) {
    Map<String, @Nullable Object> root = envelope(chunkObject(), List.of(choice));
    if (usage != null) {
      root.put("usage", usage.json());
    }
    return event(root);
  }

  private String chunkObject() {
    return chat ? "chat.completion.chunk" : "text_completion";
  }

  private Map<String, @Nullable Object> envelope(String object, List<?> choices) {
    Map<String, @Nullable Object> root = new LinkedHashMap<>();
    root.put("choices", choices);
    root.put("created", created);
    root.put("id", id);
    root.put("model", model);
    root.put("object", object);
    root.put("system_fingerprint", fingerprint);
    return root;
  }

  private static byte[] event(Map<String, @Nullable Object> root) {
    return ("data: " + Json.text(root) + "\n\n").getBytes(StandardCharsets.UTF_8);
  }
}
