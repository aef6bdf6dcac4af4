package org.infinilm.svc.router;

import java.io.PrintStream;
import java.time.Instant;
import java.util.concurrent.locks.LockSupport;
import org.infinilm.svc.router.Decisions.Decision;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Writes one line a request, following the ring of decisions on a thread of its own; a log that
/// cannot keep up loses lines and says how many. No request text appears in it.
final class AccessLog implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(AccessLog.class);
  private static final long PAUSE_NANOS = 50_000_000;
  private static final long GRACE_NANOS = 5_000_000_000L;

  private final Decisions decisions;
  private final PrintStream out;
  private final Thread thread;
  private volatile boolean stop;
  private long next;
  private long waitedNanos;

  AccessLog(Decisions decisions, PrintStream out) {
    this.decisions = decisions;
    this.out = out;
    this.thread = Thread.ofPlatform().daemon().name("access-log").unstarted(this::run);
  }

  void start() {
    thread.start();
  }

  private void run() {
    while (!stop) {
      boolean wrote = false;
      try {
        wrote = drain();
      } catch (RuntimeException e) {
        LOG.error("the access log lost lines", e);
      }
      if (!wrote) {
        LockSupport.parkNanos(PAUSE_NANOS);
        waitedNanos += PAUSE_NANOS;
      }
    }
    drain();
  }

  /// Writes what is there; false when there was nothing.
  private boolean drain() {
    long end = decisions.end();
    if (next == end) {
      return false;
    }
    if (end - next > decisions.size()) {
      long lost = end - next - decisions.size();
      out.println("access log: " + lost + " lines lost");
      next = end - decisions.size();
    }
    StringBuilder lines = new StringBuilder();
    boolean any = false;
    while (next < end) {
      Decision d = decisions.at(next);
      if (d == null && waitedNanos < GRACE_NANOS) {
        break;
      }
      waitedNanos = 0;
      next++;
      if (d != null) {
        line(lines, d);
      }
      any = true;
    }
    out.print(lines);
    out.flush();
    return any;
  }

  private static void line(StringBuilder b, Decision d) {
    b.append(Instant.ofEpochMilli(d.epochMillis()))
        .append(' ')
        .append(d.requestId())
        .append(' ')
        .append(d.method())
        .append(' ')
        .append(d.path())
        .append(" model=")
        .append(d.model().isEmpty() ? "-" : d.model())
        .append(" size=")
        .append(d.size())
        .append(" threshold=")
        .append(d.threshold())
        .append(" pool=")
        .append(d.pool() == null ? "-" : d.pool().label())
        .append(" instance=")
        .append(d.instance() == null ? "-" : d.instance())
        .append(" reason=")
        .append(d.reason() == null ? "-" : d.reason().label())
        .append(" outcome=")
        .append(d.outcome().label())
        .append(" status=")
        .append(d.status())
        .append(" attempts=")
        .append(d.attempts());
    millis(b.append(" ttft_ms="), d.ttftNanos());
    millis(b.append(" total_ms="), d.totalNanos());
    b.append(" in=")
        .append(d.requestBytes())
        .append(" out=")
        .append(d.responseBytes())
        .append('\n');
  }

  private static void millis(StringBuilder b, long nanos) {
    long tenths = nanos / 100_000;
    b.append(tenths / 10).append('.').append(tenths % 10);
  }

  /// Writes what is left, unless nobody reads it.
  @Override
  public void close() {
    stop = true;
    LockSupport.unpark(thread);
    try {
      thread.join(1000);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
