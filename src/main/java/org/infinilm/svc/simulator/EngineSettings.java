package org.infinilm.svc.simulator;

import org.infinilm.svc.fleet.CacheType;

/// What engine is simulated.
///
/// @param maxCacheLenTokens static: length of the one sequence, prompt and answer
/// @param numBlocks paged: blocks of the pool
/// @param blockSizeTokens paged: tokens a block
/// @param maxBatchSize paged: sequences in the engine at once
/// @param maxBatchTokens paged: prompt tokens a step; a single longer prompt is let through alone
/// @param jitter share by which a step may take longer or shorter, 0..1
/// @param slots static: sequences at once, each with a cache of its own; more than one is
///   llama.cpp's design, which computes prompts in parts beside the decoding
record EngineSettings(
    CacheType cacheType,
    int maxCacheLenTokens,
    int numBlocks,
    int blockSizeTokens,
    int maxBatchSize,
    int maxBatchTokens,
    Overflow overflow,
    StepCost latency,
    double jitter,
    int slots) {

  /// Granularity of prefix reuse of a static engine, in tokens.
  static final int STATIC_BLOCK_TOKENS = 16;

  static EngineSettings paged() {
    return new EngineSettings(
        CacheType.PAGED, 4096, 512, 256, 8, 1024, Overflow.ERROR, LatencyModel.PUBLISHED, 0, 1);
  }

  static EngineSettings ofStatic(int maxCacheLenTokens) {
    return new EngineSettings(
        CacheType.STATIC,
        maxCacheLenTokens,
        512,
        256,
        1,
        1024,
        Overflow.ERROR,
        LatencyModel.PUBLISHED,
        0,
        1);
  }

  /// The longest prompt and answer together.
  long capacityTokens() {
    return cacheType == CacheType.STATIC ? maxCacheLenTokens : (long) numBlocks * blockSizeTokens;
  }

  /// Whether such a job is refused when it is submitted.
  boolean refuses(Job job) {
    return overflow == Overflow.ERROR && job.needTokens() > capacityTokens();
  }

  /// Tokens a block of the hash chain of prompts.
  int hashBlockTokens() {
    return cacheType == CacheType.STATIC ? STATIC_BLOCK_TOKENS : blockSizeTokens;
  }

  EngineSettings withPool(int blocks, int blockTokens) {
    return new EngineSettings(
        cacheType,
        maxCacheLenTokens,
        blocks,
        blockTokens,
        maxBatchSize,
        maxBatchTokens,
        overflow,
        latency,
        jitter,
        slots);
  }

  EngineSettings withBatch(int size, int tokens) {
    return new EngineSettings(
        cacheType,
        maxCacheLenTokens,
        numBlocks,
        blockSizeTokens,
        size,
        tokens,
        overflow,
        latency,
        jitter,
        slots);
  }

  /// So many sequences at once, and prompt tokens a step beside them.
  EngineSettings withSlots(int number, int tokens) {
    return new EngineSettings(
        cacheType,
        maxCacheLenTokens,
        numBlocks,
        blockSizeTokens,
        maxBatchSize,
        tokens,
        overflow,
        latency,
        jitter,
        number);
  }

  EngineSettings withOverflow(Overflow o) {
    return new EngineSettings(
        cacheType,
        maxCacheLenTokens,
        numBlocks,
        blockSizeTokens,
        maxBatchSize,
        maxBatchTokens,
        o,
        latency,
        jitter,
        slots);
  }

  EngineSettings withLatency(StepCost model, double share) {
    return new EngineSettings(
        cacheType,
        maxCacheLenTokens,
        numBlocks,
        blockSizeTokens,
        maxBatchSize,
        maxBatchTokens,
        overflow,
        model,
        share,
        slots);
  }
}
