package org.infinilm.svc.policy;

import java.util.concurrent.atomic.AtomicLongArray;
import org.jspecify.annotations.Nullable;

/// What was sent to an instance before one: since when its prompts that wait for their first token
/// are fewer than 1, 2, ... [#MOST], and those that have not ended; whether a later one came before
/// it, and how many answers went on when its own began. Written by all event loops, read by any;
/// times from a monotonic clock, in nanoseconds.
public final class Ahead {
  /// As many are told apart.
  public static final int MOST = 8;

  private final boolean stream;
  private final int inFlight;
  private final int running;
  private final boolean mixed;
  private final @Nullable AtomicLongArray since;
  private final @Nullable AtomicLongArray ends;
  private volatile boolean overtaken;
  private int beside;
  private int streamsBeside;

  /// Of a stream of whose predecessors only the prompts are known.
  ///
  /// @param ahead that waited when it was sent
  public Ahead(int ahead, long nowNanos) {
    this(true, ahead, 0, 0, false, nowNanos);
  }

  /// @param stream whether its first token will be seen
  /// @param ahead prompts that waited when it was sent
  /// @param running that had begun
  /// @param inFlight that had not ended
  /// @param mixed whether there were others than streams
  Ahead(boolean stream, int ahead, int running, int inFlight, boolean mixed, long nowNanos) {
    this.mixed = mixed;
    this.stream = stream;
    this.inFlight = inFlight;
    this.running = running;
    this.since = stream ? fewer(ahead, nowNanos) : null;
    this.ends = fewer(inFlight, nowNanos);
  }

  private static @Nullable AtomicLongArray fewer(int than, long nowNanos) {
    if (than == 0) {
      return null;
    }
    AtomicLongArray a = new AtomicLongArray(MOST);
    for (int k = than; k < MOST; k++) {
      a.setPlain(k, nowNanos);
    }
    return a;
  }

  /// Whether its first token is seen, and with it when it is done with its prompt.
  boolean isStream() {
    return stream;
  }

  /// So many are ahead from now on, one less than before.
  public void fell(int to, long nowNanos) {
    AtomicLongArray s = since;
    if (s != null && to < MOST) {
      s.setRelease(to, nowNanos);
    }
  }

  /// The first token of a later one came.
  public void overtake() {
    if (!overtaken) {
      overtaken = true;
    }
  }

  /// So many of those that were sent before it have not ended from now on, one less than before.
  void left(int to, long nowNanos) {
    AtomicLongArray e = ends;
    if (e != null && to < MOST) {
      e.setRelease(to, nowNanos);
    }
  }

  /// Its first token came, while so many others had theirs and went on.
  ///
  /// @param streams of them, of which that was seen
  void first(int others, int streams) {
    beside = others;
    streamsBeside = streams;
  }

  /// Streams that had begun when it was sent; 0 where answers that come whole were there.
  int runningBefore() {
    return mixed ? 0 : running;
  }

  /// Of [#beside] those whose first token was seen.
  int streamsBeside() {
    return streamsBeside;
  }

  /// Whether answers that come whole were there when it was sent.
  boolean isMixed() {
    return mixed;
  }

  /// That had not ended when it was sent.
  int inFlightBefore() {
    return inFlight;
  }

  /// Answers that went on beside it when its own began.
  int beside() {
    return beside;
  }

  /// Whether the first token of a later one came before its own.
  boolean isOvertaken() {
    return overtaken;
  }

  /// Since when fewer than this many, 1 to [#MOST], are ahead: 0 for ever, [Long#MAX_VALUE] not
  /// yet.
  long fewerSinceNanos(int than) {
    return since(since, than);
  }

  /// The same of those that have not ended.
  long fewerLeftSinceNanos(int than) {
    return since(ends, than);
  }

  private static long since(@Nullable AtomicLongArray of, int than) {
    if (of == null) {
      return 0;
    }
    long at = of.getAcquire(than - 1);
    return at == 0 ? Long.MAX_VALUE : at;
  }
}
