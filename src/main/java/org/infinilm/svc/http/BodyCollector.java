package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.CompositeByteBuf;
import io.netty.buffer.Unpooled;
import org.jspecify.annotations.Nullable;

/// Gathers a request's body. Large pieces are kept as they came; small ones are copied together, so
/// that a body sent in pieces of one byte does not cost a buffer each. Event-loop confined.
final class BodyCollector {
  private static final int SMALL_BYTES = 2048;
  private static final int TAIL_BYTES = 16 << 10;

  private @Nullable ByteBuf whole;
  private @Nullable ByteBuf tail;
  private long bytes;

  long bytes() {
    return bytes;
  }

  /// Takes ownership of `piece`.
  void add(ByteBuf piece, ByteBufAllocator alloc) {
    int n = piece.readableBytes();
    bytes += n;
    if (n == 0) {
      piece.release();
    } else if (n < SMALL_BYTES && (whole != null || tail != null)) {
      ByteBuf t = tail;
      if (t == null || t.writableBytes() < n) {
        closeTail(alloc);
        t = alloc.buffer(TAIL_BYTES, TAIL_BYTES);
        tail = t;
      }
      t.writeBytes(piece);
      piece.release();
    } else {
      closeTail(alloc);
      append(piece, alloc);
    }
  }

  private void closeTail(ByteBufAllocator alloc) {
    ByteBuf t = tail;
    tail = null;
    if (t != null) {
      append(t, alloc);
    }
  }

  private void append(ByteBuf piece, ByteBufAllocator alloc) {
    switch (whole) {
      case null -> whole = piece;
      case CompositeByteBuf many -> many.addComponent(true, piece);
      case ByteBuf one ->
          whole =
              alloc
                  .compositeBuffer(Integer.MAX_VALUE)
                  .addComponent(true, one)
                  .addComponent(true, piece);
    }
  }

  /// The whole body, which the caller then owns; the collector is empty again.
  ByteBuf take(ByteBufAllocator alloc) {
    closeTail(alloc);
    ByteBuf b = whole == null ? Unpooled.EMPTY_BUFFER : whole;
    whole = null;
    bytes = 0;
    return b;
  }

  /// Gives back what was gathered; returns how many bytes that were.
  long drop() {
    if (whole != null) {
      whole.release();
      whole = null;
    }
    if (tail != null) {
      tail.release();
      tail = null;
    }
    long dropped = bytes;
    bytes = 0;
    return dropped;
  }
}
