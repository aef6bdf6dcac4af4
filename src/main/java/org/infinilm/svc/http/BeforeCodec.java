package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import org.jspecify.annotations.Nullable;

/// Stands before a decoder of the codec and leaves to it what it does not read itself. Event-loop
/// confined.
abstract class BeforeCodec<D extends ChannelHandler> extends ChannelInboundHandlerAdapter {
  final D decoder;
  private @Nullable ChannelHandlerContext behind;
  private boolean left;

  BeforeCodec(D decoder) {
    this.decoder = decoder;
  }

  /// Takes what this reader leaves; to be added right behind it.
  D decoder() {
    return decoder;
  }

  /// Leaves bytes to the decoder.
  final void leave(ChannelHandlerContext ctx, ByteBuf in) {
    left = true;
    ctx.fireChannelRead(in);
  }

  /// Passes on what was read here, past the decoder.
  final void tell(ChannelHandlerContext ctx, Object part) {
    behind(ctx).fireChannelRead(part);
  }

  private ChannelHandlerContext behind(ChannelHandlerContext ctx) {
    ChannelHandlerContext b = behind;
    if (b == null) {
      b = ctx.pipeline().context(decoder);
      behind = b;
    }
    return b;
  }

  /// Past a decoder that got nothing.
  @Override
  public void channelReadComplete(ChannelHandlerContext ctx) {
    if (left) {
      left = false;
      ctx.fireChannelReadComplete();
    } else {
      behind(ctx).fireChannelReadComplete();
    }
  }
}
