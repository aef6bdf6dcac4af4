package org.infinilm.svc.http;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
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

  // Where it stands between two bytes. Those from DONE on want no more input.
  private static final int START = 0;
  private static final int VALUE = 1;
  private static final int FIRST_ELEMENT = 2;
  private static final int FIRST_KEY = 3;
  private static final int KEY = 4;
  private static final int COLON = 5;
  private static final int AFTER = 6;
  private static final int STRING = 7;
  private static final int NUMBER = 8;
  private static final int LITERAL = 9;
  private static final int DONE = 10;
  private static final int OTHER = 11;
  private static final int BROKEN = 12;

  private static final int MOST_DEPTH = 2000;

  private static final int FIRST_FRAMES = 16;

  /// What is kept for the next document.
  private static final int MOST_KEPT_FRAMES = 64;

  private static final byte[] NOTHING = {};
  private static final int LEADS = 4;
  private static final int MOST_LEAD = 64;
  private static final int MOST_LEARNED = 64;
  private static final int OBJECT = 0x80;

  private static final VarHandle WORD =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  private int state = START;
  private int markBytes;
  private byte[] frames = new byte[FIRST_FRAMES];
  private int depth = -1;
  private long position;
  private @Nullable String problem;
  private String expected = "";

  /// The string that was read last; of interest while its end is being told.
  final JsonString text;

  private boolean isKey;
  private int feedFrom;
  private long stringFrom;
  private long stringTo;
  private int numberPart;
  private boolean negative;
  private long number;

  /// What stood between the brace of an object and the text of its first counted string.
  private byte[][] leads = {};

  private int[] leadFrames = {};
  private Object[] leadMarks = {};
  private int learned;

  private byte[] literal = NOTHING;
  private int literalAt;
  private Scalar literalIs = Scalar.NULL;

  /// @param kinds whether the ASCII of strings is counted by kind
  JsonScanner(boolean kinds, Blocks.By by) {
    text = new JsonString(kinds, by);
  }

  /// Forgets everything that was read: as good as a new one, for another document.
  void reset() {
    text.reset();
    state = START;
    markBytes = 0;
    depth = -1;
    position = 0;
    problem = null;
    expected = "";
    isKey = false;
    feedFrom = 0;
    stringFrom = 0;
    stringTo = 0;
    numberPart = SIGN;
    negative = false;
    number = 0;
    learned = 0;
    literal = NOTHING;
    literalAt = 0;
    literalIs = Scalar.NULL;
    toKey = 0;
    if (frames.length > MOST_KEPT_FRAMES) {
      frames = new byte[FIRST_FRAMES];
    }
  }

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

  /// Whether objects of this frame begin alike, as messages do: one that begins with the same bytes
  /// as another is read on behind them, with that one's [#mark].
  boolean repeats() {
    return false;
  }

  /// Whether the string value that was begun last is of no interest, and its key neither.
  boolean isIdle() {
    return false;
  }

  /// What there is to know at the first counted string of an object that repeats.
  Object mark() {
    return this;
  }

  /// Takes a mark over, as if what came before that string had been read.
  void mark(Object m) {}

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

  /// Where the string that was read last begins, at its quote, counted from the first byte fed.
  final long stringFrom() {
    return stringFrom;
  }

  /// Where the string that was read last has ended, behind its quote.
  final long stringTo() {
    return stringTo;
  }

  final boolean empty() {
    return state == START;
  }

  /// Whether it began as something other than an object.
  final boolean other() {
    return state == OTHER;
  }

  /// What is wrong, or null; asked at the end of the input.
  final @Nullable String problem() {
    return state == DONE
        ? null
        : problem != null ? problem : "unexpected end after " + position + " bytes";
  }

  /// Whether more input could still change anything.
  public final boolean wantsMore() {
    return state < DONE;
  }

  public final void feed(byte[] b, int from, int to) {
    for (int i = from; i < to && state < DONE; ) {
      int end = text.piece(b, i, to, state == STRING);
      feedFrom = i;
      i = piece(b, i, end);
      position += i - feedFrom;
    }
    if (state == BROKEN && problem == null) {
      problem = "at byte " + (position - 1) + " (expected: " + expected + ")";
    }
  }

  private int piece(byte[] b, int from, int to) {
    int i = from;
    while (i < to && state < DONE) {
      i =
          switch (state) {
            case STRING -> inString(b, i, to);
            case NUMBER -> inNumber(b, i, to);
            case LITERAL -> inLiteral(b, i, to);
            default -> between(b, i, to);
          };
    }
    return i;
  }

  /// Ends the reading at the byte that was looked at last, which counts as read.
  private void broken(String expectedInstead) {
    state = BROKEN;
    expected = expectedInstead;
  }

  /// Passes over blanks and at least one token, or its first byte.
  private int between(byte[] b, int from, int to) {
    int i = blanks(b, from, to);
    if (state == START && i > from) {
      markBytes = markBytes % MARK.length == 0 ? MARK.length : NO_START;
    }
    if (i == to) {
      return i;
    }
    int c = b[i++];
    return switch (state) {
      case START -> {
        start(c);
        yield i;
      }
      case FIRST_ELEMENT -> c == ']' ? close(b, i, to) : value(c, b, i, to);
      case VALUE -> value(c, b, i, to);
      case FIRST_KEY -> c == '}' ? close(b, i, to) : key(c, b, i, to);
      case KEY -> key(c, b, i, to);
      case COLON -> {
        if (c == ':') {
          state = VALUE;
        } else {
          broken("a colon");
        }
        yield i;
      }
      default -> after(c, b, i, to);
    };
  }

  private static int blanks(byte[] b, int from, int to) {
    int i = from;
    while (i < to && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t')) {
      i++;
    }
    return i;
  }

  private static final byte[] MARK = {(byte) 0xef, (byte) 0xbb, (byte) 0xbf};
  private static final int NO_START = 4;

  /// A byte order mark may stand before the object (RFC 8259, section 8.1: parsers may ignore it),
  /// and nowhere else: behind a blank the object alone may begin.
  private void start(int c) {
    if (c == '{' && (markBytes == 0 || markBytes == MARK.length)) {
      push(topFrame() | OBJECT);
      state = FIRST_KEY;
    } else if (markBytes < MARK.length && c == MARK[markBytes]) {
      markBytes++;
    } else {
      state = OTHER;
    }
  }

  private int key(int c, byte[] b, int i, int to) {
    if (c == '"') {
      return members(b, i, to, NO_LEAD);
    }
    broken("a key");
    return i;
  }

  /// Reads members of an object, the first of them behind the quote of its key, as long as their
  /// values are strings: most of a chat is such, and a way without a choice among states for each
  /// token is twice as fast.
  ///
  /// @param leadFrom where the object's first key begins, at its quote; else [#NO_LEAD]
  private int members(byte[] b, int from, int to, int leadFrom) {
    int i = from;
    int lead = leadFrom;
    while (true) {
      i = stringBegins(b, i, to, true, key());
      if (state != COLON || i == to || b[i] != ':') {
        return i;
      }
      state = VALUE;
      i = blanks(b, i + 1, to);
      if (i == to || b[i] != '"') {
        return i;
      }
      Treatment t = string();
      if (lead != NO_LEAD) {
        if (t == Treatment.COUNT) {
          learn(b, lead, i + 1);
        }
        lead = t == Treatment.SKIP && isIdle() ? lead : NO_LEAD;
      }
      i = stringBegins(b, i + 1, to, false, t);
      if (!isAtKey(b, i, to)) {
        return toKey;
      }
      i = toKey + 1;
    }
  }

  private static final int NO_LEAD = -1;

  /// Where [#isAtKey] has come to.
  private int toKey;

  /// Whether a value that has ended before `i` is followed by a key, up to whose quote it reads on.
  private boolean isAtKey(byte[] b, int i, int to) {
    toKey = i;
    if (state != AFTER || i == to || b[i] != ',') {
      return false;
    }
    state = KEY;
    toKey = blanks(b, i + 1, to);
    return toKey < to && b[toKey] == '"';
  }

  private void learn(byte[] b, int from, int to) {
    if (to - from <= MOST_LEAD && learned < MOST_LEARNED && repeats()) {
      if (leads.length == 0) {
        leads = new byte[LEADS][0];
        leadFrames = new int[LEADS];
        leadMarks = new Object[LEADS];
      }
      int k = learned++ % LEADS;
      // clients word their messages alike, from document to document too
      if (!Arrays.equals(leads[k], 0, leads[k].length, b, from, to)) {
        leads[k] = Arrays.copyOfRange(b, from, to);
      }
      leadFrames[k] = frame();
      leadMarks[k] = mark();
    }
  }

  /// Which lead stands at `i`, where an object has just begun, or -1.
  private int leadAt(byte[] b, int i, int to) {
    for (int k = 0; k < LEADS && k < learned; k++) {
      if (leadFrames[k] == frame() && stands(leads[k], b, i, to)) {
        return k;
      }
    }
    return -1;
  }

  /// Whether these bytes stand at `i`. A word at a time: they are few, and this is asked for each
  /// message.
  private static boolean stands(byte[] these, byte[] b, int i, int to) {
    int n = these.length;
    if (n > to - i) {
      return false;
    }
    if (n < Long.BYTES) {
      return Arrays.equals(b, i, i + n, these, 0, n);
    }
    int lastWord = n - Long.BYTES;
    for (int k = 0; k < lastWord; k += Long.BYTES) {
      if ((long) WORD.get(b, i + k) != (long) WORD.get(these, k)) {
        return false;
      }
    }
    return (long) WORD.get(b, i + lastWord) == (long) WORD.get(these, lastWord);
  }

  /// An object begins; its first members are read here, where they are strings.
  private int object(byte[] b, int i, int to) {
    state = FIRST_KEY;
    if (i == to || b[i] != '"') {
      return i;
    }
    int k = learned == 0 ? -1 : leadAt(b, i, to);
    return k < 0 ? members(b, i + 1, to, i) : alike(b, i, to, k);
  }

  /// Reads on behind the lead of an object, and behind those of the objects that follow it right
  /// there: what lies between them is then known too.
  private int alike(byte[] b, int from, int to, int lead) {
    int i = from;
    int k = lead;
    while (true) {
      mark(leadMarks[k]);
      i = stringBegins(b, i + leads[k].length, to, false, string());
      if (!isBeforeAnother(b, i, to)) {
        return isAtKey(b, i, to) ? members(b, toKey + 1, to, NO_LEAD) : toKey;
      }
      depth--;
      push(begins(true) | OBJECT);
      i += BETWEEN_OBJECTS;
      k = leadAt(b, i, to);
      if (k < 0) {
        state = FIRST_KEY;
        return b[i] == '"' ? members(b, i + 1, to, i) : i;
      }
    }
  }

  private static final int BETWEEN_OBJECTS = 3;

  /// Whether the innermost open object ends at `i` and another begins behind a comma.
  private boolean isBeforeAnother(byte[] b, int i, int to) {
    return state == AFTER
        && to - i > BETWEEN_OBJECTS
        && b[i] == '}'
        && b[i + 1] == ','
        && b[i + 2] == '{'
        && depth > 0
        && (frames[depth - 1] & OBJECT) == 0;
  }

  private int value(int c, byte[] b, int i, int to) {
    switch (c) {
      case '"' -> {
        return stringBegins(b, i, to, false, string());
      }
      case '{' -> {
        push(begins(true) | OBJECT);
        if (state != BROKEN) {
          return object(b, i, to);
        }
      }
      case '[' -> {
        push(begins(false));
        state = state == BROKEN ? state : FIRST_ELEMENT;
      }
      case 't' -> literal(TRUE, Scalar.TRUE);
      case 'f' -> literal(FALSE, Scalar.FALSE);
      case 'n' -> literal(NULL, Scalar.NULL);
      case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9' -> {
        state = NUMBER;
        numberPart = SIGN;
        negative = c == '-';
        number = 0;
        return negative ? i : i - 1;
      }
      default -> broken("a value");
    }
    return i;
  }

  private int after(int c, byte[] b, int i, int to) {
    boolean object = (frames[depth] & OBJECT) != 0;
    if (c == (object ? '}' : ']')) {
      return close(b, i, to);
    }
    if (c != ',') {
      broken(object ? "a comma or }" : "a comma or ]");
      return i;
    }
    state = object ? KEY : VALUE;
    int next = blanks(b, i, to);
    if (next == to) {
      return next;
    }
    return object ? key(b[next], b, next + 1, to) : value(b[next], b, next + 1, to);
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

  /// An object or array ends before `i`; reads on behind a comma that stands right there.
  private int close(byte[] b, int i, int to) {
    depth--;
    if (depth < 0) {
      state = DONE;
      return i;
    }
    state = AFTER;
    return i < to && b[i] == ',' ? after(',', b, i + 1, to) : i;
  }

  private void literal(byte[] word, Scalar is) {
    literal = word;
    literalIs = is;
    literalAt = 1;
    state = LITERAL;
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
      state = AFTER;
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
        return state == BROKEN ? i + 1 : i;
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
        state = AFTER;
        scalar(Scalar.INTEGER);
      }
      case FRACTION, EXPONENT -> {
        state = AFTER;
        scalar(Scalar.FRACTION);
      }
      default -> broken("a digit");
    }
  }

  /// A string begins at `i`, behind its quote. One that is short, plain and all here is done with
  /// at once.
  private int stringBegins(byte[] b, int i, int to, boolean asKey, Treatment t) {
    isKey = asKey;
    stringFrom = position + (i - 1 - feedFrom);
    int end = text.inPlace(b, i, to, t);
    if (end >= 0) {
      stringTo = position + (end + 1 - feedFrom);
      stringEnds();
      return end + 1;
    }
    text.begin(t, !asKey && t == Treatment.COUNT);
    state = STRING;
    return i < to ? inString(b, i, to) : i;
  }

  private int inString(byte[] b, int i, int to) {
    int next = text.read(b, i, to);
    String wrong = text.problem();
    if (wrong != null) {
      broken(wrong);
    } else if (text.ended()) {
      stringTo = position + (next - feedFrom);
      stringEnds();
    }
    return next;
  }

  private void stringEnds() {
    state = isKey ? COLON : AFTER;
    if (text.heard()) {
      if (isKey) {
        keyEnded();
      } else {
        stringEnded();
      }
    }
  }
}
