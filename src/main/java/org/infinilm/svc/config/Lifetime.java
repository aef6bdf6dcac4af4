package org.infinilm.svc.config;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The life of this process: what to do when SIGTERM or SIGINT (or [#end]) asks it to stop.
/// Thread-safe. A second signal ends it at once, after the steps of [#onHurry]. SIGHUP asks it to
/// stop where it says that the terminal in which the process was started is gone, unless the
/// process was started with that signal ignored, as nohup does.
///
/// Steps run once, last added first, on one thread, together for at most the bound given at
/// creation; the exit code is then 0, or the one given to [#end].
public final class Lifetime {
  /// One thing to do at the end; may block and throw.
  @FunctionalInterface
  public interface Step {
    void run() throws Exception;
  }

  private static final Logger LOG = LoggerFactory.getLogger(Lifetime.class);
  private static final int SIGNAL_EXIT = 128;
  private static final Duration LAST_WORDS = Duration.ofMillis(500);

  private static volatile int processCode;

  private static final Duration HURRY = Duration.ofSeconds(3);

  private final Deque<Step> steps = new ArrayDeque<>();
  private final Deque<Step> hurries = new ArrayDeque<>();
  private final AtomicBoolean asked = new AtomicBoolean();
  private final CountDownLatch ended = new CountDownLatch(1);
  private final HangUps terminal = HangUps.ofProcess();
  private final Duration bound;
  private volatile Runnable reload =
      () -> LOG.info("SIGHUP: nothing is read anew; what has changed needs a restart");
  private volatile int code;

  private Lifetime(Duration bound) {
    this.bound = bound;
  }

  /// Takes over the signals of this process: every end of it runs the steps first. From here on its
  /// output never blocks: what nobody reads is dropped.
  ///
  /// @param bound how long all steps together may take
  public static Lifetime ofProcess(Duration bound) {
    Output.neverBlocks();
    Lifetime life = new Lifetime(bound);
    Runtime.getRuntime().addShutdownHook(new Thread(life::finish, "shutdown"));
    Map.of("INT", 2, "TERM", 15)
        .forEach((name, number) -> Signals.on(name, () -> life.asked(number)));
    Signals.on("HUP", life::hungUp);
    return life;
  }

  /// Runs `action` at each SIGHUP of a service (see [HangUps]). Without this the signal is noted
  /// and changes nothing, since service managers and log rotation send it to all.
  public void onHangUp(Runnable action) {
    reload = action;
  }

  /// A terminal hung up, or a service is asked to read its files anew.
  private void hungUp() {
    if (asked.get()) {
      return;
    }
    if (!terminal.isTheEnd()) {
      reload.run();
    } else if (!asked.getAndSet(true)) {
      LOG.info("the terminal has hung up; ending");
      System.exit(0);
    }
  }

  /// A signal came; the second one ends what the first one began, with 128 and its number.
  private void asked(int number) {
    if (!asked.getAndSet(true)) {
      System.exit(0);
    }
    List<Step> all;
    synchronized (this) {
      all = List.copyOf(hurries);
    }
    all.forEach(Lifetime::run);
    try {
      if (!all.isEmpty()) {
        Thread.sleep(HURRY);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    Runtime.getRuntime().halt(SIGNAL_EXIT + number);
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

  /// Adds a step for a second signal; it must not block. Where there is one, the end has a few
  /// seconds to come about by itself.
  public synchronized void onHurry(Step step) {
    hurries.push(step);
  }

  /// Ends the process in good order with `exitCode`; returns at once.
  public void end(int exitCode) {
    code = exitCode;
    ended.countDown();
  }

  /// Waits until [#end] is called and returns its exit code; a signal ends the process from here.
  /// Everything is up: a service manager is told so.
  public int await() throws InterruptedException {
    ServiceManager.ready(System.getenv());
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
    Output.flush(LAST_WORDS);
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
      run(next);
    }
  }

  private static void run(Step step) {
    try {
      step.run();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (Exception | Error e) {
      System.err.println("shutdown: " + e);
    }
  }
}
