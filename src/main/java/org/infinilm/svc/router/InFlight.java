package org.infinilm.svc.router;

import io.netty.buffer.ByteBuf;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Facts;
import org.infinilm.svc.policy.Forecast;
import org.jspecify.annotations.Nullable;

/// Keeps one attempt's entry in its instance's [Underway], where the policy learns; else it does
/// nothing. Event-loop confined.
class InFlight {
  private static final InFlight NOT_KEPT = new InFlight(Forecast.NONE);

  private final Forecast forecast;

  private InFlight(Forecast forecast) {
    this.forecast = forecast;
  }

  static InFlight of(Plane plane, Question question, Choice.Send send) {
    if (!plane.admission().learns()) {
      return NOT_KEPT;
    }
    return question.promptTokens() > 0
        ? new Kept(plane, question, send)
        : new InFlight(send.forecast());
  }

  /// What the policy foretold.
  Forecast forecast() {
    return forecast;
  }

  void sent(long nowNanos) {}

  /// A piece of the answer's body, before it is passed on.
  void slice(ByteBuf slice) {}

  /// So many events of its stream have been passed on.
  void came(int events, long nowNanos) {}

  void ended() {}

  /// Until the first token of a stream, since it was sent; 0 when none came or nobody looked.
  long sentToFirstNanos() {
    return 0;
  }

  /// Adds what only the entry knows.
  Facts with(Facts f) {
    return f;
  }

  private static final class Kept extends InFlight {
    /// Pieces of an answer that are searched for its first token; then the first one held it.
    private static final int MOST_SEARCHED = 16;

    private final Plane plane;
    private final Question question;
    private final Underway flights;
    private @Nullable Sent sent;
    private boolean ended;
    private int searched;
    private long firstSliceNanos;
    private long stalledNanos;

    Kept(Plane plane, Question question, Choice.Send send) {
      super(send.forecast());
      this.plane = plane;
      this.question = question;
      this.flights = plane.seats().noted(send.instance().slot());
    }

    @Override
    void sent(long nowNanos) {
      boolean streamed = question.streamForm() != null;
      Sent s = new Sent(question.ask(), forecast(), streamed, plane.ticker(), nowNanos);
      sent = s;
      flights.add(s);
    }

    @Override
    void slice(ByteBuf slice) {
      Sent s = sent;
      if (s == null || !s.streamed() || s.seenFirstNanos() != 0) {
        return;
      }
      long now = plane.ticker().nanos();
      firstSliceNanos = searched == 0 ? now : firstSliceNanos;
      searched++;
      if (FirstToken.isIn(slice)) {
        flights.first(s, now);
      } else if (searched >= MOST_SEARCHED) {
        flights.first(s, firstSliceNanos);
      }
    }

    @Override
    void came(int events, long nowNanos) {
      Sent s = sent;
      if (s != null) {
        s.came(events, nowNanos);
      }
    }

    @Override
    void ended() {
      Sent s = sent;
      if (s != null && !ended) {
        ended = true;
        stalledNanos = flights.stalledNanos(s);
        flights.ended(s, plane.ticker().nanos());
      }
    }

    @Override
    long sentToFirstNanos() {
      Sent s = sent;
      return s == null || s.seenFirstNanos() == 0 ? 0 : s.seenFirstNanos() - s.dispatchNanos();
    }

    @Override
    Facts with(Facts f) {
      Sent s = sent;
      if (s == null) {
        return f;
      }
      return f.foretold(
          s.ask(),
          s.streamed(),
          forecast(),
          !s.streamed() || (s.seenFirstNanos() == 0 && f.complete())
              ? f.firstByteNanos()
              : s.seenFirstNanos(),
          (double) (ended ? stalledNanos : flights.stalledNanos(s)),
          s.otherFirstNanos(),
          s.otherLastNanos(),
          s.ahead());
    }
  }
}
