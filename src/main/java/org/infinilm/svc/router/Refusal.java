package org.infinilm.svc.router;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.CompositeByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import org.infinilm.svc.http.BodyPeek;
import org.infinilm.svc.http.ResponseHead;
import org.jspecify.annotations.Nullable;

/// An answer that may be an engine's refusal of a prompt that is too long for it, or of a model or
/// a route that it has not: its body is gathered, in however many pieces it comes, until that can
/// be told by the words that engines use. Event-loop confined; whoever made it releases it or takes
/// its body.
final class Refusal {
  private static final int MOST_BYTES = 2048;
  private static final int MOST_DECODED_BYTES = 16 << 10;
  private static final String[] LENGTH = {
    "context_length_exceeded",
    "exceed_context_size",
    "context length",
    "context size",
    "must have less than",
    "max_input_tokens"
  };
  private static final String[] MODEL = {"not exist", "not found", "not_found", "unknown model"};

  private final int status;
  private final @Nullable String model;
  private final boolean known;
  private final @Nullable String coding;
  private final CompositeByteBuf body = Unpooled.compositeBuffer(Integer.MAX_VALUE);

  private Refusal(int status, @Nullable String model, boolean known, @Nullable String coding) {
    this.status = status;
    this.model = model;
    this.known = known;
    this.coding = coding;
  }

  /// What gathers this answer's body, or null when its status says that it is something else.
  ///
  /// @param model that was asked for, or null
  /// @param route of the request
  static @Nullable Refusal of(ResponseHead head, @Nullable String model, Route route) {
    int status = head.status();
    boolean known = route != Route.OTHER;
    return isForLength(status)
            || (status == 404 && (model != null || known))
            || (known && (status == 405 || status == 501))
        ? new Refusal(status, model, known, head.header("content-encoding"))
        : null;
  }

  private static boolean isForLength(int status) {
    return status == 400 || status == 413 || status == 422;
  }

  /// Takes a piece over; true when enough has come.
  boolean add(ByteBuf slice) {
    body.addComponent(true, slice);
    return body.readableBytes() >= MOST_BYTES;
  }

  /// Whether what has come says that the prompt does not fit.
  boolean isForLength() {
    return isForLength(status) && containsOne(said(), LENGTH);
  }

  /// Whether what has come says that there is no such model; both are named.
  boolean isForModel() {
    if (model == null || status != 404) {
      return false;
    }
    String said = said();
    return said.contains(lower(model.getBytes(StandardCharsets.UTF_8))) && containsOne(said, MODEL);
  }

  /// Whether it says, of a route that is known, that there is none: no other word of a model.
  boolean isForRoute() {
    return known && !isForLength(status) && !isForModel();
  }

  int status() {
    return status;
  }

  private String said() {
    byte[] start = new byte[Math.min(body.readableBytes(), MOST_BYTES)];
    body.getBytes(body.readerIndex(), start);
    byte[] plain = BodyPeek.plain(start, coding, MOST_DECODED_BYTES);
    return lower(plain);
  }

  private static String lower(byte[] text) {
    return new String(text, StandardCharsets.ISO_8859_1).toLowerCase(Locale.ROOT);
  }

  private static boolean containsOne(String said, String[] words) {
    for (String w : words) {
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
