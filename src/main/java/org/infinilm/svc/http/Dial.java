package org.infinilm.svc.http;

import io.netty.bootstrap.Bootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFactory;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoop;
import io.netty.channel.ReflectiveChannelFactory;
import io.netty.handler.ssl.SslHandler;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.time.Duration;

/// Makes the connection of one call. Event-loop confined.
/*
 * A dial is always a task of its loop. Sockets are closed while events of one round of the loop are
 * handled; a socket made in that same round may get the number of one just closed, and then be
 * handed what the round still holds for the old one (seen: a hang-up, and a healthy instance called
 * unreachable). Tasks run when the round is over.
 *
 * A socket that cannot be made fails on a thread that is not this loop's.
 */
final class Dial {
  /// A host that acknowledges nothing for so long is gone: what was sent to it, or that it is still
  /// there. It also bounds how long an instance may leave an upload unread.
  private static final Duration DEAD_PEER = Duration.ofMinutes(2);

  private final EventLoop eventLoop;
  private final LoopState loop;
  private final Origin origin;
  private final InstanceCall call;

  private Dial(EventLoop eventLoop, LoopState loop, Origin origin, InstanceCall call) {
    this.eventLoop = eventLoop;
    this.loop = loop;
    this.origin = origin;
    this.call = call;
  }

  static void start(EventLoop eventLoop, LoopState loop, Origin origin, InstanceCall call) {
    eventLoop.execute(new Dial(eventLoop, loop, origin, call)::socket);
  }

  private void socket() {
    if (call.isOver()) {
      return;
    }
    ChannelFuture made =
        new Bootstrap()
            .group(eventLoop)
            .channelFactory(origin.unix() ? unixSockets() : loop.sockets())
            .option(ChannelOption.CONNECT_TIMEOUT_MILLIS, 0)
            .handler(
                new ChannelInitializer<Channel>() {
                  @Override
                  protected void initChannel(Channel c) {
                    prepare(c);
                  }
                })
            .register();
    made.addListener(f -> onLoop(() -> connect(made)));
  }

  private ChannelFactory<Channel> unixSockets() {
    return new ReflectiveChannelFactory<>(Loops.unixChannel(Loops.of(eventLoop)));
  }

  private SocketAddress address() {
    return origin.address() instanceof UnixDomainSocketAddress u
        ? Loops.unixAddress(u, Loops.of(eventLoop))
        : origin.address();
  }

  private void prepare(Channel c) {
    if (!origin.unix()) {
      c.config().setOption(ChannelOption.TCP_NODELAY, true);
      Sockets.watchPeer(c, DEAD_PEER);
    }
    // a write that fails must not take unread bytes of an answer with it
    c.config().setAutoClose(false);
    Tls tls = origin.tls();
    if (tls != null) {
      c.pipeline().addLast(tls.handler(c.alloc(), origin.host(), origin.port()));
    }
    UpstreamConnection.install(c, origin, loop);
  }

  private void connect(ChannelFuture made) {
    if (!made.isSuccess()) {
      call.fail(Unconnected.failure(made.cause(), true));
      return;
    }
    Channel c = made.channel();
    if (call.isOver()) {
      c.close();
      return;
    }
    call.connecting((UpstreamConnection) c.pipeline().last());
    ChannelFuture connected = c.connect(address());
    boolean atOnce = connected.isDone();
    connected.addListener(f -> onLoop(() -> connected(connected, atOnce)));
  }

  private void connected(ChannelFuture f, boolean atOnce) {
    Channel c = f.channel();
    if (!f.isSuccess()) {
      call.fail(Unconnected.failure(f.cause(), atOnce));
      c.close();
      return;
    }
    UpstreamConnection made = (UpstreamConnection) c.pipeline().last();
    SslHandler handler = c.pipeline().get(SslHandler.class);
    Tls tls = origin.tls();
    if (handler == null || tls == null) {
      ready(made);
      return;
    }
    handler
        .handshakeFuture()
        .addListener(h -> {
          if (h.isSuccess()) {
            ready(made);
          } else {
            call.fail(TlsTrouble.failure(h.cause(), tls));
            made.cut();
          }
        });
  }

  private void ready(UpstreamConnection made) {
    if (call.isOver()) {
      made.rest();
    } else {
      made.carry(call);
    }
  }

  private void onLoop(Runnable r) {
    if (eventLoop.inEventLoop()) {
      r.run();
    } else {
      eventLoop.execute(r);
    }
  }
}
