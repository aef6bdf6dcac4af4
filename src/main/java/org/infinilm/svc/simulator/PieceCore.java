package org.infinilm.svc.simulator;

import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;

/// An engine whose steps compute one token of each decoding sequence and pieces of prompts beside
/// them.
abstract sealed class PieceCore extends LeapCore permits ChunkedCore, SlotCore {
  private final List<Leaper> prefilling = new ArrayList<>();
  private final List<Integer> pieces = new ArrayList<>();

  PieceCore(LeapSettings settings) {
    super(settings);
  }

  /// Copies what the step under way computes of prompts.
  final void piecesTo(PieceCore c, UnaryOperator<Leaper> copies) {
    prefilling.forEach(s -> c.prefilling.add(copies.apply(s)));
    c.pieces.addAll(pieces);
  }

  final void clearPieces() {
    prefilling.clear();
    pieces.clear();
  }

  /// So many tokens of a prompt in the next step.
  final void piece(Leaper s, int tokens) {
    prefilling.add(s);
    pieces.add(tokens);
  }

  final boolean hasPieces() {
    return !prefilling.isEmpty();
  }

  /// What a step takes with the pieces and all that decode.
  final double mixedNanos() {
    double tokens = 0;
    double squares = 0;
    double products = 0;
    for (int k = 0; k < prefilling.size(); k++) {
      double n = pieces.get(k);
      tokens += n;
      squares += n * n;
      products += n * prefilling.get(k).computed;
    }
    int decoding = 0;
    double total = 0;
    double longest = 0;
    for (Leaper s : running) {
      if (s.prefilled()) {
        decoding++;
        total += s.contextTokens();
        longest = Math.max(longest, s.contextTokens());
      }
    }
    return cost.mixedNanos(tokens, squares, products, decoding, total, longest);
  }

  /// The prompt of one is computed.
  void prefilled(Leaper s) {}

  @Override
  final void stepped(double atNanos, Sink sink) {
    for (Leaper s : running) {
      s.generated += s.prefilled() ? 1 : 0;
    }
    for (int k = 0; k < prefilling.size(); k++) {
      Leaper s = prefilling.get(k);
      s.computed += pieces.get(k);
      if (s.prefilled()) {
        prefilled(s);
        s.generated++;
        if (s.generated == 1) {
          sink.first(s.job.id(), atNanos, s.cachedTokens);
        }
      }
    }
    clearPieces();
    finish(atNanos, sink);
  }
}
