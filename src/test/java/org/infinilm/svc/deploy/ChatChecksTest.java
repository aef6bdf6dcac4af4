package org.infinilm.svc.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import org.infinilm.svc.http.Headers;
import org.junit.jupiter.api.Test;

class ChatChecksTest {
  private static final String CHUNK =
      "data: {\"object\":\"chat.completion.chunk\",\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n";
  private static final String USAGE =
      "data: {\"object\":\"chat.completion.chunk\",\"choices\":[],"
          + "\"usage\":{\"completion_tokens\":1}}\n\n";
  private static final String DONE = "data: [DONE]\n\n";

  @Test
  void aCompleteStreamPasses() {
    assertThat(stream(CHUNK + USAGE + DONE).ok()).isTrue();
    assertThat(stream((CHUNK + USAGE + DONE).replace("\n", "\r\n")).ok()).isTrue();
  }

  @Test
  void whatAStreamLacksIsSaid() {
    assertThat(stream(CHUNK + USAGE).seen()).contains("ends with");
    assertThat(stream(CHUNK + DONE).seen()).contains("no usage");
    assertThat(stream("").seen()).contains("no event");
    assertThat(stream("data: {\"object\":\"error\"}\n\n" + DONE).ok()).isFalse();
    assertThat(ChatChecks.streamed(seen(200, "application/json", "{}")).seen())
        .contains("content-type application/json");
  }

  @Test
  void aPlainAnswerNeedsTextAndUsage() {
    String good =
        "{\"object\":\"chat.completion\",\"choices\":[{\"message\":{\"content\":\"Hi\"}}],"
            + "\"usage\":{\"completion_tokens\":2}}";

    assertThat(ChatChecks.plain(seen(200, "application/json", good)).ok()).isTrue();
    assertThat(ChatChecks.plain(seen(200, "application/json", "{}")).ok()).isFalse();
    assertThat(ChatChecks.plain(seen(503, "application/json", "{\"error\":\"x\"}")).seen())
        .isEqualTo("HTTP 503 {\"error\":\"x\"}");
  }

  private static Check stream(String body) {
    return ChatChecks.streamed(seen(200, "text/event-stream; charset=utf-8", body));
  }

  private static Probe.Seen seen(int status, String type, String body) {
    return new Probe.Seen(
        status, Headers.of("content-type", type), body.getBytes(StandardCharsets.UTF_8), null);
  }
}
