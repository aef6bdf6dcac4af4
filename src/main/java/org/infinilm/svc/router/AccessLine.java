package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.time.Instant;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.infinilm.svc.router.Decisions.Decision;
import org.jspecify.annotations.Nullable;

/// Words the access log's line of a request, in bytes that are used again for the next. No request
/// text appears in it. For one thread.
/*
 * Places in the line are handed from step to step instead of kept in a field: lines are worded on event loops, and
 * a field that is written forty times a line may lie beside one of another loop's.
 */
final class AccessLine {
  /// Of words that are kept as bytes; those with a path of some length are a few hundred bytes.
  private static final int MOST_KNOWN = 256;

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
  private static final byte[] ZONE = of("Z ");
  private static final byte[] END = of("\n");

  private byte[] line = new byte[1024];
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

  /// The bytes of the last line; valid until the next.
  byte[] bytes() {
    return line;
  }

  /// Words the line of a request, its end included.
  ///
  /// @return how long it is
  int word(Decision d) {
    int at = time(d.epochMillis());
    at = text(ZONE, d.requestId(), at);
    at = word(SPACE, method, d.method(), at);
    at = word(SPACE, path, d.path(), at);
    at = word(MODEL, model, model(d), at);
    at = number(SIZE, d.size(), at);
    at = number(THRESHOLD, d.threshold(), at);
    at = word(POOL, pool, d.pool() == null ? "-" : d.pool().label(), at);
    at = word(INSTANCE, instance, d.instance() == null ? "-" : d.instance(), at);
    at = word(REASON, reason, d.reason() == null ? "-" : d.reason().label(), at);
    at = word(OUTCOME, outcome, d.outcome().label(), at);
    at = number(STATUS, d.status(), at);
    at = number(ATTEMPTS, d.attempts(), at);
    at = millis(TTFT, d.ttftNanos(), at);
    at = millis(TOTAL, d.totalNanos(), at);
    at = number(IN, d.requestBytes(), at);
    at = number(OUT, d.responseBytes(), at);
    if (d.key() != null) {
      at = bytes(known(d.key()), bytes(KEY, at));
    }
    if (d.said() != null) {
      at = bytes(known(d.said().code()), bytes(ERROR, at));
    }
    String trace = d.traceId();
    if (trace != null) {
      at = text(TRACE, trace, at);
    }
    return bytes(END, at);
  }

  /// A name that a client made up must not look like the next field.
  private static String model(Decision d) {
    String asked = d.modelAsked();
    return asked == null ? "-" : d.model().isEmpty() ? asked.replace(' ', '?') : asked;
  }

  private static byte[] of(String text) {
    return text.getBytes(UTF_8);
  }

  /// The time in UTC (ISO 8601) without its zone; its seconds are worked out once a second.
  private int time(long epochMillis) {
    long second = Math.floorDiv(epochMillis, 1000L);
    if (second != knownSecond) {
      String t = Instant.ofEpochSecond(second).toString();
      knownSecond = second;
      knownText = t.substring(0, t.length() - 1).getBytes(UTF_8);
    }
    int at = bytes(knownText, 0);
    int millis = (int) (epochMillis - second * 1000);
    if (millis > 0) {
      byte[] to = room(4, at);
      to[at] = '.';
      to[at + 1] = (byte) ('0' + millis / 100);
      to[at + 2] = (byte) ('0' + millis / 10 % 10);
      to[at + 3] = (byte) ('0' + millis % 10);
      at += 4;
    }
    return at;
  }

  /// A word that many lines have, and most likely the one before.
  @SuppressWarnings("ReferenceEquality") // only saves a look-up
  private int word(byte[] before, Word last, String value, int at) {
    if (last.text != value) {
      last.bytes = known(value);
      last.text = value;
    }
    return bytes(last.bytes, bytes(before, at));
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

  private int number(byte[] before, long value, int at) {
    return digits(value, bytes(before, at));
  }

  private int millis(byte[] before, long nanos, int at) {
    long tenths = nanos / 100_000;
    return number(POINT, tenths % 10, number(before, tenths / 10, at));
  }

  private int digits(long value, int at) {
    if (value < 0) {
      return text(new byte[0], Long.toString(value), at);
    }
    byte[] to = room(20, at);
    int end = at;
    long left = value;
    do {
      end++;
      left /= 10;
    } while (left > 0);
    left = value;
    for (int k = end - 1; k >= at; k--) {
      to[k] = (byte) ('0' + left % 10);
      left /= 10;
    }
    return end;
  }

  private int bytes(byte[] b, int at) {
    System.arraycopy(b, 0, room(b.length, at), at, b.length);
    return at + b.length;
  }

  /// Appends a text in UTF-8.
  private int text(byte[] before, String text, int from) {
    int at = bytes(before, from);
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
