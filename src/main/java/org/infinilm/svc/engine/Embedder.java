package org.infinilm.svc.engine;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Makes the vectors of texts: the mean of the vectors of their tokens, of length 1. One thread
/// owns the second context; [#submit], [#release] and the readings are thread-safe.
final class Embedder {
  /* Texts that fit into a batch together are computed together, each a sequence; a longer text goes
  alone, batch by batch, behind what is in the cache of it. After each such group the next request
  has its turn, so that a large one delays others by a group only. */

  /// The longest text, tokens.
  static final int MOST_TOKENS = 2048;

  /// Texts of a request.
  static final int MOST_INPUTS = 2048;

  /// Tokens of a request.
  static final int MOST_REQUEST_TOKENS = 1 << 17;

  /// Tokens of a batch: between two of them the engine has its turn.
  static final int BATCH_TOKENS = 128;

  static final int SEQUENCES = 32;

  /// Requests that may wait.
  static final int MOST_WAITING = 64;

  /// Values of all vectors that are in memory or will be.
  static final long MOST_VALUES = 1 << 24;

  private static final Logger LOG = LoggerFactory.getLogger(Embedder.class);
  private static final long CLOSE_MILLIS = 3000;

  private final TokenEmbeddings context;
  private final int mostTokens;
  private final int sequences;
  private final Batch batch;
  private final EngineMetrics metrics;
  private final BlockingQueue<EmbeddingJob> waiting = new LinkedBlockingQueue<>(MOST_WAITING + 1);
  private final Thread thread;
  private long values;
  private volatile boolean closed;

  Embedder(TokenEmbeddings context, Llama.Layout layout, EngineMetrics metrics) {
    this.context = context;
    this.mostTokens = layout.cells();
    this.sequences = layout.sequences();
    this.batch = new Batch(layout.batchTokens());
    this.metrics = metrics;
    this.thread = Thread.ofPlatform().name("embed").daemon().unstarted(this::run);
  }

  /// How the second context of a model is laid out.
  ///
  /// @param engine the first one's
  /// @param chunkTokens most prompt tokens of a step; 0: no limit
  static Llama.Layout layout(Llama.Layout engine, int trainedTokens, int chunkTokens) {
    int length = Math.max(1, Math.min(Math.min(engine.cells(), trainedTokens), MOST_TOKENS));
    int most = chunkTokens == 0 ? BATCH_TOKENS : Math.min(BATCH_TOKENS, chunkTokens);
    int tokens = Math.min(most, Math.min(length, engine.microBatchTokens()));
    return new Llama.Layout(
        length,
        tokens,
        tokens,
        Math.min(SEQUENCES, tokens),
        engine.threads(),
        engine.flashAttention(),
        engine.halfCache());
  }

  void start() {
    thread.start();
  }

  /// Values of a vector.
  int width() {
    return context.width();
  }

  /// The longest text.
  int mostTokens() {
    return mostTokens;
  }

  /// Queues the texts of a request; empty when too much waits, and ended when the engine is. The
  /// caller says [#release] when it needs the vectors no more.
  Optional<EmbeddingJob> submit(List<int[]> inputs) {
    EmbeddingJob job = new EmbeddingJob(inputs);
    synchronized (this) {
      if (!closed && (waiting.size() >= MOST_WAITING || values + values(job) > MOST_VALUES)) {
        return Optional.empty();
      }
      values += values(job);
      if (closed) {
        job.end(EmbeddingJob.End.STOPPED);
      } else {
        waiting.add(job);
      }
    }
    return Optional.of(job);
  }

  private long values(EmbeddingJob job) {
    return (long) job.count() * width();
  }

  /// The vectors of a job are out of memory; the first word counts.
  synchronized void release(EmbeddingJob job) {
    if (job.release()) {
      values -= values(job);
    }
  }

  /// Values of all vectors that are in memory or will be.
  synchronized long heldValues() {
    return values;
  }

  /// Ends what waits and waits for the thread.
  void stop() throws InterruptedException {
    closed = true;
    thread.interrupt();
    thread.join(CLOSE_MILLIS);
  }

  private void run() {
    try {
      while (!closed) {
        step(waiting.take());
      }
    } catch (InterruptedException e) {
      closed = true;
    } finally {
      synchronized (this) {
        closed = true;
        waiting.forEach(j -> j.end(EmbeddingJob.End.STOPPED));
        waiting.clear();
      }
    }
  }

  /// The next group of a job. On the embedder's thread. What goes wrong ends this job alone.
  void step(EmbeddingJob job) {
    boolean more = false;
    try {
      context.clear();
      boolean left = job.cancelled();
      boolean made =
          !left && (job.left().getFirst().length > batch.capacity() ? one(job) : several(job));
      if (left) {
        job.end(EmbeddingJob.End.CANCELLED);
      } else if (!made) {
        job.end(
            job.cancelled()
                ? EmbeddingJob.End.CANCELLED
                : closed ? EmbeddingJob.End.STOPPED : EmbeddingJob.End.FAILED);
      } else if (job.left().isEmpty()) {
        job.end(EmbeddingJob.End.DONE);
      } else {
        more = true;
      }
    } catch (Throwable e) {
      LOG.error("the vectors of a request cannot be made; the request is ended", e);
      job.end(EmbeddingJob.End.FAILED);
    }
    if (more) {
      synchronized (this) {
        waiting.add(job);
      }
    }
  }

  /// A text longer than a batch; false when it failed or its client left.
  private boolean one(EmbeddingJob job) {
    int[] tokens = job.left().getFirst();
    double[] sum = new double[width()];
    for (int from = 0; from < tokens.length; from += batch.capacity()) {
      int to = Math.min(tokens.length, from + batch.capacity());
      batch.clear();
      for (int i = from; i < to; i++) {
        batch.add(tokens[i], i, 0, true);
      }
      if (job.cancelled() || closed || !compute()) {
        return false;
      }
      for (int i = 0; i < to - from; i++) {
        context.addTo(sum, i);
      }
    }
    job.made(unit(sum));
    return true;
  }

  /// As many texts as fit into a batch.
  private boolean several(EmbeddingJob job) {
    List<int[]> left = job.left();
    int count = 0;
    batch.clear();
    while (count < Math.min(sequences, left.size())
        && batch.size + left.get(count).length <= batch.capacity()) {
      int[] tokens = left.get(count);
      for (int i = 0; i < tokens.length; i++) {
        batch.add(tokens[i], i, count, true);
      }
      count++;
    }
    if (!compute()) {
      return false;
    }
    int entry = 0;
    for (int[] tokens : left.subList(0, count)) {
      double[] sum = new double[width()];
      for (int i = 0; i < tokens.length; i++) {
        context.addTo(sum, entry++);
      }
      job.made(unit(sum));
    }
    return true;
  }

  private boolean compute() {
    boolean done = context.compute(batch);
    if (done) {
      metrics.embedded(batch.size);
    }
    return done;
  }

  /// The vector of this direction with length 1; that of no direction stays.
  private static float[] unit(double[] sum) {
    double squares = 0;
    for (double v : sum) {
      squares += v * v;
    }
    if (!Double.isFinite(squares)) {
      throw new IllegalStateException("the model's embeddings are no numbers");
    }
    double length = squares == 0 ? 1 : Math.sqrt(squares);
    float[] out = new float[sum.length];
    for (int i = 0; i < sum.length; i++) {
      out[i] = (float) (sum[i] / length);
    }
    return out;
  }
}
