package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Pattern;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Requests for instances that sleep, before a router in this process.
@Timeout(120)
class SleepersIT extends SleepersRig {
  private static final String LARGE =
      "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\""
          + "many words ".repeat(200)
          + "\"}]}";

  @Test
  void aRequestIsHeldUntilItsInstanceServes() throws Exception {
    SleepingInstance s = sleeper("s");
    route();
    assertThat(rig.health()).isEqualTo("0/1");
    assertThat(rig.get("/health").path("status").asText()).isEqualTo("running");
    assertThat(rig.send(get("/readyz")).status()).isEqualTo(200);
    assertThat(rig.text("/v1/models")).contains("\"id\":\"m\"");
    assertThat(rig.service("s").path("why_out").asText()).contains("until a request comes");
    assertThat(rig.service("s").path("metadata").path("on_demand").asBoolean()).isTrue();
    assertThat(rig.text("/services") + rig.text("/stats")).doesNotContain(SleepingInstance.KEY);
    assertThat(rig.text("/metrics"))
        .contains("infini_router_instance_state{instance=\"s\",state=\"asleep\"} 1.0");
    CompletableFuture<Said> said = ask();
    woken(s);
    held(1);
    s.says("starting", "");
    rig.registry.status("s", "starting");
    rig.awaitState("s", "waking");
    held(1);
    s.serves();
    assertThat(said.get().ok()).isTrue();
    assertThat(said.get().field("x-infini-instance")).isEqualTo("s");
    assertThat(said.get().field("x-infini-attempts")).isEqualTo("1");
    assertThat(said.get().field("x-infini-queue-ms")).isNotEmpty();
    assertThat(s.wakes).allMatch(k -> k.equals("Bearer " + SleepingInstance.KEY));
    rig.awaitState("s", "routable");
    held(0);
    assertThat(rig.chat().ok()).isTrue();
    assertThat(s.asked).hasSize(2);
  }

  private static String get(String target) {
    return "GET " + target + " HTTP/1.1\r\nHost: r\r\n\r\n";
  }

  @Test
  void allThatWaitAtTwoRoutersAreAnswered() throws Exception {
    SleepingInstance s = sleeper("s");
    route();
    Router other = rig.launch(Ticker.SYSTEM, List.of());
    List<CompletableFuture<Said>> all = new ArrayList<>();
    await().atMost(Rig.SOON).until(() -> rig.send(other.port(), get("/readyz")).status() == 200);
    for (int k = 0; k < 20; k++) {
      all.add(ask());
      all.add(ask(other.port(), Rig.BODY));
    }
    held(20);
    s.serves();
    for (CompletableFuture<Said> said : all) {
      assertThat(said.get().ok()).as(said.get().body()).isTrue();
    }
    assertThat(s.asked).hasSize(40);
  }

  @Test
  void whoIsGivenUpIsToldToThoseThatWaitAndToThoseThatCome() throws Exception {
    SleepingInstance s = sleeper("s");
    route();
    CompletableFuture<Said> said = ask();
    woken(s);
    s.refuses("s is failed: 5 starts in a row did not become ready");
    assertThat(said.get().status()).isEqualTo(503);
    assertThat(said.get().body()).contains("instance_starting", "5 starts in a row");
    assertThat(Integer.parseInt(said.get().field("retry-after"))).isBetween(1, 11);
    int calls = s.wakes.size();
    Said next = rig.chat();
    assertThat(next.status()).isEqualTo(503);
    assertThat(next.body()).contains("5 starts in a row");
    assertThat(s.wakes).hasSize(calls);
    assertThat(rig.text("/metrics")).contains("infini_router_wakes_total{result=\"refused\"} 1.0");
  }

  @Test
  void whatCouldNotBeStartedIsToldWithItsCauseAndWokenAgainWhenTheRegistrySaysSo()
      throws Exception {
    SleepingInstance s = sleeper("s");
    route();
    CompletableFuture<Said> said = ask();
    woken(s);
    s.rests("the process ended with status 3");
    assertThat(said.get().status()).isEqualTo(503);
    assertThat(said.get().body())
        .contains(
            "instance_start_failed",
            "instance s could not be started: the process ended with status 3; it is not started"
                + " again for")
        .doesNotContain("127.0.0.1");
    assertThat(Integer.parseInt(said.get().field("retry-after"))).isBetween(30, 40);
    int calls = s.wakes.size();
    assertThat(rig.chat().status()).isEqualTo(503);
    assertThat(s.wakes).hasSize(calls);
    rig.registry.tells(
        "s",
        "start_failed",
        Map.of("cause", "the process ended with status 3", "until", "2033-01-01T00:00:00Z"));
    await().atMost(Rig.SOON).until(() -> rig.service("s").path("not_before").isTextual());
    assertThat(rig.service("s").path("why_out").asText())
        .isEqualTo(
            "its last start failed: the process ended with status 3; it is not started again before"
                + " 2033-01-01T00:00:00Z");
    assertThat(rig.service("s").path("state").asText()).isEqualTo("asleep");
    // that was news: asked once more, and told the same
    assertThat(rig.chat().body()).contains("instance_start_failed");
    assertThat(s.wakes).hasSize(calls + 1);
    assertThat(rig.chat().body()).contains("instance_start_failed");
    assertThat(s.wakes).hasSize(calls + 1);
    assertThat(rig.text("/metrics")).contains("infini_router_wakes_total{result=\"failed\"} 2.0");
    s.rests(null);
    rig.registry.tells("s", "start_failed", Map.of("cause", "the process ended with status 3"));
    await().atMost(Rig.SOON).until(() -> rig.service("s").path("not_before").isNull());
    assertThat(rig.service("s").path("why_out").asText())
        .startsWith("it sleeps until a request comes; its last start failed:");
    CompletableFuture<Said> again = ask();
    held(1);
    s.serves();
    assertThat(again.get().ok()).isTrue();
  }

  @Test
  void whoseLastStartFailedIsWokenAfterOthers() throws Exception {
    SleepingInstance a = sleeper("a");
    SleepingInstance b = sleeper("b");
    route();
    for (SleepingInstance failed : List.of(a, b)) {
      SleepingInstance other = failed == a ? b : a;
      rig.registry.tells(failed.name, "start_failed", Map.of("cause", "x"));
      await()
          .atMost(Rig.SOON)
          .until(() -> rig.service(failed.name).path("why_out").asText().contains("failed"));
      CompletableFuture<Said> said = ask();
      woken(other);
      assertThat(failed.wakes).isEmpty();
      other.serves();
      assertThat(said.get().ok()).isTrue();
      other.stops();
      other.says("asleep", "");
      rig.registry.status(other.name, "asleep");
      rig.awaitState(other.name, "asleep");
      other.wakes.clear();
      rig.registry.tells(failed.name, "start_failed", null);
      await()
          .atMost(Rig.SOON)
          .until(() -> !rig.service(failed.name).path("why_out").asText().contains("failed"));
    }
  }

  @Test
  void anotherIsWokenWhereOneCannotBe() throws Exception {
    SleepingInstance a = sleeper("a");
    SleepingInstance b = sleeper("b");
    route();
    CompletableFuture<Said> said = ask();
    await().atMost(Rig.SOON).until(() -> a.wakes.size() + b.wakes.size() > 0);
    SleepingInstance first = a.wakes.isEmpty() ? b : a;
    SleepingInstance second = a.wakes.isEmpty() ? a : b;
    assertThat(second.wakes).isEmpty();
    first.refuses("no GPU");
    woken(second);
    second.serves();
    assertThat(said.get().ok()).isTrue();
    assertThat(second.asked).hasSize(1);
  }

  @Test
  void whoWaitsTooLongAndWhoFindsTheLineFullAreToldWhatStarts() throws Exception {
    SleepingInstance s = sleeper("s");
    s.says("loading", "GET /health: status 503");
    route("queue_limit=1", "queue_timeout=2");
    CompletableFuture<Said> first = ask();
    held(1);
    await().atMost(Rig.SOON).until(() -> s.wakes.size() > 1);
    Said full = rig.chat();
    assertThat(full.status()).isEqualTo(503);
    assertThat(full.body()).contains("instance_starting", "instance s is", "too many requests");
    assertThat(Integer.parseInt(full.field("retry-after"))).isPositive();
    assertThat(first.get().status()).isEqualTo(503);
    assertThat(first.get().body())
        .contains("instance s is loading", "GET /health: status 503", "queue_timeout");
    assertThat(Integer.parseInt(first.get().field("retry-after"))).isPositive();
    held(0);
  }

  @Test
  void aClientThatLeavesGivesItsPlaceBackAndNobodyIsAskedAnyMore() throws Exception {
    SleepingInstance s = sleeper("s");
    route();
    try (Socket c = rig.connect()) {
      c.getOutputStream().write(Rig.post(Rig.CHAT, "", Rig.BODY).getBytes(ISO_8859_1));
      held(1);
      woken(s);
    }
    held(0);
    rig.outcome("client_gone");
    String ended = "infini_router_wakes_total{result=\"woken\"} 1.0";
    await().atMost(Rig.SOON).until(() -> rig.text("/metrics").contains(ended));
    s.serves();
    rig.awaitState("s", "routable");
    assertThat(rig.chat().ok()).isTrue();
    assertThat(s.asked).hasSize(1);
  }

  @Test
  void whoIsAwakeIsPreferredWhileItCanTakeTheRequest() throws Exception {
    CountDownLatch go = new CountDownLatch(1);
    rig.listed(
        new ScriptedInstance(
            "a",
            ScriptedInstance.answering((r, n) -> {
              if (r.contains("\"hold\"")) {
                go.await();
              }
              return Rig.OK;
            })),
        Map.of("max_concurrency", 1, "models", List.of("m")));
    SleepingInstance s = sleeper("s", Map.of("models", List.of("m", "other")));
    route();
    assertThat(rig.chat().field("x-infini-instance")).isEqualTo("a");
    assertThat(s.wakes).isEmpty();
    // full: the next one stands in line, and another is woken
    CompletableFuture<Said> holding =
        ask(rig.port(), Rig.BODY.replace("[]", "[],\"user\":\"hold\""));
    await().atMost(Rig.SOON).until(() -> rig.service("a").path("in_flight").asInt() == 1);
    CompletableFuture<Said> waits = ask();
    woken(s);
    s.serves();
    assertThat(waits.get().field("x-infini-instance")).isEqualTo("s");
    go.countDown();
    assertThat(holding.get().ok()).isTrue();
  }

  @Test
  void aModelThatOnlyOneThatSleepsHasIsWorthWaiting() throws Exception {
    rig.good("a");
    SleepingInstance s = sleeper("s", Map.of("models", List.of("other")));
    route();
    assertThat(rig.chat().field("x-infini-instance")).isEqualTo("a");
    CompletableFuture<Said> said = ask(rig.port(), Rig.BODY.replace("\"m\"", "\"other\""));
    woken(s);
    s.serves();
    assertThat(said.get().field("x-infini-instance")).isEqualTo("s");
  }

  @Test
  void whatNobodyAwakeCanHoldIsWaitedFor() throws Exception {
    rig.listed(
        new ScriptedInstance("a", ScriptedInstance.answering((r, n) -> Rig.OK)),
        Map.of("max_model_len", 10));
    SleepingInstance s = sleeper("s", Map.of("max_model_len", 100_000));
    route();
    CompletableFuture<Said> said = ask(rig.port(), LARGE);
    woken(s);
    held(1);
    s.serves();
    assertThat(said.get().field("x-infini-instance")).isEqualTo("s");
  }

  @Test
  void aRequestThatGoesElsewhereForWantOfItsPoolWakesThatForTheNext() throws Exception {
    rig.listed(
        new ScriptedInstance("a", ScriptedInstance.answering((r, n) -> Rig.OK)),
        Map.of("cache_type", "paged"));
    SleepingInstance s = sleeper("s", Map.of("cache_type", "static"));
    route("threshold=500");
    assertThat(rig.chat().field("x-infini-instance")).isEqualTo("a");
    assertThat(s.wakes).isEmpty();
    Said said = rig.send(Rig.post(Rig.CHAT, "", LARGE));
    assertThat(said.field("x-infini-instance")).isEqualTo("a");
    assertThat(said.field("x-infini-reason")).isEqualTo("empty-pool");
    woken(s);
    s.serves();
    rig.awaitState("s", "routable");
    assertThat(rig.send(Rig.post(Rig.CHAT, "", LARGE)).field("x-infini-instance")).isEqualTo("s");
  }

  @Test
  void aRequestThatMeetsAStopIsNotLost() throws Exception {
    SleepingInstance s = sleeper("s");
    route();
    s.serves();
    rig.awaitState("s", "routable");
    assertThat(rig.chat().ok()).isTrue();
    // it is being stopped, and the router has not heard of it
    s.says("waking", "its last process is being ended");
    s.stops();
    CompletableFuture<Said> said = ask();
    woken(s);
    held(1);
    s.listens();
    s.says("healthy", "");
    assertThat(said.get().ok()).as(said.get().body()).isTrue();
    assertThat(s.asked).hasSize(2);
  }

  /// The registry's word is the same all the while: the babysitter's is enough to be asked again at
  /// once, and not when five seconds have passed.
  @Test
  void whoWasStoppedUnseenIsAskedAgainAsSoonAsItServes() throws Exception {
    SleepingInstance s = sleeper("s");
    route("queue_timeout=4");
    s.serves();
    rig.awaitState("s", "routable");
    s.says("waking", "its last process is being ended");
    s.stops();
    CompletableFuture<Said> said = ask();
    woken(s);
    held(1);
    s.listens();
    s.says("healthy", "");
    assertThat(said.get().ok()).as(said.get().body()).isTrue();
    assertThat(s.asked).hasSize(1);
  }

  @Test
  void aRefusalIsForgottenWhenTheRegistryHasNewsOfTheInstance() throws Exception {
    SleepingInstance s = sleeper("s");
    route();
    s.refuses("s is draining");
    assertThat(rig.chat().body()).contains("cannot be woken: s is draining");
    rig.registry.status("s", "draining");
    rig.awaitState("s", "draining");
    s.refuses(null);
    rig.registry.status("s", "asleep");
    rig.awaitState("s", "asleep");
    int calls = s.wakes.size();
    CompletableFuture<Said> said = ask();
    await().atMost(Rig.SOON).until(() -> s.wakes.size() > calls || said.isDone());
    assertThat(said).as("it is asked at once").isNotDone();
    s.serves();
    assertThat(said.get().ok()).isTrue();
  }

  @Test
  void whoGivesUpWhileRequestsWaitIsNotWaitedFor() throws Exception {
    SleepingInstance s = sleeper("s");
    route();
    CompletableFuture<Said> said = ask();
    woken(s);
    s.says("restarting", "the process ended with status 1");
    rig.registry.status("s", "restarting");
    rig.awaitState("s", "waking");
    held(1);
    rig.registry.status("s", "failed");
    assertThat(said.get().status()).isEqualTo(503);
    assertThat(said.get().field("retry-after")).isNotEmpty();
    assertThat(rig.chat().status()).isEqualTo(503);
  }

  @Test
  void oneThatIsDrainedIsNotWoken() throws Exception {
    SleepingInstance s = sleeper("s");
    route();
    rig.registry.status("s", "draining");
    rig.awaitState("s", "draining");
    assertThat(rig.chat().status()).isEqualTo(503);
    assertThat(s.wakes).isEmpty();
  }

  @Test
  void whatIsForNoModelWakesNobody() throws Exception {
    SleepingInstance s = sleeper("s");
    route();
    assertThat(rig.send(get("/favicon.ico")).status()).isEqualTo(503);
    assertThat(s.wakes).isEmpty();
    // a request that names none is for the only model on offer
    CompletableFuture<Said> said = ask(rig.port(), "{\"messages\":[]}");
    woken(s);
    s.serves();
    assertThat(said.get().ok()).isTrue();
  }

  /// One that serves by its babysitter's word, and answers every request with this status.
  private ScriptedInstance failing(String name, int status) throws IOException {
    return rig.answering(name, (r, n) -> Rig.answer(status, "", "no"));
  }

  @ParameterizedTest
  @ValueSource(ints = {429, 500, 502, 503})
  void whoAnswersThatItFailsIsLeftForOneThatSleeps(int status) throws Exception {
    ScriptedInstance a = failing("a", status);
    SleepingInstance s = sleeper("s");
    route();
    CompletableFuture<Said> first = ask();
    woken(s);
    held(1);
    s.serves();
    assertThat(first.get().ok()).as(first.get().body()).isTrue();
    assertThat(first.get().field("x-infini-instance")).isEqualTo("s");
    assertThat(first.get().field("x-infini-attempts")).isEqualTo("2");
    for (int k = 0; k < 19; k++) {
      Said said = rig.chat();
      assertThat(said.ok()).as("request %d: %s", k, said.body()).isTrue();
    }
    assertThat(s.asked).hasSize(20);
    assertThat(a.seen.size()).as("it is left alone before long").isLessThan(12);
  }

  @Test
  void whoseConnectionsAreClosedAndWhoIsOutIsLeftForOneThatSleeps() throws Exception {
    ScriptedInstance a = rig.instance("a", ScriptedInstance.CLOSES);
    SleepingInstance s = sleeper("s");
    route();
    CompletableFuture<Said> first = ask();
    woken(s);
    held(1);
    s.serves();
    assertThat(first.get().ok()).as(first.get().body()).isTrue();
    a.close();
    rig.awaitState("a", "ejected");
    assertThat(rig.chat().ok()).isTrue();
    s.stops();
    s.says("asleep", "");
    rig.registry.status("s", "asleep");
    rig.awaitState("s", "asleep");
    int calls = s.wakes.size();
    CompletableFuture<Said> second = ask();
    await().atMost(Rig.SOON).until(() -> s.wakes.size() > calls);
    s.serves();
    assertThat(second.get().ok()).as(second.get().body()).isTrue();
  }

  @Test
  void whereOneThatSleepsCannotBeWokenTheClientHearsBothAndItIsNotAskedAgain() throws Exception {
    failing("a", 503);
    SleepingInstance s = sleeper("s");
    s.refuses("no GPU");
    route();
    Said said = rig.chat();
    assertThat(said.status()).isEqualTo(503);
    assertThat(said.body())
        .contains("instance_starting", "cannot be woken: no GPU", "instance a answered 503");
    int calls = s.wakes.size();
    Said next = rig.chat();
    assertThat(next.status()).isEqualTo(503);
    assertThat(next.field("x-infini-instance")).as("the instance's own answer").isEqualTo("a");
    assertThat(s.wakes).hasSize(calls);
  }

  @Test
  void whoFailsIsNotAskedAgainWhileAnotherStartsAndIsWhenItIsWell() throws Exception {
    AtomicBoolean well = new AtomicBoolean();
    AtomicInteger asked = new AtomicInteger();
    rig.answering(
        "a",
        (r, n) -> {
          asked.incrementAndGet();
          return well.get() || r.contains("\"good\"") ? Rig.OK : Rig.answer(500, "", "no");
        });
    SleepingInstance s = sleeper("s");
    route();
    CompletableFuture<Said> said = ask();
    woken(s);
    held(1);
    // several of the looks that it has each second, and longer than time alone needs
    await().atMost(Rig.SOON).until(() -> s.wakes.size() > 13);
    assertThat(asked).hasValue(1);
    well.set(true);
    assertThat(
            rig.send(Rig.post(Rig.CHAT, "", Rig.BODY.replace("[]", "[],\"user\":\"good\""))).ok())
        .isTrue();
    assertThat(said.get().field("x-infini-instance")).isEqualTo("a");
    assertThat(s.asked).isEmpty();
  }

  @Test
  void aRequestThatHasHadAllItsAttemptsHasOneWokenForTheNext() throws Exception {
    // three of them are all the attempts that a request has
    for (String name : List.of("a", "b", "c")) {
      failing(name, 503);
    }
    SleepingInstance s = sleeper("s");
    route();
    await()
        .atMost(Rig.SOON)
        .until(() -> {
          Said said = rig.chat();
          return said.status() == 503 && !s.wakes.isEmpty();
        });
    s.serves();
    rig.awaitState("s", "routable");
    await().atMost(Rig.SOON).until(() -> rig.chat().ok());
  }

  private static final Pattern FIRST_COMMENT =
      Pattern.compile(": waiting, instance s is starting, \\d+ s\n\n");

  @Test
  void aHeldStreamIsToldHowFarItIs() throws Exception {
    SleepingInstance s = sleeper("s");
    s.says("starting", "GET http://10.9.8.7:1/health: cannot connect to 10.9.8.7:1: refused");
    route("sse_comments=0.25");
    try (Socket c = rig.connect()) {
      String post = Rig.post(Rig.CHAT, "Connection: close\r\n", Rig.STREAM);
      c.getOutputStream().write(post.getBytes(ISO_8859_1));
      InputStream in = c.getInputStream();
      StringBuilder all = new StringBuilder();
      while (!FIRST_COMMENT.matcher(all).find()) {
        int b = in.read();
        assertThat(b).as("after " + all).isNotNegative();
        all.append((char) b);
      }
      s.says("loading", "GET http://10.9.8.7:1/health: layer 12\nof 40");
      while (all.indexOf(": waiting, instance s is loading") < 0
          || all.indexOf("layer 12 of 40\n\n") < 0) {
        int b = in.read();
        assertThat(b).as("after " + all).isNotNegative();
        all.append((char) b);
      }
      assertThat(all.toString())
          .startsWith("HTTP/1.1 200 ")
          .contains("text/event-stream")
          .as("where it is is nothing for clients")
          .doesNotContain("10.9.8.7");
      s.serves();
      String rest = new String(in.readAllBytes(), ISO_8859_1);
      assertThat(rest).contains("data: [DONE]").endsWith("0\r\n\r\n");
    }
    rig.outcome("ok");
  }
}
