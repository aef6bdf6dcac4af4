package org.infinilm.svc.engine;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import org.infinilm.svc.http.ApiError;

/// Bounds what the grammars of all answers take together, of those that wait too: each is a
/// structure of llama.cpp's that is several times as large as its text. Thread-safe.
final class GrammarRoom {
  /// Characters of text. As many as any one request may need (16 answers of the largest grammar),
  /// so that waiting helps.
  static final long MOST_CHARACTERS = 20_000_000;

  /// That a grammar counts beside those of its text.
  private static final int OWN_CHARACTERS = 2000;

  private final AtomicLong taken = new AtomicLong();

  /// A grammar, counted until it is closed.
  ///
  /// @param weight in characters, as [JsonRules#weight]
  /// @throws ApiError 429 when there is no room
  /// @throws RuntimeException of `making`, which is not counted then
  Grammar held(long weight, Supplier<Grammar> making) throws ApiError {
    long size = weight + OWN_CHARACTERS;
    if (taken.addAndGet(size) > MOST_CHARACTERS) {
      taken.addAndGet(-size);
      throw new ApiError(
          429, "queue_full", null, "too many answers in a form wait for the memory there is");
    }
    Grammar made = null;
    try {
      made = making.get();
      return new Held(made, size);
    } finally {
      if (made == null) {
        taken.addAndGet(-size);
      }
    }
  }

  /// Characters that are counted now.
  long taken() {
    return taken.get();
  }

  private final class Held implements Grammar {
    private final Grammar own;
    private final long size;
    private final AtomicBoolean closed = new AtomicBoolean();

    Held(Grammar own, long size) {
      this.own = own;
      this.size = size;
    }

    @Override
    public boolean allows(int token) {
      return own.allows(token);
    }

    @Override
    public void filter(float[] logits) {
      own.filter(logits);
    }

    @Override
    public void accept(int token) {
      own.accept(token);
    }

    @Override
    public void close() {
      own.close();
      if (!closed.getAndSet(true)) {
        taken.addAndGet(-size);
      }
    }
  }
}
