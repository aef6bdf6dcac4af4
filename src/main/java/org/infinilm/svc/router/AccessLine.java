package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.Arrays;
import java.util.Objects;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.policy.Reason;
import org.infinilm.svc.router.Decisions.Decision;
import org.jspecify.annotations.Nullable;

/// Words the access log's line of a request, in bytes that are used again for the next. No request
/// text appears in it. For one thread.
/*
 * Lines differ in few places: what stands between them is kept as bytes and compared with the decision's words.
 * Places in the line are handed from step to step instead of kept in a field: lines are worded on event loops, and
 * a field that is written forty times a line may lie beside one of another loop's.
 */
final class AccessLine {
  /// Of instances whose words are kept; a power of two.
  private static final int KEPT = 16;

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
  private static final byte[] IN = of(" in=");
  private static final byte[] OUT = of(" out=");
  private static final byte[] KEY = of(" key=");
  private static final byte[] ERROR = of(" error=");
  private static final byte[] TRACE = of(" trace=");

  private byte[] line = new byte[1024];
  private long knownSecond = Long.MIN_VALUE;
  private byte[] knownText = {};
  private Asked asked = new Asked("", "", "", new byte[0]);
  private final @Nullable Came[] came = new Came[KEPT];

  /// What was asked for, and its words up to the size.
  private record Asked(String method, String path, String model, byte[] bytes) {
    boolean is(String itsMethod, String itsPath, String itsModel) {
      return path.equals(itsPath) && model.equals(itsModel) && method.equals(itsMethod);
    }
  }

  /// What it came to, and its words from the threshold up to the first time.
  private record Came(
      long threshold,
      @Nullable Pool pool,
      @Nullable String instance,
      @Nullable Reason reason,
      Outcome outcome,
      int status,
      int attempts,
      byte[] bytes) {
    boolean is(Decision d) {
      return outcome == d.outcome()
          && status == d.status()
          && attempts == d.attempts()
          && reason == d.reason()
          && pool == d.pool()
          && threshold == d.threshold()
          && Objects.equals(instance, d.instance());
    }
  }

  /// The bytes of the last line; valid until the next.
  byte[] bytes() {
    return line;
  }

  /// Words the line of a request, its end included.
  ///
  /// @return how long it is
  int word(Decision d) {
    int at = time(d.epochMillis());
    at = text(d.requestId(), at);
    at = asked(d, at);
    at = digits(d.size(), at);
    at = came(d, at);
    at = millis(d.ttftNanos(), at);
    at = millis(d.totalNanos(), bytes(TOTAL, at));
    at = digits(d.requestBytes(), bytes(IN, at));
    at = digits(d.responseBytes(), bytes(OUT, at));
    if (d.key() != null) {
      at = name(KEY, d.key(), at);
    }
    if (d.said() != null) {
      at = name(ERROR, d.said().code(), at);
    }
    String trace = d.traceId();
    if (trace != null) {
      at = text(trace, bytes(TRACE, at));
    }
    return one('\n', at);
  }

  private int asked(Decision d, int from) {
    String model = model(d);
    Asked a = asked;
    if (a.is(d.method(), d.path(), model)) {
      return bytes(a.bytes, from);
    }
    int at = name(SPACE, d.method(), from);
    at = name(SPACE, d.path(), at);
    at = bytes(SIZE, name(MODEL, model, at));
    asked = new Asked(d.method(), d.path(), model, Arrays.copyOfRange(line, from, at));
    return at;
  }

  private int came(Decision d, int from) {
    String instance = d.instance();
    int k = instance == null ? 0 : instance.hashCode() & (KEPT - 1);
    Came c = came[k];
    if (c != null && c.is(d)) {
      return bytes(c.bytes, from);
    }
    int at = digits(d.threshold(), bytes(THRESHOLD, from));
    at = name(POOL, d.pool() == null ? "-" : d.pool().label(), at);
    at = name(INSTANCE, instance == null ? "-" : instance, at);
    at = name(REASON, d.reason() == null ? "-" : d.reason().label(), at);
    at = name(OUTCOME, d.outcome().label(), at);
    at = digits(d.status(), bytes(STATUS, at));
    at = bytes(TTFT, digits(d.attempts(), bytes(ATTEMPTS, at)));
    came[k] =
        new Came(
            d.threshold(),
            d.pool(),
            instance,
            d.reason(),
            d.outcome(),
            d.status(),
            d.attempts(),
            Arrays.copyOfRange(line, from, at));
    return at;
  }

  /// A name that a client made up must not look like the next field.
  private static String model(Decision d) {
    String asked = d.modelAsked();
    return asked == null ? "-" : d.model().isEmpty() ? asked.replace(' ', '?') : asked;
  }

  private static byte[] of(String text) {
    return text.getBytes(UTF_8);
  }

  /// The time in UTC (ISO 8601) and a space; its seconds are worked out once a second.
  private int time(long epochMillis) {
    long second = Math.floorDiv(epochMillis, 1000L);
    if (second != knownSecond) {
      // not an Instant's words: their formatter takes long in what is never compiled; with a
      // fraction,
      // without which seconds of 0 are left out
      knownText =
          of(
              LocalDateTime.ofEpochSecond(second, 1_000_000, ZoneOffset.UTC)
                  .toString()
                  .substring(0, 19));
      knownSecond = second;
    }
    int at = bytes(knownText, 0);
    byte[] to = room(6, at);
    int millis = (int) (epochMillis - second * 1000);
    if (millis > 0) {
      to[at] = '.';
      to[at + 1] = (byte) ('0' + millis / 100);
      to[at + 2] = (byte) ('0' + millis / 10 % 10);
      to[at + 3] = (byte) ('0' + millis % 10);
      at += 4;
    }
    to[at] = 'Z';
    to[at + 1] = ' ';
    return at + 2;
  }

  private int name(byte[] before, String name, int at) {
    return text(inLine(name), bytes(before, at));
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

  private int millis(long nanos, int from) {
    long tenths = nanos / 100_000;
    int at = digits(tenths / 10, from);
    return one((char) ('0' + tenths % 10), one('.', at));
  }

  private int digits(long value, int at) {
    if (value < 0) {
      return text(Long.toString(value), at);
    }
    byte[] to = room(19, at);
    int end = at + length(value);
    long left = value;
    for (int k = end - 1; k >= at; k--) {
      long tenth = left / 10;
      to[k] = (byte) ('0' + (left - tenth * 10));
      left = tenth;
    }
    return end;
  }

  /// How many digits it has.
  private static int length(long value) {
    int n = 1;
    for (long most = 10; n < 19 && value >= most; most *= 10) {
      n++;
    }
    return n;
  }

  private int one(char c, int at) {
    room(1, at)[at] = (byte) c;
    return at + 1;
  }

  private int bytes(byte[] b, int at) {
    System.arraycopy(b, 0, room(b.length, at), at, b.length);
    return at + b.length;
  }

  /// Appends a text in UTF-8.
  private int text(String text, int from) {
    int at = from;
    int n = text.length();
    byte[] to = room(n, at);
    for (int k = 0; k < n; k++) {
      char c = text.charAt(k);
      if (c >= 0x80) {
        return bytes(text.substring(k).getBytes(UTF_8), at);
      }
      to[at++] = (byte) c;
    }
    return at;
  }

  private byte[] room(int more, int at) {
    byte[] to = line;
    if (at + more > to.length) {
      to = Arrays.copyOf(to, Math.max(to.length * 2, at + more));
      line = to;
    }
    return to;
  }
}
