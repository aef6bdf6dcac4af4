package org.infinilm.svc.http;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/// One budget for the bytes that client connections make this process hold: request bodies (by the
/// capacity of their buffers) and answers not yet sent. Over it, whoever costs most memory for
/// longest is given up first, not whoever comes next. Thread-safe.
final class MemoryBudget {
  /// Bodies of less are always begun.
  static final int SMALL_BODY_BYTES = 256 << 10;

  /// Holders of less are never given up, and may overdraw a little.
  private static final int SMALL_BYTES = 16 << 10;

  private final long limit;
  private final AtomicLong held = new AtomicLong();
  private final AtomicLong givenUp = new AtomicLong();
  private final Set<Share> large = ConcurrentHashMap.newKeySet();

  MemoryBudget(long limitBytes) {
    this.limit = limitBytes;
  }

  long limit() {
    return limit;
  }

  long held() {
    return held.get();
  }

  /// Holders that were given up.
  long givenUp() {
    return givenUp.get();
  }

  /// Whether a body of `bytes` may begin to arrive: small ones always.
  boolean admits(long bytes) {
    return bytes < SMALL_BODY_BYTES || held.get() + bytes <= limit;
  }

  /// How full: 0 below a half, 1 below three quarters, 2 above.
  int pressure() {
    long h = held.get();
    return h < limit / 2 ? 0 : h < limit - limit / 4 ? 1 : 2;
  }

  /// What one connection holds. Its own loop changes it; others read it, and may give it up.
  final class Share implements Room {
    private final AtomicLong counted = new AtomicLong();
    private final Runnable giveUp;
    private long body;
    private long waiting;
    private volatile long age;
    private volatile boolean mayGo;

    /// @param giveUp ends the connection's request; may be called on any thread
    Share(Runnable giveUp) {
      this.giveUp = giveUp;
    }

    /// What the body occupies now; false when this share is the one to give up.
    boolean body(long bytes) {
      long by = bytes - body;
      body = bytes;
      return change(by);
    }

    /// What waits for the client, or for its turn, now; false when this share is the one to give
    /// up.
    boolean waiting(long bytes) {
      long by = bytes - waiting;
      waiting = bytes;
      return change(by);
    }

    @Override
    public boolean take(long bytes) {
      boolean got = change(bytes);
      if (!got) {
        change(-bytes);
      }
      return got;
    }

    @Override
    public void giveBack(long bytes) {
      change(-bytes);
    }

    /// @param ticks since this use of memory began
    /// @param givable whether it can be given up: a body that still arrives, an answer that waits
    ///   for its client; not what an instance is working on
    void note(long ticks, boolean givable) {
      age = ticks;
      mayGo = givable;
    }

    void close() {
      body(0);
      waiting(0);
      large.remove(this);
    }

    private boolean change(long by) {
      if (by == 0) {
        return true;
      }
      if (by < 0) {
        long before = counted.getAndUpdate(c -> Math.max(0, c + by));
        held.addAndGet(-Math.min(before, -by));
        if (before >= SMALL_BYTES && before + by < SMALL_BYTES) {
          large.remove(this);
        }
        return true;
      }
      if (counted.addAndGet(by) >= SMALL_BYTES) {
        large.add(this);
      }
      return held.addAndGet(by) <= limit || relieve(this);
    }

    /// Byte-ticks.
    private double cost() {
      return mayGo ? (double) counted.get() * (age + 1) : 0;
    }
  }

  /// Gives up the costliest until the budget is kept; false when the asking one is the costliest,
  /// or nobody else is left and it is not small or far over.
  private boolean relieve(Share asking) {
    while (held.get() > limit) {
      Share most = costliest();
      if (most == asking) {
        givenUp.incrementAndGet();
        return false;
      }
      if (most == null) {
        return asking.counted.get() < SMALL_BYTES && held.get() <= limit + limit / 8;
      }
      large.remove(most);
      held.addAndGet(-most.counted.getAndSet(0));
      givenUp.incrementAndGet();
      most.giveUp.run();
    }
    return true;
  }

  private @Nullable Share costliest() {
    Share most = null;
    double cost = 0;
    for (Share s : large) {
      double c = s.cost();
      if (c > cost) {
        most = s;
        cost = c;
      }
    }
    return most;
  }
}
