package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.codec.PrematureChannelClosureException;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.concurrent.Future;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/// One call of [Client]: the event loop puts what arrives into a bounded queue (reading stops while
/// it is full), the calling thread takes it out.
final class ClientCall extends ChannelInboundHandlerAdapter {
  private static final int MAX_QUEUED = 256;

  /// What the event loop tells the caller.
  private sealed interface Event {
    record Head(int status, Headers headers) implements Event {}

    record Piece(byte[] bytes) implements Event {}

    record End() implements Event {}

    record Failed(String why, @Nullable Throwable cause) implements Event {}
  }

  private final BlockingQueue<Event> events = new LinkedBlockingQueue<>();
  private final String peer;
  private final Tls tls;
  private final StrictResponseDecoder decoder = new StrictResponseDecoder();
  private volatile @Nullable Channel channel;
  private boolean ended;

  /// @param tls how the peer is spoken to where its URL says https
  /// @param head whether the answer has no body whatever it says
  ClientCall(String peer, Tls tls, boolean head) {
    this.peer = peer;
    this.tls = tls;
    decoder.expect(head);
  }

  /// Stands before this handler.
  StrictResponseDecoder decoder() {
    return decoder;
  }

  @Override
  public void handlerAdded(ChannelHandlerContext ctx) {
    channel = ctx.channel();
  }

  void sent(Future<? super Void> write) {
    if (!write.isSuccess()) {
      fail("cannot send to " + peer, write.cause());
    }
  }

  void timedOut(Duration after) {
    fail("no complete answer from " + peer + " within " + after.toMillis() + " ms", null);
  }

  private void fail(String why, @Nullable Throwable cause) {
    events.add(new Event.Failed(why, cause));
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object message) {
    try {
      if (message instanceof HttpObject part && part.decoderResult().isFailure()) {
        Throwable why = part.decoderResult().cause();
        if (!(why instanceof PrematureChannelClosureException)) {
          ended = true;
          fail(peer + " answered something that is no HTTP: " + BadAnswer.detail(why), why);
        }
        ctx.close();
        return;
      }
      if (message instanceof HttpResponse r) {
        List<Header> fields = new ArrayList<>(r.headers().size());
        for (Map.Entry<String, String> e : r.headers()) {
          fields.add(new Header(e.getKey(), e.getValue()));
        }
        events.add(new Event.Head(r.status().code(), new Headers(fields)));
      }
      if (message instanceof HttpContent content) {
        ByteBuf b = content.content();
        if (b.isReadable()) {
          byte[] bytes = new byte[b.readableBytes()];
          b.readBytes(bytes);
          events.add(new Event.Piece(bytes));
        }
        if (content instanceof LastHttpContent) {
          ended = true;
          events.add(new Event.End());
        }
      }
      if (events.size() > MAX_QUEUED) {
        ctx.channel().config().setAutoRead(false);
      }
    } finally {
      ReferenceCountUtil.release(message);
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    if (!ended) {
      fail(peer + " closed the connection before the answer ended", null);
    }
  }

  private static @Nullable SSLException told(Throwable cause) {
    for (Throwable t = cause; t != null; t = t.getCause()) {
      if (t instanceof SSLException e) {
        return e;
      }
    }
    return null;
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    // with TLS 1.3 a server says what it thinks of our certificate after the handshake
    SSLException told = told(cause);
    fail(
        told == null
            ? "connection to " + peer + " broke: " + cause.getMessage()
            : "TLS with " + peer + ": " + TlsTrouble.detail(told, tls),
        cause);
    ctx.close();
  }

  /// Hands everything to `listener` until the end.
  void consume(Client.Listener listener, Duration betweenBytes)
      throws IOException, InterruptedException {
    while (true) {
      Event e = events.poll(betweenBytes.toMillis(), TimeUnit.MILLISECONDS);
      Channel c = channel;
      if (c != null && !c.config().isAutoRead() && events.isEmpty()) {
        c.config().setAutoRead(true);
      }
      switch (e) {
        case null ->
            throw new IOException(
                "nothing from " + peer + " for " + betweenBytes.toMillis() + " ms");
        case Event.Head h -> listener.head(h.status(), h.headers());
        case Event.Piece p -> listener.piece(p.bytes());
        case Event.End end -> {
          return;
        }
        case Event.Failed f -> throw new IOException(f.why(), f.cause());
      }
    }
  }
}
