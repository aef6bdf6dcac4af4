package org.infinilm.svc.engine;

/// A loaded model and its key-value cells, as llama.cpp offers them. Everything except the
/// [Vocabulary] belongs to one thread.
interface Llama extends AutoCloseable {
  /// What a model is made of.
  ///
  /// @param keyWidth values a token keeps per layer for its keys; as many again for its values
  /// @param trainedTokens the length it was trained on
  record Shape(
      String description,
      long weightBytes,
      int layers,
      int heads,
      int width,
      int keyWidth,
      int trainedTokens) {}

  /// How the context is laid out.
  ///
  /// @param cells key-value cells, one a token
  /// @param batchTokens most tokens of one [#decode]
  /// @param microBatchTokens most tokens computed at a time
  /// @param halfCache keys and values in f16 instead of f32
  record Layout(
      int cells,
      int batchTokens,
      int microBatchTokens,
      int sequences,
      int threads,
      boolean flashAttention,
      boolean halfCache) {}

  /// What became of a decode.
  enum Decoded {
    DONE,
    /// No contiguous run of free cells; nothing was stored.
    NO_CELLS,
    FAILED
  }

  /// What a sequence held, outside of the cells. Belongs to the thread that owns the cells.
  interface Saved extends AutoCloseable {
    @Override
    void close();
  }

  Shape shape();

  Vocabulary vocabulary();

  /// Allocates the cells; once, before the calls below.
  void open(Layout layout) throws EngineException;

  /// Opens a second context of the model, which gives vectors instead of logits; at most once. The
  /// two never compute at the same time.
  ///
  /// @param layout its own
  /// @return what belongs to one thread of its own
  TokenEmbeddings openEmbeddings(Layout layout) throws EngineException;

  Decoded decode(Batch batch);

  /// The logits of entry `index` of the last batch, one a token id.
  void logits(int index, float[] into);

  /// Lets sequence `to` share the cells of `from` at positions `start` up to `end`.
  void share(int from, int to, int start, int end);

  /// Drops positions `from` and later of a sequence; cells that no other sequence shares are free.
  void trim(int sequence, int from);

  /// Copies what a sequence holds out of its cells.
  Saved save(int sequence);

  /// Gives a sequence what another one held, in cells of its own; what it held is dropped. False
  /// when no contiguous run of free cells was found: it is empty then.
  boolean restore(Saved saved, int sequence);

  /// Moves used cells together.
  void defragment();

  int usedCells();

  @Override
  void close();
}
