package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.handler.codec.http.DefaultFullHttpRequest;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.DefaultHttpContent;
import io.netty.handler.codec.http.DefaultHttpResponse;
import io.netty.handler.codec.http.EmptyHttpHeaders;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.util.concurrent.Future;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// [Inbound] over Netty's codec. Event-loop confined; it ends once, whoever ends it.
final class InboundRequest implements Inbound {
  private static final Logger LOG = LoggerFactory.getLogger(ProxyServer.class);

  private static final InboundEvents NOBODY =
      new InboundEvents() {
        @Override
        public void writable(boolean on) {}

        @Override
        public void gone() {}

        @Override
        public void shutdown() {}

        @Override
        public void fault() {}
      };

  private final ProxyConnection connection;
  private final Channel channel;
  private final LoopState loop;
  private final HttpRequest request;
  private final NettyRequestHead head;
  private final ByteBuf body;
  private final String peer;

  /// Whether the client announced a body, if an empty one.
  private final boolean framed;

  private InboundEvents events = NOBODY;
  private boolean keepAlive;

  /// Whether the answer under way has no body, whatever the instance sends.
  private boolean bodyless;

  /// Whether the answer under way has the length that the instance told, so that each byte of ours
  /// would be taken for one of its own.
  private boolean lengthTold;

  /// What another thread does for this request.
  private @Nullable Apart apart;

  /// The answer whose trailers the client is to get.
  private @Nullable NettyResponseHead trailing;

  private boolean headSent;
  private boolean endsByClose;
  private boolean ended;

  InboundRequest(
      ProxyConnection connection,
      Channel channel,
      LoopState loop,
      HttpRequest request,
      ByteBuf body,
      String peer) {
    this.connection = connection;
    this.channel = channel;
    this.loop = loop;
    this.request = request;
    this.head = new NettyRequestHead(request);
    this.body = body;
    this.peer = peer;
    this.framed =
        request.headers().contains(HttpHeaderNames.CONTENT_LENGTH)
            || request.headers().contains(HttpHeaderNames.TRANSFER_ENCODING);
    this.keepAlive = HttpUtil.isKeepAlive(request);
  }

  @Override
  public RequestHead head() {
    return head;
  }

  @Override
  public ByteBuf body() {
    return body;
  }

  @Override
  public String peer() {
    return peer;
  }

  @Override
  public void events(InboundEvents e) {
    events = e;
  }

  @Override
  public UpstreamCall send(Outgoing call, UpstreamEvents upstream) {
    ByteBuf content = call.body() == null ? body.retainedDuplicate() : call.body();
    HttpHeaders h = request.headers().copy();
    HopByHop.strip(h);
    h.remove(HttpHeaderNames.TRANSFER_ENCODING);
    h.remove(HttpHeaderNames.EXPECT);
    if (content.isReadable() || framed || anticipatesContent(request.method())) {
      h.set(HttpHeaderNames.CONTENT_LENGTH, content.readableBytes());
    }
    h.set(HttpHeaderNames.HOST, call.origin().authority());
    NettyFields.apply(h, call.patch());
    FullHttpRequest out =
        new DefaultFullHttpRequest(
            HttpVersion.HTTP_1_1,
            request.method(),
            call.origin().target(request.uri()),
            content,
            h,
            EmptyHttpHeaders.INSTANCE);
    return UpstreamConnection.send(channel.eventLoop(), loop, call, out, upstream);
  }

  /// Whether servers may insist on a length, if of nothing (RFC 9110 section 8.6).
  private static boolean anticipatesContent(HttpMethod m) {
    return m.equals(HttpMethod.POST) || m.equals(HttpMethod.PUT) || m.equals(HttpMethod.PATCH);
  }

  @Override
  public void relayHead(ResponseHead from, HeadPatch patch) {
    NettyResponseHead answer = (NettyResponseHead) from;
    HttpResponse r = answer.response();
    HttpHeaders h = r.headers();
    int status = r.status().code();
    boolean http11 = request.protocolVersion().equals(HttpVersion.HTTP_1_1);
    HopByHop.strip(h);
    bodyless =
        request.method().equals(HttpMethod.HEAD) || status == 204 || status == 304 || status == 205;
    if (bodyless) {
      h.remove(HttpHeaderNames.TRANSFER_ENCODING);
      if (status == 204) {
        h.remove(HttpHeaderNames.CONTENT_LENGTH);
      } else if (status == 205) {
        h.set(HttpHeaderNames.CONTENT_LENGTH, 0);
      }
    } else if (h.contains(HttpHeaderNames.TRANSFER_ENCODING)
        || !h.contains(HttpHeaderNames.CONTENT_LENGTH)
        || patch.dropped().contains("content-length")) {
      h.remove(HttpHeaderNames.CONTENT_LENGTH);
      if (http11) {
        h.set(HttpHeaderNames.TRANSFER_ENCODING, HttpHeaderValues.CHUNKED);
        trailing = Trailers.wanted(request) ? answer : null;
      } else {
        h.remove(HttpHeaderNames.TRANSFER_ENCODING);
        keepAlive = false;
        endsByClose = true;
      }
    } else {
      lengthTold = true;
    }
    headSent = true;
    NettyFields.apply(h, patch);
    connectionField(h);
    r.setProtocolVersion(HttpVersion.HTTP_1_1);
    channel.write(r, channel.voidPromise());
  }

  @Override
  public void startStream(List<Header> fields) {
    HttpResponse r = new DefaultHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.OK);
    HttpHeaders h = r.headers();
    h.set(HttpHeaderNames.CONTENT_TYPE, "text/event-stream; charset=utf-8");
    h.set(HttpHeaderNames.CACHE_CONTROL, HttpHeaderValues.NO_CACHE);
    if (request.protocolVersion().equals(HttpVersion.HTTP_1_1)) {
      h.set(HttpHeaderNames.TRANSFER_ENCODING, HttpHeaderValues.CHUNKED);
    } else {
      keepAlive = false;
      endsByClose = true;
    }
    headSent = true;
    for (Header f : fields) {
      h.set(f.name(), f.value());
    }
    connectionField(h);
    channel.write(r, channel.voidPromise());
  }

  private void connectionField(HttpHeaders h) {
    if (!h.contains(HttpHeaderNames.DATE)) {
      h.set(HttpHeaderNames.DATE, connection.date().now());
    }
    connection.cors().mark(request.headers().get(HttpHeaderNames.ORIGIN), h);
    keepAlive = keepAlive && connection.keepsAlive();
    if (!keepAlive) {
      h.set(HttpHeaderNames.CONNECTION, HttpHeaderValues.CLOSE);
    } else if (request.protocolVersion().equals(HttpVersion.HTTP_1_0)) {
      h.set(HttpHeaderNames.CONNECTION, HttpHeaderValues.KEEP_ALIVE);
    }
  }

  @Override
  public boolean takesOurs() {
    return headSent && !bodyless && !lengthTold;
  }

  @Override
  public void relayBody(ByteBuf slice) {
    if (ended || bodyless) {
      slice.release();
    } else {
      channel.write(new DefaultHttpContent(slice), channel.voidPromise());
    }
  }

  @Override
  public void flush() {
    if (!ended) {
      channel.flush();
    }
  }

  @Override
  public void relayEnd() {
    if (!ended) {
      channel.writeAndFlush(
          trailing == null ? LastHttpContent.EMPTY_LAST_CONTENT : Trailers.last(trailing),
          channel.voidPromise());
      end(ProxyConnection.Next.after(keepAlive));
    }
  }

  @Override
  public void breakOff(byte[] lastPiece) {
    if (ended) {
      return;
    }
    if (lastPiece.length > 0 && takesOurs()) {
      channel.write(
          new DefaultHttpContent(Unpooled.wrappedBuffer(lastPiece)), channel.voidPromise());
    }
    // The end of a body that ends with its connection must not look like one (RFC 9112 section 8).
    end(endsByClose ? ProxyConnection.Next.RESET : ProxyConnection.Next.CLOSE);
  }

  @Override
  public void answer(Response response) {
    if (!ended) {
      DefaultFullHttpResponse full = full(response, request.method());
      connectionField(full.headers());
      headSent = true;
      channel.writeAndFlush(full, channel.voidPromise());
      end(ProxyConnection.Next.after(keepAlive));
    }
  }

  /// Ends a request that met a fault of ours: by its owner, or here when that fails too. Nobody
  /// waits for ever.
  void fault() {
    if (ended) {
      return;
    }
    try {
      events.fault();
    } catch (Throwable e) {
      Faults.note("a request's end after a fault", e);
    }
    if (ended) {
      return;
    }
    InboundEvents told = events;
    events = NOBODY;
    try {
      if (headSent) {
        breakOff(new byte[0]);
      } else {
        answer(connection.failed(request));
      }
    } catch (RuntimeException e) {
      Faults.note("an answer about a fault", e);
      channel.close();
    } finally {
      told.gone();
    }
  }

  @Override
  public void serve(Handler handler) {
    byte[] bytes = new byte[body.readableBytes()];
    body.getBytes(body.readerIndex(), bytes);
    List<Header> fields = new ArrayList<>();
    for (Map.Entry<String, String> e : request.headers()) {
      fields.add(new Header(e.getKey(), e.getValue()));
    }
    String target = request.uri();
    int q = target.indexOf('?');
    Request r =
        new Request(
            request.method().name(),
            head.path(),
            q < 0 ? null : target.substring(q + 1),
            new Headers(fields),
            bytes,
            peer,
            new NeverGone());
    Thread.ofVirtual()
        .name("route ", 0)
        .start(() -> {
          Response answer = handle(handler, r);
          channel.eventLoop().execute(() -> give(answer));
        });
  }

  /// Answers what a handler said, if it can be said at all.
  private void give(Response answer) {
    try {
      answer(answer);
    } catch (RuntimeException e) {
      Faults.note("an own answer", e);
      fault();
    }
  }

  private Response handle(Handler handler, Request r) {
    try {
      return handler.handle(r);
    } catch (InterruptedException e) {
      return Response.json(503, Map.of("error", "shutting down"));
    } catch (Throwable e) {
      // an Error too: a client must not wait for an answer that never comes
      LOG.error("{} {} failed", r.method(), r.path(), e);
      return connection.failed(request);
    }
  }

  @Override
  public <T> void apart(Supplier<T> work, Consumer<T> then) {
    Apart a =
        new Apart(
            body,
            () -> {
              try {
                T made = work.get();
                channel.eventLoop().execute(() -> goOn(then, made));
              } catch (Throwable e) {
                // an Error too: a client must not wait for an answer that never comes
                Faults.note("reading a request", e);
                channel.eventLoop().execute(this::fault);
              }
            });
    apart = a;
    try {
      connection.readers().execute(a);
    } catch (RejectedExecutionException ends) {
      a.takeBack();
      throw ends;
    }
  }

  private <T> void goOn(Consumer<T> then, T made) {
    try {
      then.accept(made);
    } catch (Throwable e) {
      Faults.note("a request's start", e);
      fault();
    }
  }

  @Override
  public Room room() {
    return connection.room();
  }

  @Override
  public boolean isWritable() {
    return channel.isWritable();
  }

  @Override
  public Runnable later(Duration delay, Runnable task) {
    Future<?> due = channel.eventLoop().schedule(task, delay.toNanos(), TimeUnit.NANOSECONDS);
    return () -> due.cancel(false);
  }

  @Override
  public void execute(Runnable task) {
    channel.eventLoop().execute(task);
  }

  @Override
  public Executor loop() {
    return channel.eventLoop();
  }

  void writabilityChanged(boolean on) {
    if (!ended) {
      events.writable(on);
    }
  }

  /// Has the exchange end at once; a request that a handler has is not waited for.
  void shutdown() {
    if (!ended) {
      events.shutdown();
    }
  }

  void clientGone() {
    if (!ended) {
      end(ProxyConnection.Next.CLOSE);
      events.gone();
    }
  }

  private void end(ProxyConnection.Next next) {
    ended = true;
    Apart a = apart;
    if (a != null) {
      a.takeBack();
    }
    body.release();
    connection.done(this, next);
  }

  static DefaultFullHttpResponse full(Response r, HttpMethod method) {
    DefaultFullHttpResponse out =
        new DefaultFullHttpResponse(
            HttpVersion.HTTP_1_1,
            HttpResponseStatus.valueOf(r.status()),
            method.equals(HttpMethod.HEAD)
                ? Unpooled.EMPTY_BUFFER
                : Unpooled.wrappedBuffer(r.body()));
    for (Header f : r.headers().fields()) {
      out.headers().add(f.name(), f.value());
    }
    if (r.status() != 204 && r.status() != 304) {
      out.headers().set(HttpHeaderNames.CONTENT_LENGTH, r.body().length);
    }
    return out;
  }

  /// Own routes answer at once; nobody waits for their clients.
  private static final class NeverGone implements Request.Gone {
    @Override
    public void onGone(Runnable callback) {}

    @Override
    public boolean isGone() {
      return false;
    }
  }
}
