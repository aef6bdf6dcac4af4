package org.infinilm.svc.picker;

import io.netty.util.concurrent.DefaultThreadFactory;
import java.util.concurrent.Executor;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.infinilm.svc.http.Room;

/// Bytes of bodies over all streams, within a limit, and the threads on which large ones are read.
/// Thread-safe.
final class Memory implements Room, AutoCloseable {
  private final long most;
  private final AtomicLong held = new AtomicLong();
  private final ThreadPoolExecutor readers;

  Memory(long mostBytes, int threads) {
    this.most = mostBytes;
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

  @Override
  public boolean take(long bytes) {
    if (held.addAndGet(bytes) <= most) {
      return true;
    }
    held.addAndGet(-bytes);
    return false;
  }

  @Override
  public void giveBack(long bytes) {
    held.addAndGet(-bytes);
  }

  long held() {
    return held.get();
  }

  Executor readers() {
    return readers;
  }

  @Override
  public void close() {
    readers.shutdownNow();
  }
}
