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

  private static final int MOST_SHORT = 64;
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

  private final boolean kinds;
  private final Blocks.By by;
  private @Nullable Blocks blocks;
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
  private static final byte[] NOTHING = {};
  private static final int FIRST_KEPT = 64;

  /// What is kept for the next document.
  private static final int MOST_OWN_BYTES = 1024;

  /// Made when something is kept that does not lie as it is in what was read.
  private byte[] own = NOTHING;

  private byte[] kept = own;
  private int keptFrom;
  private int keptBytes;
  private long letters;
  private long digits;
  private long marks;
  private long multiByte;

  /// @param kinds whether text is counted by kind; else all of it counts as marks
  JsonString(boolean kinds, Blocks.By by) {
    this.kinds = kinds;
    this.by = by;
  }

  /// Forgets everything that was read: as good as a new one.
  void reset() {
    begin(Treatment.SKIP, true);
    blocks = null;
    problem = null;
    unit = 0;
    utf8Low = 0;
    utf8High = 0;
    if (own.length > MOST_OWN_BYTES) {
      own = NOTHING;
      kept = own;
    }
  }

  /// A piece begins, of which the bytes up to `to` are here; until the next one begins, strings are
  /// read from no other array.
  ///
  /// @param inside whether a string that has begun goes on in it
  /// @return where it ends, since what is read by blocks has a largest size
  int piece(byte[] b, int from, int to, boolean inside) {
    int end = Math.min(to, from + Blocks.PIECE_BYTES);
    blocks = Blocks.of(b, from, end, inside && escape == BACKSLASH, kinds, by);
    return blocks == null ? to : end;
  }

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
    kept = own;
    keptFrom = 0;
    keptBytes = 0;
    clear();
  }

  private void clear() {
    letters = 0;
    digits = 0;
    marks = 0;
    multiByte = 0;
  }

  /// Reads a string at once, if all of it is here and it is short and has nothing but plain bytes;
  /// what it keeps is then kept by reference.
  ///
  /// @param from behind the opening quote
  /// @return index of the closing quote, -1 when the string has to be begun and read
  int inPlace(byte[] b, int from, int to, Treatment t) {
    Blocks k = blocks;
    if (k != null && t != Treatment.KEEP) {
      return inBlocks(k, b, from, to, t);
    }
    int end = plainEnd(b, from, Math.min(to, from + MOST_SHORT));
    if (end == to || b[end] != '"' || (t == Treatment.COUNT && b[from] == DATA_URL[0])) {
      return -1;
    }
    treatment = t;
    urlMatched = NO_URL;
    if (t == Treatment.KEEP) {
      kept = b;
      keptFrom = from;
      keptBytes = end - from;
    } else if (t == Treatment.COUNT) {
      clear();
      words(b, from, end);
    }
    return end;
  }

  private int inBlocks(Blocks k, byte[] b, int from, int to, Treatment t) {
    boolean counts = t == Treatment.COUNT;
    int end = counts && !kinds ? k.stopCounting(from) : k.stop(from);
    if (end == to || b[end] != '"' || (counts && b[from] == DATA_URL[0])) {
      return -1;
    }
    treatment = t;
    urlMatched = NO_URL;
    if (counts) {
      clear();
      if (kinds) {
        count(k, from, end);
      } else {
        marks = (long) end - from - k.silentBefore;
      }
    }
    return end;
  }

  /// Counts text that has no stops.
  private void count(Blocks k, int from, int to) {
    int bytes = to - from - k.count(k.silent, from, to);
    if (kinds) {
      int l = k.count(k.letters, from, to);
      int d = k.count(k.digits, from, to);
      int w = k.count(k.wide, from, to);
      letters += l;
      digits += d;
      multiByte += w;
      bytes -= l + d + w;
    }
    marks += bytes;
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

  /// The [#keptBytes()] bytes from [#keptFrom()] on are the string that was to be kept, in UTF-8.
  byte[] kept() {
    return kept;
  }

  int keptFrom() {
    return keptFrom;
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
      } else if (isUrlOpen()) {
        i = one(b, i);
      } else {
        int next = run(b, i, to);
        i = next < to ? odd(b, next, to) : next;
      }
    }
    return i;
  }

  private boolean isUrlOpen() {
    return urlMatched != NO_URL && urlMatched != URL;
  }

  private static boolean isPlain(byte c) {
    return c >= 0x20 && c != '"' && c != '\\';
  }

  /// Reads whole characters of several bytes, else one byte.
  private int odd(byte[] b, int i, int to) {
    if (b[i] < 0 && treatment != Treatment.KEEP) {
      int next = characters(b, i, to);
      if (next > i) {
        return next;
      }
    }
    return one(b, i);
  }

  private int one(byte[] b, int i) {
    byte c = b[i];
    if (isPlain(c)) {
      plainByte(c);
    } else if (c == '"') {
      keepPending();
      ended = true;
    } else if (c == '\\') {
      escape = BACKSLASH;
    } else {
      lead(c & 0xff);
    }
    return i + 1;
  }

  /// Reads plain bytes, and with them short escapes where nothing is kept.
  private int run(byte[] b, int from, int to) {
    if (treatment != Treatment.KEEP) {
      return words(b, from, to);
    }
    int i = plainEnd(b, from, to);
    if (i > from) {
      keepPending();
      keep(b, from, i);
    }
    return i;
  }

  /// The index of the first byte that is not plain, `to` when there is none. Words reach beyond
  /// `to` where the array does.
  private static int plainEnd(byte[] b, int from, int to) {
    int i = from;
    int lastWord = Math.min(to - 1, b.length - 8);
    for (; i <= lastWord; i += 8) {
      long s = special((long) WORD.get(b, i));
      if (s != 0) {
        return Math.min(to, i + (Long.numberOfTrailingZeros(s) >>> 3));
      }
    }
    while (i < to && isPlain(b[i])) {
      i++;
    }
    return Math.min(i, to);
  }

  /// Reads plain bytes and short escapes up to the first byte that is neither, or is the backslash
  /// of an escape that is not wholly here. The byte behind the backslash of a short escape is of
  /// the kind that the escape means, so that it is counted as it stands.
  private int words(byte[] b, int from, int to) {
    Blocks k = blocks;
    if (k != null) {
      int end = k.stop(from);
      if (treatment == Treatment.COUNT) {
        count(k, from, end);
      }
      return end;
    }
    boolean count = kinds && treatment == Treatment.COUNT;
    long many = 0;
    int escapes = 0;
    int i = from;
    long stop = 0;
    while (stop == 0) {
      for (; i <= to - 8; i += 8) {
        long w = (long) WORD.get(b, i);
        if (special(w) != 0) {
          break;
        }
        many += count ? lettersAndDigits(w) : 0;
      }
      if (i >= to || i > b.length - 8) {
        break;
      }
      long w = (long) WORD.get(b, i);
      long end = to - i < 8 ? 0x80L << 8 * (to - i) : 0;
      int backslashes = mask(equal(w, '\\'));
      stop = backslashes == 0 ? special(w) | end : unusual(w, ESCAPED[backslashes], end);
      int n = stop == 0 ? 8 : Long.numberOfTrailingZeros(stop) >>> 3;
      long escaping = ESCAPING[backslashes] & BELOW[n];
      many += count ? lettersAndDigits(w & BELOW[n] & ~escaping) : 0;
      escapes += Long.bitCount(escaping);
      i += n;
      if (n == 7 && end == 0 && ESCAPING[backslashes] < 0) {
        stop = 0;
      }
    }
    if (stop == 0) {
      for (; i < to && isPlain(b[i]); i++) {
        many += count ? lettersAndDigits(b[i]) : 0;
      }
    }
    if (treatment == Treatment.COUNT) {
      int l = (int) many;
      int d = (int) (many >>> 32);
      letters += l;
      digits += d;
      marks += i - from - (escapes >>> 3) - l - d;
    }
    return i;
  }

  /// High bits of the bytes at which the reading of a word with backslashes ends: a quote, a
  /// control character, one beyond ASCII, the backslash of an escape that is rare, wrong or not
  /// wholly in this word, and `end`.
  ///
  /// @param escaped high bits of the bytes behind backslashes, and whether the last one is one
  private static long unusual(long w, long escaped, long end) {
    long quote = equal(w, '"');
    long control = ~((w & ~HIGH) + 0x60 * ONES) & ~w & HIGH;
    long known = quote | equal(w, '\\') | equal(w, 'n') | equal(w, 't') | equal(w, 'r');
    long wrong = escaped & ~known | escaped & end;
    return quote & ~escaped | control | w & HIGH | end | wrong >>> 8 | (escaped & 1) << 63;
  }

  /// High bits of the bytes that are `c`, which is ASCII.
  private static long equal(long w, char c) {
    long x = w ^ c * ONES;
    return ~(((x & ~HIGH) + ~HIGH) | x) & HIGH;
  }

  /// The high bits of a word's bytes, together.
  private static int mask(long high) {
    return (int) ((high >>> 7) * 0x0102040810204080L >>> 56);
  }

  private static final long[] BELOW = new long[9];

  /// For each set of backslashes in a word: those that begin an escape, as whole bytes, and the
  /// high bits of the bytes behind them, with the lowest bit for the byte behind the word.
  private static final long[] ESCAPING = new long[256];

  private static final long[] ESCAPED = new long[256];

  static {
    for (int n = 0; n <= 8; n++) {
      BELOW[n] = n == 8 ? -1 : (1L << 8 * n) - 1;
    }
    for (int set = 0; set < 256; set++) {
      for (int k = 0; k < 8; k++) {
        if ((set >> k & 1) != 0) {
          ESCAPING[set] |= 0xffL << 8 * k;
          ESCAPED[set] |= k == 7 ? 1 : 0x80L << 8 * (k + 1);
          k++;
        }
      }
    }
  }

  /// How many bytes of a word are letters or blanks, and in the upper half how many are digits. The
  /// word is ASCII, and 0 is neither. Adding to a byte sets its high bit when it is large enough.
  private static long lettersAndDigits(long w) {
    long lower = w | 0x20 * ONES;
    long letter = (lower + (0x80 - 'a') * ONES) & ~(lower + (0x7f - 'z') * ONES);
    long blank = ~((w ^ ' ' * ONES) + 0x7f * ONES);
    long digit = (w + (0x80 - '0') * ONES) & ~(w + (0x7f - '9') * ONES);
    return Long.bitCount((letter | blank) & HIGH) + ((long) Long.bitCount(digit & HIGH) << 32);
  }

  /// High bits of bytes that are a quote, a backslash, a control character or beyond ASCII: the
  /// lowest one that is set is right, those above it may not be. A quote is 0x22 and the characters
  /// from 0x20 on are no control characters, so that the two change places in a byte whose second
  /// bit is turned, and one subtraction finds what is below.
  private static long special(long w) {
    return (((w ^ 2 * ONES) - 0x21 * ONES) | ((w ^ '\\' * ONES) - ONES) | w) & HIGH;
  }

  private void countByte(int c) {
    if (!kinds) {
      marks++;
    } else if (c <= ' ' || isLetter(c)) {
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
      own[keptBytes++] = (byte) c;
    }
  }

  private void keep(byte[] b, int from, int to) {
    if (room(to - from)) {
      System.arraycopy(b, from, own, keptBytes, to - from);
      keptBytes += to - from;
    }
  }

  private boolean room(int more) {
    if (keptBytes < 0 || keptBytes + more > MOST_KEPT_BYTES) {
      keptBytes = -1;
      return false;
    }
    if (keptBytes + more > own.length) {
      own = Arrays.copyOf(own, Math.max(Math.max(own.length * 2, FIRST_KEPT), keptBytes + more));
      kept = own;
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
