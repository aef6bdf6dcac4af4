package org.infinilm.svc.engine;

import java.util.concurrent.atomic.AtomicLong;
import org.infinilm.svc.http.ApiError;
import org.infinilm.svc.http.Response;

/// Bounds what all requests that are read, wait or run hold in memory together: their bodies,
/// prompts and forms, and log probabilities of whole answers. Vectors and grammars have bounds of
/// their own ([Embedder], [GrammarRoom]). Thread-safe.
final class RequestRoom {
  private final long mostBytes;
  private final AtomicLong taken = new AtomicLong();

  RequestRoom(long mostBytes) {
    this.mostBytes = mostBytes;
  }

  /// A quarter of the heap; bodies on their way have another, and the rest is for what a body
  /// becomes while it is read, for vectors and for answers on their way.
  static RequestRoom ofHeap() {
    return new RequestRoom(Runtime.getRuntime().maxMemory() / 4);
  }

  /// What one request holds, until it is closed.
  ///
  /// @throws ApiError 413 when no other could make room for it, 429 when others must end first
  Held held(long bytes) throws ApiError {
    take(bytes, bytes);
    return new Held(bytes);
  }

  /// Makes the answer of a request.
  @FunctionalInterface
  interface Answering {
    Response answer(Held held) throws ApiError, InterruptedException;
  }

  /// The answer of a request that holds so much, and what it takes meanwhile, until its last byte
  /// is written, or it is refused.
  ///
  /// @throws ApiError as [#held], and what `answering` throws
  Response answer(long bytes, Answering answering) throws ApiError, InterruptedException {
    Held held = held(bytes);
    Response.BodyWriter sending = null;
    try {
      Response answer = answering.answer(held);
      sending = answer.stream();
      return sending == null ? answer : answer.with(held.until(sending));
    } finally {
      if (sending == null) {
        held.close();
      }
    }
  }

  private void take(long bytes, long all) throws ApiError {
    if (all > mostBytes) {
      throw new ApiError(
          413,
          "request_too_large",
          null,
          "a request that takes "
              + all
              + " bytes in memory (expected: at most "
              + mostBytes
              + ", what all requests may take together)");
    }
    long before;
    do {
      before = taken.get();
      if (before + bytes > mostBytes) {
        throw new ApiError(
            429, "queue_full", null, "too many large requests wait for the memory there is");
      }
    } while (!taken.compareAndSet(before, before + bytes));
  }

  /// Bytes that are held now.
  long taken() {
    return taken.get();
  }

  /// The part of one request. One thread at a time.
  final class Held implements AutoCloseable {
    private long bytes;
    private boolean closed;

    private Held(long bytes) {
      this.bytes = bytes;
    }

    /// @throws ApiError as [RequestRoom#held]; what it held before stays held
    void more(long further) throws ApiError {
      take(further, bytes + further);
      bytes += further;
    }

    void less(long fewer) {
      bytes -= fewer;
      taken.addAndGet(-fewer);
    }

    /// A writer after whose end it is closed.
    private Response.BodyWriter until(Response.BodyWriter writer) {
      return sink -> {
        try (this) {
          writer.write(sink);
        }
      };
    }

    /// Gives back what is held; the first call counts.
    @Override
    public void close() {
      if (!closed) {
        closed = true;
        less(bytes);
      }
    }
  }
}
