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
import io.grpc.Status;
import io.netty.buffer.Unpooled;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.infinilm.svc.http.Failure;
import org.infinilm.svc.http.Origin;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.router.Carried;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The protocol's state machine between Envoy's messages and a room that is told what to do.
class ProcessingTest extends ProcessingRig {
  @Test
  void headGoesBackFirstThenTheBodyInPieces() {
    String text = "x".repeat(150_000);
    try (Stage s = stage()) {
      s.post("/v1/chat/completions", "x-prefiller-host-port", "1.2.3.4:5");
      s.body(text.substring(0, 100_000), false);
      assertThat(s.came).isEmpty();
      s.body(text.substring(100_000), true);
      ProcessingResponse head = s.reply(0);
      String list = "10.0.0.1:80,10.0.0.2:80,[2001:db8::1]:80";
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

  @Test
  void bytesThatAreNoMessageEndTheStreamWhereverItStands() throws Exception {
    room.does = c -> sends(c, null);
    for (int k = 0; k < 4; k++) {
      room.heard.clear();
      try (Stage s = stage()) {
        if (k > 0) {
          s.post("/x");
        }
        if (k > 1) {
          s.body("{}", true).replies(2);
        }
        if (k > 2) {
          s.answer(200, false).answerBody("half", false).replies(4);
        }
        s.garbage();
        assertThat(s.end().getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        await().atMost(Stage.SOON).until(() -> service.underWay() == 0);
        if (k > 1) {
          await().atMost(Stage.SOON).until(() -> room.heard.contains("gone"));
        } else {
          assertThat(room.heard).isEmpty();
        }
      }
    }
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
    for (String words :
        List.of("route_not_found", "cluster_not_found", "maintenance_mode", "a_filters_words")) {
      room.heard.clear();
      try (Stage s = stage()) {
        s.post("/x").body("{}", true).replies(2);
        s.ownAnswer(404, words).answerBody("no route", true).replies(4);
        assertThat(s.came.get(2).getResponseCase()).isEqualTo(ResponseCase.RESPONSE_HEADERS);
        assertThat(streamed(s.came.get(3))).isEqualTo("no route");
        assertThat(s.end().isOk()).isTrue();
        assertThat(room.heard).containsExactly("choose 2", "failed PROXY_ANSWERED");
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "upstream_reset_before_response_started{overflow}, PROXY_FULL",
    "overload, PROXY_FULL",
    "drop_overload, PROXY_FULL",
    "upstream_reset_before_response_started{connection_timeout}, CONNECT_TIMEOUT",
    "upstream_reset_before_response_started{local_connection_failure}, CONNECT_REFUSED",
    "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_111}, CONNECT_REFUSED",
    "upstream_reset_before_response_started{remote_connection_failure|TLS_error:|1:EXPIRED:TLS_error_end}, TLS_FAILED",
    "'upstream_reset_before_response_started{connection failure,TLS error: 1}', TLS_FAILED",
    "upstream_reset_before_response_started{connection_termination}, CLOSED_BEFORE_ANSWER",
    "upstream_reset_before_response_started{remote_reset}, CLOSED_BEFORE_ANSWER",
    "upstream_reset_before_response_started, CLOSED_BEFORE_ANSWER",
    "upstream_reset_before_response_started{protocol_error}, BAD_ANSWER",
    "response_timeout, TIMEOUT_FIRST_BYTE",
    "upstream_per_try_timeout, TIMEOUT_FIRST_BYTE",
    "upstream_max_stream_duration_reached, TIMEOUT_FIRST_BYTE",
    "max_duration_timeout, TIMEOUT_FIRST_BYTE",
    "stream_idle_timeout, TIMEOUT_FIRST_BYTE",
  })
  void envoysWordsSayWhoseFaultItIs(String words, Failure.Kind kind) {
    try (Stage s = stage()) {
      s.post("/x").body("{}", true).replies(2);
      s.ownAnswer(503, words);
      assertThat(s.reply(2).getResponseCase()).isEqualTo(ResponseCase.IMMEDIATE_RESPONSE);
      assertThat(s.end().isOk()).isTrue();
      assertThat(room.heard).containsExactly("choose 2", "failed " + kind);
    }
  }

  @Test
  void anAnswersHeadWithoutAStatusIsNoAnswer() {
    for (int status : List.of(0, 99, 1000)) {
      room.heard.clear();
      try (Stage s = stage()) {
        s.post("/x").body("{}", true).replies(2);
        s.answer(status, true);
        assertThat(s.reply(2).getImmediateResponse().getStatus().getCodeValue()).isEqualTo(503);
        assertThat(s.end().isOk()).isTrue();
        assertThat(room.heard).containsExactly("choose 2", "failed BAD_ANSWER");
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "CONNECT, /x, 501",
    "CONNECT, '', 501",
    "TRACE, /x, 501",
    "OPTIONS, *, 200",
    "GET, *, 400",
    "GET, '', 400",
    "GET, x, 400",
    "GET, ?a=/b, 400",
  })
  void whatTheRouterGivesToNoInstanceIsNotChosenFor(String method, String path, int status) {
    for (boolean ends : new boolean[] {true, false}) {
      try (Stage s = stage()) {
        s.head(ends, ":method", method, ":path", path);
        var said = s.reply(0).getImmediateResponse();
        assertThat(said.getStatus().getCodeValue()).isEqualTo(status);
        assertThat(s.end().isOk()).isTrue();
        assertThat(s.came).hasSize(1);
      }
    }
    assertThat(room.heard).doesNotContain("choose 0").allMatch(h -> h.equals("refusal " + status));
    assertThat(room.heard).hasSize(status == 200 ? 0 : 2);
  }

  @Test
  void connectNeedsNoPath() {
    try (Stage s = stage()) {
      s.head(false, ":method", "CONNECT", ":authority", "a:80");
      assertThat(s.reply(0).getImmediateResponse().getStatus().getCodeValue()).isEqualTo(501);
      assertThat(s.end().isOk()).isTrue();
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
  void anAnswerToARequestThatIsNotShownPasses() {
    for (BodySendMode mode : List.of(BodySendMode.FULL_DUPLEX_STREAMED, BodySendMode.STREAMED)) {
      try (Stage s = stage()) {
        s.answers = mode;
        s.answer(400, false).answerBody("bad", true).replies(2);
        assertThat(s.came.getFirst().getResponseCase()).isEqualTo(ResponseCase.RESPONSE_HEADERS);
        assertThat(s.end().isOk()).isTrue();
      }
      try (Stage s = stage()) {
        s.answers = mode;
        s.answer(400, true);
        assertThat(s.end().isOk()).isTrue();
        assertThat(s.came).hasSize(1);
      }
    }
    assertThat(room.heard).isEmpty();
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
  void anAddressOfIpv6IsOneHoweverItIsWritten() {
    String said = "[2001:DB8:0:0:0:0:0:1]:80";
    String one = "[2001:db8::1]:80";
    String key = "x-gateway-destination-endpoint-subset";
    Metadata hint =
        Metadata.newBuilder()
            .putFilterMetadata("envoy.lb.subset_hint", Stage.text(key, said + "," + one))
            .build();
    assertThat(Gateway.subset(hint)).containsExactly(one);
    Metadata served =
        Metadata.newBuilder()
            .putFilterMetadata(
                "envoy.lb", Stage.text("x-gateway-destination-endpoint-served", said))
            .build();
    assertThat(Gateway.served(served, Map.of())).isEqualTo(one);
    assertThat(
            Gateway.served(
                Metadata.getDefaultInstance(), Map.of("x", Stage.text("upstream.address", said))))
        .isEqualTo(one);
  }

  /// As Envoy 1.40 shows its hosts: `/clusters`, `upstream.address`.
  @Test
  void endpointsAreWrittenAsEnvoyWritesThem() throws Exception {
    assertThat(Carried.endpoint(at("10.0.0.1", 80))).isEqualTo("10.0.0.1:80");
    assertThat(Carried.endpoint(at("0:0:0:0:0:0:0:1", 80))).isEqualTo("[::1]:80");
    InetAddress zoned =
        Inet6Address.getByAddress(null, InetAddress.getByName("fe80::1").getAddress(), 4);
    assertThat(Carried.endpoint(new Origin(new InetSocketAddress(zoned, 80), "h:80", "")))
        .isEqualTo("[fe80::1%4]:80");
    assertThat(Carried.endpoint(Origin.unix("/x"))).isNull();
  }

  @Test
  void messagesOutOfOrderEndTheStreamWithTheirName() {
    room.does = c -> {};
    for (Consumer<Stage> first :
        List.<Consumer<Stage>>of(
            s -> s.body("x", true),
            s -> s.requestTrailers(),
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
