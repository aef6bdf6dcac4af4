package org.infinilm.svc.engine;

import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;

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
  private final CountDownLatch ended = new CountDownLatch(1);
  private int next;
  private volatile boolean cancelled;
  private volatile @Nullable End end;

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
    if (end == null) {
      end = how;
      ended.countDown();
    }
  }

  /// Waits for the end.
  End await() throws InterruptedException {
    ended.await();
    End how = end;
    return how == null ? End.FAILED : how;
  }

  /// The vectors in the order of the inputs, after [End#DONE].
  float[][] vectors() {
    return vectors;
  }
}
