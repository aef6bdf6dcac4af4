package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.PrintStream;
import java.time.Instant;
import java.util.Arrays;
import java.util.concurrent.locks.LockSupport;
import org.infinilm.svc.router.Decisions.Decision;

/// Writes one line a request, following the ring of decisions on a thread of its own; a log that
/// cannot keep up loses lines and says how many. No request text appears in it.
final class AccessLog implements AutoCloseable {
  private static final long PAUSE_NANOS = 50_000_000;
  private static final int FLUSHED_BYTES = 16 << 10;
  private static final long GRACE_NANOS = 5_000_000_000L;

  private final Decisions decisions;
  private final PrintStream out;
  private final Thread thread;
  private volatile boolean stop;
  private long next;
  private long waitedNanos;
  private byte[] buffer = new byte[FLUSHED_BYTES + 4096];
  private int bytes;
  private long knownSecond = Long.MIN_VALUE;
  private String knownText = "";

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
      if (!drained()) {
        LockSupport.parkNanos(PAUSE_NANOS);
        waitedNanos += PAUSE_NANOS;
      }
    }
    drained();
  }

  /// A fault costs the lines that were being made, not the thread.
  private boolean drained() {
    try {
      return drain();
    } catch (RuntimeException | Error e) {
      bytes = 0;
      Endless.note("the access log lost lines", e);
      return false;
    }
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
    boolean any = false;
    while (next < end) {
      Decision d = decisions.at(next);
      if (d == null && waitedNanos < GRACE_NANOS) {
        break;
      }
      waitedNanos = 0;
      next++;
      if (d != null) {
        line(d);
      }
      any = true;
      if (bytes > FLUSHED_BYTES) {
        write();
      }
    }
    write();
    out.flush();
    return any;
  }

  private void write() {
    out.write(buffer, 0, bytes);
    bytes = 0;
  }

  private void line(Decision d) {
    time(d.epochMillis());
    word(" ", d.requestId());
    word(" ", d.method());
    word(" ", d.path());
    word(" model=", d.model().isEmpty() ? "-" : inLine(d.model()));
    number(" size=", d.size());
    number(" threshold=", d.threshold());
    word(" pool=", d.pool() == null ? "-" : d.pool().label());
    word(" instance=", d.instance() == null ? "-" : inLine(d.instance()));
    word(" reason=", d.reason() == null ? "-" : d.reason().label());
    word(" outcome=", d.outcome().label());
    number(" status=", d.status());
    number(" attempts=", d.attempts());
    millis(" ttft_ms=", d.ttftNanos());
    millis(" total_ms=", d.totalNanos());
    number(" in=", d.requestBytes());
    number(" out=", d.responseBytes());
    if (d.key() != null) {
      word(" key=", d.key());
    }
    add("\n");
  }

  /// The time in UTC (ISO 8601); its seconds are worked out once a second.
  private void time(long epochMillis) {
    long second = Math.floorDiv(epochMillis, 1000L);
    if (second != knownSecond) {
      String t = Instant.ofEpochSecond(second).toString();
      knownSecond = second;
      knownText = t.substring(0, t.length() - 1);
    }
    add(knownText);
    long millis = epochMillis - second * 1000;
    if (millis > 0) {
      add(millis < 10 ? ".00" : millis < 100 ? ".0" : ".");
      digits(millis);
    }
    add("Z");
  }

  private void word(String before, String value) {
    add(before);
    add(value);
  }

  /// A name as one line can carry it.
  static String inLine(String name) {
    for (int k = 0; k < name.length(); k++) {
      if (StaticServices.breaksLines(name.charAt(k))) {
        return name.replaceAll("[\\p{Cntrl}\\x{80}-\\x{9f}\\x{2028}\\x{2029}]", "?");
      }
    }
    return name;
  }

  private void number(String before, long value) {
    add(before);
    digits(value);
  }

  private void millis(String before, long nanos) {
    long tenths = nanos / 100_000;
    number(before, tenths / 10);
    number(".", tenths % 10);
  }

  private void digits(long value) {
    if (value < 0) {
      add(Long.toString(value));
      return;
    }
    room(20);
    int end = bytes;
    long left = value;
    do {
      end++;
      left /= 10;
    } while (left > 0);
    left = value;
    for (int at = end - 1; at >= bytes; at--) {
      buffer[at] = (byte) ('0' + left % 10);
      left /= 10;
    }
    bytes = end;
  }

  /// Appends a text in UTF-8.
  private void add(String text) {
    int n = text.length();
    room(n);
    for (int k = 0; k < n; k++) {
      char c = text.charAt(k);
      if (c >= 0x80) {
        byte[] rest = text.substring(k).getBytes(UTF_8);
        room(rest.length);
        System.arraycopy(rest, 0, buffer, bytes, rest.length);
        bytes += rest.length;
        return;
      }
      buffer[bytes++] = (byte) c;
    }
  }

  private void room(int more) {
    if (bytes + more > buffer.length) {
      buffer = Arrays.copyOf(buffer, Math.max(buffer.length * 2, bytes + more));
    }
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
