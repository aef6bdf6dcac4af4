package org.infinilm.svc.babysitter;

import java.time.Duration;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Work on threads of its own that is done whatever happens in it: what it throws, an [Error] as
/// well, is told, and it is begun again after a pause. Thread-safe.
final class Background {
  private static final Logger log = LoggerFactory.getLogger("babysitter");
  static final Duration PAUSE = Duration.ofSeconds(1);

  private Background() {}

  /// May be begun again after it failed half-way.
  @FunctionalInterface
  interface Work {
    void run() throws InterruptedException;
  }

  /// A virtual thread that ends when `work` returns or is interrupted.
  static Thread start(String name, Work work) {
    return Thread.ofVirtual().name(name).start(() -> untilDone(name, work, PAUSE));
  }

  static void untilDone(String name, Work work, Duration pause) {
    while (true) {
      try {
        work.run();
        return;
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return;
      } catch (RuntimeException | Error e) {
        say(() -> name + ": an error of this program; trying again", e);
      }
      try {
        Thread.sleep(pause);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return;
      } catch (Error noMemory) {
        Thread.onSpinWait();
      }
    }
  }

  /// Logs it, where there is memory for that.
  static void say(Supplier<String> what, Throwable e) {
    try {
      log.error("{}", what.get(), e);
    } catch (RuntimeException | Error unsaid) {
      Thread.onSpinWait();
    }
  }
}
