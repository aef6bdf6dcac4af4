package org.infinilm.svc.simulator;

import java.util.List;
import java.util.function.UnaryOperator;

/// What one step computes; empty when there is nothing to do.
record Batch(List<Slice> slices) {
  static final Batch NONE = new Batch(List.of());

  Batch {
    slices = List.copyOf(slices);
  }

  /// One sequence's share of a step.
  ///
  /// @param newTokens tokens computed in this step: prompt tokens, or 1 when decoding
  /// @param contextTokens tokens in the cache before the step
  /// @param decode whether this is a decode step; otherwise prompt tokens are computed
  record Slice(Sequence sequence, int newTokens, int contextTokens, boolean decode) {
    /// The whole rest of a prompt.
    static Slice prefill(Sequence s) {
      return new Slice(s, s.promptTokens() - s.computedTokens(), s.computedTokens(), false);
    }

    static Slice decode(Sequence s) {
      return new Slice(s, 1, s.contextTokens(), true);
    }
  }

  boolean isEmpty() {
    return slices.isEmpty();
  }

  /// The same batch over other sequences.
  Batch mapped(UnaryOperator<Sequence> copies) {
    return new Batch(
        slices.stream()
            .map(s ->
                new Slice(copies.apply(s.sequence()), s.newTokens(), s.contextTokens(), s.decode()))
            .toList());
  }
}
