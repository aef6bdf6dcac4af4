package org.infinilm.svc.http;

import io.netty.channel.Channel;
import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.IoEventLoop;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.ServerChannel;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollDomainSocketChannel;
import io.netty.channel.epoll.EpollIoHandle;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioDomainSocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.channel.unix.DomainSocketAddress;
import io.netty.channel.uring.IoUring;
import io.netty.channel.uring.IoUringDomainSocketChannel;
import io.netty.channel.uring.IoUringIoHandle;
import io.netty.channel.uring.IoUringIoHandler;
import io.netty.channel.uring.IoUringServerSocketChannel;
import io.netty.channel.uring.IoUringSocketChannel;
import io.netty.util.concurrent.DefaultThreadFactory;
import io.netty.util.concurrent.EventExecutor;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.util.function.BooleanSupplier;
import org.infinilm.svc.http.ProxyServer.Transport;
import org.jspecify.annotations.Nullable;

/// Event loops of each [Transport], and the channel classes and addresses that fit them.
final class Loops {
  private static final String POLL_AGAIN = "io.netty.iouring.pollAddMultishotEnabled";

  static {
    // One poll that reports again and again loses a reset that comes while a read is under way: the
    // connection then stands until a time limit. Read by Netty's class when it is first used.
    if (System.getProperty(POLL_AGAIN) == null) {
      System.setProperty(POLL_AGAIN, "false");
    }
  }

  /// Of what has no choice: the control plane, and the data plane unless another is asked for.
  static final Transport DEFAULT = Epoll.isAvailable() ? Transport.EPOLL : Transport.NIO;

  /// The one loop that all control-plane servers and clients of this process share.
  private static final class Control {
    static final EventLoopGroup GROUP = group(1, "control");
  }

  private Loops() {}

  static EventLoopGroup control() {
    return Control.GROUP;
  }

  /// A group of `threads` daemon loops of the default transport.
  static EventLoopGroup group(int threads, String name) {
    return group(threads, name, DEFAULT);
  }

  static EventLoopGroup group(int threads, String name, Transport t) {
    IoHandlerFactory io =
        switch (t) {
          case EPOLL -> EpollTaps.factory();
          case IO_URING -> IoUringIoHandler.newFactory();
          case NIO -> NioIoHandler.newFactory();
        };
    return new MultiThreadIoEventLoopGroup(threads, new DefaultThreadFactory(name, true), io);
  }

  /// Why a transport cannot be had here, or null.
  static @Nullable Throwable unavailable(Transport t) {
    return switch (t) {
      case EPOLL -> Epoll.unavailabilityCause();
      case IO_URING -> IoUring.unavailabilityCause();
      case NIO -> null;
    };
  }

  /// Has the process's handler of uncaught exceptions told when a loop ends before it should: its
  /// connections would wait for ever.
  static void watch(EventLoopGroup loops, BooleanSupplier mayEnd) {
    for (EventExecutor loop : loops) {
      loop.terminationFuture()
          .addListener(ended -> {
            Thread.UncaughtExceptionHandler handler = Thread.getDefaultUncaughtExceptionHandler();
            if (!mayEnd.getAsBoolean() && handler != null) {
              handler.uncaughtException(Thread.currentThread(), new ProxyServer.LoopEnded());
            }
          });
    }
  }

  /// The transport of a loop of one of these groups.
  static Transport of(EventLoop loop) {
    if (!(loop instanceof IoEventLoop l)) {
      return DEFAULT;
    }
    if (l.isCompatible(IoUringIoHandle.class)) {
      return Transport.IO_URING;
    }
    return l.isCompatible(EpollIoHandle.class) ? Transport.EPOLL : Transport.NIO;
  }

  static Class<? extends ServerChannel> serverChannel(Transport t) {
    return switch (t) {
      case EPOLL -> EpollServerSocketChannel.class;
      case IO_URING -> IoUringServerSocketChannel.class;
      case NIO -> NioServerSocketChannel.class;
    };
  }

  static Class<? extends SocketChannel> channel(Transport t) {
    return switch (t) {
      case EPOLL -> EpollSocketChannel.class;
      case IO_URING -> IoUringSocketChannel.class;
      case NIO -> NioSocketChannel.class;
    };
  }

  static Class<? extends Channel> unixChannel(Transport t) {
    return switch (t) {
      case EPOLL -> EpollDomainSocketChannel.class;
      case IO_URING -> IoUringDomainSocketChannel.class;
      case NIO -> NioDomainSocketChannel.class;
    };
  }

  /// The address of a unix socket, as the transport's channels want it.
  static SocketAddress unixAddress(UnixDomainSocketAddress address, Transport t) {
    return t == Transport.NIO ? address : new DomainSocketAddress(address.getPath().toString());
  }
}
