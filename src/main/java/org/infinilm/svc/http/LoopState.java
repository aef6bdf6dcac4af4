package org.infinilm.svc.http;

import io.netty.channel.Channel;
import io.netty.channel.EventLoop;
import io.netty.util.concurrent.FastThreadLocal;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// What one event loop of the data plane owns: its pool of idle connections to instances, and
/// everything that has a time limit. Confined to that loop.
final class LoopState {
  static final long TICK_MILLIS = 250;

  /// Connections idle for longer are closed: servers behind us (uvicorn) close theirs after 5 s.
  private static final long IDLE_TICKS = 4000 / TICK_MILLIS;

  private static final int MAX_IDLE_PER_ORIGIN = 1024;
  private static final FastThreadLocal<LoopState> LOCAL = new FastThreadLocal<>();

  /// Something with a time limit; called about every [#TICK_MILLIS].
  interface Timed {
    void tick(long now);
  }

  private record Idle(Channel channel, long since) {}

  private final Map<Origin, Deque<Idle>> idle = new HashMap<>();
  private final Set<Timed> timed = Collections.newSetFromMap(new IdentityHashMap<>());
  private long now;

  private LoopState() {}

  /// The state of the calling event loop.
  static LoopState of(EventLoop loop) {
    LoopState s = LOCAL.get();
    if (s == null) {
      LoopState made = new LoopState();
      LOCAL.set(made);
      loop.scheduleAtFixedRate(made::tick, TICK_MILLIS, TICK_MILLIS, TimeUnit.MILLISECONDS);
      s = made;
    }
    return s;
  }

  /// Ticks since the loop started.
  long now() {
    return now;
  }

  /// A limit in ticks, at least one.
  static long ticks(Duration limit) {
    return Math.max(1, limit.toMillis() / TICK_MILLIS);
  }

  void watch(Timed t) {
    timed.add(t);
  }

  void unwatch(Timed t) {
    timed.remove(t);
  }

  /// An idle connection to `origin`, most recently used first, or null.
  @Nullable Channel poll(Origin origin) {
    Deque<Idle> q = idle.get(origin);
    if (q == null) {
      return null;
    }
    for (Idle i = q.pollLast(); i != null; i = q.pollLast()) {
      if (i.channel().isActive() && now - i.since() < IDLE_TICKS) {
        return i.channel();
      }
      i.channel().close();
    }
    return null;
  }

  void offer(Origin origin, Channel c) {
    Deque<Idle> q = idle.computeIfAbsent(origin, o -> new ArrayDeque<>());
    if (q.size() >= MAX_IDLE_PER_ORIGIN) {
      c.close();
    } else {
      q.addLast(new Idle(c, now));
    }
  }

  private void tick() {
    now++;
    if (!timed.isEmpty()) {
      for (Timed t : new ArrayList<>(timed)) {
        t.tick(now);
      }
    }
    idle.values()
        .removeIf(q -> {
          for (Idle i = q.peekFirst();
              i != null && (now - i.since() >= IDLE_TICKS || !i.channel().isActive());
              i = q.peekFirst()) {
            q.pollFirst();
            i.channel().close();
          }
          return q.isEmpty();
        });
  }
}
