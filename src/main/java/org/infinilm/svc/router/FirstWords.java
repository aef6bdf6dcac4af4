package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.US_ASCII;

import io.netty.buffer.ByteBuf;
import org.infinilm.svc.fleet.Hash;

/// A key for requests whose client gives none: the first message of the user, which every turn of a
/// conversation repeats. Never the system prompt, which unlike conversations share. Stateless.
/*
 * It is found in the raw bytes: `"role"` with the value `"user"` stands unescaped nowhere but in a
 * message, for quotes inside of strings have a backslash. Its text is the value of the next `"content"`,
 * or of the one before it where the next belongs to another message. It is hashed as it was written, up to
 * MOST_TEXT bytes: the same client writes it the same way.
 */
final class FirstWords {
  /// How far into a body the message may begin.
  private static final int MOST_BYTES = 256 << 10;

  private static final int MOST_TEXT = 1024;
  private static final byte[] ROLE = "\"role\"".getBytes(US_ASCII);
  private static final byte[] CONTENT = "\"content\"".getBytes(US_ASCII);
  private static final byte[] USER = "\"user\"".getBytes(US_ASCII);

  private FirstWords() {}

  /// Their text, or an empty one where there is none.
  static String of(ByteBuf body) {
    int end = body.readerIndex() + Math.min(body.readableBytes(), MOST_BYTES);
    int before = -1;
    for (int at = find(body, body.readerIndex(), end, ROLE);
        at >= 0;
        at = find(body, at + ROLE.length, end, ROLE)) {
      int value = value(body, at + ROLE.length, end);
      if (value < 0 || !stands(body, value, end, USER)) {
        continue;
      }
      int nextRole = find(body, value, end, ROLE);
      int next = find(body, value, nextRole < 0 ? end : nextRole, CONTENT);
      // behind the role of this message and before the next one's, unless it belongs to that
      boolean own = next >= 0 && body.indexOf(value, next, (byte) '{') < 0;
      if (!own) {
        before = last(body, at, CONTENT);
      }
      int key = own ? next : before;
      int from = key < 0 ? -1 : value(body, key + CONTENT.length, end);
      return from < 0 ? "" : text(body, from, end);
    }
    return "";
  }

  /// The hash of those words, with what makes it a model's own; 0 where there are none.
  static long key(String model, ByteBuf body) {
    String words = of(body);
    return words.isEmpty() ? 0 : Hash.of(model + ":words:" + words);
  }

  private static int find(ByteBuf b, int from, int to, byte[] word) {
    for (int at = b.indexOf(from, to, (byte) '"');
        at >= 0;
        at = b.indexOf(at + 1, to, (byte) '"')) {
      if (stands(b, at, to, word) && (at == from || b.getByte(at - 1) != '\\')) {
        return at;
      }
    }
    return -1;
  }

  private static int last(ByteBuf b, int before, byte[] word) {
    int from = Math.max(b.readerIndex(), before - (MOST_TEXT << 2));
    int found = -1;
    for (int at = find(b, from, before, word); at >= 0; at = find(b, at + 1, before, word)) {
      found = at;
    }
    return found;
  }

  private static boolean stands(ByteBuf b, int at, int to, byte[] word) {
    if (at + word.length > to) {
      return false;
    }
    for (int k = 0; k < word.length; k++) {
      if (b.getByte(at + k) != word[k]) {
        return false;
      }
    }
    return true;
  }

  /// Where the value of a key begins, -1 when no colon follows.
  private static int value(ByteBuf b, int from, int to) {
    int at = blanks(b, from, to);
    return at < to && b.getByte(at) == ':' ? blanks(b, at + 1, to) : -1;
  }

  private static int blanks(ByteBuf b, int from, int to) {
    int at = from;
    while (at < to && b.getByte(at) <= ' ' && b.getByte(at) >= 0) {
      at++;
    }
    return at;
  }

  private static String text(ByteBuf b, int from, int end) {
    int to = Math.min(b.writerIndex(), Math.min(end, from + MOST_TEXT));
    if (from < to && b.getByte(from) == '"') {
      int at = from + 1;
      while (at < to && b.getByte(at) != '"') {
        at += b.getByte(at) == '\\' ? 2 : 1;
      }
      return b.toString(from + 1, Math.min(at, to) - from - 1, ISO_8859_1);
    }
    return b.toString(from, Math.max(0, to - from), ISO_8859_1);
  }
}
