package org.infinilm.svc.picker;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.google.protobuf.ByteString;
import com.google.protobuf.ListValue;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import io.envoyproxy.envoy.config.core.v3.Metadata;
import io.envoyproxy.envoy.extensions.filters.http.ext_proc.v3.ProcessingMode.BodySendMode;
import io.envoyproxy.envoy.service.ext_proc.v3.HttpHeaders;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingRequest;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingResponse.ResponseCase;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
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
import java.util.stream.Stream;
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
import org.junit.jupiter.api.Test;

/// The protocol's state machine between Envoy's messages and a room that is told what to do.
class ProcessingTest {
  private static final long MOST_BYTES = 1 << 20;

  /// Ten ticks.
  private static final Duration PAUSE = Duration.ofMillis(10 * Arrival.TICK_MILLIS);

  private static final int QUEUE_TICKS = 40;

  /// Those of the connection, 4, included.
  private static final int FIRST_BYTE_TICKS = 24;

  private static final int IDLE_TICKS = 30;

  private final EventLoopGroup loops = Transport.NIO.loops(1, "picker-test");
  private final Arrival.Limits limits =
      new Arrival.Limits(
          new ProxyServer.Limits(MOST_BYTES, 8 * MOST_BYTES, 1, 0),
          new ProxyServer.Times(PAUSE, PAUSE, 240, PAUSE, PAUSE, 240));
  private final Memory memory = new Memory(limits, 2);
  private final Room room = new Room();
  private ExtProc service;
  private Server server;
  private ManagedChannel channel;

  /// The router's room, as a test wants it: it notes what it hears.
  private static final class Room implements ExtProc.Chooser, InboundEvents, UpstreamEvents {
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
      if (c != null) {
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

  private static Origin at(String ip, int port) {
    try {
      return new Origin(
          new InetSocketAddress(InetAddress.getByName(ip), port), ip + ":" + port, "");
    } catch (UnknownHostException e) {
      throw new IllegalStateException(e);
    }
  }

  private void sends(Carried c, @Nullable ByteBuf body) {
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

  private Stage stage() {
    return Stage.open(channel);
  }

  @Test
  void headGoesBackFirstThenTheBodyInPieces() {
    String text = "x".repeat(150_000);
    try (Stage s = stage()) {
      s.post("/v1/chat/completions", "x-prefiller-host-port", "1.2.3.4:5");
      s.body(text.substring(0, 100_000), false);
      assertThat(s.came).isEmpty();
      s.body(text.substring(100_000), true);
      ProcessingResponse head = s.reply(0);
      String list = "10.0.0.1:80,10.0.0.2:80,[2001:db8:0:0:0:0:0:1]:80";
      assertThat(Stage.destination(head)).isEqualTo(list);
      assertThat(Stage.metadataDestination(head)).isEqualTo(list);
      assertThat(head.getRequestHeaders().getResponse().getClearRouteCache()).isTrue();
      assertThat(head.getRequestHeaders().getResponse().getHeaderMutation().getRemoveHeadersList())
          .containsExactly("cookie", "x-prefiller-host-port");
      assertThat(
              head
                  .getRequestHeaders()
                  .getResponse()
                  .getHeaderMutation()
                  .getSetHeadersList()
                  .stream()
                  .map(h -> h.getHeader().getKey()))
          .containsExactly("x-request-id", "x-gateway-destination-endpoint");
      s.replies(4);
      StringBuilder back = new StringBuilder();
      for (int k = 1; k < 4; k++) {
        var piece =
            s.came.get(k).getRequestBody().getResponse().getBodyMutation().getStreamedResponse();
        assertThat(piece.getBody().size()).isLessThanOrEqualTo(62_000);
        back.append(piece.getBody().toStringUtf8());
        assertThat(piece.getEndOfStream()).isEqualTo(k == 3);
      }
      assertThat(back.toString()).isEqualTo(text);
    }
  }

  @Test
  void withoutABodyTheHeadDecides() {
    try (Stage s = stage()) {
      s.get("/v1/x");
      assertThat(Stage.destination(s.reply(0))).startsWith("10.0.0.1:80");
      s.answer(204, true);
      assertThat(s.reply(1).getResponseCase()).isEqualTo(ResponseCase.RESPONSE_HEADERS);
      assertThat(s.end().getCode()).isEqualTo(Status.Code.OK);
      assertThat(s.came).hasSize(2);
      assertThat(room.heard).containsExactly("choose 0", "answered 204", "ended");
    }
  }

  @Test
  void trailersEndABody() {
    try (Stage s = stage()) {
      s.post("/x").body("abc", false).requestTrailers();
      s.replies(3);
      assertThat(
              s.came
                  .get(1)
                  .getRequestBody()
                  .getResponse()
                  .getBodyMutation()
                  .getStreamedResponse()
                  .getEndOfStream())
          .isFalse();
      assertThat(s.came.get(2).getResponseCase()).isEqualTo(ResponseCase.REQUEST_TRAILERS);
      assertThat(room.heard).containsExactly("choose 3");
      s.answer(200, false).answerBody("ok", false).answerTrailers();
      s.replies(6);
      assertThat(
              s.came
                  .get(4)
                  .getResponseBody()
                  .getResponse()
                  .getBodyMutation()
                  .getStreamedResponse()
                  .getEndOfStream())
          .isFalse();
      assertThat(s.came.get(5).getResponseCase()).isEqualTo(ResponseCase.RESPONSE_TRAILERS);
      assertThat(s.end().isOk()).isTrue();
      assertThat(room.heard).containsExactly("choose 3", "answered 200", "ended");
    }
  }

  @Test
  void anAnswerPassesPieceByPiece() {
    try (Stage s = stage()) {
      s.post("/x").body("{}", true).replies(2);
      s.answer(200, false, "etag", "e", "content-type", "text/event-stream").replies(3);
      var change = s.came.get(2).getResponseHeaders().getResponse().getHeaderMutation();
      assertThat(change.getRemoveHeadersList()).containsExactly("etag");
      assertThat(change.getSetHeaders(0).getHeader().getKey()).isEqualTo("x-infini-pool");
      s.answerBody("data: 1\n\n", false).replies(4);
      assertThat(streamed(s.came.get(3))).isEqualTo("data: 1\n\n");
      s.answerBody("", true).replies(5);
      assertThat(
              s.came
                  .get(4)
                  .getResponseBody()
                  .getResponse()
                  .getBodyMutation()
                  .getStreamedResponse()
                  .getEndOfStream())
          .isTrue();
      assertThat(s.end().isOk()).isTrue();
      assertThat(room.bodies).containsExactly("data: 1\n\n");
    }
  }

  private static String streamed(ProcessingResponse r) {
    return r.getResponseBody()
        .getResponse()
        .getBodyMutation()
        .getStreamedResponse()
        .getBody()
        .toStringUtf8();
  }

  @Test
  void anotherBodyGoesInPlaceOfTheClients() {
    room.does = c -> sends(c, Unpooled.copiedBuffer("{\"model\":\"long\"}", UTF_8));
    try (Stage s = stage()) {
      s.post("/x").body("{\"model\":\"m\"}", true).replies(2);
      assertThat(
              s.came
                  .get(1)
                  .getRequestBody()
                  .getResponse()
                  .getBodyMutation()
                  .getStreamedResponse()
                  .getBody()
                  .toStringUtf8())
          .isEqualTo("{\"model\":\"long\"}");
    }
  }

  @Test
  void anAnswerOfOursEndsIt() {
    room.does = c -> c.answer(Response.json(429, Map.of("error", "busy")).with("retry-after", "3"));
    try (Stage s = stage()) {
      s.post("/x").body("{}", true);
      var said = s.reply(0).getImmediateResponse();
      assertThat(said.getStatus().getCodeValue()).isEqualTo(429);
      assertThat(said.getBody().toStringUtf8()).contains("busy");
      assertThat(
              said.getHeaders().getSetHeadersList().stream()
                  .map(h ->
                      h.getHeader().getKey() + "=" + h.getHeader().getRawValue().toStringUtf8()))
          .contains("retry-after=3", "content-type=application/json");
      assertThat(s.end().isOk()).isTrue();
    }
  }

  @Test
  void aBodyThatIsTooLargeIsRefusedOnceAndChosenForNever() {
    try (Stage s = stage()) {
      ByteString piece = ByteString.copyFrom(new byte[600_000]);
      s.post("/x").body(piece, false).body(piece, false);
      assertThat(s.reply(0).getImmediateResponse().getStatus().getCodeValue()).isEqualTo(413);
      s.end();
      assertThat(room.heard).containsExactly("refusal 413");
    }
  }

  /// Ticks of the one loop.
  private void ticks(int n) throws Exception {
    loops
        .next()
        .submit(() -> {
          for (int k = 0; k < n; k++) {
            service.beat(loops.next()).run();
          }
        })
        .get();
  }

  private static String said(ProcessingResponse r) {
    return r.getImmediateResponse().getBody().toStringUtf8();
  }

  private static int status(ProcessingResponse r) {
    return r.getImmediateResponse().getStatus().getCodeValue();
  }

  @Test
  void whoFillsTheMemoryForLongestMakesRoomForTheNext() throws Exception {
    ByteString most = ByteString.copyFrom(new byte[(int) MOST_BYTES - 100]);
    try (Stage slow = stage();
        Stage b = stage();
        Stage c = stage();
        Stage d = stage();
        Stage next = stage()) {
      slow.post("/x").body(most, false);
      b.post("/x").body(most, false);
      c.post("/x").body(most, false);
      d.post("/x").body(most, false);
      ticks(1);
      next.post("/x").body("a body of a few bytes, more than there is room for", false);
      ticks(1);
      next.body(ByteString.copyFrom(new byte[1000]), true);
      next.replies(2);
      assertThat(Stage.destination(next.came.getFirst())).startsWith("10.0.0.1:80");
      await()
          .atMost(Stage.SOON)
          .until(() -> Stream.of(slow, b, c, d).filter(Stage::isOver).count() == 1);
      assertThat(limits.givenUp()).isEqualTo(1);
      assertThat(room.heard).containsOnlyOnce("refusal 503");
    }
  }

  @Test
  void aBodyForWhichThereIsNoMemoryNeedNotCome() {
    Arrival other = new Arrival(limits, 1, () -> {});
    assertThat(other.take(8 * MOST_BYTES - 1_000_000)).isTrue();
    try (Stage s = stage()) {
      s.post("/x", "content-length", "600000");
      assertThat(status(s.reply(0))).isEqualTo(503);
      assertThat(said(s.reply(0))).contains("expected: at most " + 8 * MOST_BYTES);
      s.end();
    } finally {
      other.giveBack(8 * MOST_BYTES - 1_000_000);
      other.close();
    }
  }

  /// One that stops in its body is told so after the pause that is allowed, as the router does.
  @Test
  void aBodyThatStopsIsNotWaitedFor() throws Exception {
    try (Stage s = stage()) {
      s.post("/x", "content-length", "5000").body("x".repeat(1000), false);
      ticks(10);
      assertThat(s.came).isEmpty();
      ticks(1);
      assertThat(status(s.reply(0))).isEqualTo(408);
      assertThat(said(s.reply(0))).contains("no byte of the request's body for 2 s");
      assertThat(s.end().isOk()).isTrue();
      assertThat(limits.heldBytes()).isZero();
      assertThat(service.underWay()).isZero();
    }
  }

  @Test
  void aBodyThatDripsIsTooSlowAndOneAtItsRateIsNot() throws Exception {
    try (Stage drips = stage();
        Stage keeps = stage()) {
      drips.post("/x");
      keeps.post("/x");
      String quarter = "x".repeat(60);
      for (int k = 0; k < 10; k++) {
        drips.body("x", false);
        keeps.body(quarter, false);
        ticks(1);
      }
      assertThat(status(drips.reply(0))).isEqualTo(408);
      assertThat(said(drips.reply(0))).contains("expected: at least 240 bytes a second");
      for (int k = 0; k < 30; k++) {
        keeps.body(quarter, false);
        ticks(1);
      }
      assertThat(keeps.came).isEmpty();
      keeps.body("x", true).replies(2);
      assertThat(Stage.destination(keeps.came.getFirst())).startsWith("10.0.0.1:80");
    }
  }

  /// A body that would be refused whatever it says is not read: by its head it is told.
  @Test
  void whoIsRefusedByTheHeadIsToldBeforeTheBody() {
    try (Stage tooLarge = stage();
        Stage stranger = stage();
        Stage own = stage()) {
      tooLarge.post("/x", "content-length", Long.toString(MOST_BYTES + 1));
      assertThat(status(tooLarge.reply(0))).isEqualTo(413);
      assertThat(tooLarge.end().isOk()).isTrue();
      stranger.post("/x", "x-api-key", "unknown");
      assertThat(status(stranger.reply(0))).isEqualTo(401);
      assertThat(stranger.end().isOk()).isTrue();
      assertThat(room.heard).containsExactly("refusal 413");
      room.does = c -> {};
      own.post("/own").body("passed", false).body(" over", true);
      await().atMost(Stage.SOON).until(() -> room.heard.contains("choose 0"));
      Carried asked = room.last;
      asked.execute(() -> asked.answer(Response.json(404, Map.of("error", "own"))));
      assertThat(status(own.reply(0))).isEqualTo(404);
      assertThat(own.end().isOk()).isTrue();
      assertThat(limits.heldBytes()).isZero();
    }
  }

  @Test
  void nothingWaitsForEver() throws Exception {
    room.does = c -> {};
    try (Stage s = stage()) {
      s.post("/x").body("{}", true);
      await().atMost(Stage.SOON).until(() -> room.heard.contains("choose 2"));
      ticks(QUEUE_TICKS + 240);
      assertThat(s.isOver()).isFalse();
      ticks(1);
      assertThat(s.end().getCode()).isEqualTo(Status.Code.INTERNAL);
      assertThat(room.heard).containsExactly("choose 2", "fault", "gone");
    }
    room.heard.clear();
    room.does = c -> sends(c, null);
    try (Stage s = stage()) {
      s.post("/x").body("{}", true).replies(2);
      ticks(FIRST_BYTE_TICKS);
      assertThat(s.isOver()).isFalse();
      ticks(1);
      assertThat(status(s.reply(2))).isEqualTo(503);
      assertThat(room.heard).containsExactly("choose 2", "failed TIMEOUT_FIRST_BYTE");
      assertThat(s.end().isOk()).isTrue();
    }
    room.heard.clear();
    try (Stage s = stage()) {
      s.post("/x").body("{}", true).replies(2);
      s.answer(200, false).answerBody("one", false).replies(4);
      for (int k = 0; k < 3; k++) {
        ticks(IDLE_TICKS);
        s.answerBody("more", false).replies(5 + k);
      }
      ticks(IDLE_TICKS);
      assertThat(s.isOver()).isFalse();
      ticks(1);
      assertThat(s.end().getCode()).isEqualTo(Status.Code.DEADLINE_EXCEEDED);
      assertThat(room.heard).containsExactly("choose 2", "answered 200", "gone");
    }
    assertThat(service.underWay()).isZero();
  }

  @Test
  void whoLeavesIsHeardOnceWhereverItStands() {
    room.does = c -> {};
    try (Stage s = stage()) {
      s.post("/x").body("{}", true);
      await().atMost(Stage.SOON).until(() -> room.heard.contains("choose 2"));
      s.resets();
      await().atMost(Stage.SOON).until(() -> service.underWay() == 0);
      assertThat(room.heard).containsExactly("choose 2", "gone");
    }
    room.heard.clear();
    room.does = c -> sends(c, null);
    try (Stage s = stage()) {
      s.post("/x").body("{}", true).replies(2);
      s.answer(200, false).answerBody("half", false).replies(4);
      s.leaves();
      assertThat(s.end().isOk()).isTrue();
      assertThat(room.heard).containsExactly("choose 2", "answered 200", "gone");
    }
    room.heard.clear();
    try (Stage s = stage()) {
      s.post("/x").body("{", false);
      s.resets();
      await().atMost(Stage.SOON).until(() -> service.underWay() == 0);
      assertThat(room.heard).isEmpty();
    }
  }

  @Test
  void whereTheBodyIsNotShownTheHeadIsTheAnswer() {
    try (Stage s = stage()) {
      s.answers = BodySendMode.NONE;
      s.post("/x").body("{}", true).replies(2);
      s.answer(200, false).replies(3);
      assertThat(s.isOver()).isFalse();
      s.leaves();
      assertThat(s.end().isOk()).isTrue();
      assertThat(room.heard).containsExactly("choose 2", "answered 200", "ended");
    }
  }

  @Test
  void whereBodiesAreStreamedEachPieceHasOneReply() {
    try (Stage s = stage()) {
      s.answers = BodySendMode.STREAMED;
      s.post("/x").body("{}", true).replies(2);
      s.answer(200, false).answerBody("a", false).answerBody("", true).replies(5);
      assertThat(s.came.get(3).getResponseBody().hasResponse()).isFalse();
      assertThat(s.end().isOk()).isTrue();
      assertThat(s.came).hasSize(5);
    }
  }

  @Test
  void envoysOwnAnswerToAFailedCallIsAFailure() {
    try (Stage s = stage()) {
      s.post("/x").body("{}", true).replies(2);
      s.ownAnswer(503, "upstream_reset_before_response_started{remote_connection_failure}");
      assertThat(s.reply(2).getImmediateResponse().getStatus().getCodeValue()).isEqualTo(503);
      assertThat(room.heard).containsExactly("choose 2", "failed CONNECT_REFUSED");
      assertThat(s.end().isOk()).isTrue();
    }
  }

  @Test
  void whatIsNoCallsFailurePassesInEnvoysWords() {
    try (Stage s = stage()) {
      s.post("/x").body("{}", true).replies(2);
      s.ownAnswer(404, "route_not_found").answerBody("no route", true).replies(4);
      assertThat(s.came.get(2).getResponseCase()).isEqualTo(ResponseCase.RESPONSE_HEADERS);
      assertThat(streamed(s.came.get(3))).isEqualTo("no route");
      assertThat(s.end().isOk()).isTrue();
      assertThat(room.heard).containsExactly("choose 2", "failed LOCAL");
    }
  }

  @Test
  void anAnswerBeforeTheChoiceMeansThatNobodyWaits() {
    room.does = c -> {};
    try (Stage s = stage()) {
      s.post("/x").body("{}", true);
      s.answer(408, false).answerBody("late", true).replies(2);
      assertThat(streamed(s.came.get(1))).isEqualTo("late");
      assertThat(s.end().isOk()).isTrue();
      assertThat(room.heard).containsExactly("choose 2", "gone");
    }
  }

  @Test
  void whoAnsweredIsTold() {
    try (Stage s = stage()) {
      s.post("/x").body("{}", true).replies(2);
      s.answerOf("10.0.0.2:80", 200).replies(3);
      assertThat(room.heard).containsExactly("choose 2", "served 10.0.0.2:80", "answered 200");
    }
  }

  @Test
  void messagesOutOfOrderEndTheStreamWithTheirName() {
    room.does = c -> {};
    for (Consumer<Stage> first :
        List.<Consumer<Stage>>of(
            s -> s.body("x", true),
            s -> s.requestTrailers(),
            s -> s.answer(200, true),
            s -> s.answerBody("x", true),
            s -> s.answerTrailers(),
            s -> s.send(ProcessingRequest.newBuilder()),
            s -> s.post("/x").post("/y"),
            s -> s.post("/x").body("{}", true).body("more", true))) {
      try (Stage s = stage()) {
        first.accept(s);
        Status end = s.end();
        assertThat(end.getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(end.getDescription()).containsAnyOf("expected", "before");
      }
    }
    assertThat(service.underWay()).isZero();
  }

  @Test
  void modesInWhichNothingCanBeDecidedAreRefused() {
    try (Stage s = stage()) {
      s.requests = BodySendMode.NONE;
      s.post("/x");
      assertThat(s.end().getDescription()).contains("request_body_mode: NONE");
    }
    try (Stage s = stage()) {
      s.send(
          ProcessingRequest.newBuilder()
              .setObservabilityMode(true)
              .setRequestHeaders(HttpHeaders.getDefaultInstance()));
      assertThat(s.end().getDescription()).contains("observability_mode: true");
    }
    try (Stage s = stage()) {
      s.send(ProcessingRequest.newBuilder().setRequestHeaders(HttpHeaders.getDefaultInstance()));
      assertThat(s.end().getDescription()).contains(":method");
    }
  }

  @Test
  void aFaultOfTheRoomEndsTheStreamAndIsHeard() {
    room.does =
        c -> {
          throw new IllegalStateException("a fault for the test");
        };
    try (Stage s = stage()) {
      s.post("/x").body("{}", true);
      assertThat(s.end().getCode()).isEqualTo(Status.Code.INTERNAL);
      assertThat(room.heard).containsExactly("choose 2", "fault", "gone");
    }
  }

  @Test
  void theEndOfThePickerCutsWhatIsUnderWay() {
    try (Stage s = stage();
        Stage early = stage()) {
      s.post("/x").body("{}", true).replies(2);
      early.post("/x");
      await().atMost(Stage.SOON).until(() -> service.underWay() == 2);
      service.cut();
      assertThat(s.end().getCode()).isEqualTo(Status.Code.UNAVAILABLE);
      assertThat(early.reply(0).getImmediateResponse().getStatus().getCodeValue()).isEqualTo(503);
      assertThat(room.heard).contains("shutdown");
    }
  }

  @Test
  void largeBodiesAreReadApartAndWaitsEnd() {
    room.does =
        c ->
            c.apart(
                () -> c.body().readableBytes(),
                n ->
                    c.later(
                        Duration.ofMillis(1),
                        () -> c.answer(Response.text(200, "text/plain", "" + n))));
    try (Stage s = stage()) {
      s.post("/x").body("12345", true);
      assertThat(s.reply(0).getImmediateResponse().getBody().toStringUtf8()).isEqualTo("5");
    }
  }

  @Test
  void subsetsAreListsOrTexts() {
    String key = "x-gateway-destination-endpoint-subset";
    Struct text = Stage.text(key, " 10.0.0.1:80, 10.0.0.2:80 ,");
    Struct list =
        Struct.newBuilder()
            .putFields(
                key,
                Value.newBuilder()
                    .setListValue(
                        ListValue.newBuilder()
                            .addValues(Value.newBuilder().setStringValue("10.0.0.1:80"))
                            .addValues(Value.newBuilder().setStringValue("10.0.0.2:80")))
                    .build())
            .build();
    for (Struct s : List.of(text, list)) {
      Metadata m = Metadata.newBuilder().putFilterMetadata("envoy.lb.subset_hint", s).build();
      assertThat(Gateway.subset(m)).containsExactly("10.0.0.1:80", "10.0.0.2:80");
    }
    assertThat(Gateway.subset(Metadata.getDefaultInstance())).isNull();
    Metadata none =
        Metadata.newBuilder()
            .putFilterMetadata("envoy.lb.subset_hint", Stage.text(key, ""))
            .build();
    assertThat(Gateway.subset(none)).isEmpty();
  }
}
