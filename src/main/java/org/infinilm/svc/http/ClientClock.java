package org.infinilm.svc.http;

import java.time.Duration;

/// The time limits of one client connection: what it is doing, how far it has come, and whether
/// that is too slow. Time is counted in ticks of its event loop, so that a pause of this process is
/// nobody's time; nothing here reads a clock or touches a channel. Confined to its loop.
final class ClientClock {
  /// A client counts as too slow when it falls short of its rate over this many stall limits.
  private static final int STALLS_A_WINDOW = 5;

  private static final Duration HURRIED = Duration.ofSeconds(1);
  private static final Duration HURRIED_STALL = Duration.ofSeconds(5);
  private static final Duration LINGER_PAUSE = Duration.ofSeconds(2);
  private static final Duration LINGER = Duration.ofSeconds(10);

  /// What the connection is doing.
  enum Phase {
    /// Between requests.
    IDLE,
    /// A head has begun.
    HEAD,
    /// A body is on its way.
    BODY,
    /// The request is ours to answer.
    ANSWERING,
    /// The last answer is on its way out.
    CLOSING,
    /// All is sent; what the client still sends is thrown away, so that it sees the answer and not
    /// a reset.
    LINGERING
  }

  enum Verdict {
    GOES_ON,
    IDLE_OVER,
    HEAD_LATE,
    BODY_PAUSED,
    BODY_SLOW,
    STALLED,
    LINGERED
  }

  /// Limits in ticks and bytes a tick.
  record Limits(
      long head, long bodyPause, double bodyRate, long idle, long stall, double clientRate) {
    static Limits of(ProxyServer.Times t) {
      double perTick = LoopState.TICK_MILLIS / 1000.0;
      return new Limits(
          LoopState.ticks(t.head()),
          LoopState.ticks(t.bodyPause()),
          t.minBodyRate() * perTick,
          LoopState.ticks(t.idle()),
          LoopState.ticks(t.clientStall()),
          t.minClientRate() * perTick);
    }

    /// Those of connections over the limit, whose places are for health checks: none is kept by one
    /// that does nothing.
    Limits hurried() {
      long ask = LoopState.ticks(HURRIED);
      return new Limits(
          Math.min(head, ask),
          Math.min(bodyPause, ask),
          bodyRate,
          Math.min(idle, ask),
          Math.min(stall, LoopState.ticks(HURRIED_STALL)),
          clientRate);
    }
  }

  private final Limits limits;
  private Phase phase = Phase.IDLE;
  private long since;
  private long lastByte;
  private long bodyWindow;
  private long bodyBytes;
  private long lastSent;
  private long stallSince;
  private long sendWindow;
  private long sentBefore;

  ClientClock(Limits limits, long now) {
    this.limits = limits;
    enter(Phase.IDLE, now);
    sentAll(now, 0);
  }

  Phase phase() {
    return phase;
  }

  /// When the phase began.
  long since() {
    return since;
  }

  void enter(Phase next, long now) {
    phase = next;
    since = now;
    lastByte = now;
    bodyWindow = now;
    bodyBytes = 0;
  }

  /// Bytes of a body, or of what is thrown away.
  void read(int bytes, long now) {
    if (bytes > 0) {
      lastByte = now;
      bodyBytes += bytes;
    }
  }

  /// The kernel has sent something lately, although it took nothing from us.
  void kernelSent(long now) {
    stallSince = now;
  }

  /// @param unsent bytes that wait for the client here
  /// @param sent bytes that the kernel has taken, in total
  Verdict tick(long now, long unsent, long sent) {
    if (unsent == 0) {
      sentAll(now, sent);
    } else if (stalls(now, sent)) {
      return Verdict.STALLED;
    }
    return switch (phase) {
      case IDLE -> {
        if (unsent > 0) {
          since = now;
        }
        yield late(now, since, limits.idle()) ? Verdict.IDLE_OVER : Verdict.GOES_ON;
      }
      case HEAD -> late(now, since, limits.head()) ? Verdict.HEAD_LATE : Verdict.GOES_ON;
      case BODY -> body(now);
      case LINGERING ->
          late(now, lastByte, LoopState.ticks(LINGER_PAUSE))
                  || late(now, since, LoopState.ticks(LINGER))
              ? Verdict.LINGERED
              : Verdict.GOES_ON;
      case ANSWERING, CLOSING -> Verdict.GOES_ON;
    };
  }

  private Verdict body(long now) {
    if (late(now, lastByte, limits.bodyPause())) {
      return Verdict.BODY_PAUSED;
    }
    long window = now - bodyWindow;
    if (window >= limits.bodyPause()) {
      if (bodyBytes < limits.bodyRate() * window) {
        return Verdict.BODY_SLOW;
      }
      bodyWindow = now;
      bodyBytes = 0;
    }
    return Verdict.GOES_ON;
  }

  private boolean stalls(long now, long sent) {
    if (sent > lastSent) {
      lastSent = sent;
      stallSince = now;
    }
    return late(now, stallSince, limits.stall());
  }

  /// Bytes that the kernel should have taken beyond those that it has, by the rate of a client
  /// since something waits for it; 0 when it keeps its rate or it is too early to tell. A client
  /// that is behind is told so at every tick until it has caught up.
  long missing(long now, long sent) {
    long window = now - sendWindow;
    if (window < STALLS_A_WINDOW * limits.stall()) {
      return 0;
    }
    long missing = (long) Math.ceil(limits.clientRate() * window) - (sent - sentBefore);
    if (missing > 0) {
      return missing;
    }
    sendWindow = now;
    sentBefore = sent;
    return 0;
  }

  private void sentAll(long now, long sent) {
    lastSent = sent;
    stallSince = now;
    sendWindow = now;
    sentBefore = sent;
  }

  private static boolean late(long now, long from, long limit) {
    return now - from > limit;
  }
}
