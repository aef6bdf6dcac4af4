package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import java.util.concurrent.atomic.AtomicBoolean;

/// Work on a request's body that waits for a thread or has one. Until it begins it can be taken
/// back, so that the bodies of clients that left do not wait with it.
final class Apart implements Runnable {
  private final AtomicBoolean begun = new AtomicBoolean();
  private final ByteBuf body;
  private final Runnable work;

  /// @param body kept readable until the work is done
  Apart(ByteBuf body, Runnable work) {
    this.body = body.retain();
    this.work = work;
  }

  @Override
  public void run() {
    if (begun.compareAndSet(false, true)) {
      try {
        work.run();
      } finally {
        body.release();
      }
    }
  }

  void takeBack() {
    if (begun.compareAndSet(false, true)) {
      body.release();
    }
  }
}
