package org.infinilm.svc.engine;

/// Which sequence a request gets, and which part of its prompt need not be computed again. Engine
/// thread only.
sealed interface Cache permits PagedCache, StaticCache {
  /// How many tokens of `prompt` need not be computed, in whole blocks; at least its last token is
  /// always computed.
  int reusable(int[] prompt);

  /// How many tokens of `prompt` will stand in cells that running sequences hold, with their
  /// prompts as if they were computed.
  int shared(int[] prompt);

  /// As [#shared], of the sequences taken before `sequence` alone that are still computing theirs.
  int awaited(Sequence sequence, int[] prompt);

  /// A sequence for `prompt` that holds its reusable part.
  Sequence take(int[] prompt);

  /// How many tokens of its prompt [#share] would leave in a running sequence.
  int sharable(Sequence sequence, int[] prompt);

  /// Gives a running sequence what others hold of its prompt by now.
  void share(Sequence sequence, int[] prompt);

  /// The request of this sequence has ended; what it holds may serve later prompts.
  void keep(Sequence ended);

  /// Cells in use, by the cache's own books.
  int usedTokens();

  /// Those of them that running sequences hold.
  int runningTokens();

  /// Tokens that ended requests have left for later prompts.
  int keptTokens();

  /// Forgets what ended requests held.
  void clear();

  /// Whole blocks of a common beginning, without the prompt's last token.
  static int wholeBlocks(int common, int[] prompt, int blockTokens) {
    return Math.min(common, prompt.length - 1) / blockTokens * blockTokens;
  }
}
