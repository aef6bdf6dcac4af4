package org.infinilm.svc.engine;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;

/// The texts of one request for embeddings, as tokens, and their vectors when they are made. Made
/// by one thread; [#cancel] and [#await] are thread-safe.
final class EmbeddingJob {
  /// How it ended.
  enum End {
    DONE,
    CANCELLED,
    FAILED,
    /// The engine has stopped.
    STOPPED
  }

  private final List<int[]> inputs;
  private final float[][] vectors;
  private final CompletableFuture<End> end = new CompletableFuture<>();
  private int next;
  private volatile boolean cancelled;
  private boolean released;

  /// @param inputs at least one, each with at least one token
  EmbeddingJob(List<int[]> inputs) {
    this.inputs = List.copyOf(inputs);
    this.vectors = new float[inputs.size()][];
  }

  /// Inputs without a vector, in order.
  List<int[]> left() {
    return inputs.subList(next, inputs.size());
  }

  int count() {
    return inputs.size();
  }

  long tokens() {
    return inputs.stream().mapToLong(i -> i.length).sum();
  }

  /// The vector of the next input.
  void made(float[] vector) {
    vectors[next++] = vector;
  }

  void cancel() {
    cancelled = true;
  }

  boolean cancelled() {
    return cancelled;
  }

  /// The first word counts.
  void end(End how) {
    end.complete(how);
  }

  /// Waits for the end.
  End await() throws InterruptedException {
    try {
      return end.get();
    } catch (ExecutionException e) {
      throw new IllegalStateException(e);
    }
  }

  /// Its vectors are needed no more; whether nobody has said so before. Under the embedder's lock.
  boolean release() {
    boolean first = !released;
    released = true;
    return first;
  }

  /// The vectors in the order of the inputs, after [End#DONE].
  float[][] vectors() {
    return vectors;
  }
}
