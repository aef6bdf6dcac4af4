package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import io.netty.buffer.ByteBuf;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Reads heads that are plainly in order, in one pass over their bytes: where each field lies, what
/// it means for framing, and whether anything in it could be read two ways. What it does not
/// plainly know it does not judge: the codec reads that head from its first byte. One for each
/// event loop.
final class HeadScan {
  /// Longer heads are the codec's.
  static final int MOST_BYTES = 16 << 10;

  /// So are those with more fields.
  static final int MOST_FIELDS = 64;

  private static final int FIRST_BYTES = 1 << 10;
  private static final int MOST_LENGTH_DIGITS = 15;
  private static final int LAST_PORT = 65_535;

  private static final VarHandle LONGS =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  private static final long SPACES = 0x2020202020202020L;
  private static final long DELETES = 0x7f7f7f7f7f7f7f7fL;
  private static final long ONES = 0x0101010101010101L;
  private static final long TOPS = 0x8080808080808080L;

  private static final byte TOKEN = 1;
  private static final byte VALUE = 2;

  /// Of a request target, but for `%`.
  private static final byte TARGET = 4;

  /// Of a host that is a name or an IPv4 address.
  private static final byte NAME = 8;

  private static final byte[] CLASS = new byte[256];

  static {
    Arrays.fill(CLASS, 0x20, 0x7f, VALUE);
    Arrays.fill(CLASS, 0x80, 0x100, VALUE);
    CLASS['\t'] = VALUE;
    for (int c = '!'; c < 0x7f; c++) {
      if (Character.isLetterOrDigit(c) || "!#$%&'*+-.^_`|~".indexOf(c) >= 0) {
        CLASS[c] |= TOKEN;
      }
      if ("#\"<>\\%".indexOf(c) < 0) {
        CLASS[c] |= TARGET;
      }
      if (Character.isLetterOrDigit(c) || c == '.' || c == '-') {
        CLASS[c] |= NAME;
      }
    }
  }

  private static final byte[] CONTENT_LENGTH = Ascii.of("content-length");
  private static final byte[] TRANSFER_ENCODING = Ascii.of("transfer-encoding");
  private static final byte[] CONNECTION = Ascii.of("connection");
  private static final byte[] KEEP_ALIVE = Ascii.of("keep-alive");
  private static final byte[] CLOSE = Ascii.of("close");
  private static final byte[] CHUNKED = Ascii.of("chunked");
  private static final byte[] HOST = Ascii.of("host");
  private static final byte[] STATUS_LINE = Ascii.of("HTTP/1.1 ");
  private static final byte[] REQUEST_VERSION = Ascii.of(" HTTP/1.1\r\n");

  private static final String[] METHOD_NAMES = {"POST", "GET", "PUT", "DELETE", "PATCH", "HEAD"};
  private static final byte[][] METHODS =
      Stream.of(METHOD_NAMES).map(m -> Ascii.of(m + " ")).toArray(byte[][]::new);

  private static final byte[] EXPECT = Ascii.of("expect");

  /// With these a request asks for more than an answer; they are of one connection.
  private static final byte[][] OFFERS = {Ascii.of("te"), Ascii.of("trailer"), Ascii.of("upgrade")};

  /// Fields of one connection besides those above (RFC 9110 section 7.6.1).
  private static final byte[][] OF_CONNECTION = {
    KEEP_ALIVE,
    Ascii.of("proxy-connection"),
    Ascii.of("proxy-authenticate"),
    Ascii.of("proxy-authorization"),
    Ascii.of("http2-settings")
  };

  /// The head, and behind it a byte that ends every run.
  private final byte[] b = new byte[MOST_BYTES + 1];

  /// The target of the request before, which most often is that of the next.
  private byte[] lastTarget = {};

  private String lastText = "";

  private final int[] fields = new int[MOST_FIELDS + 1];
  private int loaded;
  private int count;
  private int end;

  private boolean chunked;
  private boolean closes;
  private boolean connectionSeen;
  private int hosts;
  private boolean offers;
  private long length;

  /// An answer whose head lies whole in `in` and is plainly in order, or null. `in` stays as it is.
  @Nullable PlainAnswer answer(ByteBuf in) {
    for (int most = FIRST_BYTES; ; most = MOST_BYTES) {
      load(in, most);
      int status = status();
      if (status == 0) {
        return null;
      }
      int line = value(12);
      if (ends(line) && fields(line + 2, false)) {
        return chunked == (length >= 0) || hosts > 0
            ? null
            : new PlainAnswer(plainFields(line + 2), status, chunked, length, !closes);
      }
      if (loaded < most || most == MOST_BYTES) {
        return null;
      }
    }
  }

  /// A request whose head lies whole in `in` and is plainly in order, or null. `in` stays as it is.
  @Nullable PlainRequest request(ByteBuf in) {
    for (int most = FIRST_BYTES; ; most = MOST_BYTES) {
      load(in, most);
      String method = method();
      if (method == null) {
        return null;
      }
      int from = method.length() + 1;
      int to = target(from);
      int line = to + REQUEST_VERSION.length;
      boolean ours = to > from && line <= loaded && is(REQUEST_VERSION, to);
      if (ours && fields(line, true) && !chunked && hosts == 1 && !offers) {
        return new PlainRequest(plainFields(line), method, text(from, to), length, !closes);
      }
      if (loaded < most || most == MOST_BYTES) {
        return null;
      }
    }
  }

  private @Nullable String method() {
    for (int k = 0; k < METHODS.length; k++) {
      byte[] m = METHODS[k];
      if (loaded > m.length && is(m, 0)) {
        return METHOD_NAMES[k];
      }
    }
    return null;
  }

  /// Where an origin-form target that needs no second look ends.
  private int target(int from) {
    if (b[from] != '/') {
      return from;
    }
    return run(from, TARGET);
  }

  private boolean is(byte[] exactly, int at) {
    return Arrays.equals(b, at, at + exactly.length, exactly, 0, exactly.length);
  }

  private String text(int from, int to) {
    if (!Arrays.equals(b, from, to, lastTarget, 0, lastTarget.length)) {
      lastTarget = Arrays.copyOfRange(b, from, to);
      lastText = new String(lastTarget, ISO_8859_1);
    }
    return lastText;
  }

  private void load(ByteBuf in, int most) {
    loaded = Math.min(in.readableBytes(), most);
    in.getBytes(in.readerIndex(), b, 0, loaded);
    b[loaded] = 0;
  }

  /// The status of an HTTP/1.1 answer that has a body, or 0.
  private int status() {
    int n = STATUS_LINE.length;
    if (loaded < n + 4 || !Arrays.equals(b, 0, n, STATUS_LINE, 0, n)) {
      return 0;
    }
    int status = 0;
    for (int k = 9; k < 12; k++) {
      int digit = b[k] - '0';
      if (digit < 0 || digit > 9) {
        return 0;
      }
      status = status * 10 + digit;
    }
    boolean bodied = status != 204 && status != 205 && status != 304;
    return b[12] == ' ' && status >= 200 && status <= 599 && bodied ? status : 0;
  }

  /// Reads field lines up to the empty one; false when they do not end here or are not plain.
  ///
  /// @param ofRequest whose length is worded anew
  private boolean fields(int from, boolean ofRequest) {
    count = 0;
    chunked = false;
    closes = false;
    connectionSeen = false;
    hosts = 0;
    offers = false;
    length = -1;
    int at = from;
    while (b[at] != '\r') {
      int colon = run(at, TOKEN);
      if (colon == at || b[colon] != ':' || count == MOST_FIELDS) {
        return false;
      }
      int line = value(colon + 1);
      if (!ends(line)) {
        return false;
      }
      Known known = known(at, colon - at);
      if (known != Known.OTHER && !means(known, colon + 1, line)) {
        return false;
      }
      boolean stays = known.stays && !(ofRequest && known == Known.LENGTH);
      fields[count++] = PlainFields.field(at, colon - at, stays);
      at = line + 2;
    }
    if (!ends(at)) {
      return false;
    }
    fields[count] = PlainFields.field(at, 0, false);
    end = at + 2;
    return true;
  }

  private enum Known {
    OTHER(true),
    LENGTH(true),
    CODING(true),
    HOST(false),
    EXPECT(true),
    OFFER(false),
    CONNECTION(false),
    OF_CONNECTION(false);

    final boolean stays;

    Known(boolean stays) {
      this.stays = stays;
    }
  }

  private Known known(int at, int n) {
    switch (n) {
      case 4 -> {
        if (is(at, n, HOST)) {
          return Known.HOST;
        }
      }
      case 14 -> {
        if (is(at, n, CONTENT_LENGTH)) {
          return Known.LENGTH;
        }
      }
      case 17 -> {
        if (is(at, n, TRANSFER_ENCODING)) {
          return Known.CODING;
        }
      }
      case 10 -> {
        if (is(at, n, CONNECTION)) {
          return Known.CONNECTION;
        }
      }
      default -> {}
    }
    for (byte[] name : OF_CONNECTION) {
      if (name.length == n && is(at, n, name)) {
        return Known.OF_CONNECTION;
      }
    }
    if (is(at, n, EXPECT)) {
      return Known.EXPECT;
    }
    for (byte[] name : OFFERS) {
      if (name.length == n && is(at, n, name)) {
        return Known.OFFER;
      }
    }
    return Known.OTHER;
  }

  /// Notes what a known field says; false when it is not plain.
  private boolean means(Known known, int from, int to) {
    int start = from;
    while (b[start] == ' ' || b[start] == '\t') {
      start++;
    }
    int stop = to;
    while (stop > start && (b[stop - 1] == ' ' || b[stop - 1] == '\t')) {
      stop--;
    }
    return switch (known) {
      case LENGTH -> length(start, stop);
      case CODING -> {
        boolean once = !chunked && is(start, stop - start, CHUNKED);
        chunked = true;
        yield once;
      }
      case CONNECTION -> {
        closes = is(start, stop - start, CLOSE);
        boolean once = !connectionSeen && (closes || is(start, stop - start, KEEP_ALIVE));
        connectionSeen = true;
        yield once;
      }
      case HOST -> {
        hosts++;
        yield isHost(start, stop);
      }
      case EXPECT, OFFER -> {
        offers = true;
        yield true;
      }
      case OF_CONNECTION, OTHER -> true;
    };
  }

  /// Whether it is a name or an IPv4 address, perhaps with a port.
  private boolean isHost(int from, int to) {
    int colon = run(from, NAME);
    if (colon == from || colon == to) {
      return colon == to && colon > from;
    }
    int digits = to - colon - 1;
    if (b[colon] != ':' || digits < 1 || digits > 5) {
      return false;
    }
    int port = 0;
    for (int k = colon + 1; k < to; k++) {
      int digit = b[k] - '0';
      if (digit < 0 || digit > 9) {
        return false;
      }
      port = port * 10 + digit;
    }
    return port <= LAST_PORT;
  }

  private boolean length(int from, int to) {
    int digits = to - from;
    if (length >= 0 || digits < 1 || digits > MOST_LENGTH_DIGITS) {
      return false;
    }
    long n = 0;
    for (int k = from; k < to; k++) {
      int digit = b[k] - '0';
      if (digit < 0 || digit > 9) {
        return false;
      }
      n = n * 10 + digit;
    }
    length = n;
    return digits == 1 || b[from] != '0';
  }

  /// Where a run of bytes of a class that begins at `from` ends; what was not loaded ends it.
  private int run(int from, byte of) {
    byte[] bytes = b;
    int at = from;
    while ((CLASS[bytes[at] & 0xff] & of) != 0) {
      at++;
    }
    return at;
  }

  /// Where a run of [#VALUE] that begins at `from` ends. Eight bytes a step until one is a control
  /// character: what was not loaded ends with one.
  private int value(int from) {
    byte[] bytes = b;
    int at = from;
    while (at <= bytes.length - Long.BYTES) {
      long w = (long) LONGS.get(bytes, at);
      long deletes = w ^ DELETES;
      long controls = (((w - SPACES) & ~w) | ((deletes - ONES) & ~deletes)) & TOPS;
      if (controls != 0) {
        // the lowest that is marked is one; what is marked above it may be its borrow
        at += Long.numberOfTrailingZeros(controls) >>> 3;
        break;
      }
      at += Long.BYTES;
    }
    return run(at, VALUE);
  }

  /// Whether a line ends at `at`. The byte behind what was loaded is none that one ends with.
  private boolean ends(int at) {
    return b[at] == '\r' && b[at + 1] == '\n';
  }

  private boolean is(int at, int n, byte[] lowerCase) {
    return PlainFields.is(b, at, n, lowerCase);
  }

  private PlainFields plainFields(int first) {
    return new PlainFields(Arrays.copyOf(b, end), first, Arrays.copyOf(fields, count + 1));
  }
}
