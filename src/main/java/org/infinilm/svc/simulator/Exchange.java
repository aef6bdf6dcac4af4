package org.infinilm.svc.simulator;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.infinilm.svc.http.Request;
import org.jspecify.annotations.Nullable;

/// One generation request from its arrival to its one outcome. Thread-safe.
final class Exchange {
  private final Book book;
  private final AtomicBoolean settled = new AtomicBoolean();
  private final AtomicReference<Pump.@Nullable Ticket> ticket = new AtomicReference<>();
  private final CountDownLatch gone = new CountDownLatch(1);

  Exchange(Book book, Request request) {
    this.book = book;
    book.begun(request);
    request.gone().onGone(this::clientGone);
  }

  private void clientGone() {
    settle(Book.Outcome.CLIENT_GONE);
    gone.countDown();
  }

  /// The job to take out of the engine should the exchange end before it.
  void runs(Pump.Ticket t) {
    ticket.set(t);
    if (settled.get()) {
      t.cancel();
    }
  }

  /// Ends the exchange; only the first call counts.
  void settle(Book.Outcome outcome) {
    if (settled.compareAndSet(false, true)) {
      book.ended(outcome);
      Pump.Ticket t = ticket.get();
      if (t != null && outcome != Book.Outcome.OK) {
        t.cancel();
      }
    }
  }

  /// Waits until the client goes away.
  void hang() throws InterruptedException {
    gone.await();
  }
}
