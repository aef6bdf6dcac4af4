package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.CompositeByteBuf;
import io.netty.buffer.Unpooled;
import org.jspecify.annotations.Nullable;

/// Gathers a request's body. A piece that fills most of its buffer is kept as it came; others are
/// copied together, so that neither a body sent in pieces of one byte nor small pieces of large
/// buffers cost more memory than [#held] says. Event-loop confined.
final class BodyCollector {
  private static final int SMALL_BYTES = 2048;
  private static final int TAIL_BYTES = 16 << 10;

  private @Nullable ByteBuf whole;
  private @Nullable ByteBuf tail;
  private long bytes;
  private long held;

  long bytes() {
    return bytes;
  }

  /// What the gathered pieces keep in memory: the capacity of their buffers.
  long held() {
    return held;
  }

  /// Takes ownership of `piece`.
  void add(ByteBuf piece, ByteBufAllocator alloc) {
    int n = piece.readableBytes();
    bytes += n;
    if (n == 0) {
      piece.release();
      return;
    }
    int pins = pinned(piece);
    if ((whole == null && tail == null) || (n >= SMALL_BYTES && n >= pins / 2)) {
      closeTail(alloc);
      append(piece, alloc);
      held += pins;
      return;
    }
    try {
      copy(piece, alloc);
    } finally {
      piece.release();
    }
  }

  private void copy(ByteBuf piece, ByteBufAllocator alloc) {
    while (piece.isReadable()) {
      ByteBuf t = tail;
      if (t == null || !t.isWritable()) {
        closeTail(alloc);
        t = alloc.buffer(TAIL_BYTES, TAIL_BYTES);
        tail = t;
        held += TAIL_BYTES;
      }
      t.writeBytes(piece, Math.min(piece.readableBytes(), t.writableBytes()));
    }
  }

  /// Bytes that stay allocated as long as `piece` does.
  private static int pinned(ByteBuf piece) {
    ByteBuf b = piece;
    for (ByteBuf below = b.unwrap(); below != null; below = b.unwrap()) {
      b = below;
    }
    return Math.max(b.capacity(), piece.readableBytes());
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
    held = 0;
    return b;
  }

  /// Gives back what was gathered.
  void drop() {
    if (whole != null) {
      whole.release();
      whole = null;
    }
    if (tail != null) {
      tail.release();
      tail = null;
    }
    bytes = 0;
    held = 0;
  }
}
