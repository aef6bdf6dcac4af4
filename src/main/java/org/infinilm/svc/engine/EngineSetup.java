package org.infinilm.svc.engine;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The sizes of one engine, and how it comes up.
///
/// @param pooled paged cache, otherwise static
/// @param cacheTokens tokens that fit into the cache
/// @param maxRunning sequences at a time
/// @param maxTokens longest answer when the client does not say
/// @param chunkTokens most prompt tokens of a step that answers share; 0: whole prompts first
/// @param flashAttention attention that passes over other sequences' cells, with keys and values in
///   f16, which is all that llama.cpp's on a CPU takes
/// @param embeddings whether a second context makes them
record EngineSetup(
    boolean pooled,
    int cacheTokens,
    int blockTokens,
    int maxRunning,
    int maxTokens,
    int threads,
    int chunkTokens,
    boolean flashAttention,
    boolean embeddings,
    Engine.Patience patience) {
  /// With the defaults of everything else.
  EngineSetup(
      boolean pooled,
      int cacheTokens,
      int blockTokens,
      int maxRunning,
      int maxTokens,
      int threads,
      int maxWaiting) {
    this(
        pooled,
        cacheTokens,
        blockTokens,
        maxRunning,
        maxTokens,
        threads,
        0,
        false,
        false,
        DEFAULT_PATIENCE.withWaiting(maxWaiting));
  }

  static final Engine.Patience DEFAULT_PATIENCE =
      new Engine.Patience(256, Duration.ofMinutes(5), Duration.ofMinutes(1));

  private static final Logger LOG = LoggerFactory.getLogger(EngineSetup.class);

  /// One step: small enough that a request that is cancelled leaves soon.
  static final int BATCH_TOKENS = 512;

  private static final int LEAST_MICRO_BATCH_TOKENS = 64;

  /// Attention scores of one layer may take so much.
  private static final long SCORE_BYTES = 256 << 20;

  /// Keys and values are f32 when all of them take no more than this, else f16: with f16, the
  /// logits of one token at a time and of a whole batch differ by more than 0.001.
  private static final long FULL_CACHE_BYTES = 256 << 20;

  private static final int KEPT_SEQUENCES = 64;

  /// Tokens of finished sequences that are kept beside the pool, at most as many as it has.
  private static final int KEPT_TOKENS = 32768;

  private int keptTokens() {
    return pooled ? Math.min(cacheTokens, KEPT_TOKENS) : 0;
  }

  int blocks() {
    return Math.ceilDiv(cacheTokens, blockTokens);
  }

  Llama.Layout layout(Llama.Shape shape) {
    int batch = Math.min(BATCH_TOKENS, cacheTokens);
    long scoreBytes = 4L * cacheTokens * (shape.heads() + 1);
    int micro = BATCH_TOKENS;
    while (micro > LEAST_MICRO_BATCH_TOKENS && micro * scoreBytes > SCORE_BYTES) {
      micro /= 2;
    }
    return new Llama.Layout(
        cacheTokens,
        batch,
        Math.min(micro, batch),
        pooled ? maxRunning : 1,
        threads,
        flashAttention,
        flashAttention
            || 4L * 2 * cacheTokens * shape.keyWidth() * shape.layers() > FULL_CACHE_BYTES);
  }

  /// Loads the model and starts its engine.
  Loaded load(Path file, EngineMetrics metrics, Map<String, String> environment)
      throws EngineException {
    NativeLlama llama = NativeLlama.load(NativeLibrary.unpack(environment), file);
    Llama.Shape shape = llama.shape();
    Llama.Layout layout = layout(shape);
    int words = llama.vocabulary().size();
    MemoryNeed need = MemoryNeed.of(shape, layout, keptTokens(), words);
    Llama.Layout second =
        embeddings ? Embedder.layout(layout, shape.trainedTokens(), chunkTokens) : null;
    if (second != null) {
      need = need.and(MemoryNeed.of(shape, second, 0, words));
    }
    LOG.info("{}: {}; memory: {}", file.getFileName(), shape.description(), need);
    EngineProgram.checkMemory(need, MemoryNeed.available());
    if (cacheTokens > shape.trainedTokens()) {
      LOG.info(
          "the model was trained on {} tokens; longer texts are served, less well",
          shape.trainedTokens());
    }
    llama.open(layout);
    return start(
        llama,
        layout.batchTokens(),
        metrics,
        second == null ? null : new Embedder(llama.openEmbeddings(second), second, metrics));
  }

  Loaded start(Llama llama, int batchTokens, EngineMetrics metrics, @Nullable Embedder embedder) {
    Cache cache =
        pooled
            ? new PagedCache(
                llama, cacheTokens, blockTokens, maxRunning, KEPT_SEQUENCES, keptTokens())
            : new StaticCache(llama);
    TokenTable table = new TokenTable(llama.vocabulary());
    Engine engine =
        new Engine(
            llama,
            cache,
            new Scheduler.Limits(
                pooled, cacheTokens, blockTokens, maxRunning, batchTokens, chunkTokens),
            table,
            patience,
            metrics,
            Ticker.SYSTEM);
    engine.start();
    if (embedder != null) {
      embedder.start();
    }
    return new Loaded(llama.vocabulary(), table, engine, maxTokens, embedder);
  }
}
