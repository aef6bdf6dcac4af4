package org.infinilm.svc.engine;

import java.util.Arrays;

/// One sequence of the native cache and the tokens it holds. Engine thread only.
final class Sequence {
  private final int id;
  private int[] tokens;
  private int stored;

  Sequence(int id, int[] tokens, int stored) {
    this.id = id;
    this.tokens = tokens.clone();
    this.stored = stored;
  }

  int id() {
    return id;
  }

  /// How many tokens are in the cache; their positions are 0 up to it.
  int stored() {
    return stored;
  }

  /// The first `to` tokens of the prompt are in the cache now.
  void storedUpTo(int to) {
    stored = to;
  }

  /// One more token is in the cache.
  void append(int token) {
    if (stored == tokens.length) {
      tokens = Arrays.copyOf(tokens, stored + Math.max(64, stored / 2));
    }
    tokens[stored++] = token;
  }

  /// The length of the longest common beginning of `prompt` and what is stored.
  int common(int[] prompt) {
    int n = Arrays.mismatch(tokens, 0, stored, prompt, 0, prompt.length);
    return n < 0 ? stored : n;
  }

  /// Whether everything stored here is the beginning of what `other` holds.
  boolean isPrefixOf(Sequence other) {
    return stored <= other.stored && Arrays.equals(tokens, 0, stored, other.tokens, 0, stored);
  }
}
