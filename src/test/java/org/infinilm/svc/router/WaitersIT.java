package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What changes while a request stands in line: nobody waits for a busy instance beside one that
/// would take it.
@Timeout(120)
class WaitersIT {
  private static final Map<String, Object> ONE_PLACE =
      Map.of("cache_type", "static", "max_concurrency", 1);

  private final ExecutorService clients = Executors.newVirtualThreadPerTaskExecutor();
  private final CountDownLatch done = new CountDownLatch(1);
  private Rig rig;

  @BeforeEach
  void begin() throws IOException {
    rig = new Rig();
  }

  @AfterEach
  void end() throws IOException {
    done.countDown();
    rig.quiet();
    clients.shutdownNow();
    rig.close();
  }

  private ScriptedInstance placed(String name, ScriptedInstance.Reply reply) throws IOException {
    return placed(name, 1, reply);
  }

  /// With one place, the model that is asked for and others.
  private ScriptedInstance placed(String name, int models, ScriptedInstance.Reply reply)
      throws IOException {
    Map<String, Object> metadata = new HashMap<>(ONE_PLACE);
    metadata.put("models", List.of("m", "m2", "m3").subList(0, models));
    return rig.listed(new ScriptedInstance(name, ScriptedInstance.answering(reply)), metadata);
  }

  private Future<Said> asking() {
    return clients.submit(rig::chat);
  }

  private void waiting(int n) {
    await()
        .atMost(Rig.SOON)
        .until(() -> {
          int most = 0;
          for (JsonNode s : rig.get("/services").path("services")) {
            most = Math.max(most, s.path("queued").asInt());
          }
          return most == n;
        });
  }

  /// Answers its first request at the end of the test only.
  private String busy(int n) throws InterruptedException {
    if (n == 1) {
      done.await();
    }
    return Rig.OK;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void anInstanceWhosePauseIsOverIsNoLongerPassedOver(int models) throws Exception {
    AtomicBoolean pauses = new AtomicBoolean(true);
    ScriptedInstance a = placed("a", models, (r, n) -> busy(n));
    placed(
        "b",
        models,
        (r, n) ->
            pauses.getAndSet(false) ? Rig.answer(429, "Retry-After: 2\r\n", "later") : Rig.OK);
    rig.start();
    List<Future<Said>> asked = List.of(asking(), asking());
    await().atMost(Rig.SOON).until(() -> asked.stream().anyMatch(Future::isDone));
    for (Future<Said> f : asked) {
      if (f.isDone()) {
        assertThat(f.get().ok()).isTrue();
        assertThat(f.get().field("x-infini-instance")).isEqualTo("b");
      }
    }
    assertThat(a.seen).hasSize(1);
  }

  @Test
  void anInstanceThatIsBackIsAskedByThoseWhoFailedOnIt() throws Exception {
    AtomicBoolean dies = new AtomicBoolean();
    ScriptedInstance a =
        rig.listed(
            new ScriptedInstance(
                "a",
                (self, t) -> {
                  while (true) {
                    self.take(t);
                    if (dies.getAndSet(false)) {
                      t.close();
                      return;
                    }
                    t.say(Rig.OK);
                  }
                }),
            ONE_PLACE);
    ScriptedInstance b = placed("b", (r, n) -> busy(n));
    rig.start();
    await()
        .atMost(Rig.SOON)
        .until(() -> {
          asking();
          return b.seen.size() == 1;
        });
    rig.quietBut(1);
    dies.set(true);
    int before = a.seen.size();
    Said said = asking().get();
    assertThat(said.ok()).isTrue();
    assertThat(said.field("x-infini-instance")).isEqualTo("a");
    assertThat(a.seen).hasSize(before + 2);
  }

  @Test
  void whoWaitsForARefuserWaitsForTheOtherOne() throws Exception {
    CountDownLatch begin = new CountDownLatch(1);
    ScriptedInstance a =
        placed(
            "a",
            (r, n) -> {
              begin.await();
              return Rig.answer(429, "Retry-After: 30\r\n", "later");
            });
    placed(
        "b",
        (r, n) -> {
          begin.await();
          return Rig.OK;
        });
    rig.start();
    List<Future<Said>> asked = new ArrayList<>();
    for (int k = 0; k < 40; k++) {
      asked.add(asking());
    }
    waiting(38);
    begin.countDown();
    for (Future<Said> f : asked) {
      assertThat(f.get().ok()).isTrue();
    }
    assertThat(a.seen).hasSizeLessThan(4);
  }

  @Test
  void aWaitThatAnewInstanceEndsIsTold() throws Exception {
    ScriptedInstance a = placed("a", (r, n) -> busy(n));
    rig.start();
    asking();
    await().atMost(Rig.SOON).until(() -> a.seen.size() == 1);
    Future<Said> waits = asking();
    waiting(1);
    placed("b", (r, n) -> Rig.OK);
    Said said = waits.get();
    assertThat(said.ok()).isTrue();
    assertThat(said.field("x-infini-queue-ms")).matches("[0-9]+");
    assertThat(rig.decision().path("queue_seconds").asDouble()).isPositive();
    assertThat(rig.text("/metrics"))
        .containsPattern("infini_router_queue_seconds_count\\{instance=\"b\"[^}]*\\} 1\n");
  }

  /// It asked to be left alone while another can take requests, and nobody can.
  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void beforeARequestIsRefusedTheOneThatIsPassedOverIsAsked(int models) throws Exception {
    AtomicBoolean pauses = new AtomicBoolean(true);
    placed(
        "a",
        models,
        (r, n) ->
            pauses.getAndSet(false) ? Rig.answer(429, "Retry-After: 60\r\n", "later") : Rig.OK);
    ScriptedInstance b = placed("b", models, (r, n) -> busy(n));
    rig.start("queue_timeout=7");
    Future<Said> first = asking();
    Future<Said> second = asking();
    await().atMost(Rig.SOON).until(() -> !pauses.get() && b.seen.size() == 1);
    await().atMost(Rig.SOON).until(() -> first.isDone() || second.isDone());
    Said said = first.isDone() ? first.get() : second.get();
    assertThat(said.ok()).isTrue();
    assertThat(said.field("x-infini-instance")).isEqualTo("a");
  }

  private static final String BROKEN = Rig.answer(500, "", "no");

  private static boolean isLong(String request) {
    return request.contains("long");
  }

  /// `a` is busy for good; `b` has failed the model, and whatever `then` says.
  private ScriptedInstance besideOneThatFailed(String path, ScriptedInstance.Reply then)
      throws Exception {
    ScriptedInstance a =
        placed(
            "a",
            2,
            (r, n) -> {
              if (isLong(r)) {
                done.await();
              }
              return Rig.OK;
            });
    AtomicInteger failures = new AtomicInteger();
    ScriptedInstance b =
        placed(
            "b",
            2,
            (r, n) -> {
              if (r.contains("\"m2\"")) {
                return Rig.OK;
              }
              return failures.incrementAndGet() <= Troubles.FEW ? BROKEN : then.to(r, n);
            });
    rig.start("queue_timeout=7");
    while (failures.get() < Troubles.FEW) {
      rig.send(Rig.post(path, "", Rig.BODY));
      int before = b.seen.size();
      while (b.seen.size() == before) {
        rig.send(Rig.post(Rig.CHAT, "", "{\"model\":\"m2\",\"messages\":[]}"));
      }
    }
    clients.submit(
        () -> rig.send(Rig.post(Rig.CHAT, "", "{\"model\":\"m\",\"messages\":\"long\"}")));
    await().atMost(Rig.SOON).until(() -> a.seen.stream().anyMatch(WaitersIT::isLong));
    return b;
  }

  @Test
  void aFreePlaceAtOneThatFailedTheModelIsBetterThanAWait() throws Exception {
    besideOneThatFailed(Rig.CHAT, (r, n) -> Rig.OK);
    Said said = rig.chat();
    assertThat(said.ok()).isTrue();
    assertThat(said.field("x-infini-instance")).isEqualTo("b");
    assertThat(said.field("x-infini-queue-ms")).isEmpty();
  }

  /// It costs the request no more than the try: it waits for the other then, once.
  @Test
  void whoFailedTheModelAndStillDoesIsAskedOnce() throws Exception {
    ScriptedInstance b = besideOneThatFailed(Rig.CHAT, (r, n) -> BROKEN);
    int before = b.seen.size();
    Future<Said> asked = asking();
    waiting(1);
    assertThat(b.seen).hasSize(before + 1);
    done.countDown();
    assertThat(asked.get().ok()).isTrue();
    assertThat(asked.get().field("x-infini-instance")).isEqualTo("a");
  }

  private static final String IMAGES = "/v1/images/generations";

  /// What fails is lost to the client: a wait is better, and it better than nothing.
  @Test
  void whatMayNotBeRepeatedWaitsForTheOtherWhileItMay() throws Exception {
    ScriptedInstance b = besideOneThatFailed(IMAGES, (r, n) -> Rig.OK);
    int before = b.seen.size();
    Future<Said> asked = clients.submit(() -> rig.send(Rig.post(IMAGES, "", Rig.BODY)));
    waiting(1);
    assertThat(b.seen).hasSize(before);
    Said said = asked.get();
    assertThat(said.ok()).isTrue();
    assertThat(said.field("x-infini-instance")).isEqualTo("b");
    assertThat(Integer.parseInt(said.field("x-infini-queue-ms"))).isGreaterThan(6000);
  }

  private static final String RESPONSES = "/v1/responses";

  /// One that may be repeated shows that it is well: nobody waits on for the end of a pause.
  @Test
  void whoWaitsHearsThatItIsWellAgain() throws Exception {
    besideOneThatFailed(RESPONSES, (r, n) -> Rig.OK);
    Future<Said> asked = clients.submit(() -> rig.send(Rig.post(RESPONSES, "", Rig.BODY)));
    waiting(1);
    assertThat(rig.chat().field("x-infini-instance")).isEqualTo("b");
    Said said = asked.get();
    assertThat(said.field("x-infini-instance")).isEqualTo("b");
    assertThat(Integer.parseInt(said.field("x-infini-queue-ms"))).isLessThan(6000);
  }

  /// Nobody could take it, not even later.
  @Test
  void anAnswerIsNotPutAsideForALineThatIsFull() throws Exception {
    placed("a", (r, n) -> Rig.answer(503, "", "own words"));
    ScriptedInstance b = placed("b", (r, n) -> busy(n));
    rig.start("queue_limit=0");
    await()
        .atMost(Rig.SOON)
        .until(() -> {
          asking();
          return b.seen.size() == 1;
        });
    rig.quietBut(1);
    assertThat(rig.chat().body()).isEqualTo("own words");
  }

  /// An instance that registers anew with other metadata is the same instance; those who waited for
  /// it got 503 and newcomers their places.
  @Test
  void aChangeOfTheFleetThrowsNobodyOutOfAFullLine() throws Exception {
    CountDownLatch begin = new CountDownLatch(1);
    ScriptedInstance a =
        placed(
            "a",
            (r, n) -> {
              begin.await();
              return Rig.OK;
            });
    rig.start("queue_limit=12");
    List<Future<Said>> asked = new ArrayList<>();
    for (int k = 0; k < 13; k++) {
      asked.add(asking());
    }
    waiting(12);
    assertThat(rig.chat().status()).as("a full line").isEqualTo(503);
    for (int change = 0; change < 5; change++) {
      rig.registry.add(
          "a", a.port(), Map.of("cache_type", "static", "max_concurrency", 1, "change", change));
      String now = "\"change\":" + change;
      await().atMost(Rig.SOON).until(() -> rig.text("/services").contains(now));
      assertThat(rig.chat().status()).as("a newcomer").isEqualTo(503);
    }
    begin.countDown();
    for (Future<Said> f : asked) {
      assertThat(f.get().status()).isEqualTo(200);
    }
    assertThat(a.seen).hasSize(13);
  }

  private ScriptedInstance breaking(CountDownLatch first, CountDownLatch second)
      throws IOException {
    return rig.listed(
        new ScriptedInstance(
            "a",
            (self, t) -> {
              while (true) {
                self.take(t);
                switch (self.seen.size()) {
                  case 1 -> {
                    first.await();
                    // the next one comes over a connection of its own
                    t.say(Rig.answer(200, "Connection: close\r\n", "ok"));
                    t.close();
                    return;
                  }
                  case 2 -> {
                    second.await();
                    t.close();
                    return;
                  }
                  default -> {
                    done.await();
                    t.say(Rig.OK);
                  }
                }
              }
            }),
        ONE_PLACE);
  }

  private Future<Said> asking(String id) {
    return clients.submit(
        () -> rig.send(Rig.post(Rig.CHAT, "X-Request-Id: " + id + "\r\n", Rig.BODY)));
  }

  /// It went to the end of the line, as if it had just come.
  @Test
  void aRequestThatFailsAfterAWaitIsOlderThanThoseWhoCameAfterIt() throws Exception {
    CountDownLatch first = new CountDownLatch(1);
    CountDownLatch second = new CountDownLatch(1);
    CountDownLatch busy = new CountDownLatch(1);
    ScriptedInstance a = breaking(first, second);
    ScriptedInstance b =
        placed(
            "b",
            (r, n) -> {
              if (n == 1) {
                busy.await();
              }
              return Rig.OK;
            });
    rig.start("queue_order=fifo");
    asking("x");
    asking("y");
    await().atMost(Rig.SOON).until(() -> a.seen.size() == 1 && b.seen.size() == 1);
    Future<Said> old = asking("old");
    waiting(1);
    first.countDown();
    await().atMost(Rig.SOON).until(() -> a.seen.size() == 2);
    asking("third");
    waiting(1);
    asking("young");
    waiting(2);
    second.countDown();
    await().atMost(Rig.SOON).until(() -> a.seen.size() == 3);
    waiting(2);
    busy.countDown();
    assertThat(old.get().ok()).isTrue();
    await().atMost(Rig.SOON).until(() -> b.seen.size() == 3);
    assertThat(b.seen.get(1)).contains("old");
    assertThat(b.seen.get(2)).contains("young");
  }

  /// Each wait had the whole limit to itself.
  @Test
  void theLimitOfWaitingIsForAllWaitsOfARequestTogether() throws Exception {
    CountDownLatch first = new CountDownLatch(1);
    CountDownLatch second = new CountDownLatch(1);
    ScriptedInstance a = breaking(first, second);
    ScriptedInstance b = placed("b", (r, n) -> busy(n));
    rig.start("queue_timeout=2");
    asking("x");
    asking("y");
    await().atMost(Rig.SOON).until(() -> a.seen.size() == 1 && b.seen.size() == 1);
    Future<Said> waits = asking("waits");
    waiting(1);
    long since = System.nanoTime();
    await().atMost(Rig.SOON).until(() -> System.nanoTime() - since > 1_500_000_000L);
    first.countDown();
    await().atMost(Rig.SOON).until(() -> a.seen.size() == 2);
    Future<Said> third = asking("third");
    waiting(1);
    second.countDown();
    assertThat(waits.get().ok()).isFalse();
    JsonNode decision = decision("waits");
    assertThat(decision.path("queue_seconds").asDouble()).isBetween(1.5, 2.9);
    done.countDown();
    Said last = third.get();
    assertThat(last.ok()).as(last.head() + last.body()).isTrue();
  }

  private JsonNode decision(String id) throws Exception {
    for (JsonNode d : rig.get("/decisions?limit=20").path("decisions")) {
      if (d.path("request_id").asText().equals(id)) {
        return d;
      }
    }
    throw new AssertionError("no decision of " + id);
  }
}
