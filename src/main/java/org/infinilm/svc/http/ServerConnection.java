package org.infinilm.svc.http;

import com.fasterxml.jackson.core.util.ByteArrayBuilder;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.socket.SocketChannel;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.DefaultHttpContent;
import io.netty.handler.codec.http.DefaultHttpResponse;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseEncoder;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.handler.codec.http.TooLongHttpHeaderException;
import io.netty.handler.codec.http.TooLongHttpLineException;
import io.netty.handler.timeout.IdleStateEvent;
import io.netty.util.ReferenceCountUtil;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One connection of a control-plane server: collects a request, hands it to the handler on a
/// virtual thread, writes the answer, then takes the next. Event-loop confined, except [Sink],
/// which the handler's thread uses.
final class ServerConnection extends ChannelInboundHandlerAdapter {
  private static final Logger LOG = LoggerFactory.getLogger(Server.class);
  private static final int MAX_QUEUED = 64;
  private static final int LINGER_SECONDS = 5;

  private final Handler handler;
  private final int maxBodyBytes;
  private final Server.Refusal refusal;
  private final Duration stall;
  private final Deque<HttpObject> queued = new ArrayDeque<>();
  private @Nullable HttpRequest head;
  private ByteArrayBuilder body = new ByteArrayBuilder();
  private @Nullable Pending pending;
  private boolean closing;
  private final ServerLoad load;
  private long held;
  private volatile long lastUse;

  private final StrictRequestDecoder decoder = new StrictRequestDecoder();

  /// Those that were whole.
  private long requests;

  /// Bytes of a request that is not whole, as long as it is a small one.
  private final AtomicLong unfinished = new AtomicLong();

  ServerConnection(Handler handler, Server.Options options, ServerLoad load) {
    this.load = load;
    this.lastUse = load.nextUse();
    this.handler = handler;
    this.maxBodyBytes = options.maxBodyBytes();
    this.refusal = options.refusal();
    this.stall = options.stall();
  }

  /// Orders connections by when their last request began.
  long lastUse() {
    return lastUse;
  }

  boolean busy() {
    return pending != null || head != null;
  }

  /// Whether a request is whole and has no answer yet.
  boolean answering() {
    return pending != null;
  }

  boolean isUnfinished() {
    return unfinished.get() > 0;
  }

  void forgetUnfinished() {
    load.unfinished(-unfinished.getAndSet(0));
  }

  StrictRequestDecoder decoder() {
    return decoder;
  }

  /// Stands before the decoder and counts what comes.
  ChannelHandler meter() {
    return new ChannelInboundHandlerAdapter() {
      @Override
      public void channelRead(ChannelHandlerContext ctx, Object message) {
        int bytes = message instanceof ByteBuf b ? b.readableBytes() : 0;
        if (!closing && !isUnfinished() && head == null) {
          lastUse = load.nextUse();
        }
        count(bytes);
        long before = requests;
        ctx.fireChannelRead(message);
        if (requests != before && (!queued.isEmpty() || head != null || decoder.holdsBytes())) {
          count(bytes);
        }
      }
    };
  }

  private void count(int bytes) {
    if (held == 0 && !closing) {
      unfinished.addAndGet(bytes);
      load.unfinished(bytes);
    }
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object message) {
    if (closing || !(message instanceof HttpObject part)) {
      ReferenceCountUtil.release(message);
    } else if (!queued.isEmpty() || !takesNext(ctx.channel())) {
      queued.add(part);
      if (queued.size() > MAX_QUEUED) {
        ctx.channel().config().setAutoRead(false);
      }
    } else {
      take(ctx, part);
    }
  }

  /// A request that is being collected goes on; the next one waits for the answer before it, and
  /// while answers are not taken.
  private boolean takesNext(Channel channel) {
    return pending == null && (head != null || channel.isWritable());
  }

  private void take(ChannelHandlerContext ctx, HttpObject part) {
    try {
      if (part.decoderResult().isFailure()) {
        refuseBroken(ctx, part.decoderResult().cause());
        return;
      }
      if (part instanceof HttpRequest request) {
        begin(ctx, request);
      }
      if (!closing && head != null && part instanceof HttpContent content) {
        collect(ctx, content);
      }
    } finally {
      ReferenceCountUtil.release(part);
    }
  }

  private void begin(ChannelHandlerContext ctx, HttpRequest request) {
    RequestCheck.Refusal no = RequestCheck.refusalAtTheEnd(request);
    if (no != null) {
      refuse(ctx, no.status(), "bad request: " + no.why());
      return;
    }
    if (HttpUtil.getContentLength(request, 0L) > maxBodyBytes) {
      refuse(ctx, 413, tooLarge());
      return;
    }
    head = request;
    body = new ByteArrayBuilder();
    if (HttpUtil.is100ContinueExpected(request)) {
      ctx.writeAndFlush(
          new DefaultFullHttpResponse(
              HttpVersion.HTTP_1_1, HttpResponseStatus.CONTINUE, Unpooled.EMPTY_BUFFER));
    }
  }

  private void collect(ChannelHandlerContext ctx, HttpContent content) {
    ByteBuf b = content.content();
    if (body.size() + b.readableBytes() > maxBodyBytes) {
      refuse(ctx, 413, tooLarge());
      return;
    }
    long size = (long) body.size() + b.readableBytes();
    if (size > ServerLoad.SMALL_BYTES) {
      if (!load.take(size - held)) {
        refuse(ctx, 503, "too many large request bodies at once (expected: again in a moment)");
        return;
      }
      held = size;
      forgetUnfinished();
    }
    byte[] bytes = new byte[b.readableBytes()];
    b.readBytes(bytes);
    body.write(bytes);
    if (content instanceof LastHttpContent) {
      dispatch(ctx);
    }
  }

  private String tooLarge() {
    return "request body too large (expected: at most " + maxBodyBytes + " bytes)";
  }

  private void dispatch(ChannelHandlerContext ctx) {
    HttpRequest h = head;
    if (h == null) {
      return;
    }
    head = null;
    requests++;
    forgetUnfinished();
    Pending p = new Pending(ctx.channel(), h);
    pending = p;
    String uri = h.uri();
    int q = uri.indexOf('?');
    List<Header> fields = new ArrayList<>(h.headers().size());
    for (Map.Entry<String, String> e : h.headers()) {
      fields.add(new Header(e.getKey(), e.getValue()));
    }
    String peer =
        ctx.channel().remoteAddress() instanceof InetSocketAddress a && a.getAddress() != null
            ? IpText.of(a.getAddress())
            : "";
    Request request =
        new Request(
            h.method().name(),
            q < 0 ? uri : uri.substring(0, q),
            q < 0 ? null : uri.substring(q + 1),
            new Headers(fields),
            body.toByteArray(),
            peer,
            p);
    body = new ByteArrayBuilder();
    Thread.ofVirtual().name("http ", 0).start(() -> serve(request, p));
  }

  private void serve(Request request, Pending p) {
    Response response;
    try {
      response = handler.handle(request);
    } catch (InterruptedException e) {
      response = refusal.answer(503, Server.ENDS);
    } catch (Exception | Error e) {
      // also where memory or the stack has run out: who asks must not wait for ever
      LOG.error("{} {} failed", request.method(), request.path(), e);
      response = refusal.answer(500, "internal error");
    }
    Response.BodyWriter stream = response.stream();
    if (stream == null || (request.method().equals("HEAD") && !response.isRaw())) {
      p.whole(response);
      return;
    }
    try {
      Sink sink = response.isRaw() ? new Sink(p, false, true) : p.streamed(response);
      stream.write(sink);
      sink.finish();
    } catch (IOException clientGone) {
      p.abort();
    } catch (InterruptedException e) {
      p.abort();
    } catch (RuntimeException | Error e) {
      LOG.error("{} {} failed while streaming", request.method(), request.path(), e);
      p.abort();
    }
  }

  private void refuseBroken(ChannelHandlerContext ctx, Throwable cause) {
    if (cause instanceof TooLongHttpLineException) {
      refuse(ctx, 414, "request line too long");
    } else if (cause instanceof TooLongHttpHeaderException) {
      refuse(ctx, 431, "request head too large (expected: at most 64 KiB)");
    } else {
      refuse(ctx, 400, "bad request: " + cause.getMessage());
    }
  }

  private void refuse(ChannelHandlerContext ctx, int status, String why) {
    closing = true;
    head = null;
    body = new ByteArrayBuilder();
    giveBack();
    forgetUnfinished();
    DefaultFullHttpResponse r = full(refusal.answer(status, why), HttpMethod.GET, false);
    ctx.writeAndFlush(r).addListener(f -> linger(ctx.channel()));
  }

  /// Says that all is sent, and throws away what still comes, for a while: a client that is sending
  /// would see its connection reset, and no answer (RFC 9112 section 9.6).
  private static void linger(Channel channel) {
    if (channel.isActive() && channel instanceof SocketChannel s) {
      channel.config().setAutoRead(true);
      TlsDoor.endOutput(s);
      channel.eventLoop().schedule(() -> channel.close(), LINGER_SECONDS, TimeUnit.SECONDS);
    } else {
      channel.close();
    }
  }

  /// The answer is written; the next request may start.
  private void done(Channel channel, boolean keepAlive) {
    pending = null;
    giveBack();
    if (!keepAlive) {
      closing = true;
      channel.writeAndFlush(Unpooled.EMPTY_BUFFER).addListener(ChannelFutureListener.CLOSE);
      releaseQueued();
      return;
    }
    goOn(channel);
  }

  private void goOn(Channel channel) {
    ChannelHandlerContext ctx = channel.pipeline().context(this);
    while (ctx != null && !closing && takesNext(channel)) {
      HttpObject next = queued.poll();
      if (next == null) {
        channel.config().setAutoRead(true);
        return;
      }
      take(ctx, next);
    }
  }

  @Override
  public void channelWritabilityChanged(ChannelHandlerContext ctx) {
    Pending p = pending;
    if (p != null) {
      p.signal();
    } else if (ctx.channel().isWritable()) {
      ctx.channel().eventLoop().execute(() -> goOn(ctx.channel()));
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    Pending p = pending;
    pending = null;
    closing = true;
    giveBack();
    forgetUnfinished();
    releaseQueued();
    if (p != null) {
      p.clientGone();
    }
  }

  private void giveBack() {
    load.give(held);
    held = 0;
  }

  private void releaseQueued() {
    queued.forEach(ReferenceCountUtil::release);
    queued.clear();
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
    if (event instanceof IdleStateEvent && pending == null) {
      ctx.close();
    }
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    ctx.close();
  }

  private static DefaultFullHttpResponse full(Response r, HttpMethod method, boolean keepAlive) {
    boolean bodyless = method.equals(HttpMethod.HEAD);
    DefaultFullHttpResponse out =
        new DefaultFullHttpResponse(
            HttpVersion.HTTP_1_1,
            HttpResponseStatus.valueOf(r.status()),
            bodyless ? Unpooled.EMPTY_BUFFER : Unpooled.wrappedBuffer(r.body()));
    copy(r.headers(), out.headers());
    if (r.status() != 204 && r.status() != 304) {
      out.headers().set(HttpHeaderNames.CONTENT_LENGTH, r.body().length);
    }
    if (!keepAlive) {
      out.headers().set(HttpHeaderNames.CONNECTION, HttpHeaderValues.CLOSE);
    }
    return out;
  }

  private static void copy(Headers from, HttpHeaders to) {
    for (Header h : from.fields()) {
      to.add(h.name(), h.value());
    }
  }

  /// A request whose answer is not complete.
  private final class Pending implements Request.Gone {
    private final Channel channel;
    private final HttpMethod method;
    private final boolean keepAlive;
    private final boolean chunked;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final List<Runnable> callbacks = new ArrayList<>();
    private boolean gone;

    Pending(Channel channel, HttpRequest head) {
      this.channel = channel;
      this.method = head.method();
      this.chunked = head.protocolVersion().equals(HttpVersion.HTTP_1_1);
      this.keepAlive = HttpUtil.isKeepAlive(head);
    }

    @Override
    public void onGone(Runnable callback) {
      lock.lock();
      try {
        if (!gone) {
          callbacks.add(callback);
          return;
        }
      } finally {
        lock.unlock();
      }
      callback.run();
    }

    @Override
    public boolean isGone() {
      lock.lock();
      try {
        return gone;
      } finally {
        lock.unlock();
      }
    }

    void clientGone() {
      List<Runnable> run;
      lock.lock();
      try {
        gone = true;
        run = List.copyOf(callbacks);
        callbacks.clear();
        changed.signalAll();
      } finally {
        lock.unlock();
      }
      run.forEach(Runnable::run);
    }

    void signal() {
      lock.lock();
      try {
        changed.signalAll();
      } finally {
        lock.unlock();
      }
    }

    void whole(Response r) {
      boolean keep = keepAlive && !"close".equalsIgnoreCase(r.headers().get("connection"));
      channel
          .eventLoop()
          .execute(() -> {
            channel.writeAndFlush(full(r, method, keep));
            done(channel, keep);
          });
    }

    Sink streamed(Response r) {
      HttpResponse out =
          new DefaultHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.valueOf(r.status()));
      copy(r.headers(), out.headers());
      if (chunked) {
        out.headers().set(HttpHeaderNames.TRANSFER_ENCODING, HttpHeaderValues.CHUNKED);
      }
      boolean keep = keepAlive && chunked;
      if (!keep) {
        out.headers().set(HttpHeaderNames.CONNECTION, HttpHeaderValues.CLOSE);
      }
      channel.writeAndFlush(out);
      return new Sink(this, keep, false);
    }

    void abort() {
      channel.close();
    }

    void awaitWritable() throws IOException, InterruptedException {
      lock.lock();
      try {
        long stuck = channel.bytesBeforeWritable();
        long left = stall.toNanos();
        while (!gone && channel.isActive() && !channel.isWritable()) {
          left = changed.awaitNanos(left);
          long now = channel.bytesBeforeWritable();
          if (now < stuck || (left <= 0 && Sockets.sentWithin(channel, stall))) {
            left = stall.toNanos();
            stuck = now;
          } else if (left <= 0) {
            throw new IOException("client reads nothing");
          }
        }
        if (gone || !channel.isActive()) {
          throw new IOException("client went away");
        }
      } finally {
        lock.unlock();
      }
    }
  }

  /// The body of a streamed answer.
  private final class Sink implements Response.BodySink {
    private final Pending p;
    private final boolean keep;
    private final boolean raw;

    /// @param raw whether bytes go out past the encoder
    Sink(Pending p, boolean keep, boolean raw) {
      this.p = p;
      this.keep = keep;
      this.raw = raw;
    }

    @Override
    public void write(byte[] piece) throws IOException, InterruptedException {
      p.awaitWritable();
      ByteBuf bytes = Unpooled.wrappedBuffer(piece);
      if (raw) {
        ChannelHandlerContext encoder = p.channel.pipeline().context(HttpResponseEncoder.class);
        if (encoder != null) {
          encoder.writeAndFlush(bytes);
        }
      } else if (piece.length > 0) {
        p.channel.writeAndFlush(new DefaultHttpContent(bytes));
      }
    }

    @Override
    public void abort() {
      p.abort();
    }

    @Override
    public void reset() {
      p.channel.eventLoop().execute(() -> Sockets.reset(p.channel));
    }

    void finish() {
      p.channel
          .eventLoop()
          .execute(() -> {
            if (!raw) {
              p.channel.writeAndFlush(LastHttpContent.EMPTY_LAST_CONTENT);
            }
            done(p.channel, keep);
          });
    }
  }
}
