package org.infinilm.svc.engine;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.infinilm.svc.http.ApiError;

/// The bytes of every token, read once, and what follows from them. Immutable.
final class TokenTable {
  private final byte[][] pieces;
  private final int[] ends;
  private final int longestBytes;

  TokenTable(Vocabulary vocabulary) {
    pieces = vocabulary.pieces();
    showTags(vocabulary);
    ends = IntStream.range(0, pieces.length).filter(vocabulary::isEnd).toArray();
    int longestControl =
        vocabulary.controls().stream()
            .mapToInt(c -> c.getBytes(StandardCharsets.UTF_8).length)
            .max()
            .orElse(0);
    longestBytes = Arrays.stream(pieces).mapToInt(p -> p.length).reduce(longestControl, Math::max);
  }

  /// Gives the tags of tool calls their text where they are control tokens, which have none: a call
  /// could not be told from content.
  private void showTags(Vocabulary vocabulary) {
    ToolForm form = vocabulary.toolForm();
    for (String tag : form == null ? List.<String>of() : form.tags()) {
      int[] token = vocabulary.tokenize(tag, false);
      if (token.length == 1 && pieces[token[0]].length == 0) {
        pieces[token[0]] = tag.getBytes(StandardCharsets.UTF_8);
      }
    }
  }

  int size() {
    return pieces.length;
  }

  /// These ids, all of which are tokens.
  ///
  /// @param at the field that has them
  /// @throws ApiError naming the first that is none, and its place
  int[] checked(String at, int[] ids) throws ApiError {
    for (int i = 0; i < ids.length; i++) {
      if (ids[i] < 0 || ids[i] >= size()) {
        throw ApiError.value(at + "[" + i + "]", ids[i], "a token id 0.." + (size() - 1));
      }
    }
    return ids;
  }

  /// The bytes of every token; not to be changed.
  byte[][] pieces() {
    return pieces;
  }

  byte[] piece(int token) {
    return pieces[token];
  }

  boolean isEnd(int token) {
    return Arrays.binarySearch(ends, token) >= 0;
  }

  /// The tokens that end a generation.
  int[] ends() {
    return ends.clone();
  }

  /// A text of so many UTF-8 bytes has at least this many tokens.
  long fewestTokens(long bytes) {
    return Math.ceilDiv(bytes, (long) Math.max(1, longestBytes));
  }

  /// So many tokens have at most this many UTF-8 bytes.
  long mostBytes(int tokens) {
    return (long) tokens * longestBytes;
  }

  /// The text of these tokens.
  String text(int[] tokens) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    for (int t : tokens) {
      bytes.writeBytes(pieces[t]);
    }
    return bytes.toString(StandardCharsets.UTF_8);
  }
}
