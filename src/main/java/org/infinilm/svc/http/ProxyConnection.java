package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.socket.SocketChannel;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.handler.codec.http.TooLongHttpHeaderException;
import io.netty.handler.codec.http.TooLongHttpLineException;
import io.netty.util.ReferenceCountUtil;
import java.net.InetSocketAddress;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// One client connection of the data plane: reads a request whole, hands it over, carries its
/// answer, then takes the next. Event-loop confined.
///
/// Limits: a head must arrive within `headTime` of its first byte, a body may pause for
/// `bodyPause`, an idle connection lives for `idle`. Requests sent ahead of their turn wait,
/// reading stops when more than a few do.
final class ProxyConnection extends ChannelInboundHandlerAdapter implements LoopState.Timed {
  private static final int MAX_QUEUED = 16;
  private static final int LINGER_MILLIS = 2000;

  private final ProxyServer.Shared shared;
  private final LoopState loop;
  private final Deque<HttpObject> queued = new ArrayDeque<>();
  private @Nullable HttpRequest head;
  private @Nullable String requestId;
  private final BodyCollector body = new BodyCollector();
  private @Nullable InboundRequest current;
  private boolean closing;
  private boolean taking;
  private boolean bytesSinceLast;
  private long since;
  private @Nullable Channel channel;
  private String peer = "";

  ProxyConnection(ProxyServer.Shared shared, LoopState loop) {
    this.shared = shared;
    this.loop = loop;
    this.since = loop.now();
  }

  /// Stands before the decoder: notes when the first byte of a head arrives.
  ChannelHandler firstBytes() {
    return new ChannelInboundHandlerAdapter() {
      @Override
      public void channelRead(ChannelHandlerContext ctx, Object message) {
        if (current == null && head == null && !bytesSinceLast) {
          bytesSinceLast = true;
          since = loop.now();
        }
        ctx.fireChannelRead(message);
      }
    };
  }

  @Override
  public void channelActive(ChannelHandlerContext ctx) {
    channel = ctx.channel();
    shared.open.incrementAndGet();
    loop.watch(this);
    if (ctx.channel().remoteAddress() instanceof InetSocketAddress a && a.getAddress() != null) {
      peer = a.getAddress().getHostAddress();
    }
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object message) {
    if (closing || !(message instanceof HttpObject part)) {
      ReferenceCountUtil.release(message);
    } else if (current != null) {
      queued.add(part);
      if (queued.size() > MAX_QUEUED) {
        ctx.channel().config().setAutoRead(false);
      }
    } else {
      take(ctx.channel(), part);
    }
  }

  private void take(Channel c, HttpObject part) {
    if (part.decoderResult().isFailure()) {
      requestId = head == null ? null : requestId;
      ReferenceCountUtil.release(part);
      refuseBroken(c, part.decoderResult().cause());
      return;
    }
    if (part instanceof HttpRequest request) {
      begin(c, request);
    }
    if (part instanceof HttpContent content) {
      if (closing || head == null) {
        content.release();
      } else {
        collect(c, content);
      }
    }
  }

  private void begin(Channel c, HttpRequest request) {
    bytesSinceLast = false;
    since = loop.now();
    requestId = request.headers().get("x-request-id");
    String why = StrictRequestDecoder.ambiguity(request);
    if (why != null) {
      refuse(c, 400, why);
    } else if (request.method().equals(HttpMethod.CONNECT)) {
      refuse(c, 501, "CONNECT is not supported");
    } else if (!StrictRequestDecoder.isOriginForm(request.uri())) {
      refuse(c, 400, "request target (expected: a path and a query, percent-encoded)");
    } else if (HttpHeaderValues.WEBSOCKET.contentEqualsIgnoreCase(
        request.headers().get(HttpHeaderNames.UPGRADE, ""))) {
      refuse(c, 501, "WebSocket upgrades are not supported");
    } else if (HttpUtil.getContentLength(request, 0L) > shared.options.maxBodyBytes()) {
      refuse(c, 413, tooLarge());
    } else {
      head = request;
      if (HttpUtil.is100ContinueExpected(request)) {
        c.writeAndFlush(
            new DefaultFullHttpResponse(
                HttpVersion.HTTP_1_1, HttpResponseStatus.CONTINUE, Unpooled.EMPTY_BUFFER));
      }
    }
  }

  private void collect(Channel c, HttpContent content) {
    since = loop.now();
    ByteBuf piece = content.content();
    int n = piece.readableBytes();
    body.add(piece, c.alloc());
    if (n > 0) {
      long all = shared.bufferedBytes.addAndGet(n);
      if (body.bytes() > shared.options.maxBodyBytes()) {
        refuse(c, 413, tooLarge());
        return;
      }
      if (all > shared.options.maxBufferedBytes()) {
        refuse(
            c,
            503,
            "too many request bytes in flight (expected: at most "
                + shared.options.maxBufferedBytes()
                + "); try again");
        return;
      }
    }
    if (content instanceof LastHttpContent) {
      dispatch(c);
    }
  }

  private String tooLarge() {
    return "request body too large (expected: at most " + shared.options.maxBodyBytes() + " bytes)";
  }

  private void dispatch(Channel c) {
    HttpRequest h = head;
    if (h == null) {
      return;
    }
    long bytes = body.bytes();
    ByteBuf b = body.take(c.alloc());
    head = null;
    InboundRequest r = new InboundRequest(this, c, loop, h, b, bytes, peer, shared.draining);
    current = r;
    shared.requests.incrementAndGet();
    shared.front.receive(r);
  }

  /// The answer of `r` is written (or broken off); the next request may start.
  void done(InboundRequest r, long bytes, boolean keepAlive) {
    shared.requests.decrementAndGet();
    shared.bufferedBytes.addAndGet(-bytes);
    if (current != r) {
      return;
    }
    current = null;
    since = loop.now();
    bytesSinceLast = false;
    Channel c = channel;
    if (c == null) {
      return;
    }
    if (!keepAlive) {
      closing = true;
      c.writeAndFlush(Unpooled.EMPTY_BUFFER).addListener(ChannelFutureListener.CLOSE);
      releaseQueued();
      return;
    }
    takeQueued(c);
  }

  /// Takes what was sent ahead. Answers given at once come back here through [#done]; one loop
  /// handles them all, however many there are.
  private void takeQueued(Channel c) {
    if (taking) {
      return;
    }
    taking = true;
    while (current == null && !closing) {
      HttpObject next = queued.poll();
      if (next == null) {
        if (!c.config().isAutoRead()) {
          c.config().setAutoRead(true);
        }
        break;
      }
      take(c, next);
    }
    taking = false;
  }

  private void refuseBroken(Channel c, Throwable cause) {
    switch (cause) {
      case TooLongHttpLineException e -> refuse(c, 414, "request line too long");
      case TooLongHttpHeaderException e ->
          refuse(c, 431, "request head too large (expected: at most 64 KiB)");
      default -> refuse(c, 400, String.valueOf(cause.getMessage()));
    }
  }

  /// Answers and closes; what the client still sends is read and thrown away for a moment, so that
  /// it sees the answer instead of a reset.
  private void refuse(Channel c, int status, String why) {
    closing = true;
    head = null;
    releaseBody();
    releaseQueued();
    DefaultFullHttpResponse full =
        InboundRequest.full(shared.front.refusal(status, why, requestId), HttpMethod.GET);
    full.headers().set(HttpHeaderNames.CONNECTION, HttpHeaderValues.CLOSE);
    c.writeAndFlush(full)
        .addListener(f -> {
          if (c instanceof SocketChannel s) {
            s.shutdownOutput();
          }
          c.eventLoop().schedule(() -> c.close(), LINGER_MILLIS, TimeUnit.MILLISECONDS);
        });
  }

  private void releaseBody() {
    shared.bufferedBytes.addAndGet(-body.drop());
  }

  private void releaseQueued() {
    queued.forEach(ReferenceCountUtil::release);
    queued.clear();
  }

  @Override
  public void tick(long now) {
    Channel c = channel;
    if (c == null || closing) {
      return;
    }
    long waited = (now - since) * LoopState.TICK_MILLIS;
    if (current != null) {
      if (c.isWritable()) {
        since = now;
      } else if (waited > shared.options.clientStall().toMillis()) {
        c.close();
      }
      return;
    }
    if (head != null) {
      if (waited > shared.options.bodyPause().toMillis()) {
        refuse(
            c,
            408,
            "no byte of the request's body for " + shared.options.bodyPause().toSeconds() + " s");
      }
    } else if (bytesSinceLast) {
      if (waited > shared.options.headTime().toMillis()) {
        refuse(
            c,
            408,
            "request head not complete after " + shared.options.headTime().toSeconds() + " s");
      }
    } else if (waited > shared.options.idle().toMillis() || shared.draining) {
      c.close();
    }
  }

  @Override
  public void channelWritabilityChanged(ChannelHandlerContext ctx) {
    InboundRequest r = current;
    if (r != null) {
      r.writabilityChanged(ctx.channel().isWritable());
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    shared.open.decrementAndGet();
    loop.unwatch(this);
    closing = true;
    releaseBody();
    releaseQueued();
    InboundRequest r = current;
    current = null;
    channel = null;
    if (r != null) {
      r.clientGone();
    }
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    ctx.close();
  }
}
