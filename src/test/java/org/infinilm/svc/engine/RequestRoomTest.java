package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.util.List;
import java.util.Map;
import org.infinilm.svc.http.ApiError;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Server;
import org.junit.jupiter.api.Test;

/// What requests hold in memory is bounded, of all together.
class RequestRoomTest {
  private static final long MOST = 1000;

  private final RequestRoom room = new RequestRoom(MOST);

  private static int status(ThrowingHold hold) {
    return catchThrowableOfType(ApiError.class, hold::run).status();
  }

  private interface ThrowingHold {
    void run() throws ApiError;
  }

  @Test
  void whoFindsNoRoomIsRefusedAndHoldsNothingMore() throws Exception {
    RequestRoom.Held one = room.held(600);
    RequestRoom.Held other = room.held(300);
    assertThat(status(() -> room.held(101))).isEqualTo(429);
    assertThat(status(() -> one.more(101))).isEqualTo(429);
    assertThat(room.taken()).isEqualTo(900);
    other.less(100);
    one.more(200);
    assertThat(room.taken()).isEqualTo(MOST);
    for (int i = 0; i < 2; i++) {
      other.close();
      assertThat(room.taken()).as("given back once").isEqualTo(800);
    }
    one.close();
    assertThat(room.taken()).isZero();
  }

  @Test
  void whatWouldNeverFitIsNotToldToComeAgain() throws Exception {
    assertThat(status(() -> room.held(MOST + 1))).isEqualTo(413);
    try (RequestRoom.Held one = room.held(600)) {
      assertThat(status(() -> one.more(401))).isEqualTo(413);
      assertThat(room.taken()).isEqualTo(600);
    }
  }

  @Test
  void aServerThatIsFullDoesNotSayThatItEnds() throws Exception {
    assertThat(code("too many large request bodies at once")).isEqualTo("overloaded");
    assertThat(code(Server.ENDS)).isEqualTo("shutting_down");
  }

  private static String code(String why) throws Exception {
    return Json.tree(EngineRoutes.refusal(503, why).body()).path("error").path("code").asText();
  }

  @Test
  void aRequestThatIsReadKeepsNeitherPromptNorSchemas() throws Exception {
    AskReader reader = new AskReader(new AskReader.Defaults(1, 1, 1), () -> 1L);
    Ask called =
        reader.chat(
            body(
                Map.of(
                    "messages",
                    List.of(Map.of("role", "user", "content", "a")),
                    "stream",
                    true,
                    "n",
                    3,
                    "tool_choice",
                    "required",
                    "tools",
                    List.of(
                        Map.of(
                            "type",
                            "function",
                            "function",
                            Map.of("name", "f", "parameters", Map.of("x-note", "y")))))));
    Ask read = called.read();
    assertThat(read.messages()).isNull();
    assertThat(read.tools().all()).isEmpty();
    assertThat(read.tools().callable()).containsExactly("f");
    assertThat(read.tools().required()).isTrue();
    assertThat(read.stream()).isTrue();
    assertThat(read.choices()).isEqualTo(3);
    Ask formed =
        reader.completion(
            body(
                Map.of(
                    "prompt", "a", "seed", 7, "response_format", Map.of("type", "json_object"))));
    assertThat(formed.sampling().grammar()).isNotNull();
    assertThat(formed.read().sampling().grammar()).isNull();
    assertThat(formed.read().sampling().seed()).isEqualTo(7);
    assertThat(formed.read().text()).isNull();
  }

  private static byte[] body(Map<String, ?> fields) {
    return Json.bytes(fields);
  }
}
