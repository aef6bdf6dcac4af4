package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// `/whatif`: other thresholds over what the router remembers.
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
class WhatIfIT {
  private static final String EVENTS =
      "data: {\"choices\":[{}]}\n\ndata: {\"choices\":[{}]}\n\n"
          + "data: {\"usage\":{\"prompt_tokens\":70,\"completion_tokens\":9}}\n\ndata: [DONE]\n\n";

  private Rig rig;

  @BeforeEach
  void begin() throws Exception {
    rig = new Rig();
    rig.listed(streaming("paged-a"), Map.of("cache_type", "paged"));
    rig.listed(streaming("static-a"), Map.of("cache_type", "static"));
  }

  @AfterEach
  void end() throws Exception {
    rig.close();
  }

  private static ScriptedInstance streaming(String name) throws Exception {
    return new ScriptedInstance(
        name,
        ScriptedInstance.answering((r, n) ->
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: "
                + EVENTS.length()
                + "\r\n\r\n"
                + EVENTS));
  }

  private void send(int requests) throws Exception {
    for (int k = 0; k < requests; k++) {
      int letters = k % 5 == 0 ? 2000 : 20 + k;
      String body = Rig.STREAM.replace("[]", "[{\"content\":\"" + "x".repeat(letters) + "\"}]");
      assertThat(rig.send(Rig.post(Rig.CHAT, "", body)).status()).isEqualTo(200);
    }
    await()
        .atMost(Rig.SOON)
        .until(() -> rig.get("/decisions").path("decisions").size() == requests);
  }

  private JsonNode at(JsonNode answer, long threshold) {
    return StreamSupport.stream(answer.path("thresholds").spliterator(), false)
        .filter(c -> c.path("threshold").asLong() == threshold)
        .findFirst()
        .orElseThrow();
  }

  @Test
  void theRememberedRequestsAreRunAgainAtOtherThresholds() throws Exception {
    rig.start("threshold=300");
    send(30);
    JsonNode a = rig.get("/whatif?threshold=100000");
    assertThat(a.path("on").asBoolean()).as(a.toString()).isTrue();
    assertThat(a.path("model").asText()).isEqualTo("m");
    assertThat(a.path("requests").asInt()).isEqualTo(30);
    assertThat(a.path("left_out").asInt()).isZero();
    assertThat(a.path("fit").path("ttft").path("requests").asInt()).isEqualTo(30);
    assertThat(a.path("fit").path("ttft").path("error_share").isNumber()).isTrue();
    assertThat(a.path("fit").path("instances")).hasSize(2);
    JsonNode now = at(a, 300);
    assertThat(now.path("in_force").asBoolean()).isTrue();
    assertThat(now.path("static").path("requests").asInt()).isEqualTo(6);
    JsonNode other = at(a, 100_000);
    assertThat(other.path("asked").asBoolean()).isTrue();
    assertThat(other.path("static").path("requests").asInt()).isZero();
    assertThat(other.path("static").path("ttft_p95").isNull()).isTrue();
    assertThat(other.path("paged").path("share").asDouble()).isEqualTo(1);
    assertThat(at(a, 0).path("static").path("share").asDouble()).isEqualTo(1);
    assertThat(rig.chat().field("x-infini-threshold")).as("nothing was changed").isEqualTo("300");
  }

  @Test
  void whatCannotBeSaidIsSaidSoAndWhatIsWrongIsRefused() throws Exception {
    rig.start("threshold=300");
    assertThat(rig.get("/whatif").path("message").asText())
        .isEqualTo("no request has been answered yet");
    send(3);
    assertThat(rig.get("/whatif").path("message").asText())
        .isEqualTo("3 answered requests with token counts (expected: 20 or more)");
    assertThat(rig.text("/whatif?threshold=-1"))
        .contains("threshold: -1 (expected: a whole number of at most 18 digits)");
    assertThat(rig.text("/whatif?model=no")).contains("model 'no' (expected: one of m)");
  }

  @Test
  void itIsOfThoseWhoMaySeeDecisions() throws Exception {
    rig.start("threshold=300");
    Said no = rig.send("GET /whatif HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n");
    assertThat(no.status()).isEqualTo(403);
  }
}
