package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.stream.ChunkedInput;
import org.jspecify.annotations.Nullable;

/// A body that goes out piece by piece, as the socket takes it: what encrypts it makes a copy of
/// each piece, not of the whole. Event-loop confined.
final class Pieces implements ChunkedInput<ByteBuf> {
  static final int PIECE_BYTES = 64 << 10;

  private final ByteBuf body;
  private final long length;

  /// @param body owned from now on
  Pieces(ByteBuf body) {
    this.body = body;
    this.length = body.readableBytes();
  }

  @Override
  public boolean isEndOfInput() {
    return !body.isReadable();
  }

  @Override
  public void close() {
    body.release();
  }

  @Override
  @Deprecated
  @SuppressWarnings("InlineMeSuggester") // the interface's own
  public @Nullable ByteBuf readChunk(ChannelHandlerContext ctx) {
    return readChunk(ctx.alloc());
  }

  @Override
  public @Nullable ByteBuf readChunk(ByteBufAllocator allocator) {
    return body.isReadable()
        ? body.readRetainedSlice(Math.min(PIECE_BYTES, body.readableBytes()))
        : null;
  }

  @Override
  public long length() {
    return length;
  }

  @Override
  public long progress() {
    return length - body.readableBytes();
  }
}
