package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpResponse;
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
final class ClientCall {
  private static final int MAX_QUEUED = 256;

  /// What is sent, once, by the first connection that has not ended.
  ///
  /// @param request its body needs no release
  /// @param head whether the answer has no body whatever it says
  /// @param total for the whole exchange, or null
  record Asked(FullHttpRequest request, boolean head, @Nullable Duration total) {}

  /// What the event loop tells the caller.
  private sealed interface Event {
    record Head(int status, Headers headers) implements Event {}

    record Piece(byte[] bytes) implements Event {}

    record End() implements Event {}

    record Unsent() implements Event {}

    record Failed(String why, @Nullable Throwable cause) implements Event {}
  }

  private final BlockingQueue<Event> events = new LinkedBlockingQueue<>();
  private final String peer;
  private final Tls tls;
  private volatile @Nullable Channel channel;

  /// Whether the head of an answer was read.
  private volatile boolean answered;

  /// Whether the connection ended before that.
  private volatile boolean lost;

  /// @param tls how the peer is spoken to where its URL says https
  ClientCall(String peer, Tls tls) {
    this.peer = peer;
    this.tls = tls;
  }

  /// The methods from here to [#ended] are for the event loop.
  void on(Channel c) {
    channel = c;
  }

  /// The connection had ended before anything was sent.
  void unsent() {
    events.add(new Event.Unsent());
  }

  void notWritten(Throwable why) {
    lost = !answered;
    fail("cannot send to " + peer, why);
  }

  void timedOut(Duration after) {
    fail("no complete answer from " + peer + " within " + after.toMillis() + " ms", null);
  }

  void noHttp(Throwable why) {
    answered = true;
    fail(peer + " answered something that is no HTTP: " + BadAnswer.detail(why), why);
  }

  void closed() {
    lost = !answered;
    fail(peer + " closed the connection before the answer ended", null);
  }

  void broke(Throwable cause) {
    lost = !answered;
    // with TLS 1.3 a server says what it thinks of our certificate after the handshake
    SSLException told = told(cause);
    fail(
        told == null
            ? "connection to " + peer + " broke: " + cause.getMessage()
            : "TLS with " + peer + ": " + TlsTrouble.detail(told, tls),
        cause);
  }

  private void fail(String why, @Nullable Throwable cause) {
    events.add(new Event.Failed(why, cause));
  }

  void take(HttpObject part) {
    answered = true;
    if (part instanceof HttpResponse r) {
      List<Header> fields = new ArrayList<>(r.headers().size());
      for (Map.Entry<String, String> e : r.headers()) {
        fields.add(new Header(e.getKey(), e.getValue()));
      }
      events.add(new Event.Head(r.status().code(), new Headers(fields)));
    }
    if (part instanceof HttpContent content) {
      ByteBuf b = content.content();
      if (b.isReadable()) {
        byte[] bytes = new byte[b.readableBytes()];
        b.readBytes(bytes);
        events.add(new Event.Piece(bytes));
      }
    }
    Channel c = channel;
    if (c != null && events.size() > MAX_QUEUED) {
      c.config().setAutoRead(false);
      if (events.isEmpty()) {
        // all was taken just before
        c.config().setAutoRead(true);
      }
    }
  }

  void ended() {
    events.add(new Event.End());
  }

  /// Whether the connection ended before the head of an answer had come.
  boolean isLost() {
    return lost;
  }

  private static @Nullable SSLException told(Throwable cause) {
    for (Throwable t = cause; t != null; t = t.getCause()) {
      if (t instanceof SSLException e) {
        return e;
      }
    }
    return null;
  }

  /// Hands everything to `listener` until the end.
  ///
  /// @return false when nothing was sent
  boolean consume(Client.Listener listener, Duration betweenBytes)
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
        case Event.Unsent unsent -> {
          return false;
        }
        case Event.End end -> {
          return true;
        }
        case Event.Failed f -> throw new IOException(f.why(), f.cause());
      }
    }
  }
}
