package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.CompositeByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.ChannelPromise;
import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.infinilm.svc.http.ProxyServer.Transport;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// [Tap] and [Outlet] on a real socket of epoll: what passes by the pipeline, and what takes its
/// way.
class PastThePipelineIT {
  private final EventLoopGroup group = Loops.group(1, "past", Loops.DEFAULT);
  private final EventLoop loop = group.next();
  private final ConcurrentLinkedQueue<String> told = new ConcurrentLinkedQueue<>();
  private final ByteArrayOutputStream read = new ByteArrayOutputStream();
  private final AtomicInteger written = new AtomicInteger();
  private Channel channel;
  private Socket peer;

  /// What the pipeline sees.
  private final class Sees extends ChannelInboundHandlerAdapter {
    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
      told.add("read");
      ((ByteBuf) message).release();
    }

    @Override
    public void channelInactive(ChannelHandlerContext ctx) {
      told.add("inactive");
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
      told.add(String.valueOf(cause.getMessage()));
      ctx.close();
    }
  }

  private final class Counts extends ChannelOutboundHandlerAdapter {
    @Override
    public void write(ChannelHandlerContext ctx, Object message, ChannelPromise promise) {
      written.addAndGet(((ByteBuf) message).readableBytes());
      ctx.write(message, promise);
    }
  }

  /// Keeps what it is given.
  private final class Keeps implements Tap.Reader {
    @Override
    public void read(ByteBuf in) {
      byte[] b = new byte[in.readableBytes()];
      in.readBytes(b);
      in.release();
      synchronized (read) {
        read.writeBytes(b);
      }
    }

    @Override
    public void readAll() {
      told.add("all");
    }
  }

  @BeforeEach
  void connect() throws Exception {
    assumeTrue(Loops.DEFAULT == Transport.EPOLL, "sockets are driven by epoll");
    try (ServerSocket listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      channel =
          new Bootstrap()
              .group(loop)
              .channel(Loops.channel(Loops.DEFAULT))
              .option(ChannelOption.SO_SNDBUF, 16 << 10)
              .handler(
                  new ChannelInitializer<Channel>() {
                    @Override
                    protected void initChannel(Channel c) {
                      c.pipeline().addLast(new Counts()).addLast(new Sees());
                      EpollTaps.open(c, new Keeps());
                    }
                  })
              .connect(listener.getLocalSocketAddress())
              .sync()
              .channel();
      peer = listener.accept();
      peer.setSoTimeout(10_000);
    }
  }

  @AfterEach
  void end() throws IOException {
    if (peer != null) {
      peer.close();
      channel.close().awaitUninterruptibly();
    }
    group.shutdownGracefully(0, 0, TimeUnit.SECONDS).awaitUninterruptibly();
  }

  private <T> T onLoop(Callable<T> work) throws Exception {
    return loop.submit(work).get(10, TimeUnit.SECONDS);
  }

  private byte[] got() {
    synchronized (read) {
      return read.toByteArray();
    }
  }

  private static byte[] bytes(int n) {
    byte[] b = new byte[n];
    new Random(n).nextBytes(b);
    return b;
  }

  private ByteBuf direct(byte[] b) {
    return channel.alloc().directBuffer(b.length).writeBytes(b);
  }

  private Outlet outlet() {
    return new Outlet(channel.pipeline().lastContext(), new Scratch());
  }

  @Test
  void whatComesIsReadPastThePipelineWholeAndInOrder() throws Exception {
    byte[] sent = bytes(3_000_000);
    peer.getOutputStream().write(sent);
    await().untilAsserted(() -> assertThat(got()).isEqualTo(sent));
    assertThat(told).isNotEmpty().containsOnly("all");
  }

  @Test
  void nothingIsReadWhileTheChannelReadsNothing() throws Exception {
    onLoop(() -> channel.config().setAutoRead(false));
    peer.getOutputStream().write(bytes(1000));
    // the bytes are in its buffer; rounds of the loop go by
    for (int k = 0; k < 3; k++) {
      onLoop(() -> null);
    }
    assertThat(got()).isEmpty();
    onLoop(() -> channel.config().setAutoRead(true));
    await().untilAsserted(() -> assertThat(got()).isEqualTo(bytes(1000)));
    assertThat(told).containsOnly("all");
  }

  @Test
  void thePeersEndIsThePipelines() throws Exception {
    peer.getOutputStream().write(bytes(100));
    peer.close();
    await().until(() -> told.contains("inactive"));
    // an end that comes with the last bytes takes them the pipeline's way
    assertThat(told.contains("read") || got().length == 100).isTrue();
  }

  @Test
  void aResetIsThePipelines() throws Exception {
    peer.setSoLinger(true, 0);
    peer.close();
    await().until(() -> told.contains("inactive"));
    assertThat(told.peek()).contains("reset");
  }

  @Test
  void smallWritesPassByThePipeline() throws Exception {
    byte[] sent = bytes(3000);
    Outlet out = outlet();
    boolean whole =
        onLoop(() -> {
          out.write(direct(sent));
          out.write(Unpooled.EMPTY_BUFFER);
          return out.flush(why -> told.add("waited"));
        });
    assertThat(whole).isTrue();
    assertThat(peer.getInputStream().readNBytes(sent.length)).isEqualTo(sent);
    assertThat(written).hasValue(0);
    assertThat(out.sentBytes()).isEqualTo(sent.length);
    assertThat(told).isEmpty();
  }

  @Test
  void severalBuffersGoTogetherWhateverTheyAreMadeOf() throws Exception {
    byte[] a = bytes(10);
    byte[] b = bytes(2000);
    byte[] c = bytes(700);
    Outlet out = outlet();
    onLoop(() -> {
      CompositeByteBuf two = channel.alloc().compositeBuffer();
      two.addComponent(true, direct(b)).addComponent(true, direct(c));
      out.write(direct(a));
      out.write(two);
      out.write(Unpooled.wrappedBuffer(a));
      out.flush();
      return null;
    });
    byte[] want = Unpooled.wrappedBuffer(a, b, c, a).copy().array();
    assertThat(peer.getInputStream().readNBytes(want.length)).isEqualTo(want);
    assertThat(written.get() + out.sentBytes()).isEqualTo(want.length);
    assertThat(out.sentBytes()).isGreaterThanOrEqualTo(a.length + b.length + c.length);
  }

  @Test
  void whatTheSocketDoesNotTakeWaitsInThePipelineInOrder() throws Exception {
    byte[] first = bytes(4_000_000);
    byte[] second = bytes(5000);
    AtomicReference<@Nullable Throwable> why = new AtomicReference<>();
    AtomicInteger done = new AtomicInteger();
    Outlet out = outlet();
    boolean whole =
        onLoop(() -> {
          out.write(direct(first));
          boolean w =
              out.flush(e -> {
                why.set(e);
                done.incrementAndGet();
              });
          out.write(direct(second));
          out.flush();
          return w;
        });
    assertThat(whole).isFalse();
    assertThat(done).hasValue(0);
    assertThat(peer.getInputStream().readNBytes(first.length)).isEqualTo(first);
    assertThat(peer.getInputStream().readNBytes(second.length)).isEqualTo(second);
    await().untilAtomic(done, n -> assertThat(n).isEqualTo(1));
    assertThat(why.get()).isNull();
    assertThat(out.sentBytes()).isPositive().isLessThan(first.length);
    assertThat(written.get() + out.sentBytes()).isEqualTo(first.length + second.length);
  }

  /// Between a write that the socket did not take whole and the flush it may have become writable:
  /// what waits in the pipeline without a flush is before what comes.
  @Test
  void whatWaitsUnflushedIsNotOvertaken() throws Exception {
    byte[][] parts = {bytes(4_000_000), bytes(10), bytes(20), bytes(30), bytes(40)};
    Outlet out = outlet();
    onLoop(() -> {
      for (byte[] part : parts) {
        out.write(direct(part));
      }
      return null;
    });
    int taken = (int) out.sentBytes();
    assertThat(taken).isPositive().isLessThan(parts[0].length);
    ByteArrayOutputStream got = new ByteArrayOutputStream();
    got.writeBytes(peer.getInputStream().readNBytes(taken));
    onLoop(() -> {
      out.flush();
      return null;
    });
    byte[] want = Unpooled.wrappedBuffer(parts).copy().array();
    got.writeBytes(peer.getInputStream().readNBytes(want.length - taken));
    assertThat(got.toByteArray()).isEqualTo(want);
    assertThat(out.sentBytes()).as("nothing past what waits").isEqualTo(taken);
  }

  @Test
  void whatWasGivenUpIsNotOvertakenAndItsEndIsTold() throws Exception {
    AtomicInteger done = new AtomicInteger();
    Outlet out = outlet();
    boolean whole =
        onLoop(() -> {
          out.write(direct(bytes(300)));
          out.giveUp();
          return out.flush(e -> done.addAndGet(e == null ? 1 : 100));
        });
    assertThat(whole).isFalse();
    assertThat(peer.getInputStream().readNBytes(300)).isEqualTo(bytes(300));
    await().untilAtomic(done, n -> assertThat(n).isEqualTo(1));
  }

  @Test
  void aWriteToASocketThatBrokeIsToldAndReleasesItsBytes() throws Exception {
    Outlet out = outlet();
    onLoop(() -> channel.config().setAutoRead(false));
    peer.setSoLinger(true, 0);
    peer.close();
    AtomicReference<@Nullable Throwable> why = new AtomicReference<>();
    ByteBuf b = direct(bytes(100));
    await()
        .until(() ->
            onLoop(() -> {
              out.write(b.retainedDuplicate());
              return !out.flush(why::set);
            }));
    await().until(() -> why.get() instanceof IOException);
    await().until(() -> b.refCnt() == 1);
    b.release();
  }

  @Test
  void whatIsNotFlushedAndGivenUpGoesOutWithThePipelinesNextFlush() throws Exception {
    byte[] sent = bytes(300);
    Outlet out = outlet();
    onLoop(() -> {
      out.write(direct(sent));
      out.giveUp();
      return null;
    });
    assertThat(out.sentBytes()).isZero();
    onLoop(() -> channel.flush());
    assertThat(peer.getInputStream().readNBytes(sent.length)).isEqualTo(sent);
  }
}
