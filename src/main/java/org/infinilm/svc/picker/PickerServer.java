package org.infinilm.svc.picker;

import io.envoyproxy.envoy.service.ext_proc.v3.ExternalProcessorGrpc;
import io.grpc.Server;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.services.HealthStatusManager;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.infinilm.svc.http.Arrival;
import org.infinilm.svc.http.RequestHead;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Tls;
import org.infinilm.svc.router.Carried;
import org.infinilm.svc.router.Choosing;
import org.infinilm.svc.telemetry.Metrics;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A running picker: the listener for Envoy, the one for health checks, and the router's room
/// behind them. Thread-safe.
final class PickerServer implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(PickerServer.class);

  /// Names under which health is asked for, beside the empty one: that the process lives, that it
  /// has begun, and that it can choose.
  private static final String LIVENESS = "liveness";

  private static final String STARTED = "started";

  /// By then it has begun, whether it can choose or not.
  private static final long LONGEST_START_NANOS = TimeUnit.SECONDS.toNanos(10);

  private static final List<String> READINESS =
      List.of(
          "readiness",
          ExternalProcessorGrpc.SERVICE_NAME,
          HealthStatusManager.SERVICE_NAME_ALL_SERVICES);

  private static final long LOOK_MILLIS = 100;

  /// How often who is silent is asked whether it is still there, and how long that may take: an
  /// Envoy whose machine vanished would keep its requests counted for ever.
  private static final long PING_SECONDS = 40;

  private static final long PONG_SECONDS = 20;

  /// What a message holds beside a piece of a body.
  private static final int MESSAGE_BYTES = 1 << 20;

  private final Choosing choosing;
  private final GrpcLog grpcLog;
  private final ExtProc extProc;
  private final Memory memory;
  private final EventLoopGroup loops;
  private final HealthStatusManager health = new HealthStatusManager();
  private final Tls.@Nullable Listener tls;
  private final Server server;
  private final Server healthServer;
  private final long startNanos = Ticker.SYSTEM.nanos();
  private boolean ready;
  private boolean started;
  private volatile boolean ends;

  /// Starts listening; takes the room over.
  ///
  /// @param port 0 for a free one, as the other
  /// @param fallbacks endpoints that are told beside the chosen one
  /// @throws IOException when a port cannot be bound, or the files of TLS cannot be used
  PickerServer(Choosing choosing, int port, int healthPort, int fallbacks) throws IOException {
    this.choosing = choosing;
    grpcLog = GrpcLog.open(LOG);
    memory =
        new Memory(new Arrival.Limits(choosing.limits(), choosing.times()), choosing.threads());
    loops = choosing.transport().loops(choosing.threads(), "picker");
    extProc = new ExtProc(chooser(choosing), loops, memory, fallbacks);
    extProc.startTime();
    tls = choosing.tls().http2Listener(Ticker.SYSTEM::now);
    NettyServerBuilder b =
        builder(port)
            .addService(extProc)
            .addService(health.getHealthService())
            .maxInboundMessageSize(
                (int)
                    Math.min(Integer.MAX_VALUE, choosing.limits().maxBodyBytes() + MESSAGE_BYTES));
    if (tls != null) {
      b.sslContext(tls.context());
    }
    health.setStatus(LIVENESS, ServingStatus.SERVING);
    health.setStatus(STARTED, ServingStatus.NOT_SERVING);
    READINESS.forEach(s -> health.setStatus(s, ServingStatus.NOT_SERVING));
    server = started(b, port);
    healthServer = started(builder(healthPort).addService(health.getHealthService()), healthPort);
    loops.next().scheduleAtFixedRate(this::look, 0, LOOK_MILLIS, TimeUnit.MILLISECONDS);
    show(choosing.metrics());
  }

  private static ExtProc.Chooser chooser(Choosing c) {
    return new ExtProc.Chooser() {
      @Override
      public void choose(Carried request) {
        c.choose(request);
      }

      @Override
      public boolean owns(RequestHead asked) {
        return c.owns(asked);
      }

      @Override
      public @Nullable Response unwelcome(RequestHead asked) {
        return c.unwelcome(asked);
      }

      @Override
      public Response refusal(int status, String why, RequestHead asked) {
        return c.refusal(status, why, asked);
      }

      @Override
      public Duration queueTimeout() {
        return c.queueTimeout();
      }
    };
  }

  private NettyServerBuilder builder(int port) {
    return NettyServerBuilder.forAddress(new InetSocketAddress(choosing.host(), port))
        .channelType(choosing.transport().listener())
        .bossEventLoopGroup(loops)
        .workerEventLoopGroup(loops)
        .directExecutor()
        .withOption(ChannelOption.SO_REUSEADDR, true)
        .withChildOption(ChannelOption.TCP_NODELAY, true)
        .keepAliveTime(PING_SECONDS, TimeUnit.SECONDS)
        .keepAliveTimeout(PONG_SECONDS, TimeUnit.SECONDS)
        // Envoy asks whether we are there as often as it is configured to; gRPC would cut it off
        .permitKeepAliveTime(0, TimeUnit.SECONDS)
        .permitKeepAliveWithoutCalls(true);
  }

  private Server started(NettyServerBuilder b, int port) throws IOException {
    try {
      return b.build().start();
    } catch (IOException e) {
      Throwable why = e.getCause() == null ? e : e.getCause();
      throw new IOException(
          choosing.host() + ":" + port + ": " + why.getMessage() + " (expected: a free port)", e);
    }
  }

  private void show(Metrics metrics) {
    metrics.gauge(
        "infini_picker_streams",
        "Requests of Envoy's that are under way.",
        c -> c.call(extProc.underWay()));
    metrics.gauge(
        "infini_picker_body_bytes",
        "Bytes of bodies that are held until they are chosen for.",
        c -> c.call((double) memory.limits().heldBytes()));
    metrics.counter(
        "infini_picker_bodies_given_up_total",
        "Bodies that were given up on their way to make room for others.",
        c -> c.call((double) memory.limits().givenUp()));
  }

  /// Tells those who ask for health what is true now; on one loop.
  private void look() {
    boolean now = choosing.ready() && !ends;
    if (now != ready) {
      ready = now;
      READINESS.forEach(
          s -> health.setStatus(s, now ? ServingStatus.SERVING : ServingStatus.NOT_SERVING));
    }
    if (!started && (now || Ticker.SYSTEM.nanos() - startNanos > LONGEST_START_NANOS)) {
      started = true;
      health.setStatus(STARTED, ServingStatus.SERVING);
    }
  }

  /// Where Envoy asks.
  int port() {
    return server.getPort();
  }

  /// Where health is asked for, always without TLS.
  int healthPort() {
    return healthServer.getPort();
  }

  /// Where the router's own routes are.
  int adminPort() {
    return choosing.adminPort();
  }

  /// How long [#drain] may take.
  Duration longestEnd() {
    return choosing.lameDuck().plus(choosing.drainTimeout());
  }

  /// Has files read again.
  void reload() {
    if (tls != null) {
      tls.refresh();
    }
    choosing.reload();
  }

  /// Says that it ends, waits until Envoy may know, takes no more requests, and lets those end that
  /// are under way, within the drain limit.
  void drain() throws InterruptedException {
    ends = true;
    choosing.endBegins();
    health.enterTerminalState();
    if (extProc.underWay() > 0 || ready) {
      new CountDownLatch(1).await(choosing.lameDuck().toNanos(), TimeUnit.NANOSECONDS);
    }
    server.shutdown();
    long limit = choosing.drainTimeout().toMillis();
    if (!server.awaitTermination(limit, TimeUnit.MILLISECONDS)) {
      LOG.warn(
          "{} requests were still under way after {} ms and are cut", extProc.underWay(), limit);
      extProc.cut();
    }
  }

  @Override
  public void close() {
    extProc.cut();
    server.shutdownNow();
    healthServer.shutdownNow();
    if (tls != null) {
      tls.close();
    }
    choosing.close();
    memory.close();
    grpcLog.close();
    loops.shutdownGracefully(0, 1, TimeUnit.SECONDS);
  }
}
