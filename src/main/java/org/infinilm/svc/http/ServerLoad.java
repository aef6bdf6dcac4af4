package org.infinilm.svc.http;

import io.netty.channel.Channel;
import io.netty.channel.group.ChannelGroup;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/// What the connections of one server hold together. Thread-safe.
final class ServerLoad {
  /// Of a body, not counted: what everybody may send however busy it is.
  static final int FREE_BYTES = 64 << 10;

  /// Of the largest bodies, how many may be held at once.
  private static final int LARGE_BODIES = 16;

  private final long mostBytes;
  private final AtomicLong bytes = new AtomicLong();
  private final AtomicLong uses = new AtomicLong();

  ServerLoad(int maxBodyBytes) {
    this.mostBytes = (long) LARGE_BODIES * maxBodyBytes;
  }

  /// Whether so many more bytes of bodies may be held; they are counted then.
  boolean take(long more) {
    if (bytes.addAndGet(more) <= mostBytes) {
      return true;
    }
    bytes.addAndGet(-more);
    return false;
  }

  void give(long less) {
    bytes.addAndGet(-less);
  }

  /// A number above those before.
  long nextUse() {
    return uses.incrementAndGet();
  }

  /// Closes the connection that has had no request for the longest time.
  ///
  /// @return whether there was one without a request under way
  static boolean closeOldestIdle(ChannelGroup connections) {
    Channel oldest = null;
    long least = Long.MAX_VALUE;
    for (Channel c : connections) {
      ServerConnection s = connection(c);
      if (s != null && !s.busy() && s.lastUse() < least) {
        oldest = c;
        least = s.lastUse();
      }
    }
    if (oldest == null) {
      return false;
    }
    connections.remove(oldest);
    oldest.close();
    return true;
  }

  static @Nullable ServerConnection connection(Channel c) {
    return c.pipeline().get("connection") instanceof ServerConnection s ? s : null;
  }
}
