package org.infinilm.svc.http;

import io.netty.channel.Channel;
import io.netty.channel.ChannelFactory;
import io.netty.channel.EventLoop;
import io.netty.channel.ReflectiveChannelFactory;
import io.netty.util.concurrent.FastThreadLocal;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// What one event loop of the data plane owns: its pool of idle connections to instances, and
/// everything that has a time limit. Confined to that loop.
///
/// Time limits count ticks that ran. While this process stands still no tick runs, and afterwards
/// one does, not as many as were missed: a pause of ours is nobody's time.
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

  /// One that comes and goes with each request: a link of its loop's list.
  abstract static class Linked implements Timed {
    private @Nullable Linked before;
    private @Nullable Linked after;
  }

  private final ChannelFactory<? extends Channel> sockets;
  private final HeadScan scan = new HeadScan();
  private final HeadWriter writer = new HeadWriter();
  private final boolean codecOnly;
  private @Nullable Scratch scratch;
  private final Map<Origin, Deque<UpstreamConnection>> idle = new HashMap<>();
  private final OldServers old;
  private final Set<Timed> timed = Collections.newSetFromMap(new IdentityHashMap<>());
  private @Nullable Linked lastLinked;
  private @Nullable EpollTaps taps;
  private long now;

  /// @param sockets makes the sockets of new connections to instances
  /// @param framing of all messages on this loop
  /// @param old shared by the loops of one server
  LoopState(
      ChannelFactory<? extends Channel> sockets, ProxyServer.Framing framing, OldServers old) {
    this.sockets = sockets;
    this.old = old;
    this.codecOnly = framing == ProxyServer.Framing.CODEC;
  }

  /// The state of the calling event loop, which belongs to one server.
  static LoopState of(EventLoop loop, ProxyServer.Framing framing, OldServers old) {
    LoopState s = LOCAL.get();
    if (s == null) {
      LoopState made =
          new LoopState(
              new ReflectiveChannelFactory<>(Loops.channel(Loops.of(loop))), framing, old);
      if (!made.codecOnly && Loops.of(loop) == ProxyServer.Transport.EPOLL) {
        made.scratch = new Scratch();
      }
      LOCAL.set(made);
      loop.scheduleWithFixedDelay(made::tick, TICK_MILLIS, TICK_MILLIS, TimeUnit.MILLISECONDS);
      s = made;
    }
    return s;
  }

  ChannelFactory<? extends Channel> sockets() {
    return sockets;
  }

  HeadScan scan() {
    return scan;
  }

  HeadWriter writer() {
    return writer;
  }

  /// For sends past the pipeline; null where nothing goes past it.
  @Nullable Scratch scratch() {
    return scratch;
  }

  /// Whether Netty's codec frames every message.
  boolean codecOnly() {
    return codecOnly;
  }

  /// As [EpollTaps#round]; 0 on other transports.
  long round() {
    EpollTaps t = taps;
    if (t == null) {
      t = EpollTaps.current();
      taps = t;
    }
    return t == null ? 0 : t.round();
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

  /// Until [#unlink], once.
  void link(Linked t) {
    Linked last = lastLinked;
    t.before = last;
    if (last != null) {
      last.after = t;
    }
    lastLinked = t;
  }

  void unlink(Linked t) {
    Linked before = t.before;
    Linked after = t.after;
    if (before != null) {
      before.after = after;
    }
    if (after != null) {
      after.before = before;
    } else {
      lastLinked = before;
    }
    t.before = null;
    t.after = null;
  }

  /// An idle connection to `origin`, most recently used first, or null.
  @Nullable UpstreamConnection poll(Origin origin) {
    Deque<UpstreamConnection> q = idle.get(origin);
    if (q == null) {
      return null;
    }
    for (UpstreamConnection c = q.pollLast(); c != null; c = q.pollLast()) {
      if (c.isOpen() && now - c.idleSince() < IDLE_TICKS) {
        return c;
      }
      c.close();
    }
    return null;
  }

  void offer(Origin origin, UpstreamConnection c) {
    Deque<UpstreamConnection> q = idle.computeIfAbsent(origin, o -> new ArrayDeque<>());
    if (q.size() >= MAX_IDLE_PER_ORIGIN) {
      c.close();
    } else {
      c.idleSince(now);
      q.addLast(c);
    }
  }

  OldServers old() {
    return old;
  }

  /// One tick; an entry that throws takes nobody else's time limit away.
  void tick() {
    now++;
    List<Timed> all = new ArrayList<>(timed);
    for (Linked t = lastLinked; t != null; t = t.before) {
      all.add(t);
    }
    for (Timed t : all) {
      try {
        t.tick(now);
      } catch (Throwable e) {
        Faults.note("a tick of " + t.getClass().getSimpleName(), e);
      }
    }
    idle.values()
        .removeIf(q -> {
          for (UpstreamConnection c = q.peekFirst();
              c != null && (now - c.idleSince() >= IDLE_TICKS || !c.isOpen());
              c = q.peekFirst()) {
            q.pollFirst();
            c.close();
          }
          return q.isEmpty();
        });
  }
}
