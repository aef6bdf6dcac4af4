package org.infinilm.svc.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/// Passes a signal on to a child process.
final class ChildSignals {
  private static final long PATIENCE_SECONDS = 5;

  private ChildSignals() {}

  /// At a terminal the child has got SIGINT already, as a member of the same group; it is asked
  /// again when it has not ended 5 s later. Otherwise it gets the signal at once.
  static void pass(Process child, int signal) {
    boolean has = signal == 2 && isTerminal();
    Thread.ofVirtual()
        .start(() -> {
          try {
            if (has && child.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
              return;
            }
            send(child, signal);
            if (!child.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
              child.destroy();
            }
          } catch (InterruptedException e) {
            child.destroy();
          }
        });
  }

  /// Java itself sends TERM and KILL only.
  private static void send(Process child, int signal) throws InterruptedException {
    try {
      new ProcessBuilder("kill", "-" + signal, Long.toString(child.pid()))
          .inheritIO()
          .start()
          .waitFor();
    } catch (IOException noKill) {
      child.destroy();
    }
  }

  private static boolean isTerminal() {
    try {
      String at = Files.readSymbolicLink(Path.of("/proc/self/fd/0")).toString();
      return at.startsWith("/dev/pts/") || at.startsWith("/dev/tty") || at.equals("/dev/console");
    } catch (IOException | UnsupportedOperationException notLinux) {
      return false;
    }
  }
}
