package org.infinilm.svc.discovery;

import java.time.Duration;
import java.util.List;
import org.infinilm.svc.http.Faults;

/// A source that looks again and again, on a virtual thread of its own. A fault costs it one look.
abstract class Follower implements Source {
  private static final Duration AFTER_FAULT = Duration.ofSeconds(1);
  private final Thread thread;
  private volatile Listener listener = NOBODY;

  private static final Listener NOBODY =
      new Listener() {
        @Override
        public void found(List<Found> all) {}

        @Override
        public void troubles(List<String> all) {}
      };

  Follower(String name) {
    this.thread = Thread.ofVirtual().name(name).unstarted(this::run);
  }

  /// Looks once.
  ///
  /// @return how long until the next look
  abstract Duration step(Listener to) throws InterruptedException;

  @Override
  public void start(Listener to) {
    listener = to;
    thread.start();
  }

  private void run() {
    try {
      while (true) {
        Duration pause = AFTER_FAULT;
        try {
          pause = step(listener);
        } catch (RuntimeException | Error e) {
          Faults.note("looking for instances", e);
          listener.troubles(List.of("a look at it failed: " + e));
        }
        Thread.sleep(pause);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() {
    thread.interrupt();
  }
}
