package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.infinilm.svc.router.Said.End;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// The second attempt: whether there is one, where it goes, what it says, what the client hears
/// when it fails too.
@Timeout(120)
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
class RetryIT {
  private Rig rig;

  @BeforeEach
  void begin() throws Exception {
    rig = new Rig();
  }

  @AfterEach
  void end() throws Exception {
    try {
      rig.quiet();
    } finally {
      rig.close();
    }
  }

  @Test
  void noInstanceIsAskedTwiceWhileAnotherWasNot() throws Exception {
    List<String> order = new ArrayList<>();
    for (String name : List.of("a", "b", "c", "d")) {
      rig.instance(
          name,
          (self, t) -> {
            self.take(t);
            synchronized (order) {
              order.add(name);
            }
            t.close();
          });
    }
    rig.start();
    for (int k = 0; k < 4; k++) {
      order.clear();
      assertThat(rig.chat().status()).isEqualTo(502);
      assertThat(order).hasSize(3).doesNotHaveDuplicates();
    }
  }

  @Test
  void withTwoInstancesTheyAreAskedInTurn() throws Exception {
    List<String> order = new ArrayList<>();
    for (String name : List.of("a", "b")) {
      rig.instance(
          name,
          (self, t) -> {
            self.take(t);
            synchronized (order) {
              order.add(name);
            }
            t.close();
          });
    }
    rig.start();
    assertThat(rig.chat().status()).isEqualTo(502);
    assertThat(order).hasSizeBetween(2, 3);
    for (int k = 1; k < order.size(); k++) {
      assertThat(order.get(k)).isNotEqualTo(order.get(k - 1));
    }
  }

  @Test
  void blackHolesAreLeftBehindWithinTheConnectionsLimit() throws Exception {
    List<ScriptedInstance> holes = new ArrayList<>();
    for (int k = 0; k < 3; k++) {
      holes.add(rig.good("hole" + k));
    }
    rig.good("good");
    rig.start("health_interval=60");
    for (ScriptedInstance h : holes) {
      h.blackHole();
    }
    int most = 0;
    for (int k = 0; k < 4; k++) {
      Said said = rig.chat();
      assertThat(said.ok()).isTrue();
      assertThat(said.field("x-infini-instance")).isEqualTo("good");
      JsonNode d = rig.decision();
      most = Math.max(most, d.path("attempts").asInt());
      assertThat(d.path("total_seconds").asDouble()).isLessThan(15);
    }
    assertThat(most).as("attempts of the unluckiest").isGreaterThan(1);
  }

  @Test
  void threeDeadOnesDoNotHideTheFourth() throws Exception {
    List<ScriptedInstance> dead = new ArrayList<>();
    for (int k = 0; k < 5; k++) {
      dead.add(rig.good("dead" + k));
    }
    rig.good("good");
    rig.start("health_interval=60", "max_errors=1000");
    for (ScriptedInstance d : dead) {
      d.dies();
    }
    for (int k = 0; k < 12; k++) {
      assertThat(rig.chat().ok()).isTrue();
    }
  }

  @ParameterizedTest
  @CsvSource({"429", "502", "503"})
  void anOverloadedFleetIsNotAskedMuchMoreThanItIs(int status) throws Exception {
    for (String name : List.of("a", "b", "c")) {
      rig.answering(name, (r, n) -> Rig.answer(status, "Retry-After: 1\r\n", "busy"));
    }
    rig.start();
    int requests = 300;
    try (Crowd c = new Crowd(rig.port(), Rig.post(Rig.CHAT, "", Rig.BODY))) {
      c.start(4, requests / 4).join();
      assertThat(c.failed).hasSize(requests);
      assertThat(c.failed).allMatch(s -> s.status() == status);
    }
    int asked = rig.instances.stream().mapToInt(i -> i.seen.size()).sum();
    assertThat(asked)
        .as("a fifth more, and the first ten")
        .isLessThanOrEqualTo(requests + requests / 5 + 20);
  }

  @Test
  void aSilentInstanceIsNotAskedTwice() throws Exception {
    for (String name : List.of("a", "b")) {
      rig.instance(
          name,
          (self, t) -> {
            self.take(t);
            t.hang();
          });
    }
    rig.start("proxy_timeout=1");
    assertThat(rig.chat().status()).isEqualTo(504);
    assertThat(rig.instances.stream().mapToInt(i -> i.seen.size()).sum()).isEqualTo(1);
  }

  @Test
  void aConfiguredLimitOfTheFirstByteLeadsToOneOther() throws Exception {
    for (String name : List.of("a", "b", "c")) {
      rig.instance(
          name,
          (self, t) -> {
            self.take(t);
            t.hang();
          });
    }
    rig.start("first_byte_timeout=1");
    assertThat(rig.chat().status()).isEqualTo(504);
    Set<String> asked = new HashSet<>();
    for (ScriptedInstance i : rig.instances) {
      if (!i.seen.isEmpty()) {
        asked.add(i.name);
        assertThat(i.seen).hasSize(1);
      }
    }
    assertThat(asked).hasSize(2);
  }

  @Test
  void afterTheFirstByteThereIsNoSecondAttempt() throws Exception {
    for (String name : List.of("a", "b")) {
      rig.instance(
          name,
          (self, t) -> {
            self.take(t);
            t.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
            t.close();
          });
    }
    rig.start();
    Said said = rig.chat();
    assertThat(said.end()).isEqualTo(End.CUT);
    assertThat(said.body()).isEqualTo("half");
    assertThat(rig.instances.stream().mapToInt(i -> i.seen.size()).sum()).isEqualTo(1);
  }

  @ParameterizedTest
  @CsvSource({
    "/v1/responses, ''",
    "/v1/responses, '\"store\":true,'",
    "/v1/chat/completions, '\"store\":true,'",
    "/v1/images/generations, ''",
    "/v1/files, ''",
    "/anything, ''"
  })
  void whatMayHaveAnEffectIsSentOnce(String path, String more) throws Exception {
    for (String name : List.of("a", "b")) {
      rig.instance(name, ScriptedInstance.CLOSES);
    }
    rig.start();
    assertThat(rig.send(Rig.post(path, "", body(more))).status()).isEqualTo(502);
    assertThat(rig.instances.stream().mapToInt(i -> i.seen.size()).sum()).isEqualTo(1);
  }

  private static String body(String more) {
    return "{" + more + "\"model\":\"m\",\"messages\":[]}";
  }

  @ParameterizedTest
  @ValueSource(strings = {"/v1/responses", "/anything"})
  void whatMayHaveAnEffectGoesElsewhereWhenNothingWasSent(String path) throws Exception {
    ScriptedInstance dead = rig.good("dead");
    ScriptedInstance good = rig.good("good");
    rig.start("health_interval=60", "max_errors=1000");
    dead.dies();
    for (int k = 0; k < 6; k++) {
      assertThat(rig.send(Rig.post(path, "", Rig.BODY)).ok()).isTrue();
    }
    assertThat(good.seen).hasSize(6);
  }

  @ParameterizedTest
  @CsvSource({
    "/v1/chat/completions, ''",
    "/chat/completions, ''",
    "/v1/completions, ''",
    "/v1/messages, ''",
    "/v1/responses, '\"store\":false,'",
    "/v1/embeddings, ''",
    "/v1/rerank, ''",
    "/tokenize, ''"
  })
  void whatHasNoEffectIsSentAgain(String path, String more) throws Exception {
    rig.instance("bad", ScriptedInstance.CLOSES);
    rig.good("good");
    rig.start();
    Said said = rig.untilRepeated(Rig.post(path, "", body(more)));
    assertThat(said.ok()).isTrue();
    assertThat(said.field("x-infini-attempts")).isEqualTo("2");
  }

  /// A head alone is not an answer: what broke before its first byte is asked of another instance.
  @Test
  void aStreamThatEndsByCloseWithoutAByteIsAskedOfAnotherInstance() throws Exception {
    rig.instance(
        "a",
        (self, t) -> {
          self.take(t);
          t.say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n");
          t.close();
        });
    rig.answering(
        "b", (r, n) -> Rig.answer(200, "Content-Type: text/event-stream\r\n", "data: [DONE]\n\n"));
    rig.start();
    Said said = rig.untilRepeated(Rig.post(Rig.CHAT, "", Rig.STREAM));
    assertThat(said.status()).isEqualTo(200);
    assertThat(said.body()).isEqualTo("data: [DONE]\n\n");
    assertThat(rig.decision().path("instance").asText()).isEqualTo("b");
  }

  /// One that is being tried may be well, and is better than nobody.
  @Test
  void whoFailsWhileTheOtherOneIsTriedIsAskedOfThatOne() throws Exception {
    AtomicBoolean broken = new AtomicBoolean(true);
    CountDownLatch end = new CountDownLatch(1);
    ScriptedInstance a = rig.good("a");
    ScriptedInstance b =
        rig.answering(
            "b",
            (r, n) -> {
              if (broken.get()) {
                return Rig.answer(500, "", "no");
              }
              if (r.contains("trial")) {
                end.await();
              }
              return Rig.OK;
            });
    rig.start("health_interval=60");
    await()
        .atMost(Rig.SOON)
        .until(() -> {
          rig.chat();
          return rig.health().equals("1/2");
        });
    broken.set(false);
    int before = b.seen.size();
    List<Thread> trials = new ArrayList<>();
    await()
        .atMost(Rig.SOON)
        .until(() -> {
          if (rig.text("/services").contains("\"trial\"")) {
            trials.add(
                Thread.ofVirtual()
                    .start(() -> {
                      try {
                        rig.send(Rig.post(Rig.CHAT, "X-Trial: trial\r\n", Rig.BODY));
                      } catch (IOException e) {
                        throw new UncheckedIOException(e);
                      }
                    }));
          }
          return b.seen.size() > before;
        });
    a.dies();
    for (int k = 0; k < 2; k++) {
      assertThat(rig.chat().ok()).isTrue();
    }
    end.countDown();
    for (Thread t : trials) {
      t.join();
    }
  }

  /// The verdict about the one may be late; that of the other is seen at each request.
  @Test
  void whoFailsWhileTheOtherOneSitsOutItsPauseCostsAFewRequestsAtMost() throws Exception {
    AtomicBoolean aFails = new AtomicBoolean();
    AtomicBoolean bFails = new AtomicBoolean(true);
    rig.answering("a", (r, n) -> aFails.get() ? Rig.answer(503, "", "no") : Rig.OK);
    rig.answering("b", (r, n) -> bFails.get() ? Rig.answer(500, "", "no") : Rig.OK);
    rig.start("health_interval=60");
    await()
        .atMost(Rig.SOON)
        .until(() -> {
          rig.chat();
          return rig.health().equals("1/2");
        });
    bFails.set(false);
    aFails.set(true);
    int failed = 0;
    for (int k = 0; k < 100; k++) {
      failed += rig.chat().ok() ? 0 : 1;
    }
    assertThat(failed).isLessThanOrEqualTo(3);
  }

  /// What a client sends changes nobody's health: a refusal is no answer to what the other failed
  /// on.
  @ParameterizedTest
  @ValueSource(ints = {400, 422, 429})
  void aPeersRefusalProvesNothing(int status) throws Exception {
    rig.answering("a", (r, n) -> Rig.answer(500, "", "no"));
    rig.answering("b", (r, n) -> Rig.answer(status, "", "no"));
    rig.start("health_interval=60");
    for (int k = 0; k < 30; k++) {
      rig.chat();
    }
    assertThat(rig.health()).isEqualTo("2/2");
  }

  @Test
  void oneModelsOverloadLeavesTheOthersTheirSecondAttempt() throws Exception {
    rig.listed(
        new ScriptedInstance(
            "busy", ScriptedInstance.answering((r, n) -> Rig.answer(429, "", "no"))),
        Map.of("models", List.of("other")));
    rig.listed(
        new ScriptedInstance(
            "busy2", ScriptedInstance.answering((r, n) -> Rig.answer(429, "", "no"))),
        Map.of("models", List.of("other")));
    rig.answering("a", (r, n) -> n % 2 == 0 ? Rig.answer(503, "", "no") : Rig.OK);
    rig.good("b");
    rig.start();
    for (int k = 0; k < 60; k++) {
      rig.send(Rig.post(Rig.CHAT, "", "{\"model\":\"other\",\"messages\":[]}"));
    }
    for (int k = 0; k < 20; k++) {
      assertThat(rig.chat().ok()).isTrue();
    }
  }

  /// Time in line is not time at an instance.
  @Test
  void aRequestThatWaitedLongerThanTheTimeLimitIsStillRepeated() throws Exception {
    CountDownLatch end = new CountDownLatch(1);
    Map<String, Object> onePlace = Map.of("cache_type", "static", "max_concurrency", 1);
    for (String name : List.of("a", "b")) {
      rig.listed(
          new ScriptedInstance(
              name,
              (self, t) -> {
                while (true) {
                  String r = self.take(t);
                  if (r.contains("X-Blocks")) {
                    end.await();
                  } else if (self.name.equals("a")) {
                    t.close();
                    return;
                  }
                  t.say(Rig.OK);
                }
              }),
          onePlace);
    }
    rig.start("proxy_timeout=2", "idle_timeout=60", "first_byte_timeout=60");
    List<Thread> blocks = new ArrayList<>();
    for (int k = 0; k < 2; k++) {
      blocks.add(sending(Rig.post(Rig.CHAT, "X-Blocks: 1\r\n", Rig.BODY)));
    }
    await().atMost(Rig.SOON).until(() -> rig.instances.stream().allMatch(i -> i.seen.size() == 1));
    List<Thread> waits = new ArrayList<>();
    for (int k = 0; k < 2; k++) {
      waits.add(sending(Rig.post(Rig.CHAT, "", Rig.BODY)));
    }
    rig.quietBut(6);
    await().during(Duration.ofMillis(2100)).atMost(Rig.SOON).until(() -> end.getCount() == 1);
    end.countDown();
    for (Thread t : waits) {
      t.join();
    }
    for (JsonNode d : rig.get("/decisions?limit=10").path("decisions")) {
      if (d.path("attempts").asInt() > 0) {
        assertThat(d.path("outcome").asText()).as(d.toString()).isNotEqualTo("upstream_gone");
      }
    }
    for (Thread t : blocks) {
      t.join();
    }
  }

  private Thread sending(String request) {
    return Thread.ofVirtual()
        .start(() -> {
          try {
            rig.send(request);
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          }
        });
  }

  @Test
  void fieldsOfAnotherRoutersDecisionAreNotOurs() throws Exception {
    rig.answering(
        "a",
        (r, n) -> Rig.answer(200, "X-Infini-Queue-Ms: 77\r\nX-Infini-Instance: inner\r\n", "ok"));
    rig.start();
    Said said = rig.chat();
    assertThat(said.field("x-infini-instance")).isEqualTo("a");
    assertThat(said.head().toLowerCase(Locale.ROOT)).doesNotContain("queue-ms");
  }
}
