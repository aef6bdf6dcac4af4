package org.infinilm.svc.http;

import io.netty.channel.Channel;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.IoHandlerFactory;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.ServerChannel;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollDomainSocketChannel;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioDomainSocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.channel.unix.DomainSocketAddress;
import io.netty.util.concurrent.DefaultThreadFactory;
import io.netty.util.concurrent.EventExecutor;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.util.function.BooleanSupplier;

/// Event loops and the channel classes that fit them: epoll where the kernel has it, NIO elsewhere.
final class Loops {
  private static final boolean EPOLL = Epoll.isAvailable();

  /// The one loop that all control-plane servers and clients of this process share.
  private static final class Control {
    static final EventLoopGroup GROUP = group(1, "control");
  }

  private Loops() {}

  static EventLoopGroup control() {
    return Control.GROUP;
  }

  /// A group of `threads` daemon loops.
  static EventLoopGroup group(int threads, String name) {
    IoHandlerFactory io = EPOLL ? EpollIoHandler.newFactory() : NioIoHandler.newFactory();
    return new MultiThreadIoEventLoopGroup(threads, new DefaultThreadFactory(name, true), io);
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

  static Class<? extends ServerChannel> serverChannel() {
    return EPOLL ? EpollServerSocketChannel.class : NioServerSocketChannel.class;
  }

  static Class<? extends SocketChannel> channel() {
    return EPOLL ? EpollSocketChannel.class : NioSocketChannel.class;
  }

  static Class<? extends Channel> unixChannel() {
    return EPOLL ? EpollDomainSocketChannel.class : NioDomainSocketChannel.class;
  }

  /// The address of a unix socket, as its channel class wants it.
  static SocketAddress unixAddress(String path) {
    return EPOLL ? new DomainSocketAddress(path) : UnixDomainSocketAddress.of(path);
  }
}
