package org.infinilm.svc.router;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/// Why an answer ended, as the end of its JSON says: OpenAI's `finish_reason`, Anthropic's
/// `stop_reason`. Looked at in place, no parser: inside a text of JSON the quotes of such words
/// would be escaped. Stateless.
final class EndReason {
  private static final byte[] FINISH = bytes("\"finish_reason\"");
  private static final byte[] STOP = bytes("\"stop_reason\"");
  private static final byte[] LENGTH = bytes("\"length\"");
  private static final byte[] MAX_TOKENS = bytes("\"max_tokens\"");

  private EndReason() {}

  private static byte[] bytes(String s) {
    return s.getBytes(StandardCharsets.US_ASCII);
  }

  /// Whether the first `length` bytes say that an answer has become too long to go on.
  static boolean isLength(byte[] b, int length) {
    for (int at = 0; at < length; at++) {
      if (b[at] == '"') {
        if (stands(FINISH, b, at, length)) {
          if (stands(LENGTH, b, value(b, at + FINISH.length, length), length)) {
            return true;
          }
        } else if (stands(STOP, b, at, length)
            && stands(MAX_TOKENS, b, value(b, at + STOP.length, length), length)) {
          return true;
        }
      }
    }
    return false;
  }

  private static int value(byte[] b, int from, int length) {
    int at = from;
    while (at < length && (b[at] == ' ' || b[at] == ':')) {
      at++;
    }
    return at;
  }

  private static boolean stands(byte[] word, byte[] b, int at, int length) {
    return at + word.length <= length
        && Arrays.equals(b, at, at + word.length, word, 0, word.length);
  }
}
