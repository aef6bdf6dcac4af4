package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelConfig;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.epoll.EpollChannelOption;
import io.netty.handler.codec.http.DefaultFullHttpRequest;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpVersion;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.infinilm.svc.http.Failure.Kind;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// Connections made by real sockets: what the kernel says of those that cannot be made, and what it
/// is told of the others.
class DialIT {
  private static final TimeLimits LIMITS =
      new TimeLimits(Duration.ofSeconds(2), Duration.ofSeconds(20), Duration.ofSeconds(20));

  private final EventLoopGroup group = Loops.group(1, "dial");
  private final EventLoop loop = group.next();
  private final Heard heard = new Heard();
  private final FullHttpRequest request =
      new DefaultFullHttpRequest(HttpVersion.HTTP_1_1, HttpMethod.GET, "/", Unpooled.buffer(1));

  @AfterEach
  void end() {
    assertThat(request.refCnt()).isZero();
    group.shutdownGracefully(0, 0, TimeUnit.SECONDS);
  }

  private InstanceCall send(InetSocketAddress to) throws Exception {
    Outgoing out =
        new Outgoing(new Origin(to, "i:1", ""), HeadPatch.setting(List.of()), null, LIMITS, true);
    return loop.submit(() ->
            UpstreamConnection.send(
                loop,
                LoopState.of(loop, ProxyServer.Framing.AUTO, new OldServers()),
                out,
                RequestToSend.of(request),
                heard))
        .get();
  }

  private Failure failure(InetSocketAddress to) throws Exception {
    send(to);
    await().atMost(Duration.ofSeconds(20)).until(() -> heard.size() > 0);
    assertThat(heard.threads).containsExactly(loop.submit(Thread::currentThread).get());
    return heard.failure;
  }

  @Test
  void aClosedPortIsRefused() throws Exception {
    int port;
    try (ServerSocket s = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = s.getLocalPort();
    }
    assertThat(failure(new InetSocketAddress(InetAddress.getLoopbackAddress(), port)))
        .isEqualTo(new Failure(Kind.CONNECT_REFUSED, "refused"));
  }

  /// No packet leaves for a broadcast address: the kernel forbids it, or has no route.
  @Test
  void whatThisHostCannotReachIsNoFaultOfTheInstance() throws Exception {
    Failure f = failure(new InetSocketAddress("255.255.255.255", 9));
    assertThat(f.kind()).isEqualTo(Kind.LOCAL);
    assertThat(f.detail()).isIn("not permitted on this host", "no route from this host");
  }

  /// A queue that is full answers nothing: the connect is given up by its limit.
  @Test
  void aFullQueueIsATimeout() throws Exception {
    try (ServerSocket s = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
        Socket a = new Socket(s.getInetAddress(), s.getLocalPort());
        Socket b = new Socket(s.getInetAddress(), s.getLocalPort())) {
      assertThat(a.isConnected() && b.isConnected()).isTrue();
      assertThat(failure(new InetSocketAddress(s.getInetAddress(), s.getLocalPort())))
          .isEqualTo(new Failure(Kind.CONNECT_TIMEOUT, "no connection within the limit"));
    }
  }

  @Test
  void theKernelWatchesThePeer() throws Exception {
    try (ServerSocket s = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      Thread server = Thread.ofVirtual().start(() -> answerOnce(s));
      InetSocketAddress to = new InetSocketAddress(s.getInetAddress(), s.getLocalPort());
      send(to);
      await().atMost(Duration.ofSeconds(20)).until(() -> heard.size() == 2);
      assertThat(heard.events).containsExactly("answered 204", "ended");
      UpstreamConnection kept =
          loop.submit(() ->
                  LoopState.of(loop, ProxyServer.Framing.AUTO, new OldServers())
                      .poll(new Origin(to, "i:1", "")))
              .get();
      assertThat(kept).isNotNull();
      ChannelConfig c = kept.channel().config();
      assertThat(c.getOption(ChannelOption.SO_KEEPALIVE)).isTrue();
      assertThat(c.getOption(ChannelOption.TCP_NODELAY)).isTrue();
      assertThat(c.getOption(EpollChannelOption.TCP_USER_TIMEOUT)).isEqualTo(120_000);
      assertThat(c.getOption(EpollChannelOption.TCP_KEEPIDLE)).isBetween(1, 60);
      kept.close();
      server.join();
    }
  }

  private static void answerOnce(ServerSocket s) {
    try (Socket c = s.accept()) {
      InputStream in = c.getInputStream();
      while (in.read() != '\n') {
        // the request line
      }
      c.getOutputStream()
          .write("HTTP/1.1 204 No Content\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
      in.readAllBytes();
    } catch (java.io.IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }
}
