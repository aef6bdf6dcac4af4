package org.infinilm.svc.http;

import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOption;
import io.netty.channel.ChannelOutboundBuffer;
import io.netty.channel.epoll.EpollChannelOption;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.uring.IoUringChannelOption;
import io.netty.channel.uring.IoUringSocketChannel;
import java.time.Duration;
import java.util.Map;

/// What the kernel knows of client sockets, and is told to watch. Stateless; called on the
/// channel's loop.
final class Sockets {
  /// Netty counts so much for each entry of its outbound buffer beside the bytes.
  private static final int ENTRY_OVERHEAD = 96;

  private static final int KEEPALIVE_IDLE_SECONDS = 30;
  private static final int KEEPALIVE_INTERVAL_SECONDS = 10;
  private static final int KEEPALIVE_PROBES = 3;

  /// A state of `tcp_states.h`.
  private static final int CLOSE_WAIT = 8;

  private Sockets() {}

  /// Makes the kernel notice a peer whose host is gone: after a minute when nothing is under way,
  /// after `unacked` when something is (RFC 5482).
  static void watchPeer(Channel c, Duration unacked) {
    c.config().setOption(ChannelOption.SO_KEEPALIVE, true);
    int userTimeout = Math.clamp(unacked.toMillis(), 1000, Integer.MAX_VALUE);
    if (c instanceof EpollSocketChannel) {
      c.config()
          .setOptions(
              Map.of(
                  EpollChannelOption.TCP_KEEPIDLE,
                  KEEPALIVE_IDLE_SECONDS,
                  EpollChannelOption.TCP_KEEPINTVL,
                  KEEPALIVE_INTERVAL_SECONDS,
                  EpollChannelOption.TCP_KEEPCNT,
                  KEEPALIVE_PROBES,
                  EpollChannelOption.TCP_USER_TIMEOUT,
                  userTimeout));
    } else if (c instanceof IoUringSocketChannel) {
      c.config()
          .setOptions(
              Map.of(
                  IoUringChannelOption.TCP_KEEPIDLE,
                  KEEPALIVE_IDLE_SECONDS,
                  IoUringChannelOption.TCP_KEEPINTVL,
                  KEEPALIVE_INTERVAL_SECONDS,
                  IoUringChannelOption.TCP_KEEPCNT,
                  KEEPALIVE_PROBES,
                  IoUringChannelOption.TCP_USER_TIMEOUT,
                  userTimeout));
    }
  }

  /// Breaks a connection off so that its peer sees that; nothing goes before the reset, the end of
  /// TLS neither.
  static void reset(Channel c) {
    c.config().setOption(ChannelOption.SO_LINGER, 0);
    ChannelHandlerContext first = c.pipeline().firstContext();
    if (first == null) {
      c.close();
    } else {
      first.close();
    }
  }

  /// Bytes written to `c` that its kernel has not taken.
  static long unsent(Channel c) {
    ChannelOutboundBuffer b = c.unsafe().outboundBuffer();
    if (b == null) {
      return 0;
    }
    return Math.max(
        0, b.totalPendingWriteBytes() - (long) ENTRY_OVERHEAD * b.size() - b.currentProgress());
  }

  /// Bytes that the kernel may have sent without taking any for them: a third of its buffer.
  static long unseen(Channel c) {
    Integer buffer = c.config().getOption(ChannelOption.SO_SNDBUF);
    return buffer == null ? 0 : buffer / 3;
  }

  /// Whether the peer has said that it sends no more, though that may not have been read. Told by
  /// Linux alone.
  static boolean peerHasEnded(Channel c) {
    return switch (c) {
      case EpollSocketChannel e -> e.isActive() && e.tcpInfo().state() == CLOSE_WAIT;
      case IoUringSocketChannel u -> u.isActive() && u.tcpInfo().state() == CLOSE_WAIT;
      default -> false;
    };
  }

  /// Whether the kernel has sent data within `limit`, although it may have taken none: it takes
  /// more only when a third of its buffer is free.
  static boolean sentWithin(Channel c, Duration limit) {
    return switch (c) {
      case EpollSocketChannel e -> e.tcpInfo().lastDataSent() < limit.toMillis();
      case IoUringSocketChannel u -> u.tcpInfo().lastDataSent() < limit.toMillis();
      default -> false;
    };
  }
}
