package org.infinilm.svc.router;

import io.netty.buffer.ByteBuf;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.http.Failure;
import org.infinilm.svc.http.HeadPatch;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.Inbound;
import org.infinilm.svc.http.Origin;
import org.infinilm.svc.http.Outgoing;
import org.infinilm.svc.http.ResponseHead;
import org.infinilm.svc.http.TimeLimits;
import org.infinilm.svc.http.UpstreamCall;
import org.infinilm.svc.http.UpstreamEvents;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Reason;
import org.jspecify.annotations.Nullable;

/// One instance, one call: counted in and out once, its events, its outcome. Another try is another
/// attempt. Event-loop confined.
final class Attempt implements UpstreamEvents {
  /// What the exchange hears of its attempt; nothing comes after [#over] or [#failed], nor after
  /// [Attempt#giveUp].
  interface Owner {
    /// What the instance showed, before the event that shows it.
    void saw(Sight sight);

    void interim(ResponseHead head);

    void answered(ResponseHead head);

    void body(ByteBuf slice);

    void pause();

    /// Whether an answer that ends here is all that it promised to be.
    boolean isWhole(boolean byClose);

    void ended();

    void failed(Failure failure);
  }

  /// Time that an answer goes on after which it speaks for its instance before its end.
  private static final long VOUCH_NANOS = 1_000_000_000L;

  private final Plane plane;
  private final Owner owner;
  private final Question question;
  private final Part part;
  private final Choice.Send send;
  private final Instance instance;
  private final Target target;
  private final Reason reason;
  private final boolean reuse;
  private final boolean suspicious;
  private @Nullable UpstreamCall call;
  private @Nullable Origin origin;
  private @Nullable ResponseHead head;
  private final InFlight flight;
  private Trace.@Nullable Hop hop;
  private boolean seated = true;
  private boolean over;
  private boolean elsewhere;
  private long dispatchNanos;
  private long firstByteNanos;

  /// What its answer, once it has gone on for a while or come to its end, says of its instance.
  private @Nullable Sight speaks;

  /// Whether it has said that the instance answers.
  private boolean vouched;

  /// @param reuse whether a kept connection will do
  /// @param suspicious whether another instance has failed on this request
  Attempt(
      Plane plane,
      Owner owner,
      Question question,
      Choice.Send send,
      Target target,
      Reason reason,
      boolean reuse,
      boolean suspicious) {
    this.plane = plane;
    this.owner = owner;
    this.question = question;
    this.part = question.part();
    this.send = send;
    this.instance = send.instance();
    this.target = target;
    this.reason = reason;
    this.reuse = reuse;
    this.suspicious = suspicious;
    this.flight = InFlight.of(plane, question, send);
  }

  /// The request as a learned policy sees it.
  InFlight flight() {
    return flight;
  }

  /// It is recorded there.
  void traced(Trace.Hop h) {
    hop = h;
  }

  private void traceEnds(@Nullable Failure f) {
    Trace.Hop h = hop;
    if (h != null) {
      h.ended(this, f, plane.ticker().nanos());
    }
  }

  Instance instance() {
    return instance;
  }

  Pool pool() {
    return send.pool();
  }

  Reason reason() {
    return reason;
  }

  /// The answer's head, once it has come.
  @Nullable ResponseHead head() {
    return head;
  }

  /// 0 before it was sent.
  long dispatchNanos() {
    return dispatchNanos;
  }

  /// When the first byte of the answer's body came, 0 before that.
  long firstByteNanos() {
    return firstByteNanos;
  }

  /// Sends, in the seat that was taken for it.
  ///
  /// @param body instead of the client's (ownership passes), or null
  void send(Inbound in, HeadPatch patch, @Nullable ByteBuf body, TimeLimits limits) {
    dispatchNanos = plane.ticker().nanos();
    flight.sent(dispatchNanos);
    Origin to = target.origin(dispatchNanos);
    origin = to;
    call = in.send(new Outgoing(to, patch, body, limits, reuse), this);
  }

  /// Its call was sent on by somebody else, to another address of the instance.
  void movedTo(Origin other) {
    Origin from = origin;
    if (from != null) {
      target.failed(from, plane.ticker().nanos());
    }
    origin = other;
  }

  /// Takes over a call that somebody else sent on, to this instance and before that to `from`'s.
  ///
  /// @param to which address of it
  void tookOver(Attempt from, Origin to) {
    origin = to;
    dispatchNanos = from.dispatchNanos;
    flight.sent(dispatchNanos);
    call = from.call;
  }

  /// Whether the instance itself may be asked once more, by another way: a kept connection turned
  /// out to be closed, or one address of several could not be connected to.
  boolean anotherWay(Failure f) {
    return f.kind() == Failure.Kind.CLOSED_STALE || (elsewhere && f.kind().nothingSent());
  }

  /// Whether the address that failed is one of several, of which another may do better.
  boolean hasOtherAddress() {
    return elsewhere;
  }

  /// The same once more, in the seat of this one, over a connection of its own.
  Attempt overNewConnection() {
    Attempt next = new Attempt(plane, owner, question, send, target, reason, false, suspicious);
    flight.ended();
    seated = false;
    return next;
  }

  /// The Authorization field to send instead of the client's, or null.
  @Nullable Header authorization() {
    return target.authorizationField();
  }

  /// The field that tells a client which instance this is.
  Header nameField() {
    return target.nameField();
  }

  /// Ends it from our side: the instance stops working on it. No event follows.
  void giveUp() {
    over = true;
    traceEnds(null);
    UpstreamCall c = call;
    if (c != null) {
      c.cancel();
    }
    countOut();
  }

  /// Gives the seat back, once.
  void countOut() {
    if (seated) {
      seated = false;
      flight.ended();
      plane.seats().release(instance.slot());
    }
  }

  void reading(boolean on) {
    UpstreamCall c = call;
    if (c != null) {
      c.reading(on);
    }
  }

  @Override
  public void interim(ResponseHead h) {
    if (!over) {
      owner.interim(h);
    }
  }

  @Override
  public void answered(ResponseHead h) {
    if (!over) {
      head = h;
      String retryAfter = h.header("retry-after");
      Sight s = Sight.of(h.status(), retryAfter != null, target.authorizationField() != null);
      if (s == Sight.ANSWERED || s == Sight.DECLINED) {
        speaks = s;
      } else {
        saw(s);
        Origin o = origin;
        if (o != null && s == Sight.SERVER_ERROR) {
          target.failed(o, plane.ticker().nanos());
        }
      }
      if (s == Sight.BUSY && retryAfter != null) {
        plane.instances().busy(instance, Sight.pauseNanos(retryAfter), part);
      }
      owner.answered(h);
    }
  }

  @Override
  public void body(ByteBuf slice) {
    if (over) {
      slice.release();
      return;
    }
    if (firstByteNanos == 0) {
      firstByteNanos = plane.ticker().nanos();
      if (question.streamForm() != null) {
        plane
            .instances()
            .firstByte(instance, firstByteNanos - dispatchNanos, question.bodyBytes(), part);
      }
    } else if (speaks != null && plane.ticker().nanos() - firstByteNanos >= VOUCH_NANOS) {
      vouch();
    }
    flight.slice(slice);
    owner.body(slice);
  }

  private void saw(Sight s) {
    Sight seen = suspicious ? s.ofSuspicious() : s;
    plane.instances().saw(instance, seen, part);
    owner.saw(seen);
  }

  /// It answers, and goes on or is done with it.
  private void vouch() {
    Sight s = speaks;
    if (s != null) {
      speaks = null;
      vouched = s == Sight.ANSWERED;
      saw(s);
    }
  }

  @Override
  public void pause() {
    if (!over) {
      owner.pause();
    }
  }

  @Override
  public void ended(boolean byClose) {
    if (over) {
      return;
    }
    if (!owner.isWhole(byClose)) {
      failed(new Failure(Failure.Kind.CLOSED_MID_ANSWER, "closed before the stream's last event"));
      return;
    }
    over = true;
    traceEnds(null);
    vouch();
    if (vouched) {
      plane.instances().answeredWhole(instance, part);
    }
    // The client's next request may be read before this thread goes on: the seat is free by then.
    countOut();
    owner.ended();
  }

  @Override
  public void failed(Failure f) {
    if (!over) {
      over = true;
      traceEnds(f);
      Sight s = Sight.of(f.kind());
      if (firstByteNanos != 0 && (s == Sight.CLOSED || s == Sight.BAD_ANSWER)) {
        s = Sight.BROKE;
        if (vouched) {
          plane.instances().takesBack(instance, part);
        }
      }
      Origin o = origin;
      boolean byAddress =
          switch (s) {
            case REFUSED, UNREACHABLE -> true;
            case CLOSED, BAD_ANSWER -> head == null && question.replayable();
            case null, default -> false;
          };
      elsewhere = byAddress && o != null && target.failed(o, plane.ticker().nanos());
      if (s != null && !elsewhere) {
        saw(s);
      }
      owner.failed(f);
    }
  }
}
