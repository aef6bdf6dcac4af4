package org.infinilm.svc.http;

import java.util.Arrays;
import org.infinilm.svc.http.JsonString.Treatment;
import org.jspecify.annotations.Nullable;

/// Reads one JSON object in pieces of any size, without building it: checks its grammar and hands
/// its keys and values to its subclass as they come. Memory does not grow with the document. Not
/// thread-safe.
/*
 * The subclass names a frame for every object and array and a treatment for every string. Stricter
 * than some parsers: RFC 8259 without extensions. Looser than all: what follows the object's end is
 * not looked at, which is the instance's to judge.
 */
abstract class JsonScanner {
  /// A token that is no string, object or array.
  enum Scalar {
    TRUE,
    FALSE,
    NULL,
    INTEGER,
    FRACTION
  }

  private enum State {
    START,
    VALUE,
    FIRST_ELEMENT,
    FIRST_KEY,
    KEY,
    COLON,
    AFTER,
    STRING,
    NUMBER,
    LITERAL,
    DONE,
    OTHER,
    BROKEN
  }

  private static final int MOST_DEPTH = 2000;
  private static final int OBJECT = 0x80;

  private State state = State.START;
  private int startBytes;
  private byte[] frames = new byte[16];
  private int depth = -1;
  private long position;
  private @Nullable String problem;
  private String expected = "";

  /// The string that was read last; of interest while its end is being told.
  final JsonString text = new JsonString();

  private boolean isKey;
  private int numberPart;
  private boolean negative;
  private long number;

  private byte[] literal = {};
  private int literalAt;
  private Scalar literalIs = Scalar.NULL;

  /// The frame of the document's object.
  abstract int topFrame();

  /// What to do with the key that begins.
  abstract Treatment key();

  /// A key that was to be kept or counted has ended.
  abstract void keyEnded();

  /// What to do with the string value that begins.
  abstract Treatment string();

  /// A string value that was to be kept or counted has ended.
  abstract void stringEnded();

  /// A value that is no string has come; [#number()] has an integer's.
  abstract void scalar(Scalar what);

  /// An object or array begins; its frame, 0 to 127.
  abstract int begins(boolean object);

  /// The frame of the innermost open object or array.
  final int frame() {
    return frames[depth] & 0x7f;
  }

  /// The integer that was read, at most 2^40, and 0 for a negative one.
  final long number() {
    return negative ? 0 : number;
  }

  /// The integer that was read as it stood, or that it is a number when it is very long.
  final String wholeText() {
    return number == 1L << 40 ? "a number" : (negative ? "-" : "") + number;
  }

  final boolean empty() {
    return state == State.START;
  }

  /// Whether it began as something other than an object.
  final boolean other() {
    return state == State.OTHER;
  }

  /// What is wrong, or null; asked at the end of the input.
  final @Nullable String problem() {
    return state == State.DONE
        ? null
        : problem != null ? problem : "unexpected end after " + position + " bytes";
  }

  /// Whether more input could still change anything.
  public final boolean wantsMore() {
    return state != State.DONE && state != State.BROKEN && state != State.OTHER;
  }

  public final void feed(byte[] b, int from, int to) {
    int i = from;
    while (i < to && wantsMore()) {
      int before = i;
      i =
          switch (state) {
            case STRING -> inString(b, i, to);
            case NUMBER -> inNumber(b, i, to);
            case LITERAL -> inLiteral(b, i, to);
            default -> between(b, i);
          };
      position += i - before;
    }
    if (state == State.BROKEN && problem == null) {
      problem = "at byte " + (position - 1) + " (expected: " + expected + ")";
    }
  }

  /// Ends the reading at the byte that was looked at last, which counts as read.
  private void broken(String expectedInstead) {
    state = State.BROKEN;
    expected = expectedInstead;
  }

  private int between(byte[] b, int i) {
    int c = b[i] & 0xff;
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
      return i + 1;
    }
    switch (state) {
      case START -> start(c);
      case VALUE -> {
        return value(c, i);
      }
      case FIRST_ELEMENT -> {
        if (c == ']') {
          close();
        } else {
          return value(c, i);
        }
      }
      case FIRST_KEY -> {
        if (c == '}') {
          close();
        } else {
          key(c);
        }
      }
      case KEY -> key(c);
      case COLON -> {
        if (c == ':') {
          state = State.VALUE;
        } else {
          broken("a colon");
        }
      }
      case AFTER -> after(c);
      default -> throw new IllegalStateException(String.valueOf(state));
    }
    return i + 1;
  }

  /// A byte order mark may stand before the object (RFC 8259, section 8.1: parsers may ignore it).
  private void start(int c) {
    int mark = startBytes == 0 ? 0xef : startBytes == 1 ? 0xbb : startBytes == 2 ? 0xbf : -1;
    if (c == '{' && (startBytes == 0 || startBytes == 3)) {
      push(topFrame() | OBJECT);
      state = State.FIRST_KEY;
    } else if (c == mark && position == startBytes) {
      startBytes++;
    } else {
      state = State.OTHER;
    }
  }

  private void key(int c) {
    if (c == '"') {
      stringBegins(true, key());
    } else {
      broken("a key");
    }
  }

  private int value(int c, int i) {
    switch (c) {
      case '"' -> stringBegins(false, string());
      case '{' -> {
        push(begins(true) | OBJECT);
        state = state == State.BROKEN ? state : State.FIRST_KEY;
      }
      case '[' -> {
        push(begins(false));
        state = state == State.BROKEN ? state : State.FIRST_ELEMENT;
      }
      case 't' -> literal(TRUE, Scalar.TRUE);
      case 'f' -> literal(FALSE, Scalar.FALSE);
      case 'n' -> literal(NULL, Scalar.NULL);
      case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9' -> {
        state = State.NUMBER;
        numberPart = SIGN;
        negative = c == '-';
        number = 0;
        return negative ? i + 1 : i;
      }
      default -> broken("a value");
    }
    return i + 1;
  }

  private void after(int c) {
    boolean object = (frames[depth] & OBJECT) != 0;
    if (c == ',') {
      state = object ? State.KEY : State.VALUE;
    } else if (c == (object ? '}' : ']')) {
      close();
    } else {
      broken(object ? "a comma or }" : "a comma or ]");
    }
  }

  private void push(int frame) {
    if (depth + 1 == MOST_DEPTH) {
      broken("at most " + MOST_DEPTH + " levels");
      return;
    }
    depth++;
    if (depth == frames.length) {
      frames = Arrays.copyOf(frames, Math.min(frames.length * 4, MOST_DEPTH));
    }
    frames[depth] = (byte) frame;
  }

  private void close() {
    depth--;
    if (depth < 0) {
      state = State.DONE;
    } else {
      state = State.AFTER;
    }
  }

  private void literal(byte[] word, Scalar is) {
    literal = word;
    literalIs = is;
    literalAt = 1;
    state = State.LITERAL;
  }

  private static final byte[] TRUE = {'t', 'r', 'u', 'e'};
  private static final byte[] FALSE = {'f', 'a', 'l', 's', 'e'};
  private static final byte[] NULL = {'n', 'u', 'l', 'l'};

  private int inLiteral(byte[] b, int i, int to) {
    while (i < to && literalAt < literal.length) {
      if (b[i] != literal[literalAt]) {
        broken("a value");
        return i + 1;
      }
      literalAt++;
      i++;
    }
    if (literalAt == literal.length) {
      state = State.AFTER;
      scalar(literalIs);
    }
    return i;
  }

  private static final int SIGN = 0;
  private static final int ZERO = 1;
  private static final int WHOLE = 2;
  private static final int POINT = 3;
  private static final int FRACTION = 4;
  private static final int E = 5;
  private static final int E_SIGN = 6;
  private static final int EXPONENT = 7;

  private int inNumber(byte[] b, int i, int to) {
    for (; i < to; i++) {
      int c = b[i];
      boolean digit = c >= '0' && c <= '9';
      boolean e = c == 'e' || c == 'E';
      int next =
          switch (numberPart) {
            case SIGN -> c == '0' ? ZERO : digit ? WHOLE : -1;
            case ZERO -> c == '.' ? POINT : e ? E : -1;
            case WHOLE -> digit ? WHOLE : c == '.' ? POINT : e ? E : -1;
            case POINT -> digit ? FRACTION : -1;
            case FRACTION -> digit ? FRACTION : e ? E : -1;
            case E -> digit ? EXPONENT : c == '+' || c == '-' ? E_SIGN : -1;
            default -> digit ? EXPONENT : -1;
          };
      if (next < 0) {
        numberEnds();
        return state == State.BROKEN ? i + 1 : i;
      }
      if (next == WHOLE) {
        number = Math.min(number * 10 + (c - '0'), 1L << 40);
      }
      numberPart = next;
    }
    return i;
  }

  private void numberEnds() {
    switch (numberPart) {
      case ZERO, WHOLE -> {
        state = State.AFTER;
        scalar(Scalar.INTEGER);
      }
      case FRACTION, EXPONENT -> {
        state = State.AFTER;
        scalar(Scalar.FRACTION);
      }
      default -> broken("a digit");
    }
  }

  private void stringBegins(boolean asKey, Treatment t) {
    isKey = asKey;
    text.begin(t, !asKey && t == Treatment.COUNT);
    state = State.STRING;
  }

  private int inString(byte[] b, int i, int to) {
    int next = text.read(b, i, to);
    String wrong = text.problem();
    if (wrong != null) {
      broken(wrong);
    } else if (text.ended()) {
      stringEnds();
    }
    return next;
  }

  private void stringEnds() {
    state = isKey ? State.COLON : State.AFTER;
    if (text.heard()) {
      if (isKey) {
        keyEnded();
      } else {
        stringEnded();
      }
    }
  }
}
