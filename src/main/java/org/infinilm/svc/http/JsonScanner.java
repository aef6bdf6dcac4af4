package org.infinilm.svc.http;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// Reads one JSON object in pieces of any size, without building it: checks its grammar and its
/// UTF-8, counts the decoded bytes of the strings that its subclass asks to have counted, and keeps
/// the few that it asks to have kept. Memory does not grow with the document. Not thread-safe.
/*
 * One pass, one byte at a time, resumable after each. The subclass names a frame for every object and array and a treatment
 * for every string; strings are the bulk of a body, so runs of plain bytes in them are passed over in loops of one table
 * look-up a byte. Four counters share one long there, 16 bits each: a run is at most RUN bytes, so none can overflow.
 *
 * Stricter than some parsers: RFC 8259 without extensions; UTF-8 without overlong forms and surrogates (RFC 3629, section 4). Looser than all: what
 * follows the object's end is not looked at, which is the instance's to judge.
 */
abstract class JsonScanner {
  /// What is to be done with a string.
  enum Treatment {
    SKIP,
    COUNT,
    KEEP
  }

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

  static final int MOST_KEPT_BYTES = 64 << 10;
  private static final int MOST_DEPTH = 2000;
  private static final int RUN = 32 << 10;
  private static final int OBJECT = 0x80;
  private static final long LETTER = 1;
  private static final long DIGIT = 1L << 16;
  private static final long MARK = 1L << 32;

  /// What a byte inside a string adds to the counters; 0 ends a run.
  private static final long[] ADDS = new long[256];

  static {
    for (int c = 0x20; c < 0x80; c++) {
      ADDS[c] =
          c >= '0' && c <= '9'
              ? DIGIT
              : c == ' ' || (c | 0x20) >= 'a' && (c | 0x20) <= 'z' ? LETTER : MARK;
    }
    ADDS['"'] = 0;
    ADDS['\\'] = 0;
  }

  private static final byte[] DATA_URL = {'d', 'a', 't', 'a', ':'};

  private State state = State.START;
  private int startBytes;
  private byte[] frames = new byte[16];
  private int depth = -1;
  private long position;
  private @Nullable String problem;
  private String expected = "";

  private boolean isKey;
  private Treatment treatment = Treatment.SKIP;
  private byte[] kept = new byte[64];
  private int keptBytes;
  private int escape;
  private int unit;
  private int highSurrogate;
  private int utf8More;
  private int utf8Low;
  private int utf8High;
  private int urlMatched;

  /// Decoded bytes of the string that is being counted, by kind.
  long letters;

  long digits;
  long marks;
  long multiByte;

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
  ///
  /// @param dataUrl it began as a `data:` URL does, and was not counted to its end
  abstract void stringEnded(boolean dataUrl);

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

  /// Bytes of the string that was to be kept, or -1 when there are more than [#MOST_KEPT_BYTES].
  final int keptBytes() {
    return keptBytes;
  }

  final byte[] kept() {
    return kept;
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
    treatment = t;
    keptBytes = 0;
    escape = 0;
    highSurrogate = 0;
    utf8More = 0;
    urlMatched = t == Treatment.COUNT && !asKey ? 0 : -1;
    letters = 0;
    digits = 0;
    marks = 0;
    multiByte = 0;
    state = State.STRING;
  }

  private void stringEnds() {
    boolean dataUrl = urlMatched == Integer.MAX_VALUE;
    boolean heard = treatment != Treatment.SKIP || dataUrl;
    keepPending();
    if (isKey) {
      state = State.COLON;
      if (heard) {
        keyEnded();
      }
    } else {
      state = State.AFTER;
      if (heard) {
        stringEnded(dataUrl);
      }
    }
  }

  private int inString(byte[] b, int i, int to) {
    while (i < to) {
      if (escape > 0) {
        escaped(b[i++]);
      } else if (utf8More > 0) {
        continuation(b[i++] & 0xff);
      } else {
        int from = i;
        int stop = Math.min(to, i + RUN);
        if (urlMatched >= 0 && urlMatched < Integer.MAX_VALUE) {
          stop = Math.min(stop, i + 1);
        }
        long sum = 0;
        for (; i < stop; i++) {
          long adds = ADDS[b[i] & 0xff];
          if (adds == 0) {
            break;
          }
          sum += adds;
        }
        if (i > from) {
          run(b, from, i, sum);
        } else if (b[i] == '"') {
          stringEnds();
          return i + 1;
        } else {
          special(b[i++] & 0xff);
        }
      }
      if (state != State.STRING) {
        return i;
      }
    }
    return i;
  }

  private void run(byte[] b, int from, int to, long sum) {
    switch (treatment) {
      case SKIP -> {}
      case COUNT -> {
        letters += sum & 0xffff;
        digits += sum >>> 16 & 0xffff;
        marks += sum >>> 32;
        urlByte(b[from]);
      }
      case KEEP -> {
        keepPending();
        keep(b, from, to);
      }
    }
  }

  /// A byte that ends a run: an escape, the start of a character of several bytes, or none allowed.
  private void special(int c) {
    if (c == '\\') {
      escape = 1;
      return;
    }
    if (c < 0x20) {
      broken("control characters in strings escaped");
      return;
    }
    utf8Low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    utf8High = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (c >= 0xc2 && c <= 0xdf) {
      utf8More = 1;
    } else if (c >= 0xe0 && c <= 0xef) {
      utf8More = 2;
    } else if (c >= 0xf0 && c <= 0xf4) {
      utf8More = 3;
    } else {
      broken("UTF-8");
      return;
    }
    multi(c);
  }

  private void continuation(int c) {
    if (c < utf8Low || c > utf8High) {
      broken("UTF-8");
      return;
    }
    utf8Low = 0x80;
    utf8High = 0xbf;
    utf8More--;
    multi(c);
  }

  private void multi(int c) {
    multiByte++;
    urlMatched = urlMatched == Integer.MAX_VALUE ? urlMatched : -1;
    if (treatment == Treatment.KEEP) {
      keepPending();
      keep(c);
    }
  }

  private void escaped(int c) {
    if (escape == 1) {
      switch (c) {
        case '"', '\\', '/' -> decoded(c);
        case 'n' -> decoded('\n');
        case 't' -> decoded('\t');
        case 'r' -> decoded('\r');
        case 'b' -> decoded('\b');
        case 'f' -> decoded('\f');
        case 'u' -> {
          escape = 2;
          unit = 0;
        }
        default -> broken("an escape that JSON knows");
      }
      return;
    }
    int digit = c < 0 ? -1 : Character.digit(c, 16);
    if (digit < 0) {
      broken("four hexadecimal digits");
      return;
    }
    unit = unit << 4 | digit;
    if (++escape == 6) {
      codeUnit();
    }
  }

  /// A character of one byte that was escaped.
  private void decoded(int c) {
    escape = 0;
    if (c <= ' ') {
      letters++;
    } else if (c >= '0' && c <= '9') {
      digits++;
    } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') {
      letters++;
    } else {
      marks++;
    }
    if (treatment == Treatment.COUNT) {
      urlByte(c);
    } else if (treatment == Treatment.KEEP) {
      keepPending();
      keep(c);
    }
  }

  private void codeUnit() {
    escape = 0;
    if (unit < 0x80) {
      decoded(unit);
      return;
    }
    boolean surrogate = unit >= 0xd800 && unit <= 0xdfff;
    multiByte += unit < 0x800 || surrogate ? 2 : 3;
    urlMatched = urlMatched == Integer.MAX_VALUE ? urlMatched : -1;
    if (treatment != Treatment.KEEP) {
      return;
    }
    if (surrogate && unit >= 0xdc00 && highSurrogate != 0) {
      keepCharacter(Character.toCodePoint((char) highSurrogate, (char) unit));
      highSurrogate = 0;
      return;
    }
    keepPending();
    if (surrogate && unit < 0xdc00) {
      highSurrogate = unit;
    } else {
      keepCharacter(surrogate ? 0xfffd : unit);
    }
  }

  /// Keeps a replacement character for half a surrogate pair that stayed alone.
  private void keepPending() {
    if (highSurrogate != 0) {
      highSurrogate = 0;
      keepCharacter(0xfffd);
    }
  }

  private void keepCharacter(int c) {
    if (c < 0x800) {
      keep(0xc0 | c >> 6);
    } else {
      if (c < 0x10000) {
        keep(0xe0 | c >> 12);
      } else {
        keep(0xf0 | c >> 18);
        keep(0x80 | c >> 12 & 0x3f);
      }
      keep(0x80 | c >> 6 & 0x3f);
    }
    keep(0x80 | c & 0x3f);
  }

  private void keep(int c) {
    if (room(1)) {
      kept[keptBytes++] = (byte) c;
    }
  }

  private void keep(byte[] b, int from, int to) {
    if (room(to - from)) {
      System.arraycopy(b, from, kept, keptBytes, to - from);
      keptBytes += to - from;
    }
  }

  private boolean room(int more) {
    if (keptBytes < 0 || keptBytes + more > MOST_KEPT_BYTES) {
      keptBytes = -1;
      return false;
    }
    if (keptBytes + more > kept.length) {
      kept = Arrays.copyOf(kept, Math.max(kept.length * 2, keptBytes + more));
    }
    return true;
  }

  /// Follows the start of a counted string: `data:`, letters, a slash make it a data URL (RFC
  /// 2397), which is no text.
  private void urlByte(int c) {
    if (urlMatched < 0 || urlMatched == Integer.MAX_VALUE) {
      return;
    }
    if (urlMatched < DATA_URL.length) {
      urlMatched = c == DATA_URL[urlMatched] ? urlMatched + 1 : -1;
    } else if (c == '/' && urlMatched > DATA_URL.length) {
      urlMatched = Integer.MAX_VALUE;
      treatment = Treatment.SKIP;
    } else {
      boolean letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
      urlMatched = letter && urlMatched < 32 ? urlMatched + 1 : -1;
    }
  }
}
