package org.infinilm.svc.http;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.group.ChannelGroup;
import io.netty.channel.group.DefaultChannelGroup;
import io.netty.channel.socket.SocketChannel;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseEncoder;
import io.netty.util.concurrent.GlobalEventExecutor;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/// The listener of the data plane: event loops that read complete requests, hand them to a [Front]
/// and carry answers back; nothing on them blocks. Thread-safe.
public final class ProxyServer implements AutoCloseable {
  /// How the data plane listens, and its limits.
  ///
  /// @param threads event loops
  /// @param maxBodyBytes larger bodies are refused with 413
  /// @param maxBufferedBytes bodies in memory over all connections; more are refused with 503
  /// @param maxConnections more are closed at once
  /// @param headTime for a request's head, from its first byte
  /// @param bodyPause between pieces of a request's body
  /// @param idle for a connection without a request
  /// @param clientStall for a client that reads nothing of an answer that waits for it
  public record Options(
      String host,
      int port,
      int threads,
      long maxBodyBytes,
      long maxBufferedBytes,
      int maxConnections,
      Duration headTime,
      Duration bodyPause,
      Duration idle,
      Duration clientStall) {}

  private final EventLoopGroup loops;
  private final Channel listener;
  private final ChannelGroup connections;
  private final Shared shared;

  /// What connections of one server share.
  static final class Shared {
    final Options options;
    final Front front;
    final AtomicLong bufferedBytes = new AtomicLong();
    final AtomicInteger open = new AtomicInteger();
    final AtomicInteger requests = new AtomicInteger();
    volatile boolean draining;

    Shared(Options options, Front front) {
      this.options = options;
      this.front = front;
    }
  }

  private ProxyServer(
      EventLoopGroup loops, Channel listener, ChannelGroup connections, Shared shared) {
    this.loops = loops;
    this.listener = listener;
    this.connections = connections;
    this.shared = shared;
  }

  /// Binds and serves.
  ///
  /// @throws IOException when the port cannot be bound; the message names address, port and holder
  public static ProxyServer start(Options options, Front front) throws IOException {
    ChannelGroup connections = new DefaultChannelGroup(GlobalEventExecutor.INSTANCE);
    Shared shared = new Shared(options, front);
    EventLoopGroup loops = Loops.group(options.threads(), "data");
    ChannelFuture bound =
        new ServerBootstrap()
            .group(loops)
            .channel(Loops.serverChannel())
            .option(ChannelOption.SO_BACKLOG, 4096)
            .option(ChannelOption.SO_REUSEADDR, true)
            .childOption(ChannelOption.TCP_NODELAY, true)
            .childOption(
                ChannelOption.WRITE_BUFFER_WATER_MARK,
                new WriteBufferWaterMark(64 << 10, 256 << 10))
            .childHandler(
                new ChannelInitializer<SocketChannel>() {
                  @Override
                  protected void initChannel(SocketChannel c) {
                    if (shared.open.get() >= options.maxConnections()) {
                      c.close();
                      return;
                    }
                    connections.add(c);
                    LoopState loop = LoopState.of(c.eventLoop());
                    ProxyConnection connection = new ProxyConnection(shared, loop);
                    c.pipeline()
                        .addLast(connection.firstBytes())
                        .addLast(new StrictRequestDecoder())
                        .addLast(new Encoder())
                        .addLast(connection);
                  }
                })
            .bind(options.host(), options.port())
            .awaitUninterruptibly();
    if (!bound.isSuccess()) {
      loops.shutdownGracefully();
      throw new IOException(
          PortOwner.cannotListen(options.host(), options.port(), bound.cause()), bound.cause());
    }
    return new ProxyServer(loops, bound.channel(), connections, shared);
  }

  /// The port it listens on.
  public int port() {
    return ((InetSocketAddress) listener.localAddress()).getPort();
  }

  /// Open client connections.
  public int connections() {
    return shared.open.get();
  }

  /// Bodies in memory.
  public long bufferedBytes() {
    return shared.bufferedBytes.get();
  }

  /// Stops accepting, lets requests in flight end for at most `grace`; idle connections are closed.
  public void drain(Duration grace) throws InterruptedException {
    shared.draining = true;
    listener.close().awaitUninterruptibly();
    for (long left = grace.toMillis(); left > 0 && shared.requests.get() > 0; left -= 20) {
      TimeUnit.MILLISECONDS.sleep(20);
    }
  }

  /// Stops at once.
  @Override
  public void close() {
    listener.close().awaitUninterruptibly();
    connections.close().awaitUninterruptibly();
    loops.shutdownGracefully();
  }

  /// Encodes answers whose framing fields are set already.
  private static final class Encoder extends HttpResponseEncoder {
    @Override
    protected void sanitizeHeadersBeforeEncode(HttpResponse message, boolean isAlwaysEmpty) {
      // ProxyConnection decides the framing
    }
  }
}
