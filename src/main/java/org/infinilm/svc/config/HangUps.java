package org.infinilm.svc.config;

import java.io.FileInputStream;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;

/// What a SIGHUP means to this process: that the terminal in which it was started is gone, or what
/// it means to a service, that files are to be read anew. The kernel has taken the terminal from a
/// session's processes by then, or does so within the same call; a shell passes the signal on.
///
/// One that outlives its terminal (a job that its shell had let go of) is a service from then on.
/// Thread-safe.
final class HangUps {
  /// How long after its terminal has gone a signal may still be the news of that.
  private static final Duration NEWS = Duration.ofSeconds(10);

  private static final Duration LOOK = Duration.ofSeconds(1);
  private static final Duration SETTLED = Duration.ofMillis(500);
  private static final Duration CLOSE_LOOK = Duration.ofMillis(25);

  private final BooleanSupplier hasTerminal;
  private final LongSupplier nanos;
  private volatile State state;

  private enum State {
    IN_TERMINAL,
    JUST_GONE,
    SERVICE
  }

  private volatile long goneNanos;

  /// @param hasTerminal whether this process has a controlling terminal now
  /// @param nanos a monotonic clock
  HangUps(BooleanSupplier hasTerminal, LongSupplier nanos) {
    this.hasTerminal = hasTerminal;
    this.nanos = nanos;
    this.state = hasTerminal.getAsBoolean() ? State.IN_TERMINAL : State.SERVICE;
  }

  /// Those of this process; follows its terminal where it has one.
  static HangUps ofProcess() {
    HangUps out = new HangUps(HangUps::terminal, System::nanoTime);
    if (out.state == State.IN_TERMINAL) {
      Thread.ofPlatform()
          .daemon()
          .name("terminal")
          .start(() -> {
            while (out.look()) {
              LockSupport.parkNanos(LOOK.toNanos());
            }
          });
    }
    return out;
  }

  /// Whether this process has a controlling terminal: without one the device cannot be opened.
  private static boolean terminal() {
    try (FileInputStream tty = new FileInputStream("/dev/tty")) {
      return tty.getFD().valid();
    } catch (IOException none) {
      return false;
    }
  }

  /// Looks whether the terminal is still there.
  ///
  /// @return whether there is anything left to look for
  synchronized boolean look() {
    if (state == State.IN_TERMINAL && !hasTerminal.getAsBoolean()) {
      // first: who sees that it is gone reads since when without the lock
      goneNanos = nanos.getAsLong();
      state = State.JUST_GONE;
    }
    return state == State.IN_TERMINAL;
  }

  /// A SIGHUP came. Takes as long as a terminal may need to go behind its own signal.
  ///
  /// @return whether it says that the terminal is gone
  boolean isTheEnd() {
    for (long left = SETTLED.toNanos(); look() && left > 0; left -= CLOSE_LOOK.toNanos()) {
      LockSupport.parkNanos(CLOSE_LOOK.toNanos());
    }
    return state == State.JUST_GONE && nanos.getAsLong() - goneNanos <= NEWS.toNanos();
  }
}
