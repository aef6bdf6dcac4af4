package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.Unpooled;
import io.netty.channel.unix.IovArray;
import java.nio.ByteBuffer;

/// What the sends of one event loop have in common: nearly all that it words goes out at once, from
/// memory that is warm since the last time. Confined to that loop.
final class Scratch {
  /// Room of a buffer that is used again.
  static final int BYTES = 16 << 10;

  private static final int MOST_BUFFERS = 64;

  private final IovArray vector = new IovArray(MOST_BUFFERS);
  private final ByteBuf buffer = Unpooled.wrappedBuffer(ByteBuffer.allocateDirect(BYTES));

  /// For one gathering write.
  IovArray vector() {
    vector.clear();
    return vector;
  }

  /// An empty buffer with room for so many bytes, to be released as any other: the one of this loop
  /// while nobody has it.
  ByteBuf buffer(int bytes, ByteBufAllocator alloc) {
    return bytes <= BYTES && buffer.refCnt() == 1 ? buffer.clear().retain() : alloc.ioBuffer(bytes);
  }

  /// `b`, or a copy of its own size where it is this loop's: what waits must not keep that.
  /// Ownership passes both ways.
  @SuppressWarnings("ReferenceEquality") // that very one
  ByteBuf kept(ByteBuf b, ByteBufAllocator alloc) {
    if (b != buffer) {
      return b;
    }
    try {
      return alloc.ioBuffer(b.readableBytes()).writeBytes(b);
    } finally {
      b.release();
    }
  }
}
