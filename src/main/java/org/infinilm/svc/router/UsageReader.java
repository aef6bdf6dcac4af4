package org.infinilm.svc.router;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.util.Arrays;
import org.infinilm.svc.policy.Facts.Usage;
import org.jspecify.annotations.Nullable;

/// Finds the `usage` object in the end of an answer, streamed or not. Prompt tokens are all of the
/// prompt, those that came out of a cache included: OpenAI's `cached_tokens` are among them,
/// Anthropic's `cache_..._input_tokens` are counted apart.
final class UsageReader {
  private static final JsonFactory FACTORY = new JsonFactory();
  private static final byte[] KEY = {'"', 'u', 's', 'a', 'g', 'e', '"'};

  private UsageReader() {}

  /// The last usage object in `tail` that can be read, or null. Where that one tells of the answer
  /// alone, as Anthropic's last event does, the prompt is that of one before it, or 0 when `tail`
  /// has none.
  static @Nullable Usage read(byte[] tail) {
    Usage last = null;
    for (int at = tail.length - KEY.length; at >= 0; at--) {
      if (tail[at + KEY.length - 1] != '"'
          || !Arrays.equals(tail, at, at + KEY.length, KEY, 0, KEY.length)) {
        continue;
      }
      int brace = at + KEY.length;
      while (brace < tail.length && (tail[brace] == ':' || tail[brace] == ' ')) {
        brace++;
      }
      if (brace < tail.length && tail[brace] == '{') {
        Usage u = parse(tail, brace);
        if (u != null && u.promptTokens() > 0) {
          return last == null
              ? u
              : new Usage(u.promptTokens(), last.completionTokens(), u.cachedTokens());
        }
        last = last == null ? u : last;
      }
    }
    return last;
  }

  private static @Nullable Usage parse(byte[] b, int from) {
    long prompt = 0;
    long completion = 0;
    boolean any = false;
    long cached = 0;
    long apart = 0;
    int depth = 0;
    try (JsonParser p = FACTORY.createParser(b, from, b.length - from)) {
      for (JsonToken t = p.nextToken(); t != null; t = p.nextToken()) {
        if (t == JsonToken.START_OBJECT) {
          depth++;
        } else if (t == JsonToken.END_OBJECT && --depth == 0) {
          return any ? new Usage(prompt + apart, completion, cached + apart) : null;
        } else if (t == JsonToken.VALUE_NUMBER_INT && p.currentName() != null) {
          switch (p.currentName()) {
            case "prompt_tokens", "input_tokens" -> {
              prompt = p.getLongValue();
              any = true;
            }
            case "completion_tokens", "output_tokens" -> {
              completion = p.getLongValue();
              any = true;
            }
            case "cached_tokens" -> cached = p.getLongValue();
            case "cache_read_input_tokens", "cache_creation_input_tokens" ->
                apart += p.getLongValue();
            default -> {}
          }
        }
      }
    } catch (IOException broken) {
      return null;
    }
    return null;
  }
}
