package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.util.ByteProcessor;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// The grammar of a request's head and of chunked framing (RFC 9112 sections 2.2, 3, 5, 7.1), byte
/// by byte and without leniency: what it accepts, every reader frames alike. It runs over the bytes
/// that the decoder consumes and copies nothing; bodies of a given length never come here.
final class RequestGrammar implements ByteProcessor {
  private static final int MAX_EXTENSION = 1024;
  private static final String VERSION = "HTTP/0.0";

  private enum State {
    START,
    START_LF,
    METHOD,
    TARGET_START,
    TARGET,
    PROTOCOL,
    LINE_LF,
    FIELD_START,
    NAME,
    VALUE,
    END_LF,
    SIZE_START,
    SIZE,
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF
  }

  private static final int TOKEN = 1;
  private static final int VISIBLE = 2;
  private static final int FIELD = 4;
  private static final byte[] CLASS = new byte[256];

  static {
    Arrays.fill(CLASS, 0x21, 0x7f, (byte) (VISIBLE | FIELD));
    Arrays.fill(CLASS, 0x80, 0x100, (byte) FIELD);
    CLASS[' '] = FIELD;
    CLASS['\t'] = FIELD;
    for (int c = 0; c < 0x7f; c++) {
      if (Character.isLetterOrDigit(c) || "!#$%&'*+-.^_`|~".indexOf(c) >= 0) {
        CLASS[c] |= TOKEN;
      }
    }
  }

  private State state = State.START;
  private boolean blankSeen;
  private boolean firstField;
  private int count;
  private long size;
  private @Nullable String problem;

  /// What is wrong, once something is; names the place, never the bytes.
  @Nullable String problem() {
    return problem;
  }

  /// Whether nothing of a next message has come.
  boolean atStart() {
    return state == State.START;
  }

  /// Whether not even an empty line of a next message has come.
  boolean isFresh() {
    return state == State.START && !blankSeen && problem == null;
  }

  /// What follows is chunked.
  void chunked() {
    state = State.SIZE_START;
  }

  /// What follows is a new message.
  void restart() {
    state = State.START;
    blankSeen = false;
  }

  /// Reads on over bytes that belong to heads, chunk lines, chunk data and trailers.
  void read(ByteBuf b, int from, int to) {
    int at = from;
    while (at < to && problem == null) {
      if (state == State.DATA) {
        int n = (int) Math.min(size, to - at);
        at += n;
        size -= n;
        if (size == 0) {
          state = State.DATA_CR;
        }
      } else {
        int stop = b.forEachByte(at, to - at, this);
        at = stop < 0 ? to : stop + 1;
      }
    }
  }

  @Override
  public boolean process(byte value) {
    int c = value & 0xff;
    switch (state) {
      case START -> start(c);
      case START_LF -> expect(c, '\n', State.START, "bare CR before the request");
      case METHOD -> word(c, TOKEN, State.TARGET_START, "request line (method: a token)");
      case TARGET_START ->
          state =
              is(c, VISIBLE)
                  ? State.TARGET
                  : fail("request line (expected: one space before the target)");
      case TARGET -> {
        word(c, VISIBLE, State.PROTOCOL, "request target (expected: visible ASCII)");
        count = 0;
      }
      case PROTOCOL -> protocol(c);
      case LINE_LF -> expect(c, '\n', State.FIELD_START, "bare CR in the head");
      case FIELD_START -> fieldStart(c);
      case NAME -> {
        if (c == ':') {
          state = State.VALUE;
        } else if (!is(c, TOKEN)) {
          fail(
              c == ' ' || c == '\t'
                  ? "space before the colon of a header field"
                  : "header field name (expected: a token)");
        }
      }
      case VALUE -> {
        if (c == '\r') {
          state = State.LINE_LF;
        } else if (!is(c, FIELD)) {
          fail(c == '\n' ? "bare LF in the head" : "control character in a header field");
        }
      }
      case END_LF -> {
        expect(c, '\n', State.START, "bare CR at the end of the head");
        blankSeen = false;
        return false;
      }
      case SIZE_START -> {
        size = 0;
        count = 0;
        size(c, "chunk size (expected: hexadecimal digits)");
      }
      case SIZE -> {
        switch (c) {
          case '\r' -> state = State.SIZE_LF;
          case ';' -> {
            state = State.EXTENSION;
            count = 0;
          }
          default -> size(c, "chunk size (expected: at most 8 hexadecimal digits, then CR LF)");
        }
      }
      case EXTENSION -> {
        if (c == '\r') {
          state = State.SIZE_LF;
        } else if (!is(c, FIELD) || ++count > MAX_EXTENSION) {
          fail("chunk extension (expected: at most " + MAX_EXTENSION + " visible characters)");
        }
      }
      case SIZE_LF ->
          expect(
              c, '\n', size == 0 ? State.FIELD_START : State.DATA, "bare CR after a chunk's size");
      case DATA_CR -> expect(c, '\r', State.DATA_LF, "no CR LF after a chunk's data");
      case DATA_LF -> expect(c, '\n', State.SIZE_START, "no CR LF after a chunk's data");
      case DATA -> throw new IllegalStateException("data is skipped");
    }
    return problem == null && state != State.DATA;
  }

  private void start(int c) {
    if (c == '\r') {
      if (blankSeen) {
        fail("more than one empty line before a request");
      }
      blankSeen = true;
      state = State.START_LF;
    } else if (is(c, TOKEN)) {
      state = State.METHOD;
      firstField = true;
    } else {
      fail("request line (expected: METHOD target HTTP/1.1)");
    }
  }

  private void fieldStart(int c) {
    if (c == '\r') {
      state = State.END_LF;
    } else if (is(c, TOKEN)) {
      state = State.NAME;
    } else {
      fail(
          switch (c) {
            case ' ', '\t' ->
                firstField
                    ? "space before the first header field"
                    : "a header field over several lines (obs-fold)";
            case ':' -> "header field without a name";
            case '\n' -> "bare LF in the head";
            default -> "header field name (expected: a token)";
          });
    }
    firstField = false;
  }

  private void protocol(int c) {
    if (count == VERSION.length()) {
      expect(c, '\r', State.LINE_LF, "request line (expected: CR LF after the version)");
      return;
    }
    char wanted = VERSION.charAt(count++);
    if (wanted == '0' ? c < '0' || c > '9' : c != wanted) {
      fail("request line (expected: METHOD target HTTP/1.1)");
    }
  }

  private void size(int c, String otherwise) {
    int digit = Character.digit(c, 16);
    if (digit < 0 || ++count > 8) {
      fail(otherwise);
      return;
    }
    size = size << 4 | digit;
    state = State.SIZE;
  }

  private void word(int c, int wanted, State next, String otherwise) {
    if (c == ' ') {
      state = next;
    } else if (!is(c, wanted)) {
      fail(otherwise);
    }
  }

  private void expect(int c, int wanted, State next, String otherwise) {
    if (c == wanted) {
      state = next;
    } else {
      fail(otherwise);
    }
  }

  private State fail(String why) {
    problem = why;
    return state;
  }

  private static boolean is(int c, int wanted) {
    return (CLASS[c] & wanted) != 0;
  }
}
