package org.infinilm.svc.policy;

import java.util.concurrent.atomic.AtomicLongArray;
import org.jspecify.annotations.Nullable;

/// The prompts that were sent to an instance before one and still wait for their first token: since
/// when they are fewer than 1, 2, ... [#MOST], whether a later one came before it, and how many
/// answers went on when its own began. Written by all event loops, read by any; times from a
/// monotonic clock, in nanoseconds.
public final class Ahead {
  /// As many are told apart.
  public static final int MOST = 8;

  private final @Nullable AtomicLongArray since;
  private volatile boolean overtaken;
  private int beside;

  /// @param ahead that waited when it was sent
  public Ahead(int ahead, long nowNanos) {
    if (ahead == 0) {
      since = null;
      return;
    }
    since = new AtomicLongArray(MOST);
    for (int k = ahead; k < MOST; k++) {
      since.setPlain(k, nowNanos);
    }
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

  /// Its first token came, while so many others had theirs and went on.
  public void first(int others) {
    beside = others;
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
    AtomicLongArray s = since;
    if (s == null) {
      return 0;
    }
    long at = s.getAcquire(than - 1);
    return at == 0 ? Long.MAX_VALUE : at;
  }
}
