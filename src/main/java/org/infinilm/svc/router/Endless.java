package org.infinilm.svc.router;

import java.util.Set;
import org.infinilm.svc.config.Lifetime;
import org.infinilm.svc.http.Faults;
import org.infinilm.svc.http.ProxyServer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Threads that the router cannot do without: a fault costs them a step, an [Error] too, and a
/// thread that ends all the same ends the process, so that somebody starts it again.
final class Endless {
  private static final Logger LOG = LoggerFactory.getLogger(Endless.class);
  private static final int EXIT = 70;
  private static final Set<String> VITAL = Set.of("fleet", "learner", "access-log");

  /// One step of such a thread.
  interface Step {
    void run() throws InterruptedException;
  }

  private Endless() {}

  /// Makes a step; whatever goes wrong in it is counted, and told the first time.
  ///
  /// @param what the step belongs to, for the log
  /// @return whether nothing went wrong
  static boolean step(String what, Step step) throws InterruptedException {
    try {
      step.run();
      return true;
    } catch (RuntimeException | Error e) {
      note(what, e);
      return false;
    }
  }

  static void note(String what, Throwable e) {
    try {
      Faults.note(what, e);
    } catch (OutOfMemoryError full) {
      // no room for words about it
    }
  }

  /// From here on one of these threads that ends, or an event loop, ends the process with 70
  /// (EX_SOFTWARE of sysexits.h). Threads that serve one call each are only noted.
  static void endWithThreads() {
    Thread.setDefaultUncaughtExceptionHandler(Endless::ended);
  }

  private static void ended(Thread t, Throwable e) {
    try {
      if (!(e instanceof ProxyServer.LoopEnded) && !VITAL.contains(t.getName())) {
        note("a thread has ended", e);
        return;
      }
      LOG.error("thread {} has ended, and the router with it", t.getName(), e);
      Lifetime.exit(EXIT);
    } catch (OutOfMemoryError full) {
      Runtime.getRuntime().halt(EXIT);
    }
  }
}
