package org.infinilm.svc.load;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ObjIntConsumer;
import org.infinilm.svc.http.Json;
import org.jspecify.annotations.Nullable;

/// What one chunk of a streamed answer, or a whole answer, says: whether it carries output, and
/// usage. Reused from chunk to chunk; not thread-safe.
final class ChunkReader {
  private static final int MOST_FINGERPRINT_CHARS = 200;
  private static final int MOST_SAID_CHARS = 40;
  private static final int MOST_CHOICES = 1000;

  /// A choice that said why it ended.
  private record End(int choice, String reason) {}

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
  private @Nullable String badUsage;
  private final List<End> ends = new ArrayList<>(1);
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
    ends.clear();
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
    int place = 0;
    for (JsonToken v = p.nextToken(); v != JsonToken.END_ARRAY; v = p.nextToken()) {
      choice = true;
      if (v == JsonToken.START_OBJECT) {
        choice(p, place++);
      } else {
        p.skipChildren();
      }
    }
  }

  /// @param place in the list, which counts where the choice does not say its number
  private void choice(JsonParser p, int place) throws IOException {
    int number = place;
    int begin = text.length();
    String reason = null;
    while (p.nextToken() == JsonToken.FIELD_NAME) {
      String name = p.currentName();
      JsonToken v = p.nextToken();
      switch (name) {
        case "delta", "message" -> delta(p, v, begin);
        case "text" -> content(p, v, begin, false);
        case "index" -> {
          number = v == JsonToken.VALUE_NUMBER_INT ? number(p) : place;
          p.skipChildren();
        }
        case "finish_reason" -> {
          reason = v == JsonToken.VALUE_STRING ? p.getText() : null;
          p.skipChildren();
        }
        default -> p.skipChildren();
      }
    }
    if (reason != null && !reason.isEmpty()) {
      ends.add(new End(number, reason));
    }
  }

  private static int number(JsonParser p) throws IOException {
    return Math.clamp(p.getLongValue(), 0, MOST_CHOICES);
  }

  private void delta(JsonParser p, JsonToken value, int begin) throws IOException {
    if (value != JsonToken.START_OBJECT) {
      p.skipChildren();
      return;
    }
    while (p.nextToken() == JsonToken.FIELD_NAME) {
      String name = p.currentName();
      JsonToken v = p.nextToken();
      switch (name) {
        case "content" -> content(p, v, begin, true);
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

  private void content(JsonParser p, JsonToken value, int begin, boolean ofDelta)
      throws IOException {
    if (value == JsonToken.VALUE_STRING) {
      boolean some = p.getTextLength() > 0;
      output |= some;
      emptyContent |= !some && ofDelta;
      if (keepText && some && (ofDelta || text.length() == begin)) {
        text.setLength(begin);
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
    badUsage = null;
    promptTokens = -1;
    completionTokens = -1;
    cachedTokens = -1;
    while (p.nextToken() == JsonToken.FIELD_NAME) {
      String name = p.currentName();
      JsonToken v = p.nextToken();
      switch (name) {
        case "prompt_tokens" -> promptTokens = count(p, name, v);
        case "completion_tokens" -> completionTokens = count(p, name, v);
        case "prompt_tokens_details" -> {
          if (v == JsonToken.START_OBJECT) {
            while (p.nextToken() == JsonToken.FIELD_NAME) {
              boolean cached = p.currentName().equals("cached_tokens");
              JsonToken d = p.nextToken();
              if (cached) {
                cachedTokens = count(p, null, d);
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

  /// -1 when it is not said, or cannot be.
  ///
  /// @param name null: one that no figure depends on, so that nothing is wrong without it
  private int count(JsonParser p, @Nullable String name, JsonToken value) throws IOException {
    if (value == JsonToken.VALUE_NULL) {
      return -1;
    }
    if (value.isNumeric()) {
      double n = p.getDoubleValue();
      if (n >= 0 && n == Math.rint(n) && n <= Integer.MAX_VALUE) {
        return (int) n;
      }
    }
    if (name != null) {
      String said = value.isScalarValue() ? p.getText() : "a list or an object";
      badUsage =
          "usage."
              + name
              + ": "
              + (said.length() > MOST_SAID_CHARS ? said.substring(0, MOST_SAID_CHARS) : said)
              + " (expected: a whole number, 0 or more)";
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

  /// Each choice that the chunk says has ended, by its number, and why.
  void eachEnd(ObjIntConsumer<String> to) {
    ends.forEach(e -> to.accept(e.reason(), e.choice()));
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

  /// What no usage can be; null when there is nothing of that kind.
  @Nullable String badUsage() {
    return badUsage;
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

  /// The text of all choices; empty when it was not kept.
  String text() {
    return text.toString();
  }
}
