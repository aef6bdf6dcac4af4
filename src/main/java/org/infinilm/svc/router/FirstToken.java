package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import io.netty.buffer.ByteBuf;
import java.util.List;

/// Finds the first piece of a stream that holds text: some engines send the role, a start or a ping
/// before they have computed anything. Stateless.
final class FirstToken {
  private static final int MOST_BYTES = 4096;

  /// Keys whose value, where it is a string that is not empty, is what an engine has computed.
  private static final List<String> KEYS =
      List.of(
          "\"content\":",
          "\"text\":",
          "\"reasoning_content\":",
          "\"reasoning\":",
          "\"thinking\":",
          "\"delta\":",
          "\"arguments\":",
          "\"partial_json\":",
          "\"refusal\":");

  private FirstToken() {}

  /// Whether the first [#MOST_BYTES] of this piece of an answer hold a token's text.
  static boolean isIn(ByteBuf b) {
    String piece = b.toString(b.readerIndex(), Math.min(b.readableBytes(), MOST_BYTES), ISO_8859_1);
    for (String key : KEYS) {
      for (int at = piece.indexOf(key); at >= 0; at = piece.indexOf(key, at + key.length())) {
        int value = at + key.length();
        while (value < piece.length() && piece.charAt(value) == ' ') {
          value++;
        }
        if (value + 1 < piece.length()
            && piece.charAt(value) == '"'
            && piece.charAt(value + 1) != '"') {
          return true;
        }
      }
    }
    return false;
  }
}
