package org.infinilm.svc.engine;

/// Which sequence a request gets, and which part of its prompt need not be computed again. Engine
/// thread only.
sealed interface Cache permits PagedCache, StaticCache {
  /// How many tokens of `prompt` are there already, in whole blocks; at least its last token is
  /// always computed.
  int reusable(int[] prompt);

  /// A sequence for `prompt` that holds its reusable part.
  Sequence take(int[] prompt);

  /// The request of this sequence has ended; what it holds may serve later prompts.
  void keep(Sequence ended);

  /// Forgets the kept sequence that was used least recently.
  void evict();

  /// The number of kept sequences.
  int kept();

  /// Whole blocks of a common beginning, without the prompt's last token.
  static int wholeBlocks(int common, int[] prompt, int blockTokens) {
    return Math.min(common, prompt.length - 1) / blockTokens * blockTokens;
  }
}
