package org.infinilm.svc.http;

import io.netty.buffer.ByteBuf;
import io.netty.channel.EventLoop;
import io.netty.handler.codec.http.HttpHeaders;
import org.infinilm.svc.http.Failure.Kind;
import org.jspecify.annotations.Nullable;

/// One call to an instance: its time limits, and the one place from which its events leave. It ends
/// once. Event-loop confined.
/*
 * Connections and dials report here; what the exchange hears leaves through this class alone, and
 * never while the exchange is inside a call of its own: such a call is made "quietly", and what
 * happens meanwhile is told by a task of the loop afterwards.
 *
 * Limits run by progress: of the connection, of the request's bytes into the socket, of the answer's
 * body. A head that drips, informational answers and the like are no progress.
 */
final class InstanceCall extends LoopState.Linked implements UpstreamCall {
  private final EventLoop eventLoop;
  private final LoopState loop;
  private final long connectTicks;
  private final long firstByteTicks;
  private final long idleTicks;
  private final UpstreamEvents events;
  private @Nullable RequestToSend request;
  private @Nullable UpstreamConnection connection;
  private boolean connected;
  private @Nullable AnswerHead head;
  private long lastProgress;
  private long unsentBytes = -1;
  private boolean kept;
  private boolean sent;
  private boolean bodySeen;
  private boolean reading = true;
  private boolean quiet;
  private boolean over;

  InstanceCall(
      EventLoop eventLoop,
      LoopState loop,
      TimeLimits limits,
      RequestToSend request,
      UpstreamEvents events) {
    this.eventLoop = eventLoop;
    this.loop = loop;
    this.connectTicks = LoopState.ticks(limits.connect());
    this.firstByteTicks = LoopState.ticks(limits.firstByte());
    this.idleTicks = LoopState.ticks(limits.idle());
    this.request = request;
    this.events = events;
  }

  /// Its time begins.
  void begin() {
    progress();
    loop.link(this);
  }

  /// It goes over a connection that has carried another call.
  void kept() {
    kept = true;
  }

  /// Whether it goes over a connection that carried another before.
  boolean isKept() {
    return kept;
  }

  /// It waits for `c` to connect.
  void connecting(UpstreamConnection c) {
    connection = c;
  }

  /// It goes over `c` from now on; returns the request, which the caller then owns.
  RequestToSend over(UpstreamConnection c) {
    RequestToSend r = request;
    if (r == null) {
      throw new IllegalStateException("sent twice");
    }
    request = null;
    connection = c;
    connected = true;
    progress();
    return r;
  }

  /// Runs a part of a call of the exchange: no event leaves meanwhile.
  void quietly(Runnable part) {
    boolean before = quiet;
    quiet = true;
    try {
      part.run();
    } finally {
      quiet = before;
    }
  }

  boolean isQuiet() {
    return quiet;
  }

  boolean isOver() {
    return over;
  }

  void sent() {
    sent = true;
    progress();
  }

  boolean isSent() {
    return sent;
  }

  void interim(AnswerHead h) {
    events.interim(h);
  }

  void answered(AnswerHead h) {
    head = h;
    events.answered(h);
  }

  /// Takes ownership.
  void body(ByteBuf slice) {
    if (over || !slice.isReadable()) {
      slice.release();
      return;
    }
    bodySeen = true;
    progress();
    events.body(slice);
  }

  void paused() {
    if (!over && !quiet) {
      events.pause();
    }
  }

  void ended(HttpHeaders trailers, boolean byClose) {
    AnswerHead h = head;
    if (!over && h != null) {
      end();
      h.trailers(trailers);
      events.ended(byClose);
    }
  }

  void fail(Kind kind, String detail) {
    fail(new Failure(kind, detail));
  }

  void fail(Failure failure) {
    if (over) {
      return;
    }
    if (quiet || !eventLoop.inEventLoop()) {
      eventLoop.execute(() -> fail(failure));
      return;
    }
    end();
    events.failed(failure);
  }

  /// What a close means now.
  ///
  /// @param begun whether a byte of the answer has come
  Kind closed(boolean begun) {
    if (head != null) {
      return Kind.CLOSED_MID_ANSWER;
    }
    return kept && !begun ? Kind.CLOSED_STALE : Kind.CLOSED_BEFORE_ANSWER;
  }

  private void end() {
    over = true;
    loop.unlink(this);
    RequestToSend r = request;
    request = null;
    if (r != null) {
      r.release();
    }
  }

  private void progress() {
    lastProgress = loop.now();
  }

  @Override
  public void tick(long now) {
    if (over) {
      return;
    }
    if (!connected) {
      if (now - lastProgress > connectTicks) {
        expire(Kind.CONNECT_TIMEOUT, "no connection within the limit");
      }
    } else if (!sent && !bodySeen && uploads()) {
      progress();
    } else if (bodySeen && !reading) {
      progress();
    } else if (now - lastProgress > (bodySeen || !sent ? idleTicks : firstByteTicks)) {
      expire(
          bodySeen ? Kind.TIMEOUT_STALLED : Kind.TIMEOUT_FIRST_BYTE,
          sent ? "nothing came within the limit" : "it reads nothing of the request");
    }
  }

  /// Whether bytes of the request have gone into the socket since the last tick.
  private boolean uploads() {
    UpstreamConnection c = connection;
    if (c == null) {
      return false;
    }
    long left = c.unsent();
    boolean moved = left != unsentBytes;
    unsentBytes = left;
    return moved;
  }

  private void expire(Kind kind, String detail) {
    fail(kind, detail);
    hangUp();
  }

  private void hangUp() {
    UpstreamConnection c = connection;
    if (c != null) {
      c.cut();
    }
  }

  @Override
  public void reading(boolean on) {
    UpstreamConnection c = connection;
    if (c != null && !over && reading != on) {
      reading = on;
      progress();
      quietly(() -> c.channel().config().setAutoRead(on));
    }
  }

  @Override
  public void cancel() {
    if (!over) {
      end();
      hangUp();
    }
  }
}
