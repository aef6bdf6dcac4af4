package org.infinilm.svc.http;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.ServerChannel;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.group.ChannelGroup;
import io.netty.channel.group.DefaultChannelGroup;
import io.netty.channel.socket.SocketChannel;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseEncoder;
import io.netty.util.concurrent.DefaultThreadFactory;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.GlobalEventExecutor;
import io.netty.util.concurrent.Promise;
import io.netty.util.internal.PlatformDependent;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Locale;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The listener of the data plane: event loops that read complete requests, hand them to a [Front]
/// and carry answers back; nothing on them blocks. Thread-safe.
public final class ProxyServer implements AutoCloseable {
  /// How the data plane listens, and its limits.
  ///
  /// @param threads event loops
  /// @param tls what it shows over TLS; null for plain TCP
  public record Options(
      String host,
      int port,
      int threads,
      Transport transport,
      Framing framing,
      Limits limits,
      Times times,
      Cors cors,
      Tls.@Nullable Listener tls) {}

  /// How messages are told apart.
  public enum Framing {
    /// Ours where a message is plainly in order, Netty's codec where it is not.
    AUTO,
    /// Netty's codec for every message.
    CODEC
  }

  /// How sockets are driven: by Linux's epoll or io_uring, or by Java's own selectors.
  public enum Transport {
    EPOLL,
    IO_URING,
    NIO;

    /// So many event loops of it, for servers of other libraries.
    public EventLoopGroup loops(int threads, String name) {
      return Loops.group(threads, name, this);
    }

    /// The listener's class of it.
    public Class<? extends ServerChannel> listener() {
      return Loops.serverChannel(this);
    }

    /// What a setting names.
    ///
    /// @param name `auto`, or one of these in lower case
    /// @throws IllegalArgumentException when this machine does not have it; the message says why
    public static Transport named(String name) {
      if (name.equals("auto")) {
        return Loops.DEFAULT;
      }
      Transport t = valueOf(name.toUpperCase(Locale.ROOT));
      Throwable why = Loops.unavailable(t);
      if (why != null) {
        Throwable first = why.getCause() == null ? why : why.getCause();
        throw new IllegalArgumentException(
            name + " (expected: one that works here; " + first.getMessage() + ")");
      }
      return t;
    }
  }

  /// @param maxBodyBytes larger bodies are refused with 413
  /// @param maxBufferedBytes bodies and unsent answers in memory over all connections; over it the
  ///   largest and slowest are given up
  /// @param maxConnections over it only health checks are answered; the process's descriptors may
  ///   make it lower
  /// @param maxConnectionsPerPeer the same for one address (IPv6: one /64) that is not loopback; 0
  ///   for no limit
  public record Limits(
      long maxBodyBytes, long maxBufferedBytes, int maxConnections, int maxConnectionsPerPeer) {}

  /// @param head for a request's head, from its first byte
  /// @param bodyPause between pieces of a request's body
  /// @param minBodyRate bytes a second that a body must bring, over each `bodyPause`
  /// @param idle for a connection without a request
  /// @param clientStall for a client that takes nothing of an answer that waits for it
  /// @param minClientRate bytes a second that a client must take of an answer that waits for it,
  ///   over five times `clientStall`
  public record Times(
      Duration head,
      Duration bodyPause,
      long minBodyRate,
      Duration idle,
      Duration clientStall,
      long minClientRate) {}

  /// The name of what encodes answers in a connection's pipeline.
  static final String ENCODER = "encoder";

  private static final Logger LOG = LoggerFactory.getLogger(ProxyServer.class);
  private static final Duration LEAST_UNACKED = Duration.ofSeconds(40);

  /// Looks at the queue of the listener before it is closed all the same.
  private static final int MOST_ROUNDS = 50;

  private static final long ROUND_MILLIS = 1;

  private static final int LAST_STEPS = 25;
  private static final int STEP_MILLIS = 20;

  private final EventLoopGroup loops;

  /// Accepts connections and does nothing else: who connects is never kept waiting.
  private final EventLoopGroup acceptor;

  private volatile boolean closed;
  private final Channel listener;

  /// Connections that the listener has taken from the kernel.
  private final AtomicLong accepts;

  private final ChannelGroup connections;
  private final Shared shared;

  /// What connections of one server share.
  static final class Shared {
    final Options options;
    final Front front;
    final ClientClock.Limits limits;
    final MemoryBudget memory;
    final Places places;
    final HttpDate date;
    final OldServers old = new OldServers();

    /// Read bodies that take long to read; idle ones end.
    final ExecutorService readers;

    /// Connections that may still bring or get something.
    final AtomicInteger live = new AtomicInteger();

    final AtomicLong stalled = new AtomicLong();
    final AtomicLong accepted = new AtomicLong();

    /// Answers end their connections.
    volatile boolean draining;

    /// So does having nothing to do.
    volatile boolean closeIdle;

    Shared(Options options, Front front, InstantSource clock) {
      this.options = options;
      this.front = front;
      this.limits = ClientClock.Limits.of(options.times());
      this.memory = new MemoryBudget(options.limits().maxBufferedBytes());
      this.places =
          new Places(
              Descriptors.places(options.limits().maxConnections()),
              options.limits().maxConnectionsPerPeer());
      this.date = new HttpDate(clock);
      int threads = Math.max(2, options.threads() / 2);
      ThreadPoolExecutor pool =
          new ThreadPoolExecutor(
              threads,
              threads,
              10,
              TimeUnit.SECONDS,
              new LinkedBlockingQueue<>(),
              new DefaultThreadFactory("body-reader", true));
      pool.allowCoreThreadTimeOut(true);
      this.readers = pool;
    }

    /// The largest body that can ever be taken: what the budget never holds is too large, and not
    /// to be sent again later.
    long mostBodyBytes() {
      Limits l = options.limits();
      return Math.min(
          l.maxBodyBytes(), Math.max(l.maxBufferedBytes(), MemoryBudget.SMALL_BODY_BYTES));
    }
  }

  private ProxyServer(
      EventLoopGroup loops,
      EventLoopGroup acceptor,
      Channel listener,
      AtomicLong accepts,
      ChannelGroup connections,
      Shared shared) {
    this.loops = loops;
    this.acceptor = acceptor;
    this.listener = listener;
    this.accepts = accepts;
    this.connections = connections;
    this.shared = shared;
  }

  /// Binds and serves.
  ///
  /// @param clock tells the time of answers
  /// @throws IOException when the port cannot be bound; the message names address, port and holder
  public static ProxyServer start(Options options, Front front, InstantSource clock)
      throws IOException {
    ChannelGroup connections = new DefaultChannelGroup(GlobalEventExecutor.INSTANCE);
    Shared shared = new Shared(options, front, clock);
    if (shared.places.most() < options.limits().maxConnections()) {
      LOG.warn(
          "{} client connections at most: this process may not open enough descriptors (ulimit -n) for {}",
          shared.places.most(),
          options.limits().maxConnections());
    }
    long direct = PlatformDependent.maxDirectMemory();
    if (options.limits().maxBufferedBytes() > direct - direct / 4) {
      LOG.warn(
          "{} bytes for bodies and unsent answers do not fit well in {} bytes of direct memory (-XX:MaxDirectMemorySize)",
          options.limits().maxBufferedBytes(),
          direct);
    }
    EventLoopGroup loops = Loops.group(options.threads(), "data", options.transport());
    EventLoopGroup acceptor = Loops.group(1, "accept", options.transport());
    ChannelFuture bound =
        new ServerBootstrap()
            .group(acceptor, loops)
            .channel(Loops.serverChannel(options.transport()))
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
                    if (open(shared, c)) {
                      connections.add(c);
                    }
                  }
                })
            .bind(options.host(), options.port())
            .awaitUninterruptibly();
    if (!bound.isSuccess()) {
      loops.shutdownGracefully();
      acceptor.shutdownGracefully();
      throw new IOException(
          PortOwner.cannotListen(options.host(), options.port(), bound.cause()), bound.cause());
    }
    AtomicLong accepts = new AtomicLong();
    bound.channel().pipeline().addFirst(new Accepts(accepts)).addLast(new FailedAccepts());
    ProxyServer server =
        new ProxyServer(loops, acceptor, bound.channel(), accepts, connections, shared);
    Loops.watch(loops, () -> server.closed);
    Loops.watch(acceptor, () -> server.closed);
    return server;
  }

  private static boolean open(Shared shared, SocketChannel c) {
    shared.accepted.incrementAndGet();
    InetAddress peer = c.remoteAddress() == null ? null : c.remoteAddress().getAddress();
    Places.Place place = peer == null ? Places.Place.FULL : shared.places.enter(peer);
    if (peer == null || place == Places.Place.FULL) {
      c.close();
      return false;
    }
    c.closeFuture().addListener(f -> shared.places.leave(peer, place));
    Duration stall = shared.options.times().clientStall();
    Sockets.watchPeer(c, stall.compareTo(LEAST_UNACKED) < 0 ? LEAST_UNACKED : stall);
    ProxyConnection connection =
        new ProxyConnection(
            shared,
            LoopState.of(c.eventLoop(), shared.options.framing(), shared.old),
            c,
            peer,
            place);
    Tls.Listener tls = shared.options.tls();
    if (tls != null) {
      c.pipeline().addLast(connection.new Sent());
      TlsDoor.install(c, tls);
    }
    ProxyConnection.SocketSide side =
        tls == null ? connection.new PlainSide() : connection.new SocketSide();
    c.pipeline()
        .addLast(side)
        .addLast(connection.reader())
        .addLast(connection.reader().decoder())
        .addLast(ENCODER, new Encoder())
        .addLast(connection);
    if (tls == null && shared.options.framing() == Framing.AUTO) {
      EpollTaps.open(c, side);
    }
    return true;
  }

  /// Counts connections on the listener's loop, before they are handed to theirs.
  private static final class Accepts extends ChannelInboundHandlerAdapter {
    private final AtomicLong count;

    Accepts(AtomicLong count) {
      this.count = count;
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object connection) {
      count.incrementAndGet();
      ctx.fireChannelRead(connection);
    }
  }

  /// Netty pauses accepting for a second after a failure (out of descriptors); this only notes it.
  private static final class FailedAccepts extends ChannelInboundHandlerAdapter {
    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
      Faults.note("accepting a connection", new AcceptFailed(cause));
    }
  }

  /// Not an everyday [IOException]: nobody can connect meanwhile.
  private static final class AcceptFailed extends RuntimeException {
    AcceptFailed(Throwable cause) {
      super(cause.getMessage(), cause);
    }
  }

  /// The port it listens on.
  public int port() {
    return ((InetSocketAddress) listener.localAddress()).getPort();
  }

  /// Client connections that it has at once, at most, but for health checks.
  public int places() {
    return shared.places.most();
  }

  /// Open client connections.
  public int connections() {
    return shared.places.open();
  }

  /// Connections that came over the limit in total or per peer, since the start.
  public long connectionsTurnedAway() {
    return shared.places.turnedAway();
  }

  /// Bodies and unsent answers in memory.
  public long bufferedBytes() {
    return shared.memory.held();
  }

  /// Requests and answers given up for want of memory, since the start.
  public long givenUpForMemory() {
    return shared.memory.givenUp();
  }

  /// Clients closed because they took an answer too slowly, since the start.
  public long stalledClients() {
    return shared.stalled.get();
  }

  /// Ends in good order: answers close their connections from now on; after `lameDuck` nothing is
  /// accepted any more and idle connections are closed; what is under way, bodies that still arrive
  /// included, may end within `grace`. The lame-duck time is for balancers to notice; a server that
  /// nobody has connected to does not wait for it.
  public void drain(Duration lameDuck, Duration grace) throws InterruptedException {
    shared.draining = true;
    if (shared.accepted.get() > 0) {
      TimeUnit.NANOSECONDS.sleep(lameDuck.toNanos());
    }
    stopListening();
    shared.closeIdle = true;
    for (long left = grace.toMillis(); left > 0 && shared.live.get() > 0; left -= STEP_MILLIS) {
      TimeUnit.MILLISECONDS.sleep(STEP_MILLIS);
    }
    int cut = shared.live.get();
    if (cut > 0) {
      LOG.warn("{} requests were still under way after {} s and are cut", cut, grace.toSeconds());
      cut();
    }
  }

  /// Closes the listener when all who have connected are taken in: the kernel resets those who
  /// still stand in its queue, whatever they have sent already.
  private void stopListening() {
    Promise<Void> closed = listener.eventLoop().newPromise();
    listener.eventLoop().execute(() -> closeWhenQuiet(-1, MOST_ROUNDS, closed));
    closed.awaitUninterruptibly();
    for (EventExecutor e : loops) {
      // connections that were handed to it are counted in
      e.submit(() -> {}).awaitUninterruptibly();
    }
  }

  /// On the listener's loop, which looks at its sockets between two rounds and right before each.
  private void closeWhenQuiet(long before, int rounds, Promise<Void> closed) {
    long now = accepts.get();
    if (now == before || rounds == 0) {
      listener.close().addListener(f -> closed.setSuccess(null));
    } else {
      listener
          .eventLoop()
          .schedule(
              () -> closeWhenQuiet(now, rounds - 1, closed), ROUND_MILLIS, TimeUnit.MILLISECONDS);
    }
  }

  /// Has every request in flight answered, or its stream broken off, and waits a moment for that to
  /// go out.
  private void cut() throws InterruptedException {
    for (Channel c : connections) {
      ProxyConnection p = c.pipeline().get(ProxyConnection.class);
      if (p != null) {
        c.eventLoop().execute(p::shutdown);
      }
    }
    for (int k = 0; k < LAST_STEPS && shared.live.get() > 0; k++) {
      TimeUnit.MILLISECONDS.sleep(STEP_MILLIS);
    }
  }

  /// An event loop ended before the server did: its connections would wait for ever. Told to the
  /// process's handler of uncaught exceptions.
  public static final class LoopEnded extends IllegalStateException {
    private static final long serialVersionUID = 1;

    LoopEnded() {
      super("an event loop has ended");
    }
  }

  /// Stops at once.
  @Override
  public void close() {
    closed = true;
    listener.close().awaitUninterruptibly();
    connections.close().awaitUninterruptibly();
    shared.readers.shutdown();
    loops.shutdownGracefully();
    acceptor.shutdownGracefully();
  }

  /// Encodes answers whose framing fields are set already.
  private static final class Encoder extends HttpResponseEncoder {
    @Override
    protected void sanitizeHeadersBeforeEncode(HttpResponse message, boolean isAlwaysEmpty) {
      // ProxyConnection decides the framing
    }
  }
}
