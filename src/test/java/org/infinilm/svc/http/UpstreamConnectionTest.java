package org.infinilm.svc.http;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelException;
import io.netty.channel.ChannelFactory;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.ChannelPromise;
import io.netty.channel.DefaultEventLoop;
import io.netty.channel.EventLoop;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.unix.Errors.NativeIoException;
import io.netty.handler.codec.http.DefaultFullHttpRequest;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpVersion;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Connections to instances, without sockets: whoever is asked to make one makes an embedded
/// channel, time passes by hand.
@ParameterizedClass
@EnumSource(ProxyServer.Framing.class)
class UpstreamConnectionTest {
  UpstreamConnectionTest(ProxyServer.Framing framing) {
    this.loop = new LoopState(this::channel, framing, new OldServers());
  }

  @BeforeAll
  static void errorsOfTheKernelHaveNames() {
    assertThat(Epoll.isAvailable()).isTrue();
  }

  private static final TimeLimits LIMITS =
      new TimeLimits(Duration.ofSeconds(1), Duration.ofSeconds(2), Duration.ofSeconds(3));
  private static final long SECOND = 1000 / LoopState.TICK_MILLIS;
  private static final Origin ORIGIN =
      new Origin(InetSocketAddress.createUnresolved("i", 1), "i:1", "");

  /// Its event loop is the one that everything runs on.
  private final EmbeddedChannel driver = new EmbeddedChannel();

  private final List<EmbeddedChannel> made = new ArrayList<>();
  private boolean connects = true;
  private final LoopState loop;
  private final Heard heard = new Heard();
  private final FullHttpRequest request = request(HttpMethod.POST, "body");

  @AfterEach
  void everyRequestIsGivenBack() {
    made.forEach(EmbeddedChannel::finishAndReleaseAll);
    assertThat(request.refCnt()).isZero();
  }

  private static FullHttpRequest request(HttpMethod m, String body) {
    return new DefaultFullHttpRequest(
        HttpVersion.HTTP_1_1, m, "/x", Unpooled.copiedBuffer(body, ISO_8859_1));
  }

  private EmbeddedChannel channel() {
    EmbeddedChannel c = new EmbeddedChannel(false, false);
    if (!connects) {
      c.pipeline()
          .addLast(
              new ChannelOutboundHandlerAdapter() {
                @Override
                public void connect(
                    ChannelHandlerContext ctx,
                    SocketAddress remote,
                    SocketAddress local,
                    ChannelPromise promise) {
                  // nobody answers
                }
              });
    }
    made.add(c);
    return c;
  }

  private InstanceCall send() {
    return send(request, heard, LIMITS);
  }

  private InstanceCall send(FullHttpRequest r, UpstreamEvents to, TimeLimits limits) {
    return UpstreamConnection.send(
        driver.eventLoop(),
        loop,
        new Outgoing(ORIGIN, HeadPatch.setting(List.of()), null, limits, true),
        RequestToSend.of(r),
        to);
  }

  private void settle() {
    driver.runPendingTasks();
    for (EmbeddedChannel c : List.copyOf(made)) {
      c.advanceTimeBy(10, TimeUnit.MILLISECONDS);
      c.runScheduledPendingTasks();
      c.runPendingTasks();
    }
  }

  private EmbeddedChannel connection() {
    return made.getFirst();
  }

  /// What was written to the instance, and is no longer.
  private static String sent(EmbeddedChannel c) {
    StringBuilder b = new StringBuilder();
    for (ByteBuf o = c.readOutbound(); o != null; o = c.readOutbound()) {
      b.append(o.toString(ISO_8859_1));
      o.release();
    }
    return b.toString();
  }

  private static void answer(EmbeddedChannel c, String bytes) {
    c.writeInbound(Unpooled.copiedBuffer(bytes, ISO_8859_1));
  }

  private void pass(long ticks) {
    for (long k = 0; k < ticks; k++) {
      loop.tick();
      settle();
    }
  }

  /// A connection that has carried one call and is idle.
  private EmbeddedChannel kept() {
    send(request(HttpMethod.GET, ""), new Heard(), LIMITS);
    settle();
    answer(connection(), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    sent(connection());
    assertThat(connection().isActive()).isTrue();
    return connection();
  }

  private static void failWrites(EmbeddedChannel c) {
    c.pipeline()
        .addFirst(
            new ChannelOutboundHandlerAdapter() {
              @Override
              public void write(ChannelHandlerContext ctx, Object m, ChannelPromise p) {
                io.netty.util.ReferenceCountUtil.release(m);
                p.setFailure(new IOException("Connection reset by peer"));
              }
            });
  }

  @Test
  void aWriteThatFailsAtOnceIsToldAfterTheCallHasReturned() {
    failWrites(kept());
    send();
    assertThat(heard.events).isEmpty();
    settle();
    assertThat(heard.events).containsExactly("failed CLOSED_STALE");
    assertThat(connection().isOpen()).isFalse();
  }

  /// The schedule that left a cancelled stream running: the second call is made inside the event of
  /// the first, and must be the one that a cancel reaches.
  @Test
  void theCallThatFollowsAFailedOneIsTheOneThatCancelReaches() {
    failWrites(kept());
    UpstreamCall[] current = new UpstreamCall[1];
    Heard second = new Heard();
    FullHttpRequest again = request(HttpMethod.POST, "again");
    current[0] =
        send(
            request,
            new Heard() {
              @Override
              public void failed(Failure f) {
                current[0] = send(again, second, LIMITS);
              }
            },
            LIMITS);
    settle();
    settle();
    EmbeddedChannel fresh = made.getLast();
    assertThat(fresh).isNotSameAs(connection());
    assertThat(sent(fresh)).endsWith("again");
    answer(fresh, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    current[0].cancel();
    assertThat(fresh.isOpen()).isFalse();
    assertThat(second.events).containsExactly("answered 200", "body abc");
  }

  @Test
  void aFailureThatNobodyWaitsForAnyMoreIsNotTold() {
    failWrites(kept());
    send().cancel();
    settle();
    assertThat(heard.events).isEmpty();
  }

  @Test
  void nothingIsDialledInsideTheCall() {
    send();
    assertThat(made).isEmpty();
    settle();
    assertThat(sent(connection())).startsWith("POST /x HTTP/1.1\r\n").endsWith("body");
  }

  @Test
  void cancelBeforeTheDialMakesNoConnection() {
    send().cancel();
    settle();
    assertThat(made).isEmpty();
    assertThat(heard.events).isEmpty();
  }

  @Test
  void cancelWhileConnectingAbortsTheConnect() {
    connects = false;
    InstanceCall call = send();
    settle();
    assertThat(connection().isOpen()).isTrue();
    call.cancel();
    settle();
    assertThat(connection().isOpen()).isFalse();
    assertThat(sent(connection())).isEmpty();
    assertThat(heard.events).isEmpty();
  }

  @Test
  void cancelWhileWaitingAndWhileAnsweringClosesAndIsTheLastWord() {
    InstanceCall waiting = send();
    settle();
    waiting.cancel();
    assertThat(connection().isOpen()).isFalse();
    assertThat(heard.events).isEmpty();

    FullHttpRequest other = request(HttpMethod.POST, "other");
    InstanceCall[] answering = new InstanceCall[1];
    Heard one =
        new Heard() {
          @Override
          public void body(ByteBuf slice) {
            super.body(slice);
            answering[0].cancel();
          }
        };
    answering[0] = send(other, one, LIMITS);
    settle();
    EmbeddedChannel c = made.getLast();
    answer(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
    settle();
    assertThat(one.events).hasSize(2).startsWith("answered 200");
    assertThat(one.events.getLast()).startsWith("body a");
    assertThat(c.isOpen()).isFalse();
  }

  @Test
  void aSocketThatCannotBeMadeIsToldOnTheLoopAndIsNobodysFaultButOurs() throws Exception {
    ChannelFactory<EmbeddedChannel> none =
        () -> {
          throw new ChannelException(new NativeIoException("newSocketStream", -24));
        };
    EventLoop real = new DefaultEventLoop();
    try {
      Thread own = real.submit(Thread::currentThread).get();
      real.submit(() ->
              UpstreamConnection.send(
                  real,
                  new LoopState(none, ProxyServer.Framing.AUTO, new OldServers()),
                  new Outgoing(ORIGIN, HeadPatch.setting(List.of()), null, LIMITS, true),
                  RequestToSend.of(request),
                  heard))
          .get();
      org.awaitility.Awaitility.await().until(() -> heard.size() > 0);
      assertThat(heard.threads).containsExactly(own);
      assertThat(heard.failure)
          .isEqualTo(new Failure(Failure.Kind.LOCAL, "no file descriptor left"));
    } finally {
      real.shutdownGracefully(0, 0, TimeUnit.SECONDS);
    }
  }

  @Test
  void aConnectionIsKeptWhenItsAnswerIsWhole() {
    EmbeddedChannel c = kept();
    send();
    settle();
    assertThat(made).hasSize(1);
    answer(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assertThat(heard.events).containsExactly("answered 200", "body ok", "ended");
    assertThat(c.isOpen()).isTrue();
  }

  /// A request that is sent while an answer is being decoded never meets what is left of it.
  @Test
  void bytesAfterAnAnswersEndAreNobodysAnswer() {
    long before = strays();
    FullHttpRequest next = request(HttpMethod.POST, "next");
    Heard second = new Heard();
    send(
        request,
        new Heard() {
          @Override
          public void ended(boolean byClose) {
            send(next, second, LIMITS);
          }
        },
        LIMITS);
    settle();
    answer(
        connection(),
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
            + "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nINJECTED");
    settle();
    assertThat(made).hasSize(2);
    assertThat(connection().isOpen()).isFalse();
    assertThat(strays()).isEqualTo(before + 1);
    answer(made.getLast(), "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nown");
    assertThat(second.events).containsExactly("answered 200", "body own", "ended");
  }

  @ParameterizedTest
  @ValueSource(strings = {"H", "\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "\u0000"})
  void bytesOverAnIdleConnectionCloseIt(String bytes) {
    long before = strays();
    EmbeddedChannel c = kept();
    answer(c, bytes);
    assertThat(c.isOpen()).isFalse();
    assertThat(strays()).isEqualTo(before + 1);
    assertThat(loop.poll(ORIGIN)).isNull();
    request.release();
  }

  private static long strays() {
    return Faults.counts().entrySet().stream()
        .filter(e -> e.getKey().contains("BadAnswer"))
        .mapToLong(Map.Entry::getValue)
        .sum();
  }

  @Test
  void anOrderlyCloseEndsWhatHasNoLength() {
    send();
    settle();
    answer(connection(), "HTTP/1.1 200 OK\r\n\r\nall of it");
    connection().close();
    settle();
    assertThat(heard.events).containsExactly("answered 200", "body all of it", "ended by close");
  }

  @Test
  void aResetNeverEndsAnAnswer() {
    send();
    settle();
    answer(connection(), "HTTP/1.1 200 OK\r\n\r\nhalf of");
    connection().pipeline().fireExceptionCaught(new IOException("Connection reset by peer"));
    settle();
    assertThat(heard.events)
        .containsExactly("answered 200", "body half of", "failed CLOSED_MID_ANSWER");
    assertThat(heard.failure.detail()).isEqualTo("reset");
  }

  @Test
  void aCloseIsNamedByWhatCameBeforeIt() {
    EmbeddedChannel c = kept();
    send();
    settle();
    answer(c, "HTTP/1.1 2");
    c.close();
    settle();
    assertThat(heard.failure.kind()).isEqualTo(Failure.Kind.CLOSED_BEFORE_ANSWER);

    Heard length = new Heard();
    send(request(HttpMethod.GET, ""), length, LIMITS);
    settle();
    answer(made.getLast(), "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    made.getLast().close();
    settle();
    assertThat(length.failure.kind()).isEqualTo(Failure.Kind.CLOSED_MID_ANSWER);
  }

  @Test
  void codeOfOursThatThrowsEndsItsConnectionAndItsCall() {
    send(
        request,
        new Heard() {
          @Override
          public void body(ByteBuf slice) {
            slice.release();
            throw new StackOverflowError("of a test");
          }

          @Override
          public void failed(Failure f) {
            heard.failed(f);
          }
        },
        LIMITS);
    settle();
    answer(connection(), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    settle();
    assertThat(heard.failure).isEqualTo(new Failure(Failure.Kind.LOCAL, "internal error"));
    assertThat(connection().isOpen()).isFalse();
  }

  @Test
  void aConnectThatTakesTooLongIsGivenUp() {
    connects = false;
    send();
    settle();
    pass(SECOND);
    assertThat(heard.events).isEmpty();
    pass(1);
    assertThat(heard.events).containsExactly("failed CONNECT_TIMEOUT");
    assertThat(connection().isOpen()).isFalse();
  }

  @Test
  void theFirstByteHasItsLimitAndInformationalAnswersDoNotMoveIt() {
    send();
    settle();
    pass(SECOND);
    answer(connection(), "HTTP/1.1 103 Early Hints\r\n\r\n");
    pass(SECOND);
    assertThat(heard.events).containsExactly("interim 103");
    pass(1);
    assertThat(heard.events).containsExactly("interim 103", "failed TIMEOUT_FIRST_BYTE");
    assertThat(connection().isOpen()).isFalse();
  }

  @Test
  void aHeadIsNoByteOfTheBody() {
    send();
    settle();
    pass(SECOND);
    answer(connection(), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
    pass(SECOND + 1);
    assertThat(heard.events).containsExactly("answered 200", "failed TIMEOUT_FIRST_BYTE");
  }

  @Test
  void theBodyMayPauseAndTheClientsOwnPauseDoesNotCount() {
    InstanceCall call = send();
    settle();
    answer(connection(), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    pass(2 * SECOND);
    call.reading(false);
    pass(100 * SECOND);
    call.reading(true);
    pass(3 * SECOND);
    assertThat(heard.failure.detail()).isEqualTo("none");
    pass(1);
    assertThat(heard.events).containsExactly("answered 200", "body a", "failed TIMEOUT_STALLED");
  }

  @Test
  void anInstanceThatReadsNothingOfTheRequestIsGivenUp() {
    connects = true;
    send();
    driver.runPendingTasks();
    EmbeddedChannel c = connection();
    assertThat(sent(c)).endsWith("body");
    FullHttpRequest second = request(HttpMethod.POST, "second");
    answer(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    c.pipeline()
        .addFirst(
            new ChannelOutboundHandlerAdapter() {
              @Override
              public void flush(ChannelHandlerContext ctx) {
                // the socket takes nothing
              }
            });
    Heard stuck = new Heard();
    send(second, stuck, LIMITS);
    pass(3 * SECOND);
    assertThat(stuck.events).isEmpty();
    pass(2);
    assertThat(stuck.failure)
        .isEqualTo(new Failure(Failure.Kind.TIMEOUT_FIRST_BYTE, "it reads nothing of the request"));
    assertThat(second.refCnt()).isZero();
  }
}
