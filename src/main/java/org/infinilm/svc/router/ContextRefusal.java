package org.infinilm.svc.router;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.CompositeByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import org.infinilm.svc.http.BodyPeek;
import org.infinilm.svc.http.ResponseHead;
import org.jspecify.annotations.Nullable;

/// An answer that may be an engine's refusal of a prompt that is too long for it: its body is
/// gathered, in however many pieces it comes, until that can be told by the words that engines use.
/// Event-loop confined; whoever made it releases it or takes its body.
final class ContextRefusal {
  private static final int MOST_BYTES = 2048;
  private static final int MOST_DECODED_BYTES = 16 << 10;
  private static final String[] WORDS = {
    "context_length_exceeded",
    "exceed_context_size",
    "context length",
    "context size",
    "must have less than",
    "max_input_tokens"
  };

  private final @Nullable String coding;
  private final CompositeByteBuf body = Unpooled.compositeBuffer(Integer.MAX_VALUE);

  private ContextRefusal(@Nullable String coding) {
    this.coding = coding;
  }

  /// What gathers this answer's body, or null when its status says that it is something else.
  static @Nullable ContextRefusal of(ResponseHead head) {
    int status = head.status();
    return status == 400 || status == 413 || status == 422
        ? new ContextRefusal(head.header("content-encoding"))
        : null;
  }

  /// Takes a piece over; true when enough has come.
  boolean add(ByteBuf slice) {
    body.addComponent(true, slice);
    return body.readableBytes() >= MOST_BYTES;
  }

  /// Whether what has come says that the prompt does not fit.
  boolean isForLength() {
    byte[] start = new byte[Math.min(body.readableBytes(), MOST_BYTES)];
    body.getBytes(body.readerIndex(), start);
    byte[] plain = BodyPeek.plain(start, coding, MOST_DECODED_BYTES);
    String said = new String(plain, StandardCharsets.ISO_8859_1).toLowerCase(Locale.ROOT);
    for (String w : WORDS) {
      if (said.contains(w)) {
        return true;
      }
    }
    return false;
  }

  /// What has come; the caller owns it.
  ByteBuf body() {
    return body;
  }

  void release() {
    body.release();
  }
}
