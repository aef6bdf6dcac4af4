package org.infinilm.svc.http;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// Reads the strings of a JSON document in pieces of any size: undoes their escapes, checks their
/// UTF-8 (RFC 3629), and counts, keeps or passes over what they hold. One object for all strings of
/// a document. Not thread-safe.
/*
 * Strings are the bulk of a body, so their plain bytes are read eight at a time: a word without
 * quotes, backslashes, control characters and bytes beyond ASCII is counted by range checks on all
 * of its bytes at once (Lamport, Multiple Byte Processing with Full-Word Instructions, 1975). Whole
 * characters of two and three bytes and short escapes have a way of their own; what is left, and
 * all that is cut by the end of a piece, goes byte by byte.
 */
final class JsonString {
  /// What is to be done with a string.
  enum Treatment {
    SKIP,
    COUNT,
    KEEP
  }

  static final int MOST_KEPT_BYTES = 64 << 10;

  private static final VarHandle WORD =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
  private static final long ONES = 0x0101010101010101L;
  private static final long HIGH = ONES << 7;
  private static final byte[] DATA_URL = {'d', 'a', 't', 'a', ':'};
  private static final int URL = Integer.MAX_VALUE;
  private static final int NO_URL = -1;

  private static final int PLAIN = 0;
  private static final int BACKSLASH = 1;
  private static final int ALL_DIGITS = 6;

  private Treatment treatment = Treatment.SKIP;
  private boolean ended;
  private @Nullable String problem;
  private int escape;
  private int unit;
  private int highSurrogate;
  private int utf8More;
  private int utf8Low;
  private int utf8High;
  private int urlMatched;
  private byte[] kept = new byte[64];
  private int keptBytes;
  private long letters;
  private long digits;
  private long marks;
  private long multiByte;

  /// Begins a string, behind its quote.
  ///
  /// @param mayBeUrl whether a `data:` URL is looked for at its start
  void begin(Treatment t, boolean mayBeUrl) {
    treatment = t;
    ended = false;
    escape = PLAIN;
    highSurrogate = 0;
    utf8More = 0;
    urlMatched = mayBeUrl ? 0 : NO_URL;
    keptBytes = 0;
    letters = 0;
    digits = 0;
    marks = 0;
    multiByte = 0;
  }

  /// Whether the closing quote has come.
  boolean ended() {
    return ended;
  }

  /// What was expected instead of the byte that was read last, or null.
  @Nullable String problem() {
    return problem;
  }

  /// Whether it was counted or kept, or would have been but for its being a `data:` URL.
  boolean heard() {
    return treatment != Treatment.SKIP || isDataUrl();
  }

  /// Whether it began as a `data:` URL does (RFC 2397); it is then not counted to its end.
  boolean isDataUrl() {
    return urlMatched == URL;
  }

  /// ASCII letters and white space.
  long letters() {
    return letters;
  }

  long digits() {
    return digits;
  }

  /// ASCII that is neither.
  long marks() {
    return marks;
  }

  /// Bytes of characters beyond ASCII.
  long multiByte() {
    return multiByte;
  }

  /// The first [#keptBytes()] bytes are the string that was to be kept, in UTF-8.
  byte[] kept() {
    return kept;
  }

  /// -1 when there are more than [#MOST_KEPT_BYTES].
  int keptBytes() {
    return keptBytes;
  }

  /// Reads on; returns the index behind the last byte that was read, which is the closing quote, or
  /// wrong, or the last one of this piece.
  int read(byte[] b, int from, int to) {
    int i = from;
    while (i < to && !ended && problem == null) {
      if (escape != PLAIN) {
        escaped(b[i++]);
      } else if (utf8More > 0) {
        continuation(b[i++] & 0xff);
      } else if (urlMatched != NO_URL && urlMatched != URL && isPlain(b[i])) {
        plainByte(b[i++]);
      } else {
        i = whole(b, i, to);
      }
    }
    return i;
  }

  /// Reads plain bytes and whole characters, then one byte of what is neither.
  private int whole(byte[] b, int from, int to) {
    int i = plain(b, from, to);
    if (i == to) {
      return i;
    }
    int c = b[i];
    if (c == '"') {
      keepPending();
      ended = true;
      return i + 1;
    }
    if (c == '\\') {
      escape = BACKSLASH;
      if (i + 1 == to) {
        return to;
      }
      escaped(b[i + 1]);
      return i + 2;
    }
    if (c < 0 && treatment != Treatment.KEEP) {
      int next = characters(b, i, to);
      if (next > i) {
        return next;
      }
    }
    lead(c & 0xff);
    return i + 1;
  }

  private static boolean isPlain(byte c) {
    return c >= 0x20 && c != '"' && c != '\\';
  }

  private int plain(byte[] b, int from, int to) {
    if (treatment == Treatment.COUNT) {
      return counted(b, from, to);
    }
    int i = from;
    while (i <= to - 8 && special((long) WORD.get(b, i)) == 0) {
      i += 8;
    }
    while (i < to && isPlain(b[i])) {
      i++;
    }
    if (treatment == Treatment.KEEP && i > from) {
      keepPending();
      keep(b, from, i);
    }
    return i;
  }

  /// Counts plain bytes. In a word of them, adding to a byte sets its high bit when it is large
  /// enough.
  private int counted(byte[] b, int from, int to) {
    int manyLetters = 0;
    int manyDigits = 0;
    int i = from;
    for (; i <= to - 8; i += 8) {
      long w = (long) WORD.get(b, i);
      if (special(w) != 0) {
        break;
      }
      long lower = w | 0x20 * ONES;
      long letter = (lower + (0x80 - 'a') * ONES) & ~(lower + (0x7f - 'z') * ONES);
      long space = ~((w ^ ' ' * ONES) + 0x7f * ONES);
      long digit = (w + (0x80 - '0') * ONES) & ~(w + (0x7f - '9') * ONES);
      manyLetters += Long.bitCount((letter | space) & HIGH);
      manyDigits += Long.bitCount(digit & HIGH);
    }
    letters += manyLetters;
    digits += manyDigits;
    marks += i - from - manyLetters - manyDigits;
    for (; i < to && isPlain(b[i]); i++) {
      countByte(b[i]);
    }
    return i;
  }

  /// Not 0 when a byte of the word is a quote, a backslash, a control character or beyond ASCII.
  private static long special(long w) {
    long quote = w ^ '"' * ONES;
    long backslash = w ^ '\\' * ONES;
    long any =
        ((w - 0x20 * ONES) & ~w)
            | ((quote - ONES) & ~quote)
            | ((backslash - ONES) & ~backslash)
            | w;
    return any & HIGH;
  }

  private void countByte(int c) {
    if (c <= ' ' || isLetter(c)) {
      letters++;
    } else if (c >= '0' && c <= '9') {
      digits++;
    } else {
      marks++;
    }
  }

  private static boolean isLetter(int c) {
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
  }

  /// Passes over whole characters of two or three bytes, as long as they are well formed beyond
  /// doubt; returns the index behind them.
  private int characters(byte[] b, int from, int to) {
    int i = from;
    while (i < to - 2) {
      int c = b[i] & 0xff;
      if ((b[i + 1] & 0xc0) != 0x80) {
        break;
      }
      if (c >= 0xe1 && c <= 0xec || c == 0xee || c == 0xef) {
        if ((b[i + 2] & 0xc0) != 0x80) {
          break;
        }
        i += 3;
      } else if (c >= 0xc2 && c <= 0xdf) {
        i += 2;
      } else {
        break;
      }
    }
    multiByte += i - from;
    noUrl(i > from);
    return i;
  }

  /// A byte that begins a character of several bytes, or may not stand here.
  private void lead(int c) {
    if (c < 0x20) {
      problem = "control characters in strings escaped";
      return;
    }
    utf8Low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    utf8High = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    utf8More =
        c >= 0xc2 && c <= 0xdf ? 1 : c >= 0xe0 && c <= 0xef ? 2 : c >= 0xf0 && c <= 0xf4 ? 3 : 0;
    if (utf8More == 0) {
      problem = "UTF-8";
      return;
    }
    multi(c);
  }

  private void continuation(int c) {
    if (c < utf8Low || c > utf8High) {
      problem = "UTF-8";
      return;
    }
    utf8Low = 0x80;
    utf8High = 0xbf;
    utf8More--;
    multi(c);
  }

  private void multi(int c) {
    multiByte++;
    noUrl(true);
    if (treatment == Treatment.KEEP) {
      keepPending();
      keep(c);
    }
  }

  private void escaped(int c) {
    if (escape == BACKSLASH) {
      switch (c) {
        case '"', '\\', '/' -> plainByte(c);
        case 'n' -> plainByte('\n');
        case 't' -> plainByte('\t');
        case 'r' -> plainByte('\r');
        case 'b' -> plainByte('\b');
        case 'f' -> plainByte('\f');
        case 'u' -> {
          escape++;
          unit = 0;
        }
        default -> problem = "an escape that JSON knows";
      }
      return;
    }
    int digit = c < 0 ? -1 : Character.digit(c, 16);
    if (digit < 0) {
      problem = "four hexadecimal digits";
      return;
    }
    unit = unit << 4 | digit;
    if (++escape == ALL_DIGITS) {
      codeUnit();
    }
  }

  /// A character of one byte, whose escape is over if it had one.
  private void plainByte(int c) {
    escape = PLAIN;
    if (treatment == Treatment.COUNT) {
      countByte(c);
      urlByte(c);
    } else if (treatment == Treatment.KEEP) {
      keepPending();
      keep(c);
    }
  }

  private void codeUnit() {
    escape = PLAIN;
    if (unit < 0x80) {
      plainByte(unit);
      return;
    }
    boolean surrogate = unit >= 0xd800 && unit <= 0xdfff;
    multiByte += unit < 0x800 || surrogate ? 2 : 3;
    noUrl(true);
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

  /// Follows the start of a counted string: `data:`, letters and a slash make it a `data:` URL.
  private void urlByte(int c) {
    if (urlMatched == NO_URL || urlMatched == URL) {
      return;
    }
    if (urlMatched < DATA_URL.length) {
      urlMatched = c == DATA_URL[urlMatched] ? urlMatched + 1 : NO_URL;
    } else if (c == '/' && urlMatched > DATA_URL.length) {
      urlMatched = URL;
      treatment = Treatment.SKIP;
    } else {
      urlMatched = isLetter(c) && urlMatched < 32 ? urlMatched + 1 : NO_URL;
    }
  }

  private void noUrl(boolean sure) {
    if (sure && urlMatched != URL) {
      urlMatched = NO_URL;
    }
  }
}
