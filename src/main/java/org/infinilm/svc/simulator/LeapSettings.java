package org.infinilm.svc.simulator;

import org.infinilm.svc.fleet.CacheType;

/// What engine a [LeapCore] is.
///
/// @param batch sequences at once; 1 for static
/// @param numBlocks of the pool; static and slots: tokens of a sequence
/// @param blockTokens tokens a block; static and slots: 1
/// @param stepTokens prompt tokens a step; paged: a longer prompt goes alone, chunked and slots:
///   the budget, decoding sequences included
/// @param keepsAnswers whether answers can be reused as part of the next prompt
public record LeapSettings(
    Kind kind,
    CostProfile cost,
    int batch,
    int numBlocks,
    int blockTokens,
    int stepTokens,
    boolean keepsAnswers) {

  /// How it schedules.
  public enum Kind {
    /// InfiniLM's: prefill first, each prompt whole, room for the whole answer reserved.
    PAGED,
    /// One preallocated sequence, first come first served.
    STATIC,
    /// llama.cpp's: so many preallocated sequences, prompts in chunks beside the decoding.
    SLOTS,
    /// vLLM's: prompts in chunks beside the decoding, cache that grows, preemption by recomputing.
    CHUNKED;

    /// The KV-cache design that it registers: paged is who computes several sequences at once.
    public CacheType cacheType() {
      return this == STATIC ? CacheType.STATIC : CacheType.PAGED;
    }
  }

  public LeapSettings {
    if (batch < 1 || numBlocks < 1 || blockTokens < 1 || stepTokens < batch) {
      throw new IllegalArgumentException(
          "batch %d, blocks %d of %d tokens, %d tokens a step (expected: 1 or more each, a step not below the batch)"
              .formatted(batch, numBlocks, blockTokens, stepTokens));
    }
  }

  public static LeapSettings paged(CostProfile cost) {
    return new LeapSettings(Kind.PAGED, cost, 8, 512, 256, 1024, true);
  }

  public static LeapSettings ofStatic(CostProfile cost, int maxCacheLenTokens) {
    return new LeapSettings(Kind.STATIC, cost, 1, maxCacheLenTokens, 1, 1024, true);
  }

  public static LeapSettings slots(CostProfile cost, int slots, int slotTokens) {
    return new LeapSettings(Kind.SLOTS, cost, slots, slotTokens, 1, 2048, true);
  }

  public static LeapSettings chunked(CostProfile cost) {
    return new LeapSettings(Kind.CHUNKED, cost, 32, 8192, 16, 2048, true);
  }

  /// The longest prompt and answer together.
  public int capacityTokens() {
    return numBlocks * blockTokens;
  }
}
