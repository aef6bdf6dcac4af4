package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.DefaultHttpContent;
import io.netty.handler.codec.http.DefaultHttpResponse;
import io.netty.handler.codec.http.DefaultLastHttpContent;
import io.netty.handler.codec.http.EmptyHttpHeaders;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.util.concurrent.Future;
import java.time.Duration;
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
  private final ClientHead head;
  private final ByteBuf body;
  private final HttpHeaders trailers;
  private final String peer;

  private InboundEvents events = NOBODY;
  private boolean keepAlive;

  /// Whether the answer under way has no body, whatever the instance sends.
  private boolean bodyless;

  /// Whether the answer under way has the length that the instance told, so that each byte of ours
  /// would be taken for one of its own.
  private boolean lengthTold;

  /// What another thread does for this request.
  private @Nullable Apart apart;

  /// What trailers the client is to get.
  private @Nullable Trailing trailing;

  /// Words the answer under way, when it is a plain one.
  private @Nullable ReplyWriter plain;

  private boolean headSent;
  private boolean endsByClose;
  private boolean ended;

  /// @param ofConnection fields that the answer's `Connection` names
  private record Trailing(AnswerHead answer, List<String> ofConnection, HeadPatch patch) {
    /// The last chunk.
    LastHttpContent last() {
      HttpHeaders those = Trailers.passing(answer.trailers(), ofConnection, patch);
      return those.isEmpty()
          ? LastHttpContent.EMPTY_LAST_CONTENT
          : new DefaultLastHttpContent(Unpooled.EMPTY_BUFFER, those);
    }
  }

  InboundRequest(
      ProxyConnection connection,
      Channel channel,
      LoopState loop,
      ClientHead head,
      ByteBuf body,
      HttpHeaders trailers,
      String peer) {
    this.connection = connection;
    this.channel = channel;
    this.loop = loop;
    this.head = head;
    this.body = body;
    this.trailers = trailers;
    this.peer = peer;
    this.keepAlive = head.keepAlive();
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
    long length =
        content.isReadable() || head.framed() || anticipatesContent()
            ? content.readableBytes()
            : -1;
    // what goes through TLS is cut into pieces by handlers that know the codec's objects
    RequestToSend out =
        head instanceof PlainRequest p && call.origin().tls() == null
            ? RequestToSend.plain(p, call, length, content, loop, channel.alloc())
            : RequestToSend.decoded(head.copy(), call, length, content, trailersFor(call.origin()));
    return UpstreamConnection.send(channel.eventLoop(), loop, call, out, upstream);
  }

  private HttpHeaders trailersFor(Origin to) {
    return trailers.isEmpty() || loop.old().has(to) ? EmptyHttpHeaders.INSTANCE : trailers;
  }

  /// Whether servers may insist on a length, if of nothing (RFC 9110 section 8.6).
  private boolean anticipatesContent() {
    String m = head.method();
    return m.equals("POST") || m.equals("PUT") || m.equals("PATCH");
  }

  @Override
  public void relayInterim(ResponseHead from) {
    if (ended || headSent || head.isHttp10()) {
      return;
    }
    HttpResponse r = ((AnswerHead) from).response();
    HttpHeaders h = r.headers();
    HopByHop.strip(h);
    h.remove(HttpHeaderNames.TRANSFER_ENCODING);
    h.remove(HttpHeaderNames.CONTENT_LENGTH);
    channel.writeAndFlush(
        new DefaultFullHttpResponse(
            HttpVersion.HTTP_1_1, r.status(), Unpooled.EMPTY_BUFFER, h, EmptyHttpHeaders.INSTANCE),
        channel.voidPromise());
  }

  @Override
  public void relayHead(ResponseHead from, HeadPatch patch) {
    AnswerHead answer = (AnswerHead) from;
    boolean http11 = !head.isHttp10();
    if (answer instanceof PlainAnswer a && http11 && !isHead() && staysAsFramed(a, patch)) {
      relay(a, patch);
    } else {
      decoded(answer, patch, http11);
    }
  }

  private boolean staysAsFramed(PlainAnswer a, HeadPatch patch) {
    return connection.cors().isNone()
        && (a.chunked() || !patch.dropped().contains("content-length"));
  }

  /// An answer whose framing stays as it is.
  private void relay(PlainAnswer a, HeadPatch patch) {
    ReplyWriter to = new ReplyWriter(connection.outlet(), loop.writer(), a.chunked());
    plain = to;
    lengthTold = !a.chunked();
    trailing = a.chunked() && head.takesTrailers() ? new Trailing(a, List.of(), patch) : null;
    headSent = true;
    keepAlive = keepAlive && connection.keepsAlive();
    to.head(a, patch, a.fields().has("date") ? null : connection.date().now(), !keepAlive);
  }

  private void decoded(AnswerHead answer, HeadPatch patch, boolean http11) {
    HttpResponse r = answer.response();
    HttpHeaders h = r.headers();
    int status = r.status().code();
    List<String> ofConnection = head.takesTrailers() ? HopByHop.named(h) : List.of();
    HopByHop.strip(h);
    bodyless = isHead() || status == 204 || status == 304 || status == 205;
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
        trailing = head.takesTrailers() ? new Trailing(answer, ofConnection, patch) : null;
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

  private boolean isHead() {
    return head.method().equals("HEAD");
  }

  @Override
  public void startStream(List<Header> fields) {
    HttpResponse r = new DefaultHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.OK);
    HttpHeaders h = r.headers();
    h.set(HttpHeaderNames.CONTENT_TYPE, "text/event-stream; charset=utf-8");
    h.set(HttpHeaderNames.CACHE_CONTROL, HttpHeaderValues.NO_CACHE);
    if (!head.isHttp10()) {
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
    connection.cors().mark(head.header("origin"), h);
    keepAlive = keepAlive && connection.keepsAlive();
    if (!keepAlive) {
      h.set(HttpHeaderNames.CONNECTION, HttpHeaderValues.CLOSE);
    } else if (head.isHttp10()) {
      h.set(HttpHeaderNames.CONNECTION, HttpHeaderValues.KEEP_ALIVE);
    }
  }

  @Override
  public boolean takesOurs() {
    return headSent && !bodyless && !lengthTold;
  }

  @Override
  public void relayBody(ByteBuf slice) {
    ReplyWriter to = plain;
    if (ended || bodyless) {
      slice.release();
    } else if (to != null) {
      to.body(slice);
    } else {
      channel.write(new DefaultHttpContent(slice), channel.voidPromise());
    }
  }

  @Override
  public void flush() {
    if (!ended) {
      ReplyWriter to = plain;
      if (to != null) {
        to.flush();
      } else {
        channel.flush();
      }
    }
  }

  @Override
  public void relayEnd() {
    if (ended) {
      return;
    }
    LastHttpContent last = trailing == null ? LastHttpContent.EMPTY_LAST_CONTENT : trailing.last();
    ReplyWriter to = plain;
    if (to != null) {
      to.end(last.trailingHeaders());
      flush();
    } else {
      channel.writeAndFlush(last, channel.voidPromise());
    }
    end(ProxyConnection.Next.after(keepAlive));
  }

  @Override
  public void breakOff(byte[] lastPiece) {
    if (ended) {
      return;
    }
    if (lastPiece.length > 0 && takesOurs()) {
      relayBody(Unpooled.wrappedBuffer(lastPiece));
    }
    ReplyWriter to = plain;
    if (to != null) {
      to.write();
    }
    // The end of a body that ends with its connection must not look like one (RFC 9112 section 8).
    end(endsByClose ? ProxyConnection.Next.RESET : ProxyConnection.Next.CLOSE);
  }

  @Override
  public void answer(Response response) {
    if (!ended) {
      DefaultFullHttpResponse full = full(response, isHead());
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
        answer(connection.failed(head));
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
    String target = head.target();
    int q = target.indexOf('?');
    Request r =
        new Request(
            head.method(),
            head.path(),
            q < 0 ? null : target.substring(q + 1),
            new Headers(head.fields()),
            bytes,
            peer,
            head.isHttp10(),
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
      return connection.failed(head);
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
  public boolean isHere() {
    return channel.eventLoop().inEventLoop();
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
    ReplyWriter to = plain;
    if (to != null) {
      to.drop();
    }
    body.release();
    connection.done(this, next);
  }

  static DefaultFullHttpResponse full(Response r, boolean toHead) {
    DefaultFullHttpResponse out =
        new DefaultFullHttpResponse(
            HttpVersion.HTTP_1_1,
            HttpResponseStatus.valueOf(r.status()),
            toHead ? Unpooled.EMPTY_BUFFER : Unpooled.wrappedBuffer(r.body()));
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
