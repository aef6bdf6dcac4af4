package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// Puts another model into an answer as it passes: a JSON object, or the objects that are the data
/// of an event stream (the HTML standard, section 9.2.6). Event-loop confined.
/*
 * What passes is passed on at once, but for the bytes of a `model` whose end is not here yet. What
 * is no JSON, or breaks off, goes on as it came, and so does a value longer than a name can be.
 */
final class AnswerModel implements ModelRewrite.Passing {
  private static final int MOST_HELD_BYTES = 1024;
  private static final byte[] MARK = {(byte) 0xef, (byte) 0xbb, (byte) 0xbf};
  private static final byte[] DATA = {'d', 'a', 't', 'a', ':'};
  private static final byte[] NEWLINE = {'\n'};

  // Where in a line of the stream it stands; below 0 before the end of a byte order mark, and from
  // 0 on so many bytes of the field's name have come.
  private static final int MARK_DUE = -MARK.length;
  private static final int LINE = 0;
  private static final int COLON_READ = DATA.length;
  private static final int VALUE = DATA.length + 1;
  private static final int OTHER = DATA.length + 2;

  private final boolean events;
  private final @Nullable String inside;
  private final byte[] value;

  /// The object that is read, null before its first byte and when nothing more is looked for in it.
  private @Nullable ModelSpots document;

  private boolean looking = true;
  private long fed;
  private int at = MARK_DUE;
  private boolean afterCr;

  /// The start of a value whose end has not come.
  private byte[] held = {};

  // The piece at hand: where it begins, how far it is done with, what goes on instead of it, and
  // where in it the object's first byte stands or would.
  private byte[] piece = {};
  private int done;
  private long origin;
  private @Nullable ByteBuf out;

  /// @param events whether it is an event stream
  /// @param inside the top-level key whose object has a `model` too, or null
  AnswerModel(boolean events, @Nullable String inside, String model) {
    this.events = events;
    this.inside = inside;
    this.value = Json.bytes(model);
  }

  @Override
  public ByteBuf pass(ByteBuf slice) {
    int n = slice.readableBytes();
    if (n == 0) {
      return slice;
    }
    if (piece.length < n) {
      piece = new byte[n];
    }
    slice.getBytes(slice.readerIndex(), piece, 0, n);
    done = 0;
    if (events) {
      lines(n);
    } else {
      feed(piece, 0, n);
    }
    holdOpen(n);
    ByteBuf changed = out;
    out = null;
    if (changed == null && done == 0) {
      return slice;
    }
    slice.release();
    if (changed == null) {
      return Unpooled.EMPTY_BUFFER;
    }
    return changed.writeBytes(piece, done, n - done);
  }

  @Override
  public ByteBuf rest() {
    ByteBuf rest = Unpooled.wrappedBuffer(held);
    held = new byte[0];
    return rest;
  }

  private void lines(int n) {
    int i = 0;
    while (i < n) {
      byte c = piece[i];
      if (c == '\n' || c == '\r') {
        if (c == '\r' || !afterCr) {
          lineEnds();
        }
        afterCr = c == '\r';
        i++;
        continue;
      }
      afterCr = false;
      if (at < LINE) {
        boolean mark = c == MARK[at + MARK.length];
        i += mark ? 1 : 0;
        at = mark ? at + 1 : at == MARK_DUE ? LINE : OTHER;
      } else if (at < COLON_READ) {
        at = c == DATA[at] ? at + 1 : OTHER;
        i++;
      } else if (at == COLON_READ) {
        at = VALUE;
        i += c == ' ' ? 1 : 0;
      } else {
        int end = lineEnd(i, n);
        if (at == VALUE) {
          feed(piece, i, end);
        }
        i = end;
      }
    }
  }

  private int lineEnd(int from, int to) {
    int i = from;
    while (i < to && piece[i] != '\n' && piece[i] != '\r') {
      i++;
    }
    return i;
  }

  /// Lines of data are joined by newlines, and an empty line ends their event.
  private void lineEnds() {
    if (at == LINE) {
      document = null;
      fed = 0;
      looking = true;
    } else if (at == VALUE || at == COLON_READ) {
      feed(NEWLINE, 0, NEWLINE.length);
    }
    at = LINE;
  }

  private void feed(byte[] b, int from, int to) {
    if (!looking) {
      return;
    }
    ModelSpots d = document;
    if (d == null) {
      d = new ModelSpots(inside, this::replace);
      document = d;
    }
    origin = from - fed;
    d.feed(b, from, to);
    fed += to - from;
    if (d.openFrom() < 0) {
      giveUpHeld();
    }
    if (!d.wantsMore()) {
      document = null;
      looking = false;
    }
  }

  /// A model's value ends in this piece. What was held back is its start, and lies before the
  /// piece.
  private void replace(long from, long to) {
    ByteBuf o = out();
    if (held.length > 0) {
      held = new byte[0];
    } else {
      o.writeBytes(piece, done, (int) (origin + from) - done);
    }
    o.writeBytes(value);
    done = (int) (origin + to);
  }

  /// What was held back turned out to be no value that ends.
  private void giveUpHeld() {
    if (held.length > 0) {
      out().writeBytes(held);
      held = new byte[0];
    }
  }

  /// Holds back what the piece has of a value that goes on behind it.
  private void holdOpen(int n) {
    ModelSpots d = document;
    long open = d == null ? -1 : d.openFrom();
    if (open < 0) {
      return;
    }
    int start = (int) Math.max(done, origin + open);
    if (held.length + n - start > MOST_HELD_BYTES) {
      giveUpHeld();
      document = null;
      looking = false;
      return;
    }
    if (start > done) {
      out().writeBytes(piece, done, start - done);
    }
    byte[] longer = Arrays.copyOf(held, held.length + n - start);
    System.arraycopy(piece, start, longer, held.length, n - start);
    held = longer;
    done = n;
  }

  private ByteBuf out() {
    ByteBuf o = out;
    if (o == null) {
      o = Unpooled.buffer(piece.length + value.length + held.length);
      out = o;
    }
    return o;
  }
}
