package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.PrintStream;
import java.time.Instant;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import org.infinilm.svc.router.Decisions.Decision;
import org.jspecify.annotations.Nullable;

/// Writes one line a request, following the ring of decisions on a thread of its own; a log that
/// cannot keep up loses lines and says how many. No request text appears in it.
final class AccessLog implements AutoCloseable {
  private static final long PAUSE_NANOS = 50_000_000;
  private static final int FLUSHED_BYTES = 16 << 10;
  private static final long GRACE_NANOS = 5_000_000_000L;

  /// Of words that are kept as bytes; those with a path of some length are a few hundred bytes.
  private static final int MOST_KNOWN = 512;

  private static final byte[] SPACE = of(" ");
  private static final byte[] MODEL = of(" model=");
  private static final byte[] SIZE = of(" size=");
  private static final byte[] THRESHOLD = of(" threshold=");
  private static final byte[] POOL = of(" pool=");
  private static final byte[] INSTANCE = of(" instance=");
  private static final byte[] REASON = of(" reason=");
  private static final byte[] OUTCOME = of(" outcome=");
  private static final byte[] STATUS = of(" status=");
  private static final byte[] ATTEMPTS = of(" attempts=");
  private static final byte[] TTFT = of(" ttft_ms=");
  private static final byte[] TOTAL = of(" total_ms=");
  private static final byte[] POINT = of(".");
  private static final byte[] IN = of(" in=");
  private static final byte[] OUT = of(" out=");
  private static final byte[] KEY = of(" key=");
  private static final byte[] ERROR = of(" error=");
  private static final byte[] TRACE = of(" trace=");
  private static final byte[] END = of("\n");

  private final Decisions decisions;
  private final PrintStream out;
  private final Thread thread;
  private volatile boolean stop;
  private long next;
  private long waitedNanos;
  private byte[] buffer = new byte[FLUSHED_BYTES + 4096];
  private int bytes;
  private long knownSecond = Long.MIN_VALUE;
  private byte[] knownText = {};

  /// Names, paths and the like as lines carry them.
  private final Map<String, byte[]> known = new HashMap<>();

  private final Word method = new Word();
  private final Word path = new Word();
  private final Word model = new Word();
  private final Word pool = new Word();
  private final Word instance = new Word();
  private final Word reason = new Word();
  private final Word outcome = new Word();

  /// A field's word on the line before, which most lines repeat.
  private static final class Word {
    @Nullable String text;
    byte[] bytes = {};
  }

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
    text(" ");
    text(d.requestId());
    word(SPACE, method, d.method());
    word(SPACE, path, d.path());
    String asked = d.modelAsked();
    // a name that a client made up must not look like the next field
    word(MODEL, model, asked == null ? "-" : d.model().isEmpty() ? asked.replace(' ', '?') : asked);
    number(SIZE, d.size());
    number(THRESHOLD, d.threshold());
    word(POOL, pool, d.pool() == null ? "-" : d.pool().label());
    word(INSTANCE, instance, d.instance() == null ? "-" : d.instance());
    word(REASON, reason, d.reason() == null ? "-" : d.reason().label());
    word(OUTCOME, outcome, d.outcome().label());
    number(STATUS, d.status());
    number(ATTEMPTS, d.attempts());
    millis(TTFT, d.ttftNanos());
    millis(TOTAL, d.totalNanos());
    number(IN, d.requestBytes());
    number(OUT, d.responseBytes());
    if (d.key() != null) {
      word(KEY, d.key());
    }
    if (d.said() != null) {
      word(ERROR, d.said().code());
    }
    String trace = d.traceId();
    if (trace != null) {
      bytes(TRACE);
      text(trace);
    }
    bytes(END);
  }

  private static byte[] of(String text) {
    return text.getBytes(UTF_8);
  }

  /// The time in UTC (ISO 8601); its seconds are worked out once a second.
  private void time(long epochMillis) {
    long second = Math.floorDiv(epochMillis, 1000L);
    if (second != knownSecond) {
      String t = Instant.ofEpochSecond(second).toString();
      knownSecond = second;
      knownText = t.substring(0, t.length() - 1).getBytes(UTF_8);
    }
    bytes(knownText);
    long millis = epochMillis - second * 1000;
    if (millis > 0) {
      text(millis < 10 ? ".00" : millis < 100 ? ".0" : ".");
      digits(millis);
    }
    text("Z");
  }

  /// A word that many lines have, and most likely the one before.
  @SuppressWarnings("ReferenceEquality") // only saves a look-up
  private void word(byte[] before, Word last, String value) {
    if (last.text != value) {
      last.bytes = known(value);
      last.text = value;
    }
    bytes(before);
    bytes(last.bytes);
  }

  private void word(byte[] before, String value) {
    bytes(before);
    bytes(known(value));
  }

  private byte[] known(String value) {
    byte[] w = known.get(value);
    if (w == null) {
      w = inLine(value).getBytes(UTF_8);
      if (known.size() >= MOST_KNOWN) {
        known.clear();
      }
      known.put(value, w);
    }
    return w;
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

  private void number(byte[] before, long value) {
    bytes(before);
    digits(value);
  }

  private void millis(byte[] before, long nanos) {
    long tenths = nanos / 100_000;
    number(before, tenths / 10);
    number(POINT, tenths % 10);
  }

  private void digits(long value) {
    if (value < 0) {
      text(Long.toString(value));
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

  private void bytes(byte[] b) {
    room(b.length);
    System.arraycopy(b, 0, buffer, bytes, b.length);
    bytes += b.length;
  }

  /// Appends a text in UTF-8.
  private void text(String text) {
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
