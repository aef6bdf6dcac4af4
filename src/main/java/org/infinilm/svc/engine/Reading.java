package org.infinilm.svc.engine;

import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import org.infinilm.svc.http.ApiError;

/// Where requests are read and their prompts tokenised: threads of its own. A native call holds the
/// carrier of a virtual thread, so that two long prompts would stop all other requests, `/health`
/// among them; here they stop nobody. Bodies wait behind those of about their size only: short,
/// middle and long ones have a thread each, and the two of middle and long ones take turns piece by
/// piece, so that together they use one core. The threads have the usual priority: one with less
/// that is held up in Java code would hold up every pause of the VM. Thread-safe.
final class Reading {
  /// Bodies up to this are short.
  static final int SHORT_BYTES = 32 << 10;

  /// Longer ones up to this are of middle size.
  static final int MIDDLE_BYTES = 512 << 10;

  private static final int MOST_SHORT = 512;
  private static final int MOST_LONG = 32;
  private static final long IDLE_SECONDS = 30;

  /// llama.cpp splits texts for most vocabularies by patterns that take a frame of the stack for
  /// each character of a run; on a stack of 1 MB, 5,000 equal characters end the process.
  private static final long STACK_BYTES = 64 << 20;

  /// The reading of one request.
  @FunctionalInterface
  interface Work<T> {
    /// @param effort is told of every piece
    T read(Effort effort) throws Exception;
  }

  private final ThreadPoolExecutor quick = pool("read", MOST_SHORT);
  private final ThreadPoolExecutor middle = pool("read-middle", MOST_LONG);
  private final ThreadPoolExecutor slow = pool("read-long", MOST_LONG);
  private final ReentrantLock turn = new ReentrantLock(true);

  private static ThreadPoolExecutor pool(String name, int waiting) {
    ThreadPoolExecutor pool =
        new ThreadPoolExecutor(
            1,
            1,
            IDLE_SECONDS,
            TimeUnit.SECONDS,
            new ArrayBlockingQueue<>(waiting),
            work -> Thread.ofPlatform().name(name).stackSize(STACK_BYTES).daemon().unstarted(work));
    pool.allowCoreThreadTimeOut(true);
    return pool;
  }

  /// Does the work and waits for it.
  ///
  /// @param bodyBytes decides where it is done
  /// @param gone whether the client has left, which ends the work
  /// @throws ApiError of the work; 429 when too much waits already; 499 when the client has left
  <T> T read(int bodyBytes, BooleanSupplier gone, Work<T> work)
      throws ApiError, InterruptedException {
    Future<T> future;
    try {
      if (bodyBytes <= SHORT_BYTES) {
        future = quick.submit(() -> begun(new Effort(gone, () -> {}), work));
      } else {
        future = (bodyBytes <= MIDDLE_BYTES ? middle : slow).submit(() -> inTurn(gone, work));
      }
    } catch (RejectedExecutionException e) {
      throw new ApiError(429, "queue_full", null, "too many requests wait to be read; try again");
    }
    try {
      return future.get();
    } catch (ExecutionException e) {
      switch (e.getCause()) {
        case ApiError known -> throw known;
        case RuntimeException own -> throw own;
        case Error error -> throw error;
        case null, default -> throw new IllegalStateException(e.getCause());
      }
    }
  }

  private <T> T inTurn(BooleanSupplier gone, Work<T> work) throws Exception {
    turn.lock();
    try {
      return begun(new Effort(gone, this::next), work);
    } finally {
      turn.unlock();
    }
  }

  /// The lock is fair: who waits for it comes first.
  private void next() {
    turn.unlock();
    turn.lock();
  }

  private static <T> T begun(Effort effort, Work<T> work) throws Exception {
    effort.pause();
    return work.read(effort);
  }
}
