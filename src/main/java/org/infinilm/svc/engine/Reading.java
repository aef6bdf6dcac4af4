package org.infinilm.svc.engine;

import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.infinilm.svc.http.ApiError;

/// Where requests are read and their prompts tokenised: two threads of its own. A native call holds
/// the carrier of a virtual thread, so that two long prompts would stop all other requests,
/// `/health` among them; here they stop nobody. Short bodies do not wait behind long ones. The
/// threads have the usual priority: one with less that is held up in Java code would hold up every
/// pause of the VM. Thread-safe.
final class Reading {
  /// Bodies up to this are short.
  static final int SHORT_BYTES = 32 << 10;

  private static final int MOST_SHORT = 512;
  private static final int MOST_LONG = 32;
  private static final long IDLE_SECONDS = 30;

  private final ThreadPoolExecutor quick = pool("read", MOST_SHORT);
  private final ThreadPoolExecutor slow = pool("read-long", MOST_LONG);

  private static ThreadPoolExecutor pool(String name, int waiting) {
    ThreadPoolExecutor pool =
        new ThreadPoolExecutor(
            1,
            1,
            IDLE_SECONDS,
            TimeUnit.SECONDS,
            new ArrayBlockingQueue<>(waiting),
            work -> Thread.ofPlatform().name(name).daemon().unstarted(work));
    pool.allowCoreThreadTimeOut(true);
    return pool;
  }

  /// Does the work and waits for it.
  ///
  /// @param bodyBytes decides where it is done
  /// @throws ApiError of the work; 429 when too much waits already
  <T> T read(int bodyBytes, Callable<T> work) throws ApiError, InterruptedException {
    Future<T> future;
    try {
      future = (bodyBytes <= SHORT_BYTES ? quick : slow).submit(work);
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
}
