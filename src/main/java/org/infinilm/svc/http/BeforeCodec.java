package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandler;
import io.netty.channel.ChannelInboundHandlerAdapter;
import org.jspecify.annotations.Nullable;

/// Stands before a decoder of the codec and leaves to it what it does not read itself. Event-loop
/// confined.
abstract class BeforeCodec<D extends ChannelHandler> extends ChannelInboundHandlerAdapter {
  final D decoder;
  private @Nullable ChannelHandlerContext own;
  private @Nullable ChannelHandlerContext last;
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

  /// Passes on what was read here, to the pipeline's last.
  final void tell(ChannelHandlerContext ctx, Object part) {
    ChannelHandlerContext to = last(ctx);
    try {
      taker(to).channelRead(to, part);
    } catch (Throwable e) {
      fault(to, e);
    }
  }

  private void fault(ChannelHandlerContext to, Throwable e) {
    try {
      taker(to).exceptionCaught(to, e);
    } catch (Exception more) {
      to.fireExceptionCaught(more);
    }
  }

  private static ChannelInboundHandler taker(ChannelHandlerContext to) {
    return (ChannelInboundHandler) to.handler();
  }

  private ChannelHandlerContext last(ChannelHandlerContext ctx) {
    ChannelHandlerContext b = last;
    if (b == null) {
      b = ctx.pipeline().lastContext();
      last = b;
    }
    return b;
  }

  @Override
  public void handlerAdded(ChannelHandlerContext ctx) {
    own = ctx;
  }

  private ChannelHandlerContext own() {
    ChannelHandlerContext c = own;
    if (c == null) {
      throw new IllegalStateException("in no pipeline");
    }
    return c;
  }

  /// Reads bytes that came past the pipeline.
  final void take(ByteBuf in) {
    ChannelHandlerContext here = own();
    try {
      channelRead(here, in);
    } catch (Throwable e) {
      here.fireExceptionCaught(e);
    }
  }

  /// What was readable has been read.
  final void readAll() {
    channelReadComplete(own());
  }

  @Override
  public abstract void channelRead(ChannelHandlerContext ctx, Object message);

  /// Past a decoder that got nothing.
  @Override
  public void channelReadComplete(ChannelHandlerContext ctx) {
    if (left) {
      left = false;
      ctx.fireChannelReadComplete();
    } else {
      ChannelHandlerContext to = last(ctx);
      try {
        taker(to).channelReadComplete(to);
      } catch (Throwable e) {
        fault(to, e);
      }
    }
  }
}
