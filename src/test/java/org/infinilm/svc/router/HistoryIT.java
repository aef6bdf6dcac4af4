package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A router's history over HTTP: what was sent is in it, over a restart too, and nothing that is
/// wrong with its file is felt by requests.
class HistoryIT {
  private static final String SECRET = "words that nobody but the instance reads";
  private static final String ANSWER =
      "{\"choices\":[],\"usage\":{\"prompt_tokens\":70,\"completion_tokens\":9,"
          + "\"prompt_tokens_details\":{\"cached_tokens\":30}}}";

  @TempDir Path folder;
  private Rig rig;

  @BeforeEach
  void open() throws Exception {
    rig = new Rig();
  }

  @AfterEach
  void close() throws Exception {
    rig.close();
  }

  private void startPools(String... settings) throws Exception {
    for (String cache : List.of("paged", "static")) {
      ScriptedInstance i =
          new ScriptedInstance(
              cache + "-a",
              ScriptedInstance.answering((r, n) ->
                  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
                      + ANSWER.length()
                      + "\r\n\r\n"
                      + ANSWER));
      rig.listed(i, Map.of("cache_type", cache));
    }
    rig.start(settings);
  }

  private String history() {
    return "history=" + folder.resolve("h.db");
  }

  private void send(String id, int letters) throws Exception {
    String body =
        Rig.BODY.replace("[]", "[{\"content\":\"" + SECRET + "x".repeat(letters) + "\"}]");
    rig.send(Rig.post(Rig.CHAT, "X-Request-Id: " + id + "\r\n", body));
  }

  private JsonNode usage(String query, int requests) {
    JsonNode[] found = new JsonNode[1];
    await()
        .atMost(Rig.SOON)
        .until(() -> {
          found[0] = rig.get("/usage" + query).path("usage");
          int n = 0;
          for (JsonNode r : found[0]) {
            n += r.path("requests").asInt();
          }
          return n == requests;
        });
    return found[0];
  }

  @Test
  void whatWasSentIsInTheUsageAndInTheMinutes() throws Exception {
    startPools(history(), "threshold=300");
    for (int n = 0; n < 8; n++) {
      send("small-" + n, 1);
    }
    send("large", 1000);
    JsonNode one = usage("?by=model", 9).path(0);
    assertThat(one.path("model").asText()).isEqualTo("m");
    assertThat(one.path("prompt_tokens").asInt()).isEqualTo(630);
    assertThat(one.path("cached_tokens").asInt()).isEqualTo(270);
    assertThat(one.path("completion_tokens").asInt()).isEqualTo(81);
    assertThat(one.path("errors").asInt()).isZero();
    JsonNode course = rig.get("/history?minutes=15");
    assertThat(course.path("on").asBoolean()).isTrue();
    assertThat(course.path("t")).hasSize(15);
    assertThat(course.path("step_seconds").asInt()).isEqualTo(60);
    JsonNode paged = course.path("pools").path("paged");
    assertThat(paged.path("requests_per_second").path(0).isNull()).as("not known").isTrue();
    assertThat(sum(paged.path("requests_per_second"))).isPositive();
    assertThat(sum(paged.path("ttft_p95_seconds"))).isPositive();
    assertThat(sum(course.path("pools").path("static").path("prompt_tokens_per_second")))
        .isPositive();
    assertThat(sum(course.path("reasons").path("size"))).isEqualTo(9);
    assertThat(rig.get("/history?minutes=43200").path("t")).hasSizeLessThanOrEqualTo(1440);
    assertThat(rig.text("/metrics"))
        .contains("infini_router_history_requests_total{result=\"counted\"} 9.0")
        .contains("infini_router_history_decisions_total{result=\"kept\"} 9.0")
        .contains("infini_router_history_up 1.0");
  }

  private static double sum(JsonNode list) {
    double sum = 0;
    for (JsonNode n : list) {
      sum += n.asDouble();
    }
    return sum;
  }

  @Test
  void aDecisionThatTheRingHasForgottenIsToldFromHistoryAlsoAfterARestart() throws Exception {
    startPools(history(), "decisions=16");
    send("first", 1);
    JsonNode then = rig.get("/decisions?request_id=first").path("decisions").path(0);
    for (int n = 0; n < 20; n++) {
      send("more-" + n, 1);
    }
    usage("", 21);
    JsonNode past = rig.get("/decisions?request_id=first");
    assertThat(past.path("from_history").asBoolean()).isTrue();
    assertThat(past.path("decisions").path(0)).isEqualTo(then);
    rig.router().close();
    Router again = rig.start(Ticker.SYSTEM, List.of(), history());
    assertThat(
            rig.client
                .get(
                    java.net.URI.create(
                        "http://127.0.0.1:" + again.port() + "/decisions?request_id=first"),
                    Rig.SOON)
                .body())
        .asString()
        .contains("\"candidates\"")
        .contains("\"request_id\":\"first\"");
  }

  @Test
  void usageIsByTheNameOfTheClientsKey() throws Exception {
    rig.file = folder.resolve("router.toml");
    Files.writeString(
        rig.file,
        "[[keys]]\nname = \"alice\"\nhash = \"" + ClientKey.hashLine("ik-alice") + "\"\n");
    startPools(history());
    for (int n = 0; n < 3; n++) {
      rig.send(Rig.post(Rig.CHAT, "Authorization: Bearer ik-alice\r\n", Rig.BODY));
    }
    rig.send(Rig.post(Rig.CHAT, "", Rig.BODY));
    int named = 0;
    for (JsonNode r : usage("?by=key", 4)) {
      named += r.path("key").asText().equals("alice") ? r.path("requests").asInt() : 0;
    }
    assertThat(named).isEqualTo(3);
  }

  @Test
  void noWordOfARequestIsInTheFile() throws Exception {
    startPools(history());
    send("mine", 1);
    usage("", 1);
    rig.router().close();
    try (var files = Files.list(folder)) {
      for (Path f : files.toList()) {
        assertThat(new String(Files.readAllBytes(f), java.nio.charset.StandardCharsets.ISO_8859_1))
            .doesNotContain(SECRET);
      }
    }
  }

  @Test
  void withoutHistoryTheRoutesSayHowToTurnItOn() throws Exception {
    startPools();
    assertThat(rig.get("/history").path("on").asBoolean(true)).isFalse();
    assertThat(rig.get("/history").path("message").asText()).contains("--history FILE");
    JsonNode error = rig.get("/usage").path("error");
    assertThat(error.path("code").asText()).isEqualTo("history_off");
    assertThat(error.path("message").asText()).contains("--history FILE");
  }

  @Test
  void wrongQuestionsAreNamed() throws Exception {
    startPools(history());
    assertThat(rig.get("/usage?by=colour").path("error").path("message").asText())
        .isEqualTo("by: colour (expected: key, model, day, or several with commas)");
    assertThat(rig.get("/usage?since=yesterday").path("error").path("message").asText())
        .startsWith("since: yesterday (expected: a day as ");
    for (String n : List.of("0", "-1", "43201", "x", "99999999999")) {
      assertThat(rig.get("/history?minutes=" + n).path("error").path("message").asText())
          .isEqualTo("minutes: " + n + " (expected: a whole number 1..43200)");
    }
  }

  @Test
  void aFileThatCannotBeWrittenIsSaidAndRequestsGoOn() throws Exception {
    Path inTheWay = Files.writeString(folder.resolve("file"), "x");
    startPools("history=" + inTheWay.resolve("h.db"));
    send("a", 1);
    assertThat(rig.decision("a").path("outcome").asText()).isEqualTo("ok");
    await()
        .atMost(Rig.SOON)
        .untilAsserted(() ->
            assertThat(rig.get("/usage").path("error").path("message").asText())
                .contains(inTheWay.toString()));
    assertThat(rig.text("/metrics")).contains("infini_router_history_up 0.0");
  }

  @Test
  void aSecondRouterOnTheSameFileSaysSoAndServes() throws Exception {
    startPools(history());
    send("a", 1);
    usage("", 1);
    Router second = rig.start(Ticker.SYSTEM, List.of(), history());
    await()
        .atMost(Rig.SOON)
        .untilAsserted(() ->
            assertThat(
                    rig.client
                        .get(
                            java.net.URI.create("http://127.0.0.1:" + second.port() + "/history"),
                            Rig.SOON)
                        .body())
                .asString()
                .contains("another router writes it (expected: a file for each router)"));
  }
}
