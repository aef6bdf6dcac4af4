package org.infinilm.svc.load;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import org.infinilm.svc.http.Json;
import org.jspecify.annotations.Nullable;

/// What one chunk of a streamed answer, or a whole answer, says: whether it carries output, and
/// usage. Reused from chunk to chunk; not thread-safe.
final class ChunkReader {
  private static final int MOST_FINGERPRINT_CHARS = 200;

  private final boolean keepText;
  private boolean choice;
  private boolean output;
  private boolean emptyContent;
  private boolean role;
  private boolean usage;
  private int promptTokens;
  private int completionTokens;
  private int cachedTokens;
  private @Nullable String error;
  private @Nullable String finishReason;
  private @Nullable String fingerprint;
  private final StringBuilder text = new StringBuilder();

  /// @param keepText whether [#text] is wanted
  ChunkReader(boolean keepText) {
    this.keepText = keepText;
  }

  /// Reads one JSON object.
  ///
  /// @return whether it was one
  boolean read(byte[] b, int length) {
    choice = false;
    output = false;
    emptyContent = false;
    role = false;
    usage = false;
    error = null;
    finishReason = null;
    text.setLength(0);
    try (JsonParser p = Json.tokens(b, 0, length)) {
      if (p.nextToken() != JsonToken.START_OBJECT) {
        return false;
      }
      while (p.nextToken() == JsonToken.FIELD_NAME) {
        String name = p.currentName();
        JsonToken value = p.nextToken();
        switch (name) {
          case "choices" -> choices(p, value);
          case "usage" -> usage(p, value);
          case "error" -> error(p, value);
          case "system_fingerprint" -> fingerprint(p, value);
          default -> p.skipChildren();
        }
      }
      return p.currentToken() == JsonToken.END_OBJECT;
    } catch (IOException notJson) {
      return false;
    }
  }

  private void choices(JsonParser p, JsonToken value) throws IOException {
    if (value != JsonToken.START_ARRAY) {
      p.skipChildren();
      return;
    }
    JsonToken first = p.nextToken();
    if (first == JsonToken.END_ARRAY) {
      return;
    }
    choice = true;
    if (first == JsonToken.START_OBJECT) {
      while (p.nextToken() == JsonToken.FIELD_NAME) {
        String name = p.currentName();
        JsonToken v = p.nextToken();
        switch (name) {
          case "delta", "message" -> delta(p, v);
          case "text" -> content(p, v, false);
          case "finish_reason" -> {
            finishReason = v == JsonToken.VALUE_STRING ? p.getText() : null;
            p.skipChildren();
          }
          default -> p.skipChildren();
        }
      }
    } else {
      p.skipChildren();
    }
    while (p.nextToken() != JsonToken.END_ARRAY) {
      p.skipChildren();
    }
  }

  private void delta(JsonParser p, JsonToken value) throws IOException {
    if (value != JsonToken.START_OBJECT) {
      p.skipChildren();
      return;
    }
    while (p.nextToken() == JsonToken.FIELD_NAME) {
      String name = p.currentName();
      JsonToken v = p.nextToken();
      switch (name) {
        case "content" -> content(p, v, true);
        case "reasoning", "reasoning_content" -> {
          output |= v == JsonToken.VALUE_STRING && p.getTextLength() > 0;
          p.skipChildren();
        }
        case "tool_calls", "function_call" -> {
          output |= v == JsonToken.START_ARRAY || v == JsonToken.START_OBJECT;
          p.skipChildren();
        }
        case "role" -> {
          role = true;
          p.skipChildren();
        }
        default -> p.skipChildren();
      }
    }
  }

  private void content(JsonParser p, JsonToken value, boolean ofDelta) throws IOException {
    if (value == JsonToken.VALUE_STRING) {
      boolean some = p.getTextLength() > 0;
      output |= some;
      emptyContent |= !some && ofDelta;
      if (keepText && some && (ofDelta || text.isEmpty())) {
        text.setLength(0);
        text.append(p.getText());
      }
    } else {
      p.skipChildren();
    }
  }

  private void usage(JsonParser p, JsonToken value) throws IOException {
    if (value != JsonToken.START_OBJECT) {
      p.skipChildren();
      return;
    }
    usage = true;
    promptTokens = -1;
    completionTokens = -1;
    cachedTokens = -1;
    while (p.nextToken() == JsonToken.FIELD_NAME) {
      String name = p.currentName();
      JsonToken v = p.nextToken();
      switch (name) {
        case "prompt_tokens" -> promptTokens = count(p, v);
        case "completion_tokens" -> completionTokens = count(p, v);
        case "prompt_tokens_details" -> {
          if (v == JsonToken.START_OBJECT) {
            while (p.nextToken() == JsonToken.FIELD_NAME) {
              boolean cached = p.currentName().equals("cached_tokens");
              JsonToken d = p.nextToken();
              if (cached) {
                cachedTokens = count(p, d);
              } else {
                p.skipChildren();
              }
            }
          }
        }
        default -> p.skipChildren();
      }
    }
  }

  private static int count(JsonParser p, JsonToken value) throws IOException {
    if (value == JsonToken.VALUE_NUMBER_INT) {
      return Math.clamp(p.getLongValue(), -1, Integer.MAX_VALUE);
    }
    p.skipChildren();
    return -1;
  }

  /// An object with a message, or a bare string.
  private void error(JsonParser p, JsonToken value) throws IOException {
    if (value == JsonToken.VALUE_STRING) {
      error = p.getText();
    } else if (value == JsonToken.START_OBJECT) {
      error = "error";
      while (p.nextToken() == JsonToken.FIELD_NAME) {
        boolean message = p.currentName().equals("message");
        JsonToken v = p.nextToken();
        if (message && v == JsonToken.VALUE_STRING) {
          error = p.getText();
        }
        p.skipChildren();
      }
    } else if (value == JsonToken.START_ARRAY) {
      p.skipChildren();
      error = "error";
    }
  }

  /// The same text in every chunk is kept once.
  private void fingerprint(JsonParser p, JsonToken value) throws IOException {
    if (value == JsonToken.VALUE_STRING && p.getTextLength() <= MOST_FINGERPRINT_CHARS) {
      String said = p.getText();
      fingerprint = said.equals(fingerprint) ? fingerprint : said;
    }
    p.skipChildren();
  }

  /// Why the answer ended, when the chunk says so.
  @Nullable String finishReason() {
    return finishReason;
  }

  /// The last `system_fingerprint` that was read, in whatever chunk.
  @Nullable String fingerprint() {
    return fingerprint;
  }

  /// Before an answer of another request.
  void begin() {
    fingerprint = null;
  }

  /// Whether `choices` held anything; what the `openai` backend counts as a token chunk.
  boolean hasChoice() {
    return choice;
  }

  /// Whether the chunk carries output; what the `openai-chat` backend counts. A token that decodes
  /// to nothing has empty content and no role; the opening chunk has a role.
  boolean hasOutput() {
    return output || (emptyContent && !role);
  }

  boolean hasUsage() {
    return usage;
  }

  /// -1 when not said, like the other two.
  int promptTokens() {
    return promptTokens;
  }

  int completionTokens() {
    return completionTokens;
  }

  int cachedTokens() {
    return cachedTokens;
  }

  /// What the server says went wrong; null when nothing did.
  @Nullable String error() {
    return error;
  }

  /// The text of the first choice; empty when it was not kept.
  String text() {
    return text.toString();
  }
}
