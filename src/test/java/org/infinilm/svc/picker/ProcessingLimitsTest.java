package org.infinilm.svc.picker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.google.protobuf.ByteString;
import io.envoyproxy.envoy.extensions.filters.http.ext_proc.v3.ProcessingMode.BodySendMode;
import io.grpc.Status;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.infinilm.svc.http.Arrival;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.router.Carried;
import org.junit.jupiter.api.Test;

/// What nobody may do to the picker: fill its memory, stop, drip, come with what is refused anyway,
/// keep it waiting.
class ProcessingLimitsTest extends ProcessingRig {
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

  /// As engines do that send the head before they have read the prompt. No client is slow that has
  /// a head alone: it is a failure of the instance, not a client that left.
  @Test
  void anInstanceThatHangsAfterItsHeadHasFailed() throws Exception {
    for (boolean empty : List.of(false, true)) {
      room.heard.clear();
      try (Stage s = stage()) {
        s.post("/x").body("{}", true).replies(2);
        s.answer(200, false).replies(3);
        if (empty) {
          s.answerBody("", false);
        }
        ticks(FIRST_BYTE_TICKS);
        assertThat(s.isOver()).isFalse();
        ticks(1);
        assertThat(s.end().getCode()).isEqualTo(Status.Code.DEADLINE_EXCEEDED);
        assertThat(room.heard)
            .startsWith("choose 2", "answered 200", "failed TIMEOUT_FIRST_BYTE")
            .doesNotContain("fault");
      }
    }
    assertThat(service.underWay()).isZero();
  }

  @Test
  void anAnswerWithoutPiecesThatAreShownIsNobodysFailure() throws Exception {
    try (Stage s = stage()) {
      s.answers = BodySendMode.NONE;
      s.post("/x").body("{}", true).replies(2);
      s.answer(200, false).replies(3);
      ticks(2 * FIRST_BYTE_TICKS);
      assertThat(s.isOver()).isFalse();
      s.leaves();
      assertThat(s.end().isOk()).isTrue();
      assertThat(room.heard).containsExactly("choose 2", "answered 200", "ended");
    }
  }
}
