package org.infinilm.svc.router;

import java.util.Arrays;
import org.infinilm.svc.policy.Facts.Usage;
import org.jspecify.annotations.Nullable;

/// Finds the `usage` object in the end of an answer, streamed or not. Prompt tokens are all of the
/// prompt, those that came out of a cache included: OpenAI's `cached_tokens` are among them,
/// Anthropic's `cache_..._input_tokens` are counted apart.
///
/// Every answer is read, so the bytes are looked at in place: no parser, no text.
final class UsageReader {
  private static final byte[] KEY = bytes("\"usage\"");
  private static final byte[] PROMPT = bytes("prompt_tokens");
  private static final byte[] INPUT = bytes("input_tokens");
  private static final byte[] COMPLETION = bytes("completion_tokens");
  private static final byte[] OUTPUT = bytes("output_tokens");
  private static final byte[] CACHED = bytes("cached_tokens");
  private static final byte[] CACHE_READ = bytes("cache_read_input_tokens");
  private static final byte[] CACHE_CREATION = bytes("cache_creation_input_tokens");

  /// Longer numbers are no counts of tokens.
  private static final int MOST_DIGITS = 8;

  private final byte[] b;
  private final int end;
  private int keyFrom;
  private int keyTo;
  private long prompt;
  private long completion;
  private long cached;
  private long apart;
  private boolean any;

  private UsageReader(byte[] b, int end) {
    this.b = b;
    this.end = end;
  }

  private static byte[] bytes(String s) {
    return s.getBytes(java.nio.charset.StandardCharsets.US_ASCII);
  }

  /// The last usage object in the first `length` bytes that can be read, or null. Where that one
  /// tells of the answer alone, as Anthropic's last event does, the prompt is that of one before
  /// it, or 0 when there is none.
  static @Nullable Usage read(byte[] tail, int length) {
    Usage last = null;
    for (int at = before(tail, length - KEY.length); at >= 0; at = before(tail, at - 1)) {
      int brace = at + KEY.length;
      while (brace < length && (tail[brace] == ':' || tail[brace] == ' ')) {
        brace++;
      }
      if (brace < length && tail[brace] == '{') {
        Usage u = new UsageReader(tail, length).parse(brace);
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

  /// Where the key stands last at or before `from`, or -1. Backwards, by the bytes that cannot be
  /// part of it (Horspool, Practical fast searching in strings, 1980).
  private static int before(byte[] b, int from) {
    int at = from;
    while (at >= 0) {
      switch (b[at]) {
        case '"' -> {
          if (Arrays.equals(b, at, at + KEY.length, KEY, 0, KEY.length)) {
            return at;
          }
          at -= KEY.length - 1;
        }
        case 'u' -> at -= 1;
        case 's' -> at -= 2;
        case 'a' -> at -= 3;
        case 'g' -> at -= 4;
        case 'e' -> at -= 5;
        default -> at -= KEY.length;
      }
    }
    return -1;
  }

  /// The object that begins at `from`, or null when it is cut or has no counts.
  private @Nullable Usage parse(int from) {
    int depth = 0;
    for (int at = from; at < end; ) {
      byte c = b[at];
      if (c == '"') {
        int close = closing(at + 1);
        if (close < 0) {
          return null;
        }
        keyFrom = at + 1;
        keyTo = close;
        at = close + 1;
      } else if (c == '-' || (c >= '0' && c <= '9')) {
        at = number(at);
      } else {
        if (c == '{') {
          depth++;
        } else if (c == '}' && --depth == 0) {
          return any ? new Usage(prompt + apart, completion, cached + apart) : null;
        } else if (c == '[') {
          keyTo = keyFrom;
        }
        at++;
      }
    }
    return null;
  }

  /// Where the text that begins at `from` ends, or -1.
  private int closing(int from) {
    for (int at = from; at < end; at++) {
      if (b[at] == '\\') {
        at++;
      } else if (b[at] == '"') {
        return at;
      }
    }
    return -1;
  }

  /// Takes the number at `from`, if it is a whole one; returns where it ends.
  private int number(int from) {
    long n = 0;
    int at = from;
    while (at < end && b[at] >= '0' && b[at] <= '9') {
      n = at - from < MOST_DIGITS ? n * 10 + b[at] - '0' : n;
      at++;
    }
    int to = at;
    while (at < end && isNumeric(b[at])) {
      at++;
    }
    if (to > from && to == at && to - from <= MOST_DIGITS) {
      take(n);
    }
    keyTo = keyFrom;
    return at;
  }

  private static boolean isNumeric(byte c) {
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
  }

  private void take(long n) {
    if (is(PROMPT) || is(INPUT)) {
      prompt = n;
      any = true;
    } else if (is(COMPLETION) || is(OUTPUT)) {
      completion = n;
      any = true;
    } else if (is(CACHED)) {
      cached = n;
    } else if (is(CACHE_READ) || is(CACHE_CREATION)) {
      apart += n;
    }
  }

  private boolean is(byte[] name) {
    return Arrays.equals(b, keyFrom, keyTo, name, 0, name.length);
  }
}
