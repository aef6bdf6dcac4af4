package org.infinilm.svc.picker;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingResponse;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import io.netty.buffer.ByteBuf;
import io.netty.channel.EventLoopGroup;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.infinilm.svc.http.Arrival;
import org.infinilm.svc.http.Failure;
import org.infinilm.svc.http.HeadPatch;
import org.infinilm.svc.http.Header;
import org.infinilm.svc.http.InboundEvents;
import org.infinilm.svc.http.Origin;
import org.infinilm.svc.http.Outgoing;
import org.infinilm.svc.http.ProxyServer;
import org.infinilm.svc.http.ProxyServer.Transport;
import org.infinilm.svc.http.RequestHead;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.ResponseHead;
import org.infinilm.svc.http.TimeLimits;
import org.infinilm.svc.http.UpstreamEvents;
import org.infinilm.svc.router.Carried;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/// A picker in this process, and a room behind it that notes what it hears and does as it is told.
abstract class ProcessingRig {
  static final long MOST_BYTES = 1 << 20;

  /// Ten ticks.
  static final Duration PAUSE = Duration.ofMillis(10 * Arrival.TICK_MILLIS);

  static final int QUEUE_TICKS = 40;

  /// Those of the connection, 4, included.
  static final int FIRST_BYTE_TICKS = 24;

  static final int IDLE_TICKS = 30;

  final EventLoopGroup loops = Transport.NIO.loops(1, "picker-test");
  final Arrival.Limits limits =
      new Arrival.Limits(
          new ProxyServer.Limits(MOST_BYTES, 8 * MOST_BYTES, 1, 0),
          new ProxyServer.Times(PAUSE, PAUSE, 240, PAUSE, PAUSE, 240));
  final Memory memory = new Memory(limits, 2);
  final Room room = new Room();
  ExtProc service;
  Server server;
  ManagedChannel channel;

  /// The router's room, as a test wants it: it notes what it hears.
  static final class Room implements ExtProc.Chooser, InboundEvents, UpstreamEvents {
    final List<String> heard = new CopyOnWriteArrayList<>();
    final List<String> bodies = new CopyOnWriteArrayList<>();
    volatile Consumer<Carried> does = c -> {};
    volatile @Nullable Carried last;

    @Override
    public boolean owns(RequestHead asked) {
      return asked.path().equals("/own");
    }

    @Override
    public @Nullable Response unwelcome(RequestHead asked) {
      return asked.header("x-api-key") == null
          ? null
          : Response.json(401, Map.of("error", Map.of("message", "the key is not known here")));
    }

    @Override
    public Duration queueTimeout() {
      return Duration.ofMillis(QUEUE_TICKS * Arrival.TICK_MILLIS);
    }

    @Override
    public void choose(Carried request) {
      last = request;
      heard.add("choose " + request.body().toString(UTF_8).length());
      request.events(this);
      does.accept(request);
    }

    @Override
    public Response refusal(int status, String why, RequestHead asked) {
      heard.add("refusal " + status);
      return Response.json(status, Map.of("error", Map.of("message", why)));
    }

    @Override
    public void writable(boolean on) {}

    @Override
    public void gone() {
      heard.add("gone");
    }

    @Override
    public void shutdown() {
      heard.add("shutdown");
    }

    @Override
    public void fault() {
      heard.add("fault");
    }

    @Override
    public void interim(ResponseHead head) {}

    @Override
    public void answered(ResponseHead head) {
      heard.add("answered " + head.status());
      Carried c = last;
      if (c != null) {
        c.relayHead(
            head,
            new HeadPatch(
                List.of("etag", "server"), List.of(new Header("x-infini-pool", "paged"))));
      }
    }

    @Override
    public void body(ByteBuf slice) {
      bodies.add(slice.toString(UTF_8));
      Carried c = last;
      if (c != null) {
        c.relayBody(slice);
      }
    }

    @Override
    public void pause() {}

    @Override
    public void ended(boolean byClose) {
      heard.add("ended");
      Carried c = last;
      if (c != null) {
        c.relayEnd();
      }
    }

    @Override
    public void failed(Failure failure) {
      heard.add("failed " + failure.kind());
      Carried c = last;
      if (c != null && heard.stream().anyMatch(h -> h.startsWith("answered "))) {
        c.breakOff(new byte[0]);
      } else if (c != null) {
        c.answer(Response.json(503, Map.of("error", Map.of("message", failure.detail()))));
      }
    }
  }

  @BeforeEach
  void start() throws Exception {
    service = new ExtProc(room, loops, memory, 2);
    server =
        InProcessServerBuilder.forName("picker")
            .directExecutor()
            .addService(service)
            .build()
            .start();
    channel = InProcessChannelBuilder.forName("picker").directExecutor().build();
    room.does = c -> sends(c, null);
  }

  @AfterEach
  void stop() throws Exception {
    channel.shutdownNow();
    server.shutdownNow().awaitTermination();
    loops.shutdownGracefully(0, 1, TimeUnit.SECONDS).sync();
    memory.close();
    assertThat(limits.heldBytes()).as("bytes of bodies at the end").isZero();
  }

  static Origin at(String ip, int port) {
    try {
      return new Origin(
          new InetSocketAddress(InetAddress.getByName(ip), port), ip + ":" + port, "");
    } catch (UnknownHostException e) {
      throw new IllegalStateException(e);
    }
  }

  void sends(Carried c, @Nullable ByteBuf body) {
    c.others(
        List.of(at("10.0.0.2", 80), at("2001:db8::1", 80)),
        endpoint -> {
          room.heard.add("served " + endpoint);
          return null;
        });
    c.send(
        new Outgoing(
            at("10.0.0.1", 80),
            new HeadPatch(
                List.of("cookie"),
                List.of(new Header("x-request-id", "r1"), new Header("via", "1.1 x"))),
            body,
            new TimeLimits(
                Duration.ofSeconds(1),
                Duration.ofMillis((FIRST_BYTE_TICKS - 4) * Arrival.TICK_MILLIS),
                Duration.ofMillis(IDLE_TICKS * Arrival.TICK_MILLIS)),
            true),
        room);
  }

  Stage stage() {
    return Stage.open(channel);
  }

  /// Ticks of the one loop.
  void ticks(int n) throws Exception {
    loops
        .next()
        .submit(() -> {
          for (int k = 0; k < n; k++) {
            service.beat(loops.next()).run();
          }
        })
        .get();
  }

  static String said(ProcessingResponse r) {
    return r.getImmediateResponse().getBody().toStringUtf8();
  }

  static int status(ProcessingResponse r) {
    return r.getImmediateResponse().getStatus().getCodeValue();
  }
}
