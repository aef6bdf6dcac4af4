package org.infinilm.svc.http;

import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.ConnectTimeoutException;
import io.netty.channel.EventLoop;
import io.netty.channel.socket.SocketChannel;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpClientCodec;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpDecoderConfig;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpStatusClass;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.util.ReferenceCountUtil;
import java.net.ConnectException;
import java.net.NoRouteToHostException;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A connection to an instance; carries one call at a time and goes back to its loop's pool between
/// calls. Event-loop confined.
final class UpstreamConnection extends ChannelInboundHandlerAdapter {
  private static final int MAX_HEAD_BYTES = 64 << 10;

  private final Origin origin;
  private final LoopState loop;
  private @Nullable Call call;

  private UpstreamConnection(Origin origin, LoopState loop) {
    this.origin = origin;
    this.loop = loop;
  }

  /// Sends `request` (ownership passes) over an idle or a new connection.
  static Call send(
      EventLoop eventLoop,
      LoopState loop,
      Outgoing outgoing,
      FullHttpRequest request,
      UpstreamEvents events) {
    Origin origin = outgoing.origin();
    TimeLimits limits = outgoing.limits();
    Call call = new Call(loop, limits, events);
    Channel pooled = outgoing.reuse() ? loop.poll(origin) : null;
    if (pooled != null) {
      call.kept = true;
      ((UpstreamConnection) pooled.pipeline().last()).start(pooled, call, request);
      return call;
    }
    new Bootstrap()
        .group(eventLoop)
        .channel(Loops.channel())
        .option(ChannelOption.TCP_NODELAY, true)
        .option(ChannelOption.CONNECT_TIMEOUT_MILLIS, millis(limits.connect()))
        .handler(
            new ChannelInitializer<SocketChannel>() {
              @Override
              protected void initChannel(SocketChannel c) {
                c.pipeline()
                    .addLast(
                        new HttpClientCodec(
                            new HttpDecoderConfig()
                                .setMaxHeaderSize(MAX_HEAD_BYTES)
                                .setMaxChunkSize(64 << 10)
                                .setAllowDuplicateContentLengths(false),
                            false,
                            false))
                    .addLast(new UpstreamConnection(origin, loop));
              }
            })
        .connect(origin.address())
        .addListener(
            (ChannelFutureListener)
                f -> {
                  if (f.isSuccess() && !call.over) {
                    ((UpstreamConnection) f.channel().pipeline().last())
                        .start(f.channel(), call, request);
                    return;
                  }
                  request.release();
                  if (f.isSuccess()) {
                    loop.offer(origin, f.channel());
                  } else {
                    // a socket that cannot be made fails at once, and not on this loop
                    eventLoop.execute(() -> call.fail(unconnected(f.cause()), f.cause()));
                  }
                });
    return call;
  }

  private void start(Channel channel, Call c, FullHttpRequest request) {
    call = c;
    c.channel = channel;
    c.begin();
    channel.writeAndFlush(request).addListener((ChannelFuture f) -> written(f, c));
  }

  private static void written(ChannelFuture f, Call c) {
    c.sent = f.isSuccess();
    if (!f.isSuccess()) {
      f.channel().close();
      // a write may fail before the call that began it has returned
      f.channel().eventLoop().execute(() -> c.fail(c.closed(), f.cause()));
    }
  }

  private static Failure.Kind unconnected(Throwable cause) {
    return switch (cause) {
      case ConnectTimeoutException e -> Failure.Kind.CONNECT_TIMEOUT;
      case ConnectException e -> Failure.Kind.CONNECT_REFUSED;
      case NoRouteToHostException e -> Failure.Kind.CONNECT_REFUSED;
      default -> Failure.Kind.LOCAL;
    };
  }

  private static int millis(Duration d) {
    return Math.clamp(d.toMillis(), 1, Integer.MAX_VALUE);
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object message) {
    Call c = call;
    if (c == null || !(message instanceof HttpObject part)) {
      ReferenceCountUtil.release(message);
      ctx.close();
      return;
    }
    if (part.decoderResult().isFailure()) {
      ReferenceCountUtil.release(part);
      c.fail(
          c.headSeen ? Failure.Kind.CLOSED_MID_ANSWER : Failure.Kind.BAD_ANSWER,
          part.decoderResult().cause());
      ctx.close();
      return;
    }
    c.progress();
    c.answering = true;
    if (part instanceof HttpResponse r) {
      if (hasOddFraming(r)) {
        c.fail(Failure.Kind.BAD_ANSWER, null);
        ctx.close();
        return;
      }
      c.informational = r.status().codeClass() == HttpStatusClass.INFORMATIONAL;
      if (!c.informational) {
        c.headSeen = true;
        c.keepAlive = HttpUtil.isKeepAlive(r);
        c.events.answered(new NettyResponseHead(r));
      }
    }
    if (part instanceof HttpContent content) {
      ByteBuf b = content.content();
      boolean last = content instanceof LastHttpContent;
      if (b.isReadable() && !c.over && !c.informational) {
        c.bodySeen = true;
        c.events.body(b);
      } else {
        b.release();
      }
      if (last && c.informational) {
        c.informational = false;
      } else if (last && !c.over) {
        finish(ctx, c);
      }
    }
  }

  /// A transfer coding that we do not undo.
  private static boolean hasOddFraming(HttpResponse r) {
    List<String> codings = r.headers().getAll(HttpHeaderNames.TRANSFER_ENCODING);
    return codings.size() > 1
        || (codings.size() == 1 && !codings.getFirst().strip().equalsIgnoreCase("chunked"));
  }

  /// Back to the pool, unless the instance answered before it had read the whole request.
  private void finish(ChannelHandlerContext ctx, Call c) {
    call = null;
    c.over();
    Channel channel = ctx.channel();
    if (c.keepAlive && c.sent && channel.isActive()) {
      channel.config().setAutoRead(true);
      loop.offer(origin, channel);
    } else {
      channel.close();
    }
    c.events.ended();
  }

  @Override
  public void channelReadComplete(ChannelHandlerContext ctx) {
    Call c = call;
    if (c != null && !c.over) {
      c.events.pause();
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    Call c = call;
    if (c != null) {
      call = null;
      c.fail(c.closed(), null);
    }
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    ctx.close();
  }

  /// One call; it ends once.
  static final class Call implements UpstreamCall, LoopState.Timed {
    private final LoopState loop;
    private final long firstByteTicks;
    private final long idleTicks;
    private final UpstreamEvents events;
    private @Nullable Channel channel;
    private long lastProgress;
    private boolean kept;
    private boolean sent;
    private boolean answering;
    private boolean headSeen;
    private boolean bodySeen;
    private boolean keepAlive;
    private boolean informational;
    private boolean over;

    Call(LoopState loop, TimeLimits limits, UpstreamEvents events) {
      this.loop = loop;
      this.firstByteTicks = LoopState.ticks(limits.firstByte());
      this.idleTicks = LoopState.ticks(limits.idle());
      this.events = events;
    }

    private Failure.Kind closed() {
      if (headSeen) {
        return Failure.Kind.CLOSED_MID_ANSWER;
      }
      return kept && !answering ? Failure.Kind.CLOSED_STALE : Failure.Kind.CLOSED_BEFORE_ANSWER;
    }

    private void begin() {
      progress();
      loop.watch(this);
    }

    private void progress() {
      lastProgress = loop.now();
    }

    @Override
    public void tick(long now) {
      Channel c = channel;
      long limit = bodySeen ? idleTicks : firstByteTicks;
      if (now - lastProgress > limit && c != null && c.config().isAutoRead()) {
        fail(bodySeen ? Failure.Kind.TIMEOUT_STALLED : Failure.Kind.TIMEOUT_FIRST_BYTE, null);
        c.close();
      }
    }

    private void over() {
      over = true;
      loop.unwatch(this);
    }

    private void fail(Failure.Kind kind, @Nullable Throwable cause) {
      if (!over) {
        over();
        events.failed(new Failure(kind, cause == null ? "" : String.valueOf(cause.getMessage())));
      }
    }

    @Override
    public void reading(boolean on) {
      Channel c = channel;
      if (c != null && !over) {
        if (on) {
          progress();
        }
        c.config().setAutoRead(on);
      }
    }

    @Override
    public void cancel() {
      if (!over) {
        over();
        Channel c = channel;
        if (c != null) {
          c.close();
        }
      }
    }
  }
}
