package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;
import org.infinilm.svc.registry.RegistryServer;
import org.infinilm.svc.simulator.SimulatedInstance;
import org.infinilm.svc.simulator.SimulatedInstance.Options;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The learned policy in the router, before simulated instances of unlike speeds on real sockets.
class AdaptiveRouterIT {
  /// Virtual seconds a real one of the fast instances.
  private static final double FAST = 20;

  /// Clients that speak to an instance past the router: three times its batch.
  private static final int OTHERS = 24;

  /// An answer of an instance that is overloaded on purpose.
  private static final Duration WHOLE = Duration.ofMinutes(2);

  private final List<SimulatedInstance> simulated = new ArrayList<>();
  private Rig rig;

  @BeforeEach
  void open() throws IOException {
    rig = new Rig();
  }

  @AfterEach
  void close() throws IOException {
    rig.close();
    simulated.forEach(SimulatedInstance::close);
  }

  private Known started(Options options) throws Exception {
    SimulatedInstance i = SimulatedInstance.start(options);
    simulated.add(i);
    return StaticServices.instance(
        i.url() + ",name=" + i.name() + ",cache_type=" + options.cacheType().label(), Map.of());
  }

  private void start(String policy, List<Known> instances, String... settings) throws Exception {
    List<String> all = new ArrayList<>(List.of(settings));
    all.add("policy=" + policy);
    all.add("health_interval=0.1");
    rig.start(Ticker.SYSTEM, instances, all.toArray(new String[0]));
    await()
        .atMost(Rig.SOON)
        .until(() -> rig.get("/v1/models").path("data").findValuesAsText("id").contains("m"));
  }

  private static String body(int promptBytes, int tokens, boolean stream, int k) {
    String text = ("request " + k + " of the baker ").repeat(1 + promptBytes / 24);
    return new String(
        Json.bytes(
            Map.of(
                "model",
                "m",
                "max_tokens",
                tokens,
                "stream",
                stream,
                "messages",
                List.of(Map.of("role", "user", "content", text)))),
        UTF_8);
  }

  /// So many requests by eight clients; how many went where.
  private Map<String, Integer> send(int requests, int promptBytes, int tokens, boolean stream)
      throws Exception {
    Map<String, Integer> went = new HashMap<>();
    List<Future<Said>> answers = new ArrayList<>();
    try (ExecutorService clients = Executors.newFixedThreadPool(8)) {
      for (int k = 0; k < requests; k++) {
        String b = body(promptBytes * (1 + k % 3), tokens + k % 40, stream, k);
        answers.add(clients.submit(() -> rig.send(Rig.post(Rig.CHAT, "", b))));
      }
      for (Future<Said> a : answers) {
        Said s = a.get();
        assertThat(s.ok()).isTrue();
        went.merge(s.field("x-infini-instance"), 1, Integer::sum);
      }
    }
    return went;
  }

  /// Sends until this is who decides; a busy machine tells less by as many requests.
  private void sendUntil(String mode, int requests, int promptBytes, int tokens, boolean stream)
      throws Exception {
    send(requests, promptBytes, tokens, stream);
    await()
        .atMost(Rig.SOON)
        .untilAsserted(() -> {
          if (!learned().path("decides").asText().equals(mode)) {
            send(requests / 4, promptBytes, tokens, stream);
          }
          assertThat(learned().path("decides").asText()).isEqualTo(mode);
        });
  }

  private JsonNode learned() throws Exception {
    return rig.get("/decisions?limit=1").path("learned").path(0);
  }

  @Test
  void theSlowInstanceGetsLessOnceItsSpeedIsKnown() throws Exception {
    start(
        "adaptive",
        List.of(
            started(Options.paged("fast-1", "m").speed(FAST)),
            started(Options.paged("slow", "m").speed(FAST / 6)),
            started(Options.paged("fast-2", "m").speed(FAST))),
        "slo_ttft=0.05",
        "slo_tpot=0.002");
    sendUntil("learned", 120, 900, 24, true);
    Map<String, Integer> went = send(120, 900, 24, true);
    assertThat(went.getOrDefault("slow", 0)).as("of 120: " + went).isLessThan(24);
    JsonNode d = rig.decision();
    assertThat(d.path("reason").asText()).isEqualTo("learned");
    assertThat(d.path("learned").path("costs")).hasSize(3);
    assertThat(d.path("candidates").findValuesAsText("why"))
        .contains("chosen")
        .filteredOn(w -> !w.equals("chosen"))
        .hasSize(2)
        .allMatch(w -> w.startsWith("expected to lose ") && w.contains(", the chosen one "));
    assertThat(d.path("learned").path("predicted_first_token_seconds").asDouble()).isPositive();
    assertThat(d.path("learned").path("first_token_seconds").asDouble()).isPositive();
  }

  @Test
  void answersThatComeWholeTeachAsWell() throws Exception {
    start(
        "adaptive",
        List.of(
            started(Options.paged("fast", "m").speed(FAST)),
            started(Options.paged("slow", "m").speed(FAST / 6))),
        "slo_ttft=0.05",
        "slo_tpot=0.002");
    sendUntil("learned", 120, 900, 24, false);
    Map<String, Integer> went = send(120, 900, 24, false);
    assertThat(went.getOrDefault("slow", 0)).as("of 120: " + went).isLessThan(45);
  }

  @Test
  void whatDoesNotFitNeverGoesThere() throws Exception {
    SimulatedInstance small =
        SimulatedInstance.start(Options.ofStatic("small", "m").speed(FAST).maxCacheLen(1024));
    simulated.add(small);
    Known known = StaticServices.instance(small.url() + ",name=small,cache_type=static", Map.of());
    start("adaptive", List.of(known, started(Options.paged("large", "m").speed(FAST / 4))));
    sendUntil("learned", 100, 600, 24, true);
    long before = small.requests();
    Map<String, Integer> went = send(40, 9000, 24, true);
    assertThat(went).containsOnlyKeys("large");
    assertThat(small.requests()).isEqualTo(before);
  }

  @Test
  void theShadowRoutesByTheRuleAndSaysWhatItWouldHaveDone() throws Exception {
    start(
        "shadow:adaptive",
        List.of(
            started(Options.paged("paged", "m").speed(FAST / 10)),
            started(Options.ofStatic("static", "m").speed(FAST))),
        "slo_ttft=0.05",
        "slo_tpot=0.002");
    sendUntil("shadow", 100, 600, 24, true);
    Map<String, Integer> went = send(40, 600, 24, true);
    assertThat(went).as("small ones go to paged").containsOnlyKeys("paged");
    for (JsonNode d : rig.get("/decisions?limit=40").path("decisions")) {
      assertThat(d.path("reason").asText()).isEqualTo("size");
      assertThat(d.path("learned").path("best").asText()).isIn("paged", "static");
      assertThat(d.path("learned").path("costs")).hasSize(2);
    }
  }

  @Test
  void aRestartKeepsWhatWasLearned(@TempDir Path folder) throws Exception {
    Path file = folder.resolve("learned.json");
    List<Known> two =
        List.of(
            started(Options.paged("fast", "m").speed(FAST)),
            started(Options.paged("slow", "m").speed(FAST / 6)));
    start("adaptive", two, "learned_state=" + file);
    sendUntil("learned", 100, 900, 24, true);
    rig.close();
    assertThat(file).exists();
    rig = new Rig();
    start("adaptive", two, "learned_state=" + file);
    send(1, 900, 24, true);
    assertThat(learned().path("decides").asText()).isEqualTo("learned");
    assertThat(rig.decision().path("reason").asText()).isEqualTo("learned");
  }

  /// A router that is new beside another decides by what that one has learned.
  @Test
  void whatASiblingLearnedIsTakenOver() throws Exception {
    List<Known> two =
        List.of(
            started(Options.paged("fast", "m").speed(FAST)),
            started(Options.paged("slow", "m").speed(FAST / 6)));
    Rig fresh = new Rig();
    try (RegistryServer registry =
        RegistryServer.start(
            RegistryServer.Options.at(0), Ticker.SYSTEM, new SplittableRandom(1))) {
      String url = "registry_url=http://127.0.0.1:" + registry.port();
      start("adaptive", two, url);
      sendUntil("learned", 100, 900, 24, true);
      fresh.start(Ticker.SYSTEM, two, url, "policy=adaptive", "health_interval=0.1");
      await()
          .atMost(Rig.SOON)
          .untilAsserted(() ->
              assertThat(fresh.get("/decisions?limit=1").at("/learned/0/decides").asText())
                  .isEqualTo("learned"));
      assertThat(fresh.get("/decisions?limit=1").path("decisions")).isEmpty();
    } finally {
      fresh.close();
    }
  }

  @Test
  void anInstanceThatCutsEveryAnswerAtOnceIsSoonLeftAlone() throws Exception {
    Map<String, Object> cut =
        Map.of(
            "choices",
            List.of(
                Map.of(
                    "index",
                    0,
                    "message",
                    Map.of("role", "assistant", "content", ""),
                    "finish_reason",
                    "length")),
            "usage",
            Map.of("prompt_tokens", 300, "completion_tokens", 1, "total_tokens", 301));
    try (Server cutting =
        Server.start(
            Server.Options.at("127.0.0.1", 0),
            r ->
                r.method().equals("GET")
                    ? Response.json(
                        200, Map.of("object", "list", "data", List.of(Map.of("id", "m"))))
                    : Response.json(200, cut))) {
      Known c =
          StaticServices.instance(
              "http://127.0.0.1:" + cutting.port() + ",name=cuts,cache_type=static", Map.of());
      start("adaptive", List.of(started(Options.paged("whole", "m").speed(FAST)), c));
      assertThat(send(1, 60_000, 24, false)).as("as the rule says").containsOnlyKeys("cuts");
      await()
          .atMost(Rig.SOON)
          .until(() -> learned().path("cut_from_tokens").path("cuts").asLong() > 0);
      sendUntil("learned", 80, 900, 24, false);
      assertThat(send(1, 60_000, 24, false)).containsOnlyKeys("whole");
      assertThat(send(60, 900, 24, false).getOrDefault("cuts", 0)).isLessThan(12);
      assertThat(rig.text("/metrics")).containsPattern("infini_router_cut_answers_total [1-9]");
    }
  }

  @Test
  void aStateThatCannotBeReadIsSetAside(@TempDir Path folder) throws Exception {
    Path file = folder.resolve("learned.json");
    List<Known> one = List.of(started(Options.paged("a", "m").speed(FAST)));
    Map<String, String> kept =
        Map.of(
            ".corrupt", "{\"version\":1,\"policy\":{\"m\":{}},\"rates\":{}}",
            ".corrupt-2", "nonsense",
            ".corrupt-3", "{\"version\":9}");
    for (String behind : kept.keySet().stream().sorted().toList()) {
      Files.writeString(file, kept.get(behind));
      start("adaptive", one, "learned_state=" + file);
      assertThat(folder.resolve(file.getFileName() + behind)).hasContent(kept.get(behind));
      assertThat(send(3, 100, 8, true)).containsOnlyKeys("a");
      rig.close();
      rig = new Rig();
      Files.deleteIfExists(file);
    }
  }

  @Test
  void theDecisionLogHasSizesAndTimesAndNoText(@TempDir Path folder) throws Exception {
    Path file = folder.resolve("decisions.jsonl");
    start(
        "cache-type",
        List.of(started(Options.paged("a", "m").speed(FAST))),
        "decision_log=" + file);
    send(30, 200, 20, true);
    await().atMost(Rig.SOON).until(() -> Files.readAllLines(file).size() == 30);
    List<String> lines = Files.readAllLines(file);
    for (String line : lines) {
      JsonNode n = Json.tree(line.getBytes(UTF_8));
      assertThat(n.path("output_tokens").asInt() + n.path("events").asInt()).isPositive();
      assertThat(n.path("instance").asText()).isEqualTo("a");
      assertThat(n.path("key").asText()).isNotEmpty();
      assertThat(n.path("first_s").asDouble()).isPositive();
      assertThat(line).doesNotContain("baker");
    }
  }

  /// What a router does with it is told on a virtual clock
  /// (`HardTimesTest.whatOthersSendCountsAsWorkAndTeachesNoSpeed`).
  @Test
  void whatOthersSendToAnInstanceIsSeenByItsGauges() throws Exception {
    List<Known> two =
        List.of(
            started(Options.paged("a", "m").speed(FAST)),
            started(Options.paged("b", "m").speed(FAST)));
    start("adaptive", two);
    String busy = "infini_router_others_in_flight\\{instance=\"a\"} [1-9]";
    String idle = "infini_router_others_in_flight\\{instance=\"%s\"} 0";
    AtomicBoolean over = new AtomicBoolean();
    URI direct = URI.create(two.getFirst().at(Rig.CHAT));
    try (ExecutorService others = Executors.newFixedThreadPool(OTHERS)) {
      List<Future<Integer>> sent = new ArrayList<>();
      for (int k = 0; k < OTHERS; k++) {
        byte[] more = body(2000, 400, false, k).getBytes(UTF_8);
        sent.add(
            others.submit(() -> {
              int refused = 0;
              while (!over.get()) {
                var said = rig.client.send("POST", direct, Headers.NONE, more, WHOLE, 1 << 24);
                refused += said.ok() ? 0 : 1;
              }
              return refused;
            }));
      }
      try {
        await()
            .atMost(Rig.SOON)
            .untilAsserted(() -> {
              send(1, 900, 24, true);
              assertThat(rig.text("/metrics"))
                  .containsPattern(busy)
                  .containsPattern(idle.formatted("b"));
            });
      } finally {
        over.set(true);
      }
      for (Future<Integer> s : sent) {
        assertThat(s.get()).as("others that were not answered").isZero();
      }
    }
    await()
        .atMost(Rig.SOON)
        .untilAsserted(() -> {
          send(1, 900, 24, true);
          assertThat(rig.text("/metrics")).containsPattern(idle.formatted("a"));
        });
  }

  /// One client that is never patient: what it gives up on is all that is heard of the instance.
  @Test
  void anInstanceThatClientsGiveUpOnIsLeftAlone() throws Exception {
    start(
        "adaptive",
        List.of(
            started(Options.paged("a", "m").speed(FAST)),
            started(Options.paged("b", "m").speed(FAST))),
        "slo_ttft=0.05",
        "slo_tpot=0.002");
    sendUntil("learned", 80, 900, 24, true);
    String chosen = send(1, 900, 24, true).keySet().iterator().next();
    for (SimulatedInstance i : simulated) {
      if (i.name().equals(chosen)) {
        byte[] hangs = "[\"hang-before-head\"]".getBytes(UTF_8);
        assertThat(
                rig.client
                    .send(
                        "POST", URI.create(i.url() + "/faults"), Headers.NONE, hangs, Rig.SOON, 999)
                    .ok())
            .isTrue();
      }
    }
    await()
        .atMost(WHOLE)
        .untilAsserted(() -> {
          int answered = 0;
          for (int k = 0; k < 20; k++) {
            answered += isAnsweredWithin(Duration.ofSeconds(1), body(900, 24, true, k)) ? 1 : 0;
          }
          assertThat(answered).isGreaterThanOrEqualTo(12);
        });
  }

  private boolean isAnsweredWithin(Duration patience, String body) throws Exception {
    try {
      return rig.client
          .send(
              "POST",
              URI.create("http://127.0.0.1:" + rig.port() + Rig.CHAT),
              Headers.NONE,
              body.getBytes(UTF_8),
              patience,
              1 << 20)
          .ok();
    } catch (IOException left) {
      return false;
    }
  }
}
