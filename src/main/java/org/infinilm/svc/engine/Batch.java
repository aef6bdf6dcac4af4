package org.infinilm.svc.engine;

import java.util.Arrays;

/// The tokens of one decode call: which token, at which position of which sequence, and whether its
/// logits are wanted. Reused; one thread.
final class Batch {
  int[] tokens;
  int[] positions;
  int[] sequences;
  boolean[] logits;
  int size;

  Batch(int capacity) {
    tokens = new int[capacity];
    positions = new int[capacity];
    sequences = new int[capacity];
    logits = new boolean[capacity];
  }

  int capacity() {
    return tokens.length;
  }

  void clear() {
    size = 0;
  }

  void add(int token, int position, int sequence, boolean wantsLogits) {
    tokens[size] = token;
    positions[size] = position;
    sequences[size] = sequence;
    logits[size] = wantsLogits;
    size++;
  }

  /// The part `[from, to)` as a batch of its own.
  Batch slice(int from, int to) {
    Batch b = new Batch(to - from);
    b.tokens = Arrays.copyOfRange(tokens, from, to);
    b.positions = Arrays.copyOfRange(positions, from, to);
    b.sequences = Arrays.copyOfRange(sequences, from, to);
    b.logits = Arrays.copyOfRange(logits, from, to);
    b.size = to - from;
    return b;
  }
}
