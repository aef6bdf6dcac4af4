package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedInputStream;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.infinilm.svc.http.Json;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What the router itself refuses is recorded as whole as what it sends on: model, size, code and
/// message of the error.
class RejectedIT {
  private static final String SECRET = "words-of-a-prompt";

  @TempDir private Path dir;
  private Rig rig;

  @BeforeEach
  void begin() throws Exception {
    rig = new Rig();
  }

  @AfterEach
  void end() throws Exception {
    rig.close();
  }

  private Said ask(String fields, String body) throws Exception {
    return rig.send(Rig.post(Rig.CHAT, fields, body));
  }

  private static String body(String model) {
    return "{\"messages\":[{\"role\":\"user\",\"content\":\""
        + SECRET
        + "\"}],\"model\":\""
        + model
        + "\"}";
  }

  /// The decision says what the client was told, and of what size and for whom it was.
  private JsonNode recorded(Said said, String code, String model, int size) throws Exception {
    JsonNode told = Json.tree(said.body().getBytes(UTF_8)).path("error");
    JsonNode d = rig.decision();
    assertThat(told.path("code").asText()).isEqualTo(code);
    assertThat(d.path("error").path("code").asText()).isEqualTo(code);
    assertThat(d.path("error").path("message")).isEqualTo(told.path("message"));
    assertThat(d.path("status").asInt()).isEqualTo(said.status());
    assertThat(d.path("path").asText()).isEqualTo(Rig.CHAT);
    assertThat(d.path("model").asText()).isEqualTo(model);
    assertThat(d.path("size").asInt()).isEqualTo(size);
    assertThat(d.path("request_bytes").asInt()).isEqualTo(size);
    assertThat(d.toString()).doesNotContain(SECRET);
    return d;
  }

  @Test
  void aRequestThatCannotBeReadSaysWhereItBreaks() throws Exception {
    rig.good("a");
    rig.start();
    String broken = "{\"messages\": \"" + SECRET + "\"; }";
    JsonNode d = recorded(ask("", broken), "invalid_json", "null", broken.length());
    assertThat(d.path("outcome").asText()).isEqualTo("client_error");
    assertThat(d.path("error").path("message").asText()).contains("at byte");
    recorded(ask("", ""), "invalid_json", "null", 0);
  }

  @Test
  void aModelThatNobodyOffersIsNamedAndIsNoLabel() throws Exception {
    rig.listed(new ScriptedInstance("a", ScriptedInstance.answering((r, n) -> Rig.OK)), Map.of());
    rig.start("unknown_model_status=404", "access_log=true");
    String asked = "gone\\u001b-" + "x".repeat(300);
    JsonNode d = recordedModel(ask("", body(asked)));
    String model = d.path("model").asText();
    assertThat(model).startsWith("gone").hasSizeLessThan(120);
    assertThat(rig.text("/metrics")).doesNotContain("gone");
    JsonNode errors = rig.get("/decisions?limit=1").path("decisions").path(0);
    assertThat(errors.path("reason").isNull()).isTrue();
  }

  private JsonNode recordedModel(Said said) throws Exception {
    JsonNode d = rig.decision();
    assertThat(said.status()).isEqualTo(404);
    assertThat(d.path("error").path("code").asText()).isEqualTo("model_not_found");
    assertThat(d.path("size").asInt()).isEqualTo(d.path("request_bytes").asInt()).isPositive();
    return d;
  }

  @Test
  void aRequestWithoutOneOfSeveralModelsIsToldWhich() throws Exception {
    rig.listed(
        new ScriptedInstance("a", ScriptedInstance.answering((r, n) -> Rig.OK)),
        Map.of("models", List.of("m", "n")));
    rig.start();
    String body = "{\"messages\":[]}";
    recorded(ask("", body), "model_required", "null", body.length());
  }

  @Test
  void aBodyOverTheLimitIsRecordedByItsHead() throws Exception {
    rig.good("a");
    rig.start("max_body_bytes=1000");
    Said said = ask("", body("m").replace(SECRET, SECRET.repeat(100)));
    assertThat(said.status()).isEqualTo(413);
    JsonNode d = rig.decision();
    assertThat(d.path("error").path("code").asText()).isEqualTo("request_too_large");
    assertThat(d.path("error").path("message").asText()).contains("1000");
    assertThat(d.path("path").asText()).isEqualTo(Rig.CHAT);
  }

  @Test
  void whatAKeyDoesNotOpenIsRecordedWithItsName() throws Exception {
    rig.good("a");
    rig.file = dir.resolve("router.toml");
    Files.writeString(
        rig.file,
        "[[keys]]\nname = \"one\"\nhash = \""
            + ClientKey.hashLine("ik-one")
            + "\"\nmodels = [\"m\"]\nrequests_per_minute = 1\n"
            + "[[keys]]\nname = \"two\"\nhash = \""
            + ClientKey.hashLine("ik-two")
            + "\"\nmodels = [\"x\"]\n");
    rig.start();
    String body = body("m");
    recorded(ask("", body), "missing_api_key", "null", 0, body.length());
    String wrong = "Authorization: Bearer ik-very-secret\r\n";
    recorded(ask(wrong, body), "invalid_api_key", "null", 0, body.length());
    JsonNode shut =
        recorded(ask("x-api-key: ik-two\r\n", body), "model_not_allowed", "m", body.length());
    assertThat(shut.path("key").asText()).isEqualTo("two");
    String one = "x-api-key: ik-one\r\n";
    assertThat(ask(one, body).status()).isEqualTo(200);
    JsonNode much = recorded(ask(one, body), "rate_limit_exceeded", "m", body.length());
    assertThat(much.path("key").asText()).isEqualTo("one");
    assertThat(much.path("threshold").asLong()).isPositive();
    assertThat(rig.text("/decisions") + rig.text("/metrics")).doesNotContain("ik-");
  }

  private void recorded(Said said, String code, String model, int size, int bytes)
      throws Exception {
    assertThat(said.status()).isEqualTo(401);
    JsonNode d = rig.decision();
    assertThat(d.path("error").path("code").asText()).isEqualTo(code);
    assertThat(d.path("model").asText()).isEqualTo(model);
    assertThat(d.path("size").asInt()).isEqualTo(size);
    assertThat(d.path("request_bytes").asInt()).isEqualTo(bytes);
  }

  @Test
  void whoWaitedInVainIsRecordedWithHisCandidates() throws Exception {
    CountDownLatch go = new CountDownLatch(1);
    rig.listed(
        new ScriptedInstance(
            "a",
            ScriptedInstance.answering((r, n) -> {
              go.await();
              return Rig.OK;
            })),
        Map.of("max_concurrency", 1));
    rig.start("queue_timeout=0.2");
    String body = body("m");
    try (Socket first = rig.connect()) {
      first.getOutputStream().write(Rig.post(Rig.CHAT, "", body).getBytes(UTF_8));
      await().atMost(Rig.SOON).until(() -> !rig.instances.getFirst().seen.isEmpty());
      JsonNode d = recorded(ask("", body), "overloaded", "m", body.length());
      assertThat(d.path("outcome").asText()).isEqualTo("rejected");
      assertThat(d.path("queue_seconds").asDouble()).isGreaterThanOrEqualTo(0.2);
      assertThat(d.path("candidates").path(0).path("instance").asText()).isEqualTo("a");
      go.countDown();
      assertThat(Said.read(new BufferedInputStream(first.getInputStream())).status())
          .isEqualTo(200);
    }
  }

  @Test
  void anInstanceThatCannotBeReachedIsInTheMessage() throws Exception {
    rig.instance("a", ScriptedInstance.CLOSES);
    rig.start();
    JsonNode d = recorded(ask("", body("m")), "bad_gateway", "m", body("m").length());
    assertThat(d.path("error").path("message").asText()).contains("(instance a)");
    assertThat(d.path("outcome").asText()).isEqualTo("upstream_gone");
  }

  @Test
  void anAnswerOfAnInstanceIsNoErrorOfTheRouters() throws Exception {
    rig.answering("a", (r, n) -> Rig.answer(422, "", "no"));
    rig.start();
    assertThat(ask("", body("m")).status()).isEqualTo(422);
    JsonNode d = rig.decision();
    assertThat(d.path("error").isNull()).isTrue();
  }

  @Test
  void historyKeepsIt() throws Exception {
    rig.good("a");
    rig.start("history=" + dir.resolve("history.db"), "decisions=16", "unknown_model_status=404");
    Said said = ask("x-request-id: typo\r\n", body("other"));
    assertThat(said.status()).isEqualTo(404);
    JsonNode then = rig.decision("typo");
    for (int k = 0; k < 20; k++) {
      ask("", body("m"));
    }
    await()
        .atMost(Rig.SOON)
        .untilAsserted(() -> {
          JsonNode past = rig.get("/decisions?request_id=typo");
          assertThat(past.path("decisions").path(0)).isEqualTo(then);
          assertThat(past.path("from_history").asBoolean()).isTrue();
        });
    JsonNode usage = rig.get("/usage?by=model").path("usage");
    assertThat(usage.toString()).doesNotContain("other");
  }
}
