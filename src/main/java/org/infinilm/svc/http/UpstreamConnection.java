package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.EventLoop;
import io.netty.handler.codec.DecoderException;
import io.netty.handler.codec.PrematureChannelClosureException;
import io.netty.handler.codec.http.DefaultHttpContent;
import io.netty.handler.codec.http.DefaultHttpRequest;
import io.netty.handler.codec.http.DefaultLastHttpContent;
import io.netty.handler.codec.http.EmptyHttpHeaders;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpRequestEncoder;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.handler.ssl.SslCloseCompletionEvent;
import io.netty.handler.ssl.SslHandler;
import io.netty.util.ReferenceCountUtil;
import java.io.IOException;
import java.util.concurrent.TimeUnit;
import org.infinilm.svc.http.Failure.Kind;
import org.jspecify.annotations.Nullable;

/// A connection to an instance; carries one call at a time and goes back to its loop's pool between
/// calls. Event-loop confined.
/*
 * It is in one of four states: connecting (no call yet), busy (with a call), resting (the call is
 * over, the read round that ended it is not), idle (in the pool). It becomes idle only when a read
 * round ends with nothing left over: bytes after an answer's end would be read as the next one.
 */
final class UpstreamConnection extends ChannelInboundHandlerAdapter implements Tap.Reader {
  /// After a failed write, for what lies unread: a reset socket is readable at once, so that this
  /// is hardly ever waited for.
  private static final int LAST_READ_MILLIS = 10;

  private final Origin origin;
  private final LoopState loop;
  private final Channel channel;
  private final AnswerReader answers;
  private @Nullable Outlet outlet;
  private @Nullable LargeBody large;
  private @Nullable InstanceCall call;
  private boolean resting;
  private long idleSince;
  private boolean keepAlive;
  private boolean closeNotified;

  /// The round of the loop in which a request was sent over this connection, which had been used
  /// before; 0 for none.
  private long sentInRound;

  private UpstreamConnection(Channel channel, Origin origin, LoopState loop) {
    this.channel = channel;
    this.origin = origin;
    this.loop = loop;
    this.answers = new AnswerReader(loop.scan(), loop.codecOnly(), this::isUnasked);
  }

  /// Sends `request` (ownership passes) over an idle or a new connection. No event comes before
  /// this returns.
  static InstanceCall send(
      EventLoop eventLoop,
      LoopState loop,
      Outgoing outgoing,
      RequestToSend request,
      UpstreamEvents events) {
    UpstreamConnection kept = outgoing.reuse() ? loop.poll(outgoing.origin()) : null;
    RequestToSend out = kept == null ? request.kept(loop, ByteBufAllocator.DEFAULT) : request;
    InstanceCall call = new InstanceCall(eventLoop, loop, outgoing.limits(), out, events);
    call.begin();
    if (kept != null) {
      call.kept();
      kept.carry(call);
    } else {
      Dial.start(eventLoop, loop, outgoing.origin(), call);
    }
    return call;
  }

  /// Puts a connection's handlers on `channel`, which is new.
  static UpstreamConnection install(Channel channel, Origin origin, LoopState loop) {
    UpstreamConnection c = new UpstreamConnection(channel, origin, loop);
    channel.pipeline().addLast(c.answers, c.answers.decoder(), new HttpRequestEncoder());
    boolean tls = channel.pipeline().context(SslHandler.class) != null;
    channel.pipeline().addLast(c);
    if (!tls && !loop.codecOnly()) {
      EpollTaps.open(channel, c);
    }
    return c;
  }

  Channel channel() {
    return channel;
  }

  /// The tick in which it came into the pool.
  long idleSince() {
    return idleSince;
  }

  void idleSince(long tick) {
    idleSince = tick;
  }

  boolean isOpen() {
    return channel.isActive();
  }

  void close() {
    channel.close();
  }

  /// Closes without waiting for anything, a TLS goodbye included; what lies unread makes it a
  /// reset.
  void cut() {
    ChannelHandlerContext tls = channel.pipeline().context(SslHandler.class);
    if (tls != null) {
      tls.close();
    } else {
      channel.close();
    }
  }

  /// Puts the connection, which carries no call, into the pool.
  void rest() {
    if (isOpen() && answers.isEmpty()) {
      loop.offer(origin, this);
    } else {
      close();
    }
  }

  /// Sends the request of `c`.
  void carry(InstanceCall c) {
    call = c;
    sentInRound = c.isKept() ? loop.round() : 0;
    RequestToSend request = c.over(this);
    answers.expect(request.toHead());
    c.quietly(() -> write(request, c));
  }

  private void write(RequestToSend request, InstanceCall c) {
    FullHttpRequest decoded = request.decoded();
    if (decoded != null) {
      write(decoded, c);
      return;
    }
    Outlet o = outlet();
    o.write(request.words());
    if (request.body().readableBytes() > LargeBody.PIECE_BYTES) {
      inPieces(
          request.body(),
          (piece, last, rest) -> {
            o.write(piece);
            return o.flush(rest);
          },
          c);
      return;
    }
    o.write(request.body());
    if (o.flush(why -> written(why, c))) {
      c.sent();
    }
  }

  private Outlet outlet() {
    Outlet o = outlet;
    if (o == null) {
      o = new Outlet(channel.pipeline().context(HttpRequestEncoder.class), loop.scratch());
      outlet = o;
    }
    return o;
  }

  @Override
  public void read(ByteBuf in) {
    answers.take(in);
  }

  /// Whether what is read now lay there before the request was sent: it is nobody's answer, and
  /// would be taken for this one's, and each answer that follows for the next one's. Ends the
  /// connection then.
  private boolean isUnasked() {
    InstanceCall c = call;
    if (c == null || sentInRound == 0 || sentInRound != loop.round()) {
      return false;
    }
    noteStray("bytes before the request, over a kept connection");
    if (!c.isOver()) {
      c.fail(c.closed(false), "bytes that nobody asked for");
    }
    cut();
    return true;
  }

  @Override
  public void readAll() {
    answers.readAll();
  }

  private void write(FullHttpRequest request, InstanceCall c) {
    if (request.content().readableBytes() <= LargeBody.PIECE_BYTES) {
      channel
          .writeAndFlush(request)
          .addListener((ChannelFuture f) -> written(f.isSuccess() ? null : f.cause(), c));
      return;
    }
    channel.write(
        new DefaultHttpRequest(
            request.protocolVersion(), request.method(), request.uri(), request.headers()));
    inPieces(
        request.content(),
        (piece, last, rest) -> {
          HttpContent content =
              last
                  ? new DefaultLastHttpContent(piece, request.trailingHeaders())
                  : new DefaultHttpContent(piece);
          channel
              .writeAndFlush(content)
              .addListener((ChannelFuture f) -> rest.done(f.isSuccess() ? null : f.cause()));
          return false;
        },
        c);
  }

  private void inPieces(ByteBuf body, LargeBody.Way way, InstanceCall c) {
    LargeBody b =
        new LargeBody(
            channel.eventLoop(),
            body,
            way,
            why -> {
              large = null;
              written(why, c);
            });
    large = b;
    b.send();
  }

  /// Bytes of a request that the kernel has not taken.
  long unsent() {
    LargeBody b = large;
    return Sockets.unsent(channel) + (b == null ? 0 : b.left());
  }

  /// A write may fail before the call that began it has returned, and before what the instance had
  /// answered is read: an instance that refuses a large request answers, closes, and so resets what
  /// is still under way. That answer ends the call, if there is one.
  private void written(@Nullable Throwable why, InstanceCall c) {
    if (why == null) {
      c.sent();
      return;
    }
    channel
        .eventLoop()
        .schedule(
            () -> {
              if (!answers.begun()) {
                c.fail(c.closed(false), reason(why));
                cut();
              }
            },
            LAST_READ_MILLIS,
            TimeUnit.MILLISECONDS);
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object message) {
    InstanceCall c = call;
    if (c != null && c.isQuiet()) {
      channel.eventLoop().execute(() -> channelRead(ctx, message));
      return;
    }
    if (c == null || c.isOver()) {
      ReferenceCountUtil.release(message);
      if (c == null) {
        close();
      }
      return;
    }
    switch (message) {
      case ByteBuf slice -> c.body(slice);
      case PlainAnswer a -> {
        keepAlive = a.keepAlive();
        loop.old().answered(origin, false);
        c.answered(a);
      }
      case HttpObject part -> decoded(c, part);
      case Interim i -> c.interim(i.head());
      case BadAnswer no -> bad(c, no);
      case Object end -> end(c, EmptyHttpHeaders.INSTANCE);
    }
  }

  private void bad(InstanceCall c, Throwable why) {
    c.fail(Kind.BAD_ANSWER, BadAnswer.detail(why));
    cut();
  }

  /// A part of an answer that the codec has read.
  private void decoded(InstanceCall c, HttpObject part) {
    if (part.decoderResult().isFailure()) {
      ReferenceCountUtil.release(part);
      Throwable why = part.decoderResult().cause();
      if (!(why instanceof PrematureChannelClosureException)) {
        bad(c, why);
      }
      return;
    }
    if (part instanceof HttpResponse r) {
      keepAlive = HttpUtil.isKeepAlive(r);
      loop.old().answered(origin, r.protocolVersion().equals(HttpVersion.HTTP_1_0));
      c.answered(new NettyResponseHead(r));
    }
    if (part instanceof HttpContent content) {
      c.body(content.content());
      if (content instanceof LastHttpContent last && !c.isOver()) {
        end(c, last.trailingHeaders());
      }
    }
  }

  private void end(InstanceCall c, HttpHeaders trailers) {
    boolean byClose = answers.endedByClose();
    if (byClose && channel.pipeline().context(SslHandler.class) != null && !closeNotified) {
      c.fail(Kind.CLOSED_MID_ANSWER, "TLS connection closed without a goodbye");
      return;
    }
    call = null;
    if (keepAlive && c.isSent() && isOpen()) {
      channel.config().setAutoRead(true);
      resting = true;
    } else {
      // an answer before the whole request was read: what is left of it has no reader
      close();
    }
    c.ended(trailers, byClose);
  }

  @Override
  public void channelReadComplete(ChannelHandlerContext ctx) {
    InstanceCall c = call;
    if (c != null) {
      c.paused();
    } else if (resting) {
      resting = false;
      if (!answers.isEmpty()) {
        noteStray("bytes after the end of an answer");
      }
      rest();
    } else if (answers.surplus() && isOpen()) {
      noteStray("bytes over an idle connection");
      close();
    }
  }

  private void noteStray(String what) {
    Faults.note("an instance's connection", new BadAnswer(what + " from " + origin.authority()));
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
    if (event instanceof SslCloseCompletionEvent e && e.isSuccess()) {
      // nothing comes after it, and it is to be answered (RFC 5246 section 7.2.1); what came before
      // it may still wait for its turn on this loop
      closeNotified = true;
      if (call == null) {
        close();
      } else {
        channel.eventLoop().execute(this::close);
      }
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    InstanceCall c = call;
    call = null;
    if (c != null) {
      c.fail(c.closed(answers.begun()), "closed");
    }
  }

  /// A socket that broke, or code of ours that threw: either ends the connection, and the call is
  /// told first, since a close looks like an answer's end to some.
  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable thrown) {
    InstanceCall c = call;
    Throwable cause =
        thrown instanceof DecoderException && thrown.getCause() != null
            ? thrown.getCause()
            : thrown;
    Faults.note("an instance's connection", cause);
    if (c != null && cause instanceof IOException) {
      c.fail(c.closed(answers.begun()), reason(cause));
    } else if (c != null) {
      c.fail(Kind.LOCAL, cause instanceof OutOfMemoryError ? "out of memory" : "internal error");
    }
    cut();
  }

  private static String reason(Throwable cause) {
    String m = String.valueOf(cause.getMessage());
    return m.contains("reset") ? "reset" : m.contains("timed out") ? "no answer" : "broken";
  }
}
