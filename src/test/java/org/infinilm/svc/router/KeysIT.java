package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedInputStream;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Clients' keys, over the wire.
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
class KeysIT {
  private static final String USED =
      "{\"usage\":{\"prompt_tokens\":40,\"completion_tokens\":60,\"total_tokens\":100}}";
  private static final String MESSAGES = "/v1/messages";

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

  /// Each key is NAME with its limits: `ik-NAME` opens.
  private void keys(String... keys) throws Exception {
    StringBuilder b = new StringBuilder();
    for (String k : keys) {
      int at = k.indexOf(' ');
      String name = at < 0 ? k : k.substring(0, at);
      b.append("[[keys]]\nname = \"")
          .append(name)
          .append("\"\nhash = \"")
          .append(ClientKey.hashLine("ik-" + name))
          .append("\"\n")
          .append(at < 0 ? "" : k.substring(at + 1).replace("; ", "\n"))
          .append('\n');
    }
    rig.file = dir.resolve("router.toml");
    Files.write(rig.file, b.toString().getBytes(UTF_8));
  }

  private static String bearer(String name) {
    return "Authorization: Bearer ik-" + name + "\r\n";
  }

  private Said ask(String path, String fields, String body) throws Exception {
    return rig.send(Rig.post(path, fields, body));
  }

  private Said chat(String fields) throws Exception {
    return ask(Rig.CHAT, fields, Rig.BODY);
  }

  private static JsonNode error(Said said) throws Exception {
    return Json.tree(said.body().getBytes(UTF_8)).path("error");
  }

  /// When the files of now were put into force.
  private String loaded() throws Exception {
    return Json.tree(rig.text("/readyz").getBytes(UTF_8)).path("settings").path("loaded").asText();
  }

  private String metric(String line) throws Exception {
    return rig.text("/metrics").lines().filter(l -> l.startsWith(line)).findFirst().orElse("");
  }

  @Test
  void whoHasNoKeyIsToldInTheFormOfTheRoute() throws Exception {
    rig.good("a");
    keys("one");
    rig.start();
    Said no = chat("");
    assertThat(no.status()).isEqualTo(401);
    assertThat(no.field("www-authenticate")).isEqualTo("Bearer");
    assertThat(no.field("x-should-retry")).isEqualTo("false");
    assertThat(no.field("x-request-id")).isNotEmpty();
    assertThat(error(no).path("code").asText()).isEqualTo("missing_api_key");
    Said wrong = chat("Authorization: Bearer ik-very-secret\r\n");
    assertThat(error(wrong).path("code").asText()).isEqualTo("invalid_api_key");
    Said anthropic = ask(MESSAGES, "x-api-key: ik-very-secret\r\n", Rig.BODY);
    assertThat(anthropic.status()).isEqualTo(401);
    JsonNode told = Json.tree(anthropic.body().getBytes(UTF_8));
    assertThat(told.path("type").asText()).isEqualTo("error");
    assertThat(told.path("error").path("type").asText()).isEqualTo("authentication_error");
    assertThat(rig.send("GET /v1/files HTTP/1.1\r\nHost: x\r\n\r\n").status()).isEqualTo(401);
    assertThat(rig.instances.getFirst().seen).isEmpty();
    String all = rig.text("/decisions") + rig.text("/metrics") + no.body() + wrong.body();
    assertThat(all + anthropic.body()).doesNotContain("very-secret");
    assertThat(metric("infini_router_key_refusals_total{key=\"\",why=\"missing\"}"))
        .endsWith(" 2.0");
    assertThat(metric("infini_router_key_refusals_total{key=\"\",why=\"unknown\"}"))
        .endsWith(" 2.0");
  }

  @Test
  void anExpiredKeyIsNamed() throws Exception {
    rig.good("a");
    keys("old expires = 2020-01-01");
    rig.start();
    Said no = chat(bearer("old"));
    assertThat(no.status()).isEqualTo(401);
    assertThat(error(no).path("message").asText())
        .isEqualTo("the key old expired at 2020-01-01T00:00:00Z");
    assertThat(rig.decision().path("key").asText()).isEqualTo("old");
  }

  @Test
  void aKeyIsConsumedAndNeverForwarded() throws Exception {
    rig.good("a");
    keys("one");
    rig.start();
    String both = "Api-Key: ik-one\r\nX-Other: stays\r\n";
    assertThat(chat(bearer("one") + "x-api-key: ik-one\r\n" + both).status()).isEqualTo(200);
    assertThat(rig.decision().path("key").asText()).isEqualTo("one");
    assertThat(ask(MESSAGES, "X-Api-Key: ik-one\r\n", Rig.BODY).status()).isEqualTo(200);
    assertThat(rig.instances.getFirst().seen).hasSize(2);
    for (String seen : rig.instances.getFirst().seen) {
      assertThat(seen.toLowerCase(java.util.Locale.ROOT)).doesNotContain("ik-one", "api-key");
    }
    assertThat(rig.instances.getFirst().seen.getFirst()).contains("stays");
    assertThat(rig.text("/decisions") + rig.text("/metrics")).doesNotContain("ik-one");
    assertThat(metric("infini_router_key_requests_total{key=\"one\",outcome=\"ok\"}"))
        .endsWith(" 2.0");
  }

  @Test
  void aKeyIsConsumedOnTheSecondAttemptTooAndAnInstanceGetsItsOwn() throws Exception {
    try (ScriptedInstance dead = new ScriptedInstance("dead", ScriptedInstance.CLOSES);
        ScriptedInstance own =
            new ScriptedInstance("own", ScriptedInstance.answering((r, n) -> Rig.OK))) {
      keys("one");
      rig.startFixed(List.of(known(dead, null), known(own, "Bearer of-the-instance")));
      Said said = rig.untilRepeated(Rig.post(Rig.CHAT, bearer("one"), Rig.BODY));
      assertThat(said.status()).isEqualTo(200);
      assertThat(dead.seen).isNotEmpty().noneMatch(s -> s.contains("ik-one"));
      assertThat(own.seen)
          .isNotEmpty()
          .noneMatch(s -> s.contains("ik-one"))
          .allMatch(s -> s.toLowerCase(java.util.Locale.ROOT).contains("bearer of-the-instance"));
    }
  }

  private static Known known(ScriptedInstance i, String authorization) {
    return new Known(
        i.name,
        "127.0.0.1",
        i.port(),
        "http://127.0.0.1:" + i.port(),
        List.of("m"),
        null,
        new HashMap<>(),
        1,
        true,
        true,
        true,
        "http://127.0.0.1:" + (i.port() + 1) + "/health",
        authorization);
  }

  @Test
  void withoutKeysAClientsCredentialsPassAsBefore() throws Exception {
    rig.good("a");
    rig.start();
    Said said = chat(bearer("one") + "x-api-key: k\r\n");
    assertThat(said.status()).isEqualTo(200);
    assertThat(said.head()).doesNotContain("ratelimit");
    assertThat(rig.instances.getFirst().seen.getFirst()).contains("Bearer ik-one", "x-api-key: k");
    assertThat(rig.decision().has("key")).isFalse();
    assertThat(rig.text("/metrics")).doesNotContain("infini_router_key_");
  }

  @Test
  void aKeyOpensItsModelsAloneAndTellsNothingOfOthers() throws Exception {
    rig.listed(
        new ScriptedInstance("a", ScriptedInstance.answering((r, n) -> Rig.OK)),
        Map.of("models", List.of("m", "secret-model")));
    keys("one models = [\"m\", \"alias\"]", "all");
    rig.start("aliases=alias=secret-model", "admin_token=admin");
    assertThat(chat(bearer("one")).status()).isEqualTo(200);
    assertThat(ask(Rig.CHAT, bearer("one"), "{\"model\":\"alias\"}").status()).isEqualTo(200);
    Said no = ask(Rig.CHAT, bearer("one"), "{\"model\":\"secret-model\"}");
    Said none = ask(Rig.CHAT, bearer("one"), "{\"model\":\"secret-modem\"}");
    assertThat(no.status()).isEqualTo(403);
    assertThat(error(no).path("code").asText()).isEqualTo("model_not_allowed");
    assertThat(no.body().replace("secret-model", "X"))
        .isEqualTo(none.body().replace("secret-modem", "X"));
    Said messages = ask(MESSAGES, bearer("one"), "{\"model\":\"secret-model\"}");
    assertThat(error(messages).path("type").asText()).isEqualTo("permission_error");
    Said unnamed = rig.send("GET /v1/files HTTP/1.1\r\nHost: x\r\n" + bearer("one") + "\r\n");
    assertThat(unnamed.status()).isEqualTo(403);
    assertThat(ask(Rig.CHAT, bearer("one"), "{\"messages\":[]}").status()).isEqualTo(200);
    assertThat(rig.instances.getFirst().seen).hasSize(3);

    assertThat(models("")).isEqualTo("401");
    assertThat(models(bearer("one"))).isEqualTo("alias m");
    assertThat(models(bearer("all"))).isEqualTo("alias m secret-model");
    assertThat(models("Authorization: Bearer admin\r\n")).isEqualTo("alias m secret-model");
    String one = "GET /v1/models/secret-model HTTP/1.1\r\nHost: x\r\n";
    Said hidden = rig.send(one + bearer("one") + "\r\n");
    assertThat(hidden.status()).isEqualTo(404);
    assertThat(error(hidden).path("message").asText()).endsWith("(expected: one of alias, m)");
    assertThat(rig.send(one + bearer("all") + "\r\n").status()).isEqualTo(200);
  }

  /// Requests, the list and the single model must say the same of a key and an alias.
  @Test
  void aKeyOpensAnAliasOfItsModelsAndOneOfAnAliasOpensThatAlone() throws Exception {
    rig.listed(
        new ScriptedInstance("a", ScriptedInstance.answering((r, n) -> Rig.OK)),
        Map.of("models", List.of("m", "other")));
    keys("model models = [\"m\"]", "alias models = [\"fast\"]");
    rig.start("aliases=fast=m");
    String fast = "{\"model\":\"fast\"}";
    assertThat(ask(Rig.CHAT, bearer("model"), fast).status()).isEqualTo(200);
    assertThat(models(bearer("model"))).isEqualTo("fast m");
    assertThat(model("fast", "model").status()).isEqualTo(200);

    assertThat(ask(Rig.CHAT, bearer("alias"), fast).status()).isEqualTo(200);
    assertThat(ask(Rig.CHAT, bearer("alias"), "{\"model\":\"m\"}").status()).isEqualTo(403);
    assertThat(ask(Rig.CHAT, bearer("alias"), "{\"messages\":[]}").status())
        .as("the one that it opens")
        .isEqualTo(200);
    assertThat(models(bearer("alias"))).isEqualTo("fast");
    assertThat(model("fast", "alias").status()).isEqualTo(200);
    for (String hidden : List.of("m", "other", "nope")) {
      Said no = model(hidden, "alias");
      assertThat(no.status()).isEqualTo(404);
      assertThat(error(no).path("message").asText())
          .isEqualTo("model '" + hidden + "' (expected: one of fast)");
    }
  }

  private Said model(String id, String key) throws Exception {
    return rig.send("GET /v1/models/" + id + " HTTP/1.1\r\nHost: x\r\n" + bearer(key) + "\r\n");
  }

  private String models(String fields) throws Exception {
    Said said = rig.send("GET /v1/models HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n");
    List<String> ids = new ArrayList<>();
    Json.tree(said.body().getBytes(UTF_8))
        .path("data")
        .forEach(m -> ids.add(m.path("id").asText()));
    return said.status() == 200 ? String.join(" ", ids) : "" + said.status();
  }

  @Test
  void operationalRoutesAreOpenAsBeforeAndAClientsKeyOpensNoneOfThem() throws Exception {
    rig.good("a");
    keys("one");
    rig.start("admin_token=admin");
    for (String path : List.of("/health", "/livez", "/readyz", "/services", "/metrics", "/ui")) {
      assertThat(rig.send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n").status())
          .as(path)
          .isEqualTo(200);
    }
    String far = "X-Forwarded-For: 192.0.2.1\r\n";
    String decisions = "GET /decisions HTTP/1.1\r\nHost: x\r\n" + far;
    assertThat(rig.send(decisions + bearer("one") + "\r\n").status()).isEqualTo(401);
    assertThat(rig.send(decisions + "Authorization: Bearer admin\r\n\r\n").status()).isEqualTo(200);
    String drain = "/admin/instances/a/drain";
    String json = "Content-Type: application/json\r\n";
    assertThat(rig.send(Rig.post(drain, bearer("one") + json, "")).status()).isEqualTo(401);
    assertThat(chat("Authorization: Bearer admin\r\n").status()).as("no client").isEqualTo(401);
  }

  @Test
  void requestsOverTheLimitAreToldWhenTheyMayComeAgain() throws Exception {
    rig.good("a");
    keys("one requests_per_minute = 2", "free");
    rig.start();
    Said first = chat(bearer("one"));
    assertThat(first.status()).isEqualTo(200);
    assertThat(first.field("x-ratelimit-limit-requests")).isEqualTo("2");
    assertThat(first.field("x-ratelimit-remaining-requests")).isEqualTo("1");
    assertThat(first.field("x-ratelimit-reset-requests")).endsWith("s");
    assertThat(first.field("anthropic-ratelimit-requests-limit")).isEmpty();
    Said second = ask(MESSAGES, bearer("one"), Rig.BODY);
    assertThat(second.field("anthropic-ratelimit-requests-limit")).isEqualTo("2");
    Said no = chat(bearer("one"));
    assertThat(no.status()).isEqualTo(429);
    assertThat(error(no).path("code").asText()).isEqualTo("rate_limit_exceeded");
    assertThat(error(no).path("message").asText())
        .isEqualTo("the key one has used its 2 requests a minute");
    assertThat(Integer.parseInt(no.field("retry-after"))).isBetween(1, 30);
    assertThat(no.field("x-ratelimit-remaining-requests")).isEqualTo("0");
    JsonNode decision = rig.decision();
    assertThat(decision.path("model").asText()).isEqualTo("m");
    assertThat(decision.path("key").asText()).isEqualTo("one");
    Said messages = ask(MESSAGES, bearer("one"), Rig.BODY);
    assertThat(error(messages).path("type").asText()).isEqualTo("rate_limit_error");
    assertThat(chat(bearer("free")).status()).isEqualTo(200);
    assertThat(rig.instances.getFirst().seen).hasSize(3);
    assertThat(metric("infini_router_key_refusals_total{key=\"one\",why=\"requests\"}"))
        .endsWith(" 2.0");
  }

  @Test
  void tokensAreChargedAsTheAnswerTellsThem() throws Exception {
    rig.answering("a", (r, n) -> Rig.answer(200, "Content-Type: application/json\r\n", USED));
    keys("one tokens_per_minute = 150");
    rig.start();
    // what answers usually come to is learned beside the requests, and taken for the next up to
    // this
    String body = Rig.BODY.replace("[]", "[],\"max_tokens\":1");
    assertThat(ask(Rig.CHAT, bearer("one"), body).status()).isEqualTo(200);
    rig.decision();
    assertThat(ask(Rig.CHAT, bearer("one"), body).status()).as("50 are left").isEqualTo(200);
    rig.decision();
    Said no = ask(Rig.CHAT, bearer("one"), body);
    assertThat(no.status()).isEqualTo(429);
    assertThat(error(no).path("message").asText())
        .isEqualTo("the key one has used its 150 tokens a minute");
    assertThat(no.field("x-ratelimit-remaining-tokens")).isEqualTo("0");
    assertThat(Integer.parseInt(no.field("retry-after"))).isBetween(19, 21);
    assertThat(metric("infini_router_key_tokens_total{key=\"one\",kind=\"prompt\"}"))
        .endsWith(" 80.0");
    assertThat(metric("infini_router_key_tokens_total{key=\"one\",kind=\"completion\"}"))
        .endsWith(" 120.0");
  }

  @Test
  void anAnswerThatFailsCostsNoTokens() throws Exception {
    rig.answering("a", (r, n) -> Rig.answer(500, "", "broken"));
    keys("one tokens_per_minute = 100000");
    rig.start();
    String body = "{\"model\":\"m\",\"max_tokens\":90000,\"messages\":[]}";
    for (int k = 0; k < 3; k++) {
      Said said = ask(Rig.CHAT, bearer("one"), body);
      assertThat(said.status()).isEqualTo(500);
      assertThat(Integer.parseInt(said.field("x-ratelimit-remaining-tokens")))
          .as("taken while it ran")
          .isLessThan(11000);
    }
  }

  @Test
  void aStreamThatTellsNoUsageCostsItsEvents() throws Exception {
    String events = "data: {\"x\":1}\n\n".repeat(99) + "data: [DONE]\n\n";
    rig.answering("a", (r, n) -> Rig.answer(200, "Content-Type: text/event-stream\r\n", events));
    keys("one tokens_per_minute = 1000");
    rig.start();
    assertThat(ask(Rig.CHAT, bearer("one"), Rig.STREAM).status()).isEqualTo(200);
    Said second = ask(Rig.CHAT, bearer("one"), Rig.STREAM);
    assertThat(Integer.parseInt(second.field("x-ratelimit-remaining-tokens"))).isBetween(850, 905);
  }

  @Test
  void aStreamThatItsInstanceBreaksOffCostsNothing() throws Exception {
    String event = "data: {\"usage\":{\"prompt_tokens\":9000,\"completion_tokens\":9}}\n\n";
    ScriptedInstance breaks =
        new ScriptedInstance(
            "a",
            (self, t) -> {
              self.take(t);
              t.say(
                  "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 999999\r\n\r\n"
                      + event.repeat(50));
              t.close();
            });
    rig.listed(breaks, Map.of("models", List.of("m")));
    keys("one tokens_per_minute = 100000");
    rig.start();
    rig.send(Rig.post(Rig.CHAT, bearer("one"), Rig.STREAM));
    rig.outcome("upstream_gone");
    Said second = ask(Rig.CHAT, bearer("one"), Rig.STREAM);
    assertThat(Integer.parseInt(second.field("x-ratelimit-remaining-tokens"))).isGreaterThan(99000);
  }

  /// G5: those that came without a limit were counted out of those that came under one.
  @Test
  void aLimitThatIsPutOnWhileRequestsRunCountsThem() throws Exception {
    CountDownLatch go = new CountDownLatch(1);
    rig.holding("a", go);
    keys("one");
    rig.start();
    byte[] request = Rig.post(Rig.CHAT, bearer("one"), Rig.BODY).getBytes(UTF_8);
    try (Socket first = rig.connect();
        Socket second = rig.connect()) {
      first.getOutputStream().write(request);
      second.getOutputStream().write(request);
      await().atMost(Rig.SOON).until(() -> rig.instances.getFirst().seen.size() == 2);
      for (String now : List.of("one max_in_flight = 2", "other", "one max_in_flight = 1")) {
        String before = loaded();
        keys(now);
        rig.router().reload();
        // not asked before: it would wait with the others
        await().atMost(Rig.SOON).until(() -> !loaded().equals(before));
        assertThat(chat(bearer("one")).status()).isEqualTo(now.equals("other") ? 401 : 429);
      }
      assertThat(metric("infini_router_key_inflight{key=\"one\"}")).endsWith(" 2.0");
      go.countDown();
      assertThat(Said.read(new BufferedInputStream(first.getInputStream())).status())
          .isEqualTo(200);
      assertThat(Said.read(new BufferedInputStream(second.getInputStream())).status())
          .isEqualTo(200);
    }
    await()
        .atMost(Rig.SOON)
        .until(() -> metric("infini_router_key_inflight{key=\"one\"}").endsWith(" 0.0"));
    assertThat(chat(bearer("one")).status()).isEqualTo(200);
  }

  @Test
  void requestsInFlightAreLimitedAndTheirEndsMakeRoom() throws Exception {
    CountDownLatch go = new CountDownLatch(1);
    rig.holding("a", go);
    keys("one max_in_flight = 1");
    rig.start();
    byte[] request = Rig.post(Rig.CHAT, bearer("one"), Rig.BODY).getBytes(UTF_8);
    try (Socket first = rig.connect()) {
      first.getOutputStream().write(request);
      await().atMost(Rig.SOON).until(() -> rig.instances.getFirst().seen.size() == 1);
      Said no = chat(bearer("one"));
      assertThat(no.status()).isEqualTo(429);
      assertThat(no.field("retry-after")).isEqualTo("1");
      assertThat(metric("infini_router_key_inflight{key=\"one\"}")).endsWith(" 1.0");
    }
    rig.outcome("client_gone");
    try (Socket second = rig.connect()) {
      second.getOutputStream().write(request);
      await().atMost(Rig.SOON).until(() -> rig.instances.getFirst().seen.size() == 2);
      go.countDown();
      assertThat(Said.read(new BufferedInputStream(second.getInputStream())).status())
          .isEqualTo(200);
    }
    assertThat(chat(bearer("one")).status()).isEqualTo(200);
  }

  @Test
  void limitsHoldOverEventLoops() throws Exception {
    rig.good("a");
    keys("one requests_per_minute = 7");
    rig.start(Ticker.SYSTEM, List.of(), "threads=4");
    List<Callable<Integer>> work = new ArrayList<>();
    for (int k = 0; k < 32; k++) {
      work.add(() -> chat(bearer("one")).status());
    }
    int ok = 0;
    try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
      for (Future<Integer> f : threads.invokeAll(work)) {
        ok += f.get() == 200 ? 1 : 0;
      }
    }
    // one more may come while a slow machine works through them
    assertThat(ok).isBetween(7, 8);
    assertThat(rig.instances.getFirst().seen).hasSize(ok);
  }

  @Test
  void aLargeBodyOfNobodyIsNotRead() throws Exception {
    rig.good("a");
    keys("one");
    rig.start();
    for (String framing : List.of("Content-Length: 1000000", "Transfer-Encoding: chunked")) {
      Said no =
          rig.send("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n" + framing + "\r\n\r\n");
      assertThat(no.status()).as(framing).isEqualTo(401);
      assertThat(no.field("connection")).isEqualTo("close");
      assertThat(rig.decision().path("status").asInt()).isEqualTo(401);
    }
    String body = "{\"model\":\"m\",\"messages\":[],\"x\":\"" + "a".repeat(100_000) + "\"}";
    assertThat(ask(Rig.CHAT, bearer("one"), body).status()).isEqualTo(200);
  }

  @Test
  void aPageMayReadThatItHasNoKeyAndWhatIsLeft() throws Exception {
    rig.good("a");
    keys("one requests_per_minute = 2");
    rig.start("cors_origins=http://ui:1");
    Said no = chat("Origin: http://ui:1\r\n");
    assertThat(no.status()).isEqualTo(401);
    assertThat(no.field("access-control-allow-origin")).isEqualTo("http://ui:1");
    Said said = chat("Origin: http://ui:1\r\n" + bearer("one"));
    assertThat(said.field("access-control-expose-headers"))
        .contains("x-ratelimit-remaining-requests");
    Said preflight =
        rig.send(
            "OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: x\r\nOrigin: http://ui:1\r\nAccess-Control-Request-Method: POST\r\n\r\n");
    assertThat(preflight.status()).as("a preflight has no key").isEqualTo(204);
  }
}
