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
  /// @param dropped that found the queue full
  /// @param failed that the receiver did not take
  public record Counts(long sent, long dropped, long failed) {}

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
  private volatile boolean stop;
  private volatile boolean down;
  private @Nullable Sender sender;
  private long saidNanos;
  private long sentNanos;

  public Traces(TraceSettings settings, Words<D> words, Ticker ticker) {
    this.settings = settings;
    this.words = words;
    this.ticker = ticker;
    this.saidNanos = ticker.nanos() - SAID_NANOS;
    this.sentNanos = ticker.nanos();
    this.thread = Thread.ofPlatform().daemon().name("traces").unstarted(this::run);
  }

  public void start() {
    thread.start();
  }

  /// Share of the traces that begin here.
  public double share() {
    return settings.share();
  }

  /// Takes what has ended, if there is room; never blocks.
  public void offer(D of) {
    if (!queue.offer(of)) {
      dropped.incrementAndGet();
    }
  }

  public Counts counts() {
    return new Counts(sent.get(), dropped.get(), failed.get());
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
    String why;
    try {
      why = send(some, atMost);
    } catch (RuntimeException | Error e) {
      why = "fault: " + e;
    }
    (why == null ? sent : failed).addAndGet(some.size());
    tell(why);
    return why == null;
  }

  private @Nullable String send(List<D> some, Duration atMost) {
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
