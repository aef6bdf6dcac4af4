package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.unix.Socket;
import io.netty.handler.codec.PrematureChannelClosureException;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpRequestEncoder;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.handler.ssl.SslCloseCompletionEvent;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.timeout.IdleStateEvent;
import io.netty.handler.timeout.IdleStateHandler;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.concurrent.Future;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// One connection of [Client], with one call at a time; kept for the next one where it may be. What
/// it knows belongs to its event loop; callers are on any thread.
final class ClientConnection extends ChannelInboundHandlerAdapter {
  /// Then it is used no more, so that names are looked up again now and then.
  private static final Duration LONGEST_LIFE = Duration.ofMinutes(5);

  private final BaseUrl server;
  private final @Nullable Tls tls;
  private final @Nullable SslContext context;
  private final @Nullable KeptConnections kept;
  private final StrictResponseDecoder decoder = new StrictResponseDecoder();
  private @Nullable Channel channel;

  private long madeNanos;

  private @Nullable ClientCall call;

  /// What ended it when there was no call.
  private @Nullable Throwable broke;

  private @Nullable Future<?> limit;

  /// Whether the request has been handed to the kernel.
  private boolean sent;

  /// Whether the answer lets the connection go on.
  private boolean goesOn;

  /// Whether it has had a call, which another thread sees once it gets it from those kept.
  private boolean used;

  /// Whether it waits for a call, with those kept or on its way to one.
  private boolean waits;

  /// @param tls null for plain HTTP
  /// @param kept null where it is for one call
  ClientConnection(BaseUrl server, @Nullable Tls tls, @Nullable KeptConnections kept) {
    this.server = server;
    this.tls = tls;
    this.context = tls == null ? null : tls.context();
    this.kept = kept;
  }

  /// Before it connects, on its loop.
  void open(Channel c) {
    channel = c;
    madeNanos = c.eventLoop().ticker().nanoTime();
    if (tls != null) {
      c.pipeline().addLast(tls.handler(c.alloc(), server.host(), server.port()));
    }
    if (kept != null) {
      c.pipeline()
          .addLast(
              new IdleStateHandler(0, 0, kept.longestIdle().toMillis(), TimeUnit.MILLISECONDS));
    }
    c.pipeline().addLast(decoder, new HttpRequestEncoder(), this);
  }

  Channel channel() {
    Channel c = channel;
    if (c == null) {
      throw new IllegalStateException("not opened");
    }
    return c;
  }

  boolean isUsed() {
    return used;
  }

  @SuppressWarnings("ReferenceEquality") // one is read anew, or it is the same
  boolean isMadeWith(@Nullable Tls now) {
    return context == (now == null ? null : now.context());
  }

  void close() {
    channel().close();
  }

  /// The others of this server may be as dead as this one.
  void forgetOthers() {
    if (kept != null) {
      kept.forget(server);
    }
  }

  /// Sends a call; it hears all that becomes of it.
  void begin(ClientCall next, ClientCall.Asked asked) {
    channel().eventLoop().execute(() -> start(next, asked));
  }

  private void start(ClientCall next, ClientCall.Asked asked) {
    Throwable why = broke;
    if (used && !isFit()) {
      channel().close();
      next.unsent();
    } else if (why != null) {
      next.broke(why);
    } else if (!channel().isActive()) {
      next.closed();
    } else {
      used = true;
      waits = false;
      sent = false;
      goesOn = false;
      call = next;
      next.on(channel());
      decoder.expect(asked.head());
      Duration total = asked.total();
      if (total != null) {
        limit =
            channel()
                .eventLoop()
                .schedule(() -> next.timedOut(total), total.toMillis(), TimeUnit.MILLISECONDS);
      }
      channel().writeAndFlush(asked.request()).addListener(this::written);
    }
  }

  private boolean isFit() {
    return channel().isActive() && decoder.isEmpty() && isSilent();
  }

  /// Whether nothing lies in the kernel that the loop has not read yet, neither an end nor bytes
  /// that nobody asked for; what is read here is lost, with the connection.
  private boolean isSilent() {
    if (!(channel() instanceof EpollSocketChannel c) || !(c.fd() instanceof Socket socket)) {
      return true;
    }
    ByteBuf one = c.alloc().ioBuffer(1);
    try {
      return !one.hasMemoryAddress() || socket.recvAddress(one.memoryAddress(), 0, 1) == 0;
    } catch (IOException broken) {
      return false;
    } finally {
      one.release();
    }
  }

  private void written(Future<? super Void> write) {
    ClientCall c = call;
    if (write.isSuccess()) {
      sent = true;
    } else if (c != null) {
      c.notWritten(write.cause());
    }
  }

  /// The caller wants no more of it: the connection is closed, unless the answer came to its end.
  @SuppressWarnings("ReferenceEquality") // that call
  void giveUp(ClientCall c) {
    channel()
        .eventLoop()
        .execute(() -> {
          if (call == c || (call == null && !waits)) {
            channel().close();
          }
        });
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object message) {
    ClientCall c = call;
    try {
      if (c == null || !(message instanceof HttpObject part)) {
        return;
      }
      if (part.decoderResult().isFailure()) {
        Throwable why = part.decoderResult().cause();
        if (!(why instanceof PrematureChannelClosureException)) {
          over();
          c.noHttp(why);
        }
        ctx.close();
        return;
      }
      if (part instanceof HttpResponse r) {
        goesOn = HttpUtil.isKeepAlive(r);
      }
      c.take(part);
      if (part instanceof LastHttpContent) {
        over();
        keepOrClose();
        c.ended();
      }
    } finally {
      ReferenceCountUtil.release(message);
    }
  }

  private void over() {
    call = null;
    if (limit != null) {
      limit.cancel(false);
      limit = null;
    }
  }

  private void keepOrClose() {
    if (kept != null
        && goesOn
        && sent
        && decoder.isEmpty()
        && !decoder.endedByClose()
        && channel().eventLoop().ticker().nanoTime() - madeNanos < LONGEST_LIFE.toNanos()) {
      channel().config().setAutoRead(true);
      waits = true;
      if (kept.put(server, this)) {
        return;
      }
      waits = false;
    }
    channel().close();
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    ClientCall c = call;
    over();
    if (c != null) {
      c.closed();
    } else if (kept != null) {
      kept.remove(server, this);
    }
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    ClientCall c = call;
    if (c != null) {
      c.broke(cause);
    } else {
      broke = cause;
    }
    ctx.close();
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext ctx, Object event) throws Exception {
    boolean done = event instanceof SslCloseCompletionEvent && call == null;
    boolean idle = event instanceof IdleStateEvent && kept != null && kept.remove(server, this);
    if (done || idle) {
      ctx.close();
    }
    super.userEventTriggered(ctx, event);
  }
}
