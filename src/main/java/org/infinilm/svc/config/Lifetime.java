package org.infinilm.svc.config;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.CountDownLatch;

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
      if (!worker.join(bound)) {
        System.err.println("shutdown took longer than " + bound.toSeconds() + " s; stopping now");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    System.out.flush();
    Runtime.getRuntime().halt(code != 0 ? code : processCode);
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
