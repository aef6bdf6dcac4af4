package org.infinilm.svc.simulator;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// Drives one [EngineCore] in real time: one virtual thread owns the core, drains a queue of
/// commands and hands emissions to the requests' queues. Thread-safe.
final class Pump implements AutoCloseable {
  private sealed interface Command {}

  private record Submit(Job job, BlockingQueue<Emission> sink) implements Command {}

  private record Cancel(long job) implements Command {}

  /// A submitted job, seen from the request.
  final class Ticket {
    private final long job;
    private final BlockingQueue<Emission> arrived;

    private Ticket(long job, BlockingQueue<Emission> arrived) {
      this.job = job;
      this.arrived = arrived;
    }

    /// The next emission; waits for it. After [Emission.End#CANCELLED] nothing comes.
    Emission next() throws InterruptedException {
      return arrived.take();
    }

    /// Takes the job out of the engine; never blocks.
    void cancel() {
      commands.add(new Cancel(job));
    }
  }

  private final EngineCore core;
  private final EngineSettings settings;
  private final Ticker ticker;
  private final double speed;
  private final long originNanos;
  private final LinkedBlockingQueue<Command> commands = new LinkedBlockingQueue<>();
  private final Map<Long, BlockingQueue<Emission>> sinks = new HashMap<>();
  private final AtomicLong lastJob = new AtomicLong();
  private final Thread thread;
  private volatile int running;
  private volatile int waiting;
  private volatile double cacheUsage;

  /// @param speed virtual seconds a real second; 0 is as fast as possible
  Pump(EngineSettings settings, long seed, double speed, Ticker ticker) {
    this.core = new EngineCore(settings, seed);
    this.settings = settings;
    this.ticker = ticker;
    this.speed = speed;
    this.originNanos = ticker.nanos();
    this.thread = Thread.ofVirtual().name("simulator").unstarted(this::run);
  }

  void start() {
    thread.start();
  }

  /// Submits a job; null when the engine refuses it.
  @Nullable Ticket submit(Prompt prompt, int maxTokens) {
    Job job = new Job(lastJob.incrementAndGet(), prompt, maxTokens);
    if (settings.refuses(job)) {
      return null;
    }
    BlockingQueue<Emission> sink = new LinkedBlockingQueue<>();
    commands.add(new Submit(job, sink));
    return new Ticket(job.id(), sink);
  }

  private void run() {
    try {
      while (true) {
        long next = core.nextNanos();
        Command c = await(next);
        publish(core.advance(reached(next, c == null)));
        for (; c != null; c = commands.poll()) {
          apply(c);
        }
        running = core.running();
        waiting = core.waiting();
        cacheUsage = core.cacheUsage();
      }
    } catch (InterruptedException stopped) {
      Thread.currentThread().interrupt();
    }
  }

  private @Nullable Command await(long nextNanos) throws InterruptedException {
    if (nextNanos == Long.MAX_VALUE) {
      return commands.take();
    }
    if (speed == 0) {
      if (Thread.interrupted()) {
        throw new InterruptedException();
      }
      return commands.poll();
    }
    long left = Math.round(nextNanos / speed) - (ticker.nanos() - originNanos);
    return commands.poll(Math.max(0, left), TimeUnit.NANOSECONDS);
  }

  /// Virtual time to advance to.
  private long reached(long nextNanos, boolean idle) {
    if (speed == 0) {
      return idle ? nextNanos : core.nowNanos();
    }
    long now = Math.round((ticker.nanos() - originNanos) * speed);
    return idle ? Math.max(now, nextNanos) : Math.max(now, core.nowNanos());
  }

  private void apply(Command command) {
    switch (command) {
      case Submit s -> {
        sinks.put(s.job().id(), s.sink());
        core.submit(s.job());
      }
      case Cancel c -> {
        core.cancel(c.job());
        BlockingQueue<Emission> sink = sinks.remove(c.job());
        if (sink != null) {
          sink.add(new Emission(c.job(), core.nowNanos(), false, 0, Emission.End.CANCELLED));
        }
      }
    }
  }

  private void publish(List<Emission> emissions) {
    for (Emission e : emissions) {
      BlockingQueue<Emission> sink =
          e.end() == Emission.End.NOT_YET ? sinks.get(e.job()) : sinks.remove(e.job());
      if (sink != null) {
        sink.add(e);
      }
    }
  }

  int running() {
    return running;
  }

  int waiting() {
    return waiting;
  }

  double cacheUsage() {
    return cacheUsage;
  }

  @Override
  public void close() {
    thread.interrupt();
  }
}
