package org.infinilm.svc.http;

import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import org.jspecify.annotations.Nullable;

/// Stands before a decoder of the codec and leaves to it what it does not read itself. Event-loop
/// confined.
abstract class BeforeCodec<D extends ChannelHandler> extends ChannelInboundHandlerAdapter {
  final D decoder;
  private @Nullable ChannelHandlerContext behind;

  BeforeCodec(D decoder) {
    this.decoder = decoder;
  }

  /// Takes what this reader leaves; to be added right behind it.
  D decoder() {
    return decoder;
  }

  /// Passes on what was read here, past the decoder.
  final void tell(ChannelHandlerContext ctx, Object part) {
    ChannelHandlerContext b = behind;
    if (b == null) {
      b = ctx.pipeline().context(decoder);
      behind = b;
    }
    b.fireChannelRead(part);
  }
}
