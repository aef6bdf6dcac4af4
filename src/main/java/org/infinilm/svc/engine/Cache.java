package org.infinilm.svc.engine;

/// Which sequence a request gets, and which part of its prompt need not be computed again. Engine
/// thread only.
sealed interface Cache permits PagedCache, StaticCache {
  /// How many tokens of `prompt` are there already, in whole blocks; at least its last token is
  /// always computed.
  int reusable(int[] prompt);

  /// As [#reusable], with the prompts that running sequences are computing as if they were there.
  int expected(int[] prompt);

  /// As [#expected], of the sequences taken before `sequence` alone that are still computing
  /// theirs.
  int expected(int[] prompt, Sequence sequence);

  /// A sequence for `prompt` that holds its reusable part.
  Sequence take(int[] prompt);

  /// Lets a running sequence share what others hold of its prompt by now.
  void share(Sequence sequence, int[] prompt);

  /// The request of this sequence has ended; what it holds may serve later prompts.
  void keep(Sequence ended);

  /// Forgets the kept sequence that was used least recently.
  ///
  /// @param spared the one that serves this prompt goes last
  void evict(int[] spared);

  /// The number of kept sequences.
  int kept();

  /// Cells in use, by the cache's own books.
  int usedTokens();

  /// Those of them that running sequences hold.
  int runningTokens();

  /// Whole blocks of a common beginning, without the prompt's last token.
  static int wholeBlocks(int common, int[] prompt, int blockTokens) {
    return Math.min(common, prompt.length - 1) / blockTokens * blockTokens;
  }
}
