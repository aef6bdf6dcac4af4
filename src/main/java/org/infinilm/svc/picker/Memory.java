package org.infinilm.svc.picker;

import io.netty.util.concurrent.DefaultThreadFactory;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.infinilm.svc.http.Arrival;

/// The limits of bodies over all streams, and the threads on which large ones are read.
/// Thread-safe.
final class Memory implements AutoCloseable {
  private final Arrival.Limits limits;
  private final ThreadPoolExecutor readers;

  Memory(Arrival.Limits limits, int threads) {
    this.limits = limits;
    int n = Math.max(2, threads / 2);
    readers =
        new ThreadPoolExecutor(
            n,
            n,
            10,
            TimeUnit.SECONDS,
            new LinkedBlockingQueue<>(),
            new DefaultThreadFactory("picker-reader", true));
    readers.allowCoreThreadTimeOut(true);
  }

  Arrival.Limits limits() {
    return limits;
  }

  Executor readers() {
    return readers;
  }

  @Override
  public void close() {
    readers.shutdownNow();
  }
}
