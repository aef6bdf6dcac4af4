package org.infinilm.svc.engine;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/// What a grammar needs while it is asked: some megabytes with a vocabulary of today's size, so
/// that answers that wait must not have one each. One thread at a time.
/*
 * llama_token_data (12 bytes): int32 id, float logit, float p. llama_token_data_array (32 bytes): pointer data 0,
 * size_t size 8, int64 selected 16, bool sorted 24.
 */
final class GrammarScratch {
  static final int ENTRY_WORDS = 3;
  private static final int ARRAY_BYTES = 32;

  final boolean[] rejected;
  final int[] words;
  final MemorySegment array;
  final MemorySegment entries;

  private GrammarScratch(int tokens) {
    Arena arena = Arena.ofAuto();
    rejected = new boolean[tokens];
    words = new int[tokens * ENTRY_WORDS];
    array = arena.allocate(ARRAY_BYTES, 8);
    entries = arena.allocate(JAVA_INT, words.length);
  }

  /// Those of one vocabulary: as many as threads ask grammars at once. Thread-safe.
  static final class Pool {
    private final int tokens;
    private final Queue<GrammarScratch> idle = new ConcurrentLinkedQueue<>();

    Pool(int tokens) {
      this.tokens = tokens;
    }

    /// One that comes back by [#give].
    GrammarScratch take() {
      GrammarScratch s = idle.poll();
      return s == null ? new GrammarScratch(tokens) : s;
    }

    void give(GrammarScratch s) {
      idle.add(s);
    }
  }
}
