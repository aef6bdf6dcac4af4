package org.infinilm.svc.http;

import io.netty.channel.Channel;
import io.netty.channel.group.ChannelGroup;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/// What the connections of one server hold together. Thread-safe.
final class ServerLoad {
  /// A request whose body is larger is bounded apart from all smaller ones: what everybody may send
  /// however busy it is.
  static final int SMALL_BYTES = 64 << 10;

  /// Of the largest bodies, how many may be held at once, in a heap that is large enough.
  private static final int LARGE_BODIES = 16;

  /// The part of the heap that larger bodies may take together, one of the largest at least.
  private static final int HEAP_PART = 4;

  private final ChannelGroup connections;
  private final long mostBytes;
  private final long mostUnfinished;
  private final AtomicLong bytes = new AtomicLong();
  private final AtomicLong unfinished = new AtomicLong();
  private final AtomicLong uses = new AtomicLong();

  ServerLoad(ChannelGroup connections, int maxBodyBytes, long maxUnfinishedBytes) {
    this.connections = connections;
    this.mostBytes = mostBytes(maxBodyBytes, Runtime.getRuntime().maxMemory());
    this.mostUnfinished = maxUnfinishedBytes;
  }

  static long mostBytes(int maxBodyBytes, long heapBytes) {
    return Math.max(
        maxBodyBytes, Math.min((long) LARGE_BODIES * maxBodyBytes, heapBytes / HEAP_PART));
  }

  /// Whether so many more bytes of large bodies may be held; they are counted then.
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

  /// Counts bytes of small requests that are not whole; the oldest such request makes room where
  /// there are too many.
  void unfinished(long more) {
    if (unfinished.addAndGet(more) > mostUnfinished && more > 0) {
      closeOldest(true);
    }
  }

  /// A number above those before.
  long nextUse() {
    return uses.incrementAndGet();
  }

  /// Closes the connection that has begun no request for the longest time.
  ///
  /// @param unfinishedOnly of those with a request that is not whole; else of those that wait for
  ///   no answer
  /// @return whether there was one
  boolean closeOldest(boolean unfinishedOnly) {
    Channel oldest = null;
    ServerConnection its = null;
    for (Channel c : connections) {
      ServerConnection s = connection(c);
      if (s != null
          && (unfinishedOnly ? s.isUnfinished() : !s.answering())
          && (its == null || s.lastUse() < its.lastUse())) {
        oldest = c;
        its = s;
      }
    }
    if (oldest == null || its == null) {
      return false;
    }
    connections.remove(oldest);
    its.forgetUnfinished();
    oldest.close();
    return true;
  }

  static @Nullable ServerConnection connection(Channel c) {
    return c.pipeline().get("connection") instanceof ServerConnection s ? s : null;
  }
}
