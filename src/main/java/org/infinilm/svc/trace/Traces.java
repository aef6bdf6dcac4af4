package org.infinilm.svc.trace;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Sends what has ended as spans, on a thread of its own. A receiver that is down costs traces and
/// nothing else: nobody waits for it. Thread-safe.
///
/// @param <D> what is offered, one a trace
public final class Traces<D> implements AutoCloseable {
  /// Turns what was offered into spans; called on the thread of traces.
  public interface Words<D> {
    List<Span> spans(D of);
  }

  /// What became of what was offered, since the start.
  ///
  /// @param dropped that found the queue full, and as many as spans that the receiver rejected in
  ///   messages that it took (of a trace with several at most one is counted)
  /// @param failed in messages that the receiver did not take
  /// @param rejectedSpans spans that it rejected in messages that it took
  public record Counts(long sent, long dropped, long failed, long rejectedSpans) {}

  static final int QUEUE = 4096;

  /// Traces of one message.
  private static final int MOST = 256;

  private static final long PAUSE_NANOS = Duration.ofMillis(200).toNanos();

  /// How long a few wait for others, so that one message carries them.
  private static final long GATHER_NANOS = Duration.ofSeconds(1).toNanos();

  /// After a failure; who is offered meanwhile waits in the queue.
  private static final long AGAIN_NANOS = Duration.ofSeconds(5).toNanos();

  /// How long the same trouble is not said again.
  private static final long SAID_NANOS = Duration.ofMinutes(10).toNanos();

  private static final Duration ANSWER = Duration.ofSeconds(5);
  private static final Duration END = Duration.ofSeconds(2);
  private static final Logger LOG = LoggerFactory.getLogger(Traces.class);

  private final TraceSettings settings;
  private final Words<D> words;
  private final Ticker ticker;
  private final BlockingQueue<D> queue = new ArrayBlockingQueue<>(QUEUE);
  private final Thread thread;
  private final AtomicLong sent = new AtomicLong();
  private final AtomicLong dropped = new AtomicLong();
  private final AtomicLong failed = new AtomicLong();
  private final AtomicLong rejected = new AtomicLong();
  private volatile boolean stop;
  private volatile boolean down;
  private @Nullable Sender sender;
  private long saidNanos;
  private long saidRejectedNanos;
  private long sentNanos;

  public Traces(TraceSettings settings, Words<D> words, Ticker ticker) {
    this.settings = settings;
    this.words = words;
    this.ticker = ticker;
    this.saidNanos = ticker.nanos() - SAID_NANOS;
    this.saidRejectedNanos = saidNanos;
    this.sentNanos = ticker.nanos();
    this.thread = Thread.ofPlatform().daemon().name("traces").unstarted(this::run);
  }

  public void start() {
    thread.start();
  }

  /// Which requests are traced.
  public TraceSettings.Sampling sampling() {
    return settings.sampling();
  }

  /// Takes what has ended, if there is room; never blocks.
  public void offer(D of) {
    if (!queue.offer(of)) {
      dropped.incrementAndGet();
    }
  }

  public Counts counts() {
    return new Counts(sent.get(), dropped.get(), failed.get(), rejected.get());
  }

  /// Whether the receiver took what was last sent.
  public boolean up() {
    return !down;
  }

  private void run() {
    while (!stop) {
      boolean due = queue.size() >= MOST || ticker.nanos() - sentNanos >= (down ? 0 : GATHER_NANOS);
      if (!due || !step(ANSWER) || queue.size() < MOST) {
        LockSupport.parkNanos(this, down ? AGAIN_NANOS : PAUSE_NANOS);
      }
    }
    while (!queue.isEmpty() && step(END)) {
      // the rest
    }
    Sender s = sender;
    if (s != null) {
      s.close();
    }
  }

  /// Sends a message's worth; false when there is nothing, or the receiver did not take it.
  private boolean step(Duration atMost) {
    List<D> some = new ArrayList<>();
    queue.drainTo(some, MOST);
    sentNanos = ticker.nanos();
    if (some.isEmpty()) {
      return false;
    }
    Sender.Outcome of;
    try {
      of = send(some, atMost);
    } catch (RuntimeException | Error e) {
      of = new Sender.Outcome("fault: " + e, Taken.ALL);
    }
    count(some.size(), of);
    tell(of.failure());
    tellRejected(of.taken());
    return of.failure() == null;
  }

  private void count(int traces, Sender.Outcome of) {
    if (of.failure() != null) {
      failed.addAndGet(traces);
      return;
    }
    long lost = Math.min(traces, of.taken().rejected());
    rejected.addAndGet(of.taken().rejected());
    dropped.addAndGet(lost);
    sent.addAndGet(traces - lost);
  }

  /// Says that a receiver took only a part, or has something to say of what it took, once and then
  /// rarely; whether it was said.
  boolean tellRejected(Taken t) {
    long now = ticker.nanos();
    if (t.equals(Taken.ALL) || now - saidRejectedNanos < SAID_NANOS) {
      return false;
    }
    saidRejectedNanos = now;
    LOG.warn(
        "traces: {} rejected {} spans of a message: {} ({} spans rejected so far)",
        settings.receiver(),
        t.rejected(),
        t.words().isEmpty() ? "it says no more" : t.words(),
        rejected.get());
    return true;
  }

  private Sender.Outcome send(List<D> some, Duration atMost) {
    Sender s = sender;
    if (s == null) {
      s = new Sender(settings, ANSWER);
      sender = s;
    }
    for (D d : some) {
      words.spans(d).forEach(s::add);
    }
    return s.send(atMost);
  }

  /// Says what is wrong, once and then rarely, also where it comes and goes; whether it was said.
  boolean tell(@Nullable String why) {
    if (why == null) {
      if (down) {
        LOG.info("traces: {} takes them again", settings.receiver());
      }
      down = false;
      return false;
    }
    down = true;
    long now = ticker.nanos();
    if (now - saidNanos < SAID_NANOS) {
      return false;
    }
    saidNanos = now;
    LOG.warn(
        "traces: {}: {} (requests go on, {} traces lost so far)",
        settings.receiver(),
        why,
        failed.get() + dropped.get());
    return true;
  }

  /// Sends what is left, for a few seconds at most.
  @Override
  public void close() {
    stop = true;
    LockSupport.unpark(thread);
    try {
      thread.join(END.plusSeconds(1));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
