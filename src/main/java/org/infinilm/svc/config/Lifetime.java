package org.infinilm.svc.config;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;

/// The life of this process: what to do when SIGTERM or SIGINT (or [#end]) asks it to stop.
/// Thread-safe.
///
/// Steps run once, last added first, on one thread, together for at most the bound given at
/// creation; the exit code is then 0, or the one given to [#end].
public final class Lifetime {
  /// One thing to do at the end; may block and throw.
  @FunctionalInterface
  public interface Step {
    void run() throws Exception;
  }

  private static final int SIGNAL_EXIT = 128;
  private static final Duration LAST_WORDS = Duration.ofMillis(500);

  private static volatile int processCode;

  private final Deque<Step> steps = new ArrayDeque<>();
  private final CountDownLatch ended = new CountDownLatch(1);
  private final Duration bound;
  private volatile int code;

  private Lifetime(Duration bound) {
    this.bound = bound;
  }

  /// Takes over the signals of this process: every end of it runs the steps first.
  ///
  /// @param bound how long all steps together may take
  public static Lifetime ofProcess(Duration bound) {
    Lifetime life = new Lifetime(bound);
    Runtime.getRuntime().addShutdownHook(new Thread(life::finish, "shutdown"));
    return life;
  }

  /// Lets a second SIGTERM or SIGINT end the process at once, with 128 and its number.
  public void endAtOnceWhenAskedAgain() {
    AtomicBoolean asked = new AtomicBoolean();
    Map.of("INT", 2, "TERM", 15)
        .forEach((name, number) ->
            Signals.on(
                name,
                () -> {
                  if (asked.getAndSet(true)) {
                    Runtime.getRuntime().halt(SIGNAL_EXIT + number);
                  }
                  System.exit(0);
                }));
  }

  /// Ends this process with `exitCode`, whether or not a lifetime was begun; steps still run.
  public static void exit(int exitCode) {
    processCode = exitCode;
    System.exit(exitCode);
  }

  /// Adds a step; it runs before those added earlier.
  public synchronized void onEnd(Step step) {
    steps.push(step);
  }

  /// Ends the process in good order with `exitCode`; returns at once.
  public void end(int exitCode) {
    code = exitCode;
    ended.countDown();
  }

  /// Waits until [#end] is called and returns its exit code; a signal ends the process from here.
  public int await() throws InterruptedException {
    ended.await();
    return code;
  }

  private void finish() {
    Thread worker = Thread.ofPlatform().daemon().name("shutdown-steps").start(this::runSteps);
    try {
      boolean late = !worker.join(bound);
      // whoever reads our output may have stopped: nothing waits for that
      Thread.ofPlatform().daemon().name("last-words").start(() -> lastWords(late)).join(LAST_WORDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    Runtime.getRuntime().halt(code != 0 ? code : processCode);
  }

  private void lastWords(boolean late) {
    System.out.flush();
    if (late) {
      System.err.println("shutdown took longer than " + bound.toSeconds() + " s; stopping now");
    }
  }

  private void runSteps() {
    while (true) {
      Step next;
      synchronized (this) {
        next = steps.poll();
      }
      if (next == null) {
        return;
      }
      try {
        next.run();
      } catch (InterruptedException e) {
        return;
      } catch (Exception e) {
        System.err.println("shutdown: " + e);
      }
    }
  }
}
