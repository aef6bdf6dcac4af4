package org.infinilm.svc.engine;

/// Runs a batch to its end: a batch must find its cells side by side, so when it does not, the
/// cells are moved together, then the batch is halved. Engine thread only.
final class Decoder {
  /// Told of each entry whose logits were wanted, while they can be read.
  @FunctionalInterface
  interface Computed {
    /// @param entry the entry's place in the whole batch
    /// @param index its place in the last decode, for [Llama#logits]
    void at(int entry, int index);
  }

  private final Llama llama;
  private final EngineMetrics metrics;
  private Batch batch = new Batch(1);

  Decoder(Llama llama, EngineMetrics metrics) {
    this.llama = llama;
    this.metrics = metrics;
  }

  /// An empty batch of at least this capacity; the same one each time.
  Batch batch(int capacity) {
    if (batch.capacity() < capacity) {
      batch = new Batch(capacity);
    }
    batch.clear();
    return batch;
  }

  /// Computes the batch; false when that failed, and then nothing can be said of its entries' cells
  /// from the first entry's position on.
  boolean run(Batch whole, Computed computed) {
    return run(whole, 0, computed);
  }

  private boolean run(Batch part, int offset, Computed computed) {
    Llama.Decoded result = llama.decode(part);
    if (result == Llama.Decoded.NO_CELLS) {
      forget(part);
      llama.defragment();
      metrics.defragmented();
      result = llama.decode(part);
    }
    return switch (result) {
      case DONE -> {
        for (int i = 0; i < part.size; i++) {
          if (part.logits[i]) {
            computed.at(offset + i, i);
          }
        }
        yield true;
      }
      case NO_CELLS -> {
        forget(part);
        metrics.halved();
        int half = part.size / 2;
        yield half > 0
            && run(part.slice(0, half), offset, computed)
            && run(part.slice(half, part.size), offset + half, computed);
      }
      case FAILED -> {
        forget(part);
        yield false;
      }
    };
  }

  /// Drops what a failed decode may have stored.
  private void forget(Batch part) {
    for (int i = 0; i < part.size; i++) {
      if (i == 0 || part.sequences[i] != part.sequences[i - 1]) {
        llama.trim(part.sequences[i], part.positions[i]);
      }
    }
  }
}
