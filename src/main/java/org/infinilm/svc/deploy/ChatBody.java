package org.infinilm.svc.deploy;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.infinilm.svc.http.Json;

/// Builds chat requests of exact sizes.
///
/// @param json the request body
/// @param textBytes bytes of message text in it
record ChatBody(byte[] json, int textBytes) {

  /// One user message.
  static ChatBody of(String model, String text, int maxTokens, boolean streamed) {
    Map<String, Object> body = new TreeMap<>();
    body.put("model", model);
    body.put("messages", List.of(Map.of("role", "user", "content", text)));
    if (maxTokens > 0) {
      body.put("max_tokens", maxTokens);
    }
    if (streamed) {
      body.put("stream", true);
      body.put("stream_options", Map.of("include_usage", true));
    }
    return new ChatBody(Json.bytes(body), text.length());
  }

  /// A body of exactly `bytes` bytes asking for one token, padded with English; empty when even a
  /// message without text is larger.
  static Optional<ChatBody> ofBodyBytes(String model, int bytes) {
    for (int maxTokens : new int[] {1, 0}) {
      int frame = of(model, "", maxTokens, false).json().length;
      if (bytes >= frame) {
        return Optional.of(of(model, EnglishText.of(bytes - frame), maxTokens, false));
      }
    }
    return Optional.empty();
  }

  /// A body with exactly `bytes` bytes of message text.
  static ChatBody ofTextBytes(String model, int bytes) {
    return of(model, EnglishText.of(Math.max(0, bytes)), 1, false);
  }
}
