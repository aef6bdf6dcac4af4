package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.socket.SocketChannel;
import io.netty.handler.ssl.SslCloseCompletionEvent;
import io.netty.handler.ssl.SslHandler;
import io.netty.util.ReferenceCountUtil;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLException;

/// Stands first at a listener with TLS until a client's first byte says what it speaks: TLS goes
/// on, plain HTTP is told so in its own words (RFC 9110 section 4.2.2 would have it guess).
/// Event-loop confined.
final class TlsDoor extends ChannelInboundHandlerAdapter {
  private static final String SAID = "This port speaks TLS: the address begins with https://\n";

  /// How long the answer has to be taken.
  private static final int LINGER_MILLIS = 2000;

  private final TlsHandshakes handshakes;
  private boolean answered;

  private TlsDoor(TlsHandshakes handshakes) {
    this.handshakes = handshakes;
  }

  /// Puts TLS at the end of a pipeline that has nothing yet which reads bytes.
  static void install(Channel c, Tls.Listener tls) {
    TlsHandshakes handshakes = tls.handshakes();
    SslHandler handler = tls.handler(c.alloc());
    c.pipeline().addLast(new TlsDoor(handshakes), handler, new End());
    handshakes.begin(c, handler);
  }

  /// Says that nothing more is sent, and throws away what still comes.
  static void endOutput(SocketChannel c) {
    SslHandler tls = c.pipeline().get(SslHandler.class);
    if (tls == null) {
      c.shutdownOutput();
      return;
    }
    tls.closeOutbound()
        .addListener(f -> {
          if (c.isActive()) {
            c.pipeline().addFirst(new Deaf());
            c.shutdownOutput();
          }
        });
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object message) {
    ByteBuf in = (ByteBuf) message;
    if (answered) {
      in.release();
    } else if (isPlain(in)) {
      answered = true;
      in.release();
      handshakes.plain(ctx.channel());
      answer(ctx);
    } else {
      ctx.fireChannelRead(in);
      if (!ctx.isRemoved()) {
        ctx.pipeline().remove(this);
      }
    }
  }

  /// A record of TLS begins with its type, which is no letter.
  private static boolean isPlain(ByteBuf in) {
    byte first = in.isReadable() ? in.getByte(in.readerIndex()) : 0;
    return (first >= 'A' && first <= 'Z') || (first >= 'a' && first <= 'z');
  }

  private static void answer(ChannelHandlerContext ctx) {
    String head =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: "
            + SAID.length()
            + "\r\nConnection: close\r\n\r\n";
    ByteBuf all = Unpooled.copiedBuffer(head + SAID, StandardCharsets.US_ASCII);
    ctx.writeAndFlush(all)
        .addListener(f -> {
          if (ctx.channel() instanceof SocketChannel s) {
            s.shutdownOutput();
          }
          ctx.executor().schedule(() -> ctx.close(), LINGER_MILLIS, TimeUnit.MILLISECONDS);
        });
  }

  /// Drops what is no more listened to.
  private static final class Deaf extends ChannelInboundHandlerAdapter {
    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
      ReferenceCountUtil.release(message);
    }
  }

  /// Behind TLS: a client that has said its last has left, and a broken record ends the connection.
  private static final class End extends ChannelInboundHandlerAdapter {
    @Override
    public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
      if (event instanceof SslCloseCompletionEvent) {
        ctx.channel().close();
      }
      ctx.fireUserEventTriggered(event);
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
      if (cause instanceof SSLException || cause.getCause() instanceof SSLException) {
        ctx.close();
      } else {
        ctx.fireExceptionCaught(cause);
      }
    }
  }
}
