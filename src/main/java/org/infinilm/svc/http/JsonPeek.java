package org.infinilm.svc.http;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufInputStream;
import java.io.IOException;
import java.io.InputStream;
import org.jspecify.annotations.Nullable;

/// Reads the few top-level keys of a JSON body that routing needs, without building the document:
/// `model`, `stream`, `prompt_cache_key`, `max_tokens` / `max_completion_tokens`, and on demand the
/// text of `messages` or `prompt`. Stateless; on event loops.
public final class JsonPeek {
  private static final JsonFactory FACTORY =
      JsonFactory.builder()
          .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxStringLength(Integer.MAX_VALUE)
                  .maxNestingDepth(2000)
                  .build())
          .build();

  /// What a body said.
  ///
  /// @param form what kind of document it is
  /// @param model the value of `model` when it is a string; of several equal ones the one
  /// @param modelProblem why `model` cannot be used, or null
  /// @param maxTokens 0 when absent
  /// @param textBytes UTF-8 bytes of decoded text in `messages`, else `prompt`; -1 when not asked
  ///   for
  /// @param problem why the document is broken, or null
  public record Peeked(
      Form form,
      @Nullable String model,
      @Nullable String modelProblem,
      @Nullable String promptCacheKey,
      boolean stream,
      long maxTokens,
      long textBytes,
      @Nullable String problem) {}

  /// The kind of a body.
  public enum Form {
    EMPTY,
    /// The first non-blank byte is not `{`.
    OTHER,
    OBJECT,
    /// Begins as an object and breaks off or goes wrong.
    BROKEN
  }

  public static final Peeked NOTHING = new Peeked(Form.EMPTY, null, null, null, false, 0, 0, null);

  private @Nullable String model;
  private @Nullable String modelProblem;
  private @Nullable String promptCacheKey;
  private boolean stream;
  private long maxTokens;
  private long messagesBytes = -1;
  private long promptBytes;

  private JsonPeek() {}

  /// Peeks at `body`, leaving its indexes as they are.
  ///
  /// @param text whether to measure the text
  public static Peeked at(ByteBuf body, boolean text) {
    int first = firstNonBlank(body);
    if (first < 0) {
      return NOTHING;
    }
    if (first != '{') {
      return new Peeked(Form.OTHER, null, null, null, false, 0, 0, null);
    }
    JsonPeek peek = new JsonPeek();
    String problem = null;
    try (JsonParser p =
        FACTORY.createParser((InputStream) new ByteBufInputStream(body.duplicate()))) {
      peek.object(p, text);
    } catch (JsonProcessingException e) {
      problem = e.getOriginalMessage();
    } catch (IOException e) {
      problem = String.valueOf(e.getMessage());
    }
    return peek.result(text, problem);
  }

  private Peeked result(boolean text, @Nullable String problem) {
    long bytes = !text ? -1 : messagesBytes >= 0 ? messagesBytes : promptBytes;
    return new Peeked(
        problem == null ? Form.OBJECT : Form.BROKEN,
        modelProblem == null ? model : null,
        modelProblem,
        promptCacheKey,
        stream,
        maxTokens,
        bytes,
        problem);
  }

  private static int firstNonBlank(ByteBuf b) {
    int at = b.forEachByte(x -> x == ' ' || x == '\n' || x == '\r' || x == '\t');
    return at < 0 ? -1 : b.getUnsignedByte(at);
  }

  private void object(JsonParser p, boolean text) throws IOException {
    p.nextToken();
    while (p.nextToken() == JsonToken.FIELD_NAME) {
      String key = p.currentName();
      JsonToken t = p.nextToken();
      switch (key) {
        case "model" -> model(p, t);
        case "stream" -> stream = t == JsonToken.VALUE_TRUE;
        case "prompt_cache_key" ->
            promptCacheKey = t == JsonToken.VALUE_STRING ? p.getText() : null;
        case "max_tokens", "max_completion_tokens" -> maxTokens = whole(p, t);
        case "messages" -> messagesBytes = text && t == JsonToken.START_ARRAY ? messages(p) : -1;
        case "prompt" -> promptBytes = text ? prompt(p, t) : 0;
        default -> {}
      }
      if (p.currentToken().isStructStart()) {
        p.skipChildren();
      }
    }
    if (p.currentToken() != JsonToken.END_OBJECT) {
      throw new IOException("unexpected end of the JSON document");
    }
  }

  private void model(JsonParser p, JsonToken t) throws IOException {
    if (t == JsonToken.VALUE_NULL) {
      return;
    }
    if (t != JsonToken.VALUE_STRING) {
      modelProblem = "model: " + shown(p, t) + " (expected: a string)";
      return;
    }
    String m = p.getText();
    if (model != null && !model.equals(m)) {
      modelProblem = "model: given twice, \"" + model + "\" and \"" + m + "\" (expected: once)";
    }
    model = m;
  }

  private static String shown(JsonParser p, JsonToken t) throws IOException {
    return switch (t) {
      case START_ARRAY -> "an array";
      case START_OBJECT -> "an object";
      default -> {
        String s = p.getText();
        yield s.length() > 40 ? s.substring(0, 40) + "..." : s;
      }
    };
  }

  private long whole(JsonParser p, JsonToken t) throws IOException {
    if (t != JsonToken.VALUE_NUMBER_INT) {
      return maxTokens;
    }
    try {
      return Math.clamp(p.getLongValue(), 0, 1L << 40);
    } catch (IOException tooLarge) {
      return 1L << 40;
    }
  }

  /// Text of all messages: `content` strings, and `text` and `content` of parts.
  private static long messages(JsonParser p) throws IOException {
    long sum = 0;
    while (p.nextToken() != JsonToken.END_ARRAY && p.currentToken() != null) {
      if (p.currentToken() != JsonToken.START_OBJECT) {
        p.skipChildren();
        continue;
      }
      while (p.nextToken() == JsonToken.FIELD_NAME) {
        boolean content = p.currentName().equals("content");
        JsonToken t = p.nextToken();
        if (content && t == JsonToken.VALUE_STRING) {
          sum += utf8(p.getText());
        } else if (content && t == JsonToken.START_ARRAY) {
          sum += parts(p);
        } else {
          p.skipChildren();
        }
      }
    }
    return sum;
  }

  private static long parts(JsonParser p) throws IOException {
    long sum = 0;
    while (p.nextToken() != JsonToken.END_ARRAY && p.currentToken() != null) {
      if (p.currentToken() != JsonToken.START_OBJECT) {
        p.skipChildren();
        continue;
      }
      while (p.nextToken() == JsonToken.FIELD_NAME) {
        boolean text = p.currentName().equals("text") || p.currentName().equals("content");
        if (p.nextToken() == JsonToken.VALUE_STRING && text) {
          sum += utf8(p.getText());
        } else {
          p.skipChildren();
        }
      }
    }
    return sum;
  }

  private static long prompt(JsonParser p, JsonToken t) throws IOException {
    if (t == JsonToken.VALUE_STRING) {
      return utf8(p.getText());
    }
    long sum = 0;
    if (t == JsonToken.START_ARRAY) {
      while (p.nextToken() != JsonToken.END_ARRAY && p.currentToken() != null) {
        if (p.currentToken() == JsonToken.VALUE_STRING) {
          sum += utf8(p.getText());
        } else {
          p.skipChildren();
        }
      }
    }
    return sum;
  }

  private static long utf8(String s) {
    long n = 0;
    for (int k = 0; k < s.length(); k++) {
      char c = s.charAt(k);
      n += c < 0x80 ? 1 : c < 0x800 ? 2 : Character.isSurrogate(c) ? 2 : 3;
    }
    return n;
  }
}
