package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.handler.codec.http.HttpHeaders;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Words one plain answer for a client, past the codec's encoder: small pieces go out in one buffer
/// with their framing, large ones as they came. Event-loop confined.
final class ReplyWriter {
  private static final byte[] CLOSE = Ascii.of("connection: close\r\n");
  private static final byte[] LAST_CHUNK = Ascii.of("0\r\n");

  private static final int CRLF = '\r' << 8 | '\n';

  /// Pieces up to this are copied: that costs less than a buffer of their own in a write.
  private static final int COPIED_BYTES = 8 << 10;

  private static final int BUFFER_BYTES = Scratch.BYTES;
  private static final int USUAL_BODY_BYTES = 512;

  /// Room for a chunk's size and the line ends around it.
  private static final int CHUNK_FRAMING_BYTES = 16;

  private final Outlet out;
  private final HeadWriter words;
  private final boolean chunked;
  private @Nullable ByteBuf pending;

  /// @param chunked whether the body is
  ReplyWriter(Outlet out, HeadWriter words, boolean chunked) {
    this.out = out;
    this.words = words;
    this.chunked = chunked;
  }

  /// Starts with the head of `a`, as it came but for what `patch` says.
  ///
  /// @param date for an answer that has none, or null
  void head(PlainAnswer a, HeadPatch patch, @Nullable String date, boolean closes) {
    words.clear();
    PlainFields fields = a.fields();
    fields.startLine(words);
    fields.patched(words, patch);
    if (date != null) {
      words.field("date", date);
    }
    if (closes) {
      words.bytes(CLOSE);
    }
    words.crlf();
    flushWords(Math.clamp(a.length(), USUAL_BODY_BYTES, COPIED_BYTES));
  }

  private void flushWords(int more) {
    words.into(room(words.size(), more));
  }

  /// A buffer with room for so many bytes, no larger than it must be: it stays until the client has
  /// read it.
  ///
  /// @param more that are likely to follow
  private ByteBuf room(int bytes, int more) {
    ByteBuf p = pending;
    if (p != null && p.readableBytes() + bytes > BUFFER_BYTES) {
      write();
      p = null;
    }
    if (p == null) {
      p = out.buffer(bytes + more);
      pending = p;
    }
    return p.ensureWritable(bytes);
  }

  /// Passes on a slice; takes ownership.
  void body(ByteBuf slice) {
    int n = slice.readableBytes();
    if (n == 0) {
      // a chunk of nothing would be the last
      slice.release();
      return;
    }
    int framing = chunked ? CHUNK_FRAMING_BYTES : 0;
    if (n > COPIED_BYTES) {
      if (chunked) {
        size(room(framing, 0), n);
      }
      write();
      out.write(slice);
      if (chunked) {
        room(framing, 0).writeShort(CRLF);
      }
      return;
    }
    try {
      ByteBuf p = room(n + framing, 0);
      if (chunked) {
        size(p, n);
      }
      p.writeBytes(slice);
      if (chunked) {
        p.writeShort(CRLF);
      }
    } finally {
      slice.release();
    }
  }

  private static void size(ByteBuf to, int n) {
    int shift = (31 - Integer.numberOfLeadingZeros(n)) / 4 * 4;
    for (; shift >= 0; shift -= 4) {
      to.writeByte(Ascii.hex(n >>> shift));
    }
    to.writeShort(CRLF);
  }

  /// Ends it.
  void end(@Nullable HttpHeaders trailers) {
    if (chunked) {
      words.clear();
      words.bytes(LAST_CHUNK);
      if (trailers != null) {
        for (Map.Entry<String, String> t : trailers) {
          words.field(t.getKey(), t.getValue());
        }
      }
      words.crlf();
      flushWords(0);
    }
  }

  /// Has what is ready go out with the next flush.
  void write() {
    ByteBuf p = pending;
    pending = null;
    if (p != null) {
      out.write(p);
    }
  }

  /// Writes and sends what is ready.
  void flush() {
    write();
    out.flush();
  }

  /// Forgets what is not written.
  void drop() {
    ByteBuf p = pending;
    pending = null;
    if (p != null) {
      p.release();
    }
    out.giveUp();
  }
}
