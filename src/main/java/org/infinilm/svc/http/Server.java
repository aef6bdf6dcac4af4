package org.infinilm.svc.http;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.group.ChannelGroup;
import io.netty.channel.group.DefaultChannelGroup;
import io.netty.channel.socket.SocketChannel;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseEncoder;
import io.netty.handler.timeout.IdleStateHandler;
import io.netty.util.concurrent.GlobalEventExecutor;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// The HTTP/1.1 server of control planes, the engine and the simulator: Netty below, whole request
/// bodies, one virtual thread a request. Thread-safe.
public final class Server implements AutoCloseable {
  /// Why a request gets 503 while its server ends.
  public static final String ENDS = "shutting down";

  /// Writes the answer to what the server itself refuses: bad framing, a head or body that is too
  /// large, a handler that failed.
  @FunctionalInterface
  public interface Refusal {
    /// @param why names the wrong value and the expected one
    Response answer(int status, String why);
  }

  /// How a server listens.
  ///
  /// @param host address to listen on, `127.0.0.1` or `0.0.0.0`
  /// @param port 0 for any free port
  /// @param maxBodyBytes larger bodies are answered 413
  /// @param maxConnections one more takes the place of the one that was idle, or sends an
  ///   unfinished request, for the longest time; it is closed at once where all wait for answers.
  ///   Fewer where there are few file descriptors
  /// @param maxUnfinishedBytes what requests of up to 64 KiB may hold together before they are
  ///   whole; one more takes the room of the oldest, whose connection is closed
  /// @param keptDescriptors that connections leave for the program's own calls
  /// @param idle a connection without a request for so long is closed
  /// @param stall a client that takes nothing of a streamed answer for so long is dropped
  /// @param refusal `{"error":"text"}` unless told otherwise
  /// @param tls what it shows over TLS; null for plain TCP
  public record Options(
      String host,
      int port,
      int maxBodyBytes,
      int maxConnections,
      long maxUnfinishedBytes,
      int keptDescriptors,
      Duration idle,
      Duration stall,
      Refusal refusal,
      Tls.@Nullable Listener tls) {
    private static final Duration NEVER = Duration.ofDays(365);

    public static Options at(String host, int port) {
      return new Options(
          host,
          port,
          2 << 20,
          1024,
          Runtime.getRuntime().maxMemory() / 8,
          Descriptors.RESERVE,
          Duration.ofSeconds(75),
          NEVER,
          (status, why) -> Response.json(status, Map.of("error", why)),
          null);
    }

    public Options maxBody(int bytes) {
      return with(bytes, maxConnections, maxUnfinishedBytes, keptDescriptors);
    }

    public Options maxConnections(int most) {
      return with(maxBodyBytes, most, maxUnfinishedBytes, keptDescriptors);
    }

    public Options maxUnfinished(long bytes) {
      return with(maxBodyBytes, maxConnections, bytes, keptDescriptors);
    }

    public Options keepDescriptors(int kept) {
      return with(maxBodyBytes, maxConnections, maxUnfinishedBytes, kept);
    }

    public Options stall(Duration longest) {
      return with(longest, refusal, tls);
    }

    public Options tls(Tls.@Nullable Listener shown) {
      return with(stall, refusal, shown);
    }

    public Options refusal(Refusal other) {
      return with(stall, other, tls);
    }

    private Options with(int body, int most, long unfinished, int kept) {
      return new Options(host, port, body, most, unfinished, kept, idle, stall, refusal, tls);
    }

    private Options with(Duration longest, Refusal other, Tls.@Nullable Listener shown) {
      return new Options(
          host,
          port,
          maxBodyBytes,
          maxConnections,
          maxUnfinishedBytes,
          keptDescriptors,
          idle,
          longest,
          other,
          shown);
    }
  }

  private static final Duration DRAIN_STEP = Duration.ofMillis(20);

  private final Channel listener;
  private final ChannelGroup connections;
  private final int places;

  private Server(Channel listener, ChannelGroup connections, int places) {
    this.listener = listener;
    this.connections = connections;
    this.places = places;
  }

  /// Binds and serves.
  ///
  /// @throws IOException when the port cannot be bound; the message names address and port and,
  ///   where it can be seen, the process that holds it
  public static Server start(Options options, Handler handler) throws IOException {
    ChannelGroup connections = new DefaultChannelGroup(GlobalEventExecutor.INSTANCE);
    ServerLoad load =
        new ServerLoad(connections, options.maxBodyBytes(), options.maxUnfinishedBytes());
    int places = Descriptors.served(options.maxConnections(), options.keptDescriptors());
    ChannelFuture bound =
        new ServerBootstrap()
            .group(Loops.control())
            .channel(Loops.serverChannel(Loops.DEFAULT))
            .option(ChannelOption.SO_BACKLOG, 1024)
            .option(ChannelOption.SO_REUSEADDR, true)
            .childOption(ChannelOption.TCP_NODELAY, true)
            .childHandler(
                new ChannelInitializer<SocketChannel>() {
                  @Override
                  protected void initChannel(SocketChannel c) {
                    if (connections.size() >= places && !load.closeOldest(false)) {
                      c.close();
                      return;
                    }
                    connections.add(c);
                    if (options.stall().compareTo(Options.NEVER) < 0) {
                      Sockets.watchPeer(c, options.stall());
                    }
                    Tls.Listener tls = options.tls();
                    if (tls != null) {
                      TlsDoor.install(c, tls);
                    }
                    ServerConnection served = new ServerConnection(handler, options, load);
                    c.pipeline()
                        .addLast(served.meter())
                        .addLast(served.decoder())
                        .addLast(new Encoder())
                        .addLast(
                            new IdleStateHandler(
                                options.idle().toMillis(), 0, 0, TimeUnit.MILLISECONDS))
                        .addLast("connection", served);
                  }
                })
            .bind(options.host(), options.port())
            .awaitUninterruptibly();
    if (!bound.isSuccess()) {
      throw new IOException(
          PortOwner.cannotListen(options.host(), options.port(), bound.cause()), bound.cause());
    }
    return new Server(bound.channel(), connections, places);
  }

  /// The port it listens on.
  public int port() {
    return ((InetSocketAddress) listener.localAddress()).getPort();
  }

  /// Connections that it has at once, at most. A handler that keeps requests waiting for long keeps
  /// fewer than that: who waits for an answer gives no newcomer his place.
  public int places() {
    return places;
  }

  /// Stops accepting and waits for requests in flight, at most `grace`.
  public void drain(Duration grace) throws InterruptedException {
    listener.close().awaitUninterruptibly();
    for (long left = grace.toMillis(); left > 0 && anyBusy(); left -= DRAIN_STEP.toMillis()) {
      TimeUnit.MILLISECONDS.sleep(DRAIN_STEP.toMillis());
    }
  }

  private boolean anyBusy() {
    return connections.stream().map(ServerLoad::connection).anyMatch(s -> s != null && s.busy());
  }

  /// Stops at once: closes the listener and every connection.
  @Override
  public void close() {
    listener.close().awaitUninterruptibly();
    connections.close().awaitUninterruptibly();
  }

  /// Encodes answers; a HEAD answer's Content-Length is the handler's, its body is empty already.
  private static final class Encoder extends HttpResponseEncoder {
    @Override
    protected void sanitizeHeadersBeforeEncode(HttpResponse message, boolean isAlwaysEmpty) {
      // lengths are set by ServerConnection
    }
  }
}
