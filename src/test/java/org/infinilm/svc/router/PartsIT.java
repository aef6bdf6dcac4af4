package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Instances that fail one part of the requests, and clients whose every request fails.
class PartsIT {
  private static final String BROKEN =
      "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nno";

  /// Never repeated, since the instance may have stored it.
  private static final String RESPONSES = "/v1/responses";

  private Rig rig;

  @BeforeEach
  void begin() throws IOException {
    rig = new Rig();
  }

  @AfterEach
  void end() throws IOException {
    rig.quiet();
    rig.close();
  }

  private ScriptedInstance serving(String name, List<String> models, ScriptedInstance.Reply reply)
      throws IOException {
    return rig.listed(
        new ScriptedInstance(name, ScriptedInstance.answering(reply)), Map.of("models", models));
  }

  private static String chat(String model) {
    return Rig.post(Rig.CHAT, "", "{\"model\":\"" + model + "\",\"messages\":[]}");
  }

  private static String keyed(String path, String key, String text) {
    return Rig.post(
        path,
        "",
        "{\"model\":\"m\",\"input\":\"%s\",\"prompt_cache_key\":\"%s\"}".formatted(text, key));
  }

  /// The retry budget ran out, since its answers to the other model showed the instance to be well.
  @Test
  void whoFailsOneModelOfTwoLosesNoneOfItsRequests() throws Exception {
    List<String> models = List.of("m1", "m2");
    ScriptedInstance a = serving("a", models, (r, n) -> r.contains("\"m1\"") ? BROKEN : Rig.OK);
    serving("b", models, (r, n) -> Rig.OK);
    rig.start();
    int failed = 0;
    for (int round = 0; round < 60; round++) {
      failed += rig.send(chat("m1")).ok() ? 0 : 1;
      for (int k = 0; k < 3; k++) {
        assertThat(rig.send(chat("m2")).ok()).isTrue();
      }
    }
    assertThat(failed).as("until it is known").isLessThanOrEqualTo(Troubles.FEW);
    assertThat(rig.health()).as("it serves the other one").isEqualTo("2/2");
    rig.send(chat("m1"));
    rig.outcome("ok");
    JsonNode shown = rig.get("/services").path("services");
    assertThat(shown.findValuesAsText("name")).containsExactly("a", "b");
    assertThat(shown.path(0).path("models_passed_over")).hasToString("[\"m1\"]");
    assertThat(shown.path(1).path("models_passed_over")).isEmpty();
    JsonNode told = rig.decision().path("candidates");
    assertThat(told.findValuesAsText("instance")).containsExactly("a", "b");
    assertThat(told.path(0).path("why").asText()).startsWith("passed over for this model");
    assertThat(a.seen.stream().filter(r -> r.contains("\"m1\"")).count())
        .as("others are asked first")
        .isLessThan(12);
    assertThat(a.seen.stream().filter(r -> r.contains("\"m2\"")).count()).isGreaterThan(30);
  }

  /// All other models of the instance waited beside it.
  @Test
  void whoAsksForAPauseForOneModelServesTheOthers() throws Exception {
    List<String> models = List.of("m1", "m2");
    ScriptedInstance a =
        serving(
            "a",
            models,
            (r, n) ->
                r.contains("\"m1\"") ? Rig.answer(429, "Retry-After: 60\r\n", "full") : Rig.OK);
    serving("b", models, (r, n) -> Rig.OK);
    rig.start();
    for (int k = 0; k < 20; k++) {
      assertThat(rig.send(chat("m1")).ok()).isTrue();
    }
    assertThat(a.seen).as("of its one model").hasSize(1);
    for (int k = 0; k < 20; k++) {
      assertThat(rig.send(chat("m2")).ok()).isTrue();
    }
    assertThat(a.seen).hasSizeGreaterThan(5);
  }

  /// What Codex sends: not repeated, with a key, so that one instance has all of it. It was out
  /// half of the time.
  @Test
  void aSessionWhoseRequestsFailEverywhereTakesNobodyOut() throws Exception {
    ScriptedInstance.Reply reply = (r, n) -> r.contains("poison") ? BROKEN : Rig.OK;
    rig.answering("a", reply);
    rig.answering("b", reply);
    rig.start();
    for (int round = 0; round < 4 * Outliers.LEAST; round++) {
      assertThat(rig.send(keyed(RESPONSES, "s1", "poison")).status()).isEqualTo(500);
      assertThat(rig.chat().ok()).isTrue();
      assertThat(rig.chat().ok()).isTrue();
    }
    await().during(Duration.ofSeconds(1)).atMost(Rig.SOON).until(() -> rig.health().equals("2/2"));
  }

  /// Each of them would meet its broken home for as long as that is in service.
  @Test
  void aSessionLeavesTheHomeThatFailsIt() throws Exception {
    ScriptedInstance a = rig.answering("a", (r, n) -> r.contains(RESPONSES) ? BROKEN : Rig.OK);
    rig.good("b");
    rig.start();
    int moved = 0;
    for (int key = 0; key < 8; key++) {
      int before = a.seen.size();
      int failed = 0;
      for (int k = 0; k < 4 * Troubles.FEW; k++) {
        failed += rig.send(keyed(RESPONSES, "s" + key, "hello")).ok() ? 0 : 1;
      }
      assertThat(failed).as("of session %d", key).isLessThanOrEqualTo(Troubles.FEW);
      moved += a.seen.size() > before ? 1 : 0;
    }
    assertThat(moved).as("keys whose home it was").isPositive();
    for (JsonNode s : rig.get("/services").path("services")) {
      assertThat(s.path("error_count").asInt()).as("no strike").isZero();
    }
  }

  /// Seen in a soak: the only one that was not passed over had just been killed.
  @Test
  void whoIsPassedOverIsAskedWhenTheOthersAreDead() throws Exception {
    rig.answering("a", (r, n) -> r.contains(RESPONSES) ? BROKEN : Rig.OK);
    ScriptedInstance b = rig.good("b");
    rig.start();
    int key = -1;
    for (int failed = 0; failed < Troubles.FEW; ) {
      key++;
      failed = 0;
      // some of a session's requests go past its home
      for (int k = 0; k < 4 * Troubles.FEW && failed < Troubles.FEW; k++) {
        failed += rig.send(keyed(RESPONSES, "s" + key, "hello")).ok() ? 0 : 1;
      }
    }
    String chat =
        Rig.post(
            Rig.CHAT,
            "",
            "{\"model\":\"m\",\"messages\":[],\"prompt_cache_key\":\"s%d\"}".formatted(key));
    assertThat(rig.send(chat).field("x-infini-instance")).isEqualTo("b");
    b.dies();
    Said said = rig.send(chat);
    assertThat(said.field("x-infini-instance")).isEqualTo("a");
    assertThat(said.ok()).isTrue();
  }

  private static final List<String> TWO = List.of("m1", "m2");

  private static boolean isFirst(String request) {
    return request.contains("\"m1\"");
  }

  private static long firsts(ScriptedInstance i) {
    return i.seen.stream().filter(PartsIT::isFirst).count();
  }

  /// Its answers to the other model took the strikes back, and half of the requests waited for the
  /// limit for ever.
  @Test
  void whoHangsWithOneModelOfTwoIsAskedLastForIt() throws Exception {
    CountDownLatch done = new CountDownLatch(1);
    ScriptedInstance a =
        serving(
            "a",
            TWO,
            (r, n) -> {
              if (isFirst(r)) {
                done.await();
              }
              return Rig.OK;
            });
    serving("b", TWO, (r, n) -> Rig.OK);
    rig.start("first_byte_timeout=0.3");
    for (int round = 0; round < 20; round++) {
      assertThat(rig.send(chat("m1")).ok()).isTrue();
      for (int k = 0; k < 3; k++) {
        assertThat(rig.send(chat("m2")).ok()).isTrue();
      }
    }
    done.countDown();
    assertThat(rig.health()).isEqualTo("2/2");
    assertThat(firsts(a)).isLessThanOrEqualTo(Troubles.FEW + 1);
    assertThat(a.seen.size()).isGreaterThan(20);
  }

  private static final String EVENTS =
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

  /// Goes on for longer than a second and breaks.
  private static final ScriptedInstance.Script BREAKS =
      (self, t) -> {
        while (true) {
          if (self.take(t).contains("\"stream\":true")) {
            t.say(EVENTS + "40\r\n");
            t.drip("data: and so on", 100);
            t.reset();
            return;
          }
          t.say(Rig.OK);
        }
      };

  private static final ScriptedInstance.Script STREAMS =
      (self, t) -> {
        while (true) {
          self.take(t);
          t.say(EVENTS + "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n");
        }
      };

  private static String stream(String model, String key) {
    return Rig.post(
        Rig.CHAT,
        "",
        "{\"model\":\"%s\",\"stream\":true,\"messages\":[]%s}"
            .formatted(model, key.isEmpty() ? "" : ",\"prompt_cache_key\":\"" + key + "\""));
  }

  /// The first second of each took the failure of the one before back.
  @Test
  void aSessionLeavesTheHomeThatBreaksItsStreams() throws Exception {
    ScriptedInstance a = rig.instance("a", BREAKS);
    rig.instance("b", STREAMS);
    rig.start();
    int key = 0;
    while (a.seen.isEmpty()) {
      key++;
      rig.send(stream("m", "s" + key));
    }
    for (int k = 0; k < 8 * Troubles.FEW; k++) {
      rig.send(stream("m", "s" + key));
    }
    assertThat(a.seen).hasSizeLessThanOrEqualTo(Troubles.FEW);
    assertThat(rig.health()).isEqualTo("2/2");
  }

  @Test
  void whoBreaksTheStreamsOfOneModelOfTwoIsAskedLastForIt() throws Exception {
    ScriptedInstance a = rig.listed(new ScriptedInstance("a", BREAKS), Map.of("models", TWO));
    rig.listed(new ScriptedInstance("b", STREAMS), Map.of("models", TWO));
    rig.start();
    for (int k = 0; k < 5 * Troubles.FEW; k++) {
      rig.send(stream("m1", ""));
      rig.send(chat("m2"));
    }
    assertThat(firsts(a)).isEqualTo(Troubles.FEW);
  }

  /// It was the least loaded: what was put aside by one went to the next that had asked for a
  /// pause.
  @Test
  void whatIsPutAsideGoesToNobodyWhoAskedForAPauseWithItsModel() throws Exception {
    String busy = Rig.answer(429, "Retry-After: 60\r\n", "full");
    CountDownLatch done = new CountDownLatch(1);
    AtomicBoolean turns = new AtomicBoolean();
    ScriptedInstance a = serving("a", TWO, (r, n) -> isFirst(r) ? busy : Rig.OK);
    ScriptedInstance b = serving("b", TWO, (r, n) -> isFirst(r) && turns.get() ? busy : Rig.OK);
    ScriptedInstance c =
        serving(
            "c",
            TWO,
            (r, n) -> {
              if (!isFirst(r)) {
                done.await();
              }
              return Rig.OK;
            });
    rig.start();
    while (firsts(a) == 0) {
      assertThat(rig.send(chat("m1")).ok()).isTrue();
    }
    try (ExecutorService client = Executors.newVirtualThreadPerTaskExecutor()) {
      while (c.seen.stream().allMatch(PartsIT::isFirst)) {
        Future<Said> other = client.submit(() -> rig.send(chat("m2")));
        await()
            .atMost(Rig.SOON)
            .until(() -> other.isDone() || !c.seen.stream().allMatch(PartsIT::isFirst));
      }
      turns.set(true);
      long before = firsts(b);
      while (firsts(b) == before) {
        assertThat(rig.send(chat("m1")).ok()).isTrue();
      }
      assertThat(firsts(a)).isEqualTo(1);
      done.countDown();
    }
  }

  private static String image() {
    return Rig.post("/v1/images/generations", "", "{\"model\":\"m1\",\"prompt\":\"x\"}");
  }

  /// What its process had failed was held against the next one, for ten minutes.
  @Test
  void aRestartedInstanceGetsAgainWhatMayNotBeRepeated() throws Exception {
    AtomicBoolean broken = new AtomicBoolean(true);
    ScriptedInstance a = serving("a", TWO, (r, n) -> broken.get() ? BROKEN : Rig.OK);
    serving("b", TWO, (r, n) -> Rig.OK);
    rig.start();
    while (a.seen.size() < Troubles.FEW) {
      rig.send(image());
    }
    for (int k = 0; k < 5; k++) {
      assertThat(rig.send(image()).ok()).isTrue();
    }
    assertThat(a.seen).hasSize(Troubles.FEW);
    broken.set(false);
    a.dies();
    await()
        .atMost(Rig.SOON)
        .until(() -> {
          rig.send(chat("m2"));
          return rig.health().equals("1/2");
        });
    a.returns();
    await().atMost(Rig.SOON).until(() -> rig.health().equals("2/2"));
    await()
        .atMost(Rig.SOON)
        .until(() -> {
          assertThat(rig.send(image()).ok()).isTrue();
          return firsts(a) > Troubles.FEW;
        });
  }

  /// Nobody heard of it: time-outs said nothing.
  @Test
  void whoStallsInTheMiddleOfOneModelsStreamsIsAskedLastForIt() throws Exception {
    ScriptedInstance a =
        rig.listed(
            new ScriptedInstance(
                "a",
                (self, t) -> {
                  while (true) {
                    if (isFirst(self.take(t))) {
                      t.say(EVENTS + "40\r\ndata: and");
                      t.hang();
                      return;
                    }
                    t.say(Rig.OK);
                  }
                }),
            Map.of("models", TWO));
    rig.listed(new ScriptedInstance("b", STREAMS), Map.of("models", TWO));
    rig.start("idle_timeout=0.3");
    for (int k = 0; k < 8 * Troubles.FEW; k++) {
      rig.send(stream("m1", ""));
      rig.send(chat("m2"));
    }
    assertThat(firsts(a)).isEqualTo(Troubles.FEW);
  }

  /// A quota of files took the instance from all chats.
  @Test
  void whoAsksForAPauseOfAnotherRouteServesPrompts() throws Exception {
    ScriptedInstance a =
        rig.answering(
            "a",
            (r, n) ->
                r.startsWith("GET") || r.contains("embeddings")
                    ? Rig.answer(429, "Retry-After: 60\r\n", "quota")
                    : Rig.OK);
    ScriptedInstance b = rig.good("b");
    rig.start();
    int asked = 0;
    while (a.seen.size() < 2) {
      rig.send("GET /v1/files HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      rig.send(Rig.post("/v1/embeddings", "", "{\"model\":\"m\",\"input\":\"x\"}"));
      asked += 2;
    }
    for (int k = 0; k < 10; k++) {
      rig.send("GET /v1/files HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      rig.send(Rig.post("/v1/embeddings", "", "{\"model\":\"m\",\"input\":\"x\"}"));
    }
    assertThat(a.seen).as("of its own routes").hasSize(2);
    assertThat(b.seen).hasSizeGreaterThanOrEqualTo(20 + asked - 2);
    for (int k = 0; k < 20; k++) {
      assertThat(rig.chat().ok()).isTrue();
    }
    assertThat(a.seen).hasSizeGreaterThan(6);
  }

  /// It refuses at once and so is always idle.
  @ParameterizedTest
  @CsvSource({"404, Not Found", "405, Method Not Allowed", "501, Not Implemented"})
  void whatOneInstanceHasNoRouteForIsAnsweredByTheOther(int status, String words) throws Exception {
    String messages = "/v1/messages";
    ScriptedInstance a =
        rig.answering(
            "a",
            (r, n) ->
                r.contains(messages)
                    ? Rig.answer(status, "", "{\"detail\":\"" + words + "\"}")
                    : Rig.OK);
    rig.good("b");
    rig.start();
    for (int k = 0; k < 20; k++) {
      assertThat(rig.send(Rig.post(messages, "", Rig.BODY)).ok()).isTrue();
      assertThat(rig.chat().ok()).isTrue();
    }
    assertThat(rig.health()).isEqualTo("2/2");
    assertThat(a.seen.stream().filter(r -> r.contains(messages)).count())
        .isLessThanOrEqualTo(Troubles.FEW);
    assertThat(a.seen).hasSizeGreaterThan(8);
  }

  /// That an instance is busy or fails is not that it has not the route.
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void theOneThatHasTheRouteIsAskedThoughItPausesOrFails(boolean pauses) throws Exception {
    rig.answering(
        "a",
        (r, n) -> r.contains("embed") ? Rig.answer(404, "", "{\"detail\":\"Not Found\"}") : Rig.OK);
    AtomicInteger left = new AtomicInteger(pauses ? 1 : Troubles.FEW);
    rig.answering(
        "b",
        (r, n) -> {
          boolean no = r.contains("embed") && left.getAndUpdate(k -> Math.max(0, k - 1)) > 0;
          return !no ? Rig.OK : pauses ? Rig.answer(429, "Retry-After: 3\r\n", "busy") : BROKEN;
        });
    rig.start();
    String request = Rig.post("/v1/embeddings", "", "{\"model\":\"m\",\"input\":\"x\"}");
    for (int k = 0; left.get() > 0; k++) {
      assertThat(k).isLessThan(20);
      rig.send(request);
    }
    for (int k = 0; k < 6; k++) {
      Said said = rig.send(request);
      assertThat(said.status()).as(said.body()).isEqualTo(200);
      assertThat(said.field("x-infini-instance")).isEqualTo("b");
    }
  }

  /// As vLLM and SGLang have one of two, and llama.cpp both.
  @Test
  void whatOneLacksByOnePathIsAskedOfItByTheOther() throws Exception {
    rig.answering(
        "a",
        (r, n) -> r.contains("embed") ? Rig.answer(404, "", "{\"detail\":\"Not Found\"}") : Rig.OK);
    rig.answering(
        "b",
        (r, n) ->
            r.startsWith("POST /v1/") ? Rig.OK : Rig.answer(404, "", "{\"detail\":\"Not Found\"}"));
    rig.start();
    for (int k = 0; k < 12; k++) {
      rig.send(Rig.post("/embeddings", "", "{\"model\":\"m\",\"input\":\"x\"}"));
      assertThat(rig.send(Rig.post("/chat/completions", "", Rig.BODY)).ok()).isTrue();
    }
    Set<String> served = new HashSet<>();
    for (int k = 0; k < 12; k++) {
      Said said = rig.send(Rig.post("/v1/embeddings", "", "{\"model\":\"m\",\"input\":\"x\"}"));
      assertThat(said.status()).as(said.body()).isEqualTo(200);
    }
    for (int k = 0; k < 12; k++) {
      served.add(rig.chat().field("x-infini-instance"));
    }
    assertThat(served).containsExactlyInAnyOrder("a", "b");
  }

  /// Each knows the answers that it gave itself. What it has not is not its route.
  @ParameterizedTest
  @CsvSource({
    "/v1/responses, 404",
    "/v1/chat/completions, 501",
    "/v1/chat/completions, 404",
    "/v1/embeddings, 501",
    "/v1/images/generations, 405"
  })
  void whatOneHasNotThatTheClientNamesSaysNothingOfItsRoute(String path, int status)
      throws Exception {
    rig.answering(
        "a", (r, n) -> r.contains("of_a") || r.contains("free") ? Rig.OK : notFound(status));
    rig.answering(
        "b", (r, n) -> r.contains("of_b") || r.contains("free") ? Rig.OK : notFound(status));
    rig.start();
    for (String whose : List.of("of_a", "of_b", "of_a", "bogus", "of_b")) {
      for (int k = 0; k < 10; k++) {
        String body =
            "{\"model\":\"m\",\"input\":\"x\",\"previous_response_id\":\"" + whose + "\"}";
        Said said = rig.send(Rig.post(path, "", body));
        assertThat(said.status()).as(whose + k).isEqualTo(whose.equals("bogus") ? status : 200);
      }
    }
    assertThat(rig.text("/services")).doesNotContain("others are asked first");
    Set<String> served = new HashSet<>();
    for (int k = 0; k < 20; k++) {
      served.add(
          rig.send(Rig.post(path, "", "{\"model\":\"m\",\"input\":\"free\"}"))
              .field("x-infini-instance"));
    }
    assertThat(served).containsExactlyInAnyOrder("a", "b");
  }

  private static String notFound(int status) {
    return Rig.answer(
        status,
        "",
        "{\"error\":{\"message\":\"Response with id 'resp_m' not found.\",\"code\":404}}");
  }

  @Test
  void whatNobodyHasARouteForIsToldInTheirWords() throws Exception {
    ScriptedInstance.Reply none = (r, n) -> Rig.answer(404, "", "{\"detail\":\"Not Found\"}");
    ScriptedInstance a = rig.answering("a", none);
    ScriptedInstance b = rig.answering("b", none);
    rig.start();
    for (int k = 0; k < 20; k++) {
      Said said = rig.send(Rig.post("/v1/rerank", "", Rig.BODY));
      assertThat(said.status()).isEqualTo(404);
      assertThat(said.body()).contains("Not Found");
    }
    assertThat(a.seen.size() + b.seen.size()).as("once it is known").isLessThan(30);
  }

  /// A 400 is final to clients, and the instance only restarts.
  @Test
  void aPromptForAnInstanceThatIsOutIsNotTooLong() throws Exception {
    rig.listed(
        new ScriptedInstance("p", ScriptedInstance.answering((r, n) -> Rig.OK)),
        Map.of("cache_type", "paged", "max_model_len", 1000));
    ScriptedInstance s =
        rig.listed(
            new ScriptedInstance("s", ScriptedInstance.answering((r, n) -> Rig.OK)),
            Map.of("cache_type", "static", "max_model_len", 100_000));
    rig.start();
    String text = "word ".repeat(12_000);
    String large =
        Rig.post(
            Rig.CHAT,
            "",
            "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}"
                .formatted(text));
    assertThat(rig.send(large).field("x-infini-instance")).isEqualTo("s");
    s.dies();
    await()
        .atMost(Rig.SOON)
        .until(() -> {
          assertThat(rig.send(large).status()).isEqualTo(503);
          return rig.health().equals("1/2");
        });
    Said said = rig.send(large);
    assertThat(said.status()).isEqualTo(503);
    assertThat(said.body()).contains("no_healthy_instance", "instance s");
    assertThat(said.field("retry-after")).isNotEmpty();
  }
}
