package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.infinilm.svc.router.ScriptedInstance.Script;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What the second attempt says, what is told when there is no third, and what stays as it was.
@Timeout(120)
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
class SecondAttemptIT {
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

  private static String head(String request) {
    return request.substring(0, request.indexOf("\r\n\r\n") + 2).toLowerCase(Locale.ROOT);
  }

  @Test
  void theSecondAttemptSaysWhatTheClientSaidAndNothingOfTheFirstInstance() throws Exception {
    ScriptedInstance keyed = new ScriptedInstance("keyed", ScriptedInstance.CLOSES);
    ScriptedInstance open =
        new ScriptedInstance("open", ScriptedInstance.answering((r, n) -> Rig.OK));
    rig.instances.add(keyed);
    rig.instances.add(open);
    List<Known> fixed =
        List.of(
            StaticServices.instance(
                "http://127.0.0.1:" + keyed.port() + ",name=keyed,api_key_env=KEY",
                Map.of("KEY", "sk-of-keyed")),
            StaticServices.instance("http://127.0.0.1:" + open.port() + ",name=open", Map.of()));
    rig.startFixed(fixed);
    String body = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\\u00e4 \"}]}";
    Said said =
        rig.untilRepeated(
            Rig.post(
                "/v1/chat/completions?q=%2e",
                "Authorization: Bearer mine\r\nX-Api-Key: mine-too\r\nApi-Key: mine-too\r\n"
                    + "Cookie: session=mine-too\r\nX-Forwarded-For: 10.0.0.1\r\n"
                    + "X-Forwarded-For: 10.0.0.2\r\nVia: 1.0 one\r\nVia: 1.1 two\r\n"
                    + "Connection: X-Hop\r\nX-Hop: 1\r\nX-Request-Id: mine-1\r\n",
                body));
    assertThat(said.ok()).isTrue();
    assertThat(said.field("x-infini-instance")).isEqualTo("open");
    String first = keyed.seen.getLast();
    String second = open.seen.getLast();
    assertThat(head(first))
        .contains("\r\nauthorization: bearer sk-of-keyed\r\n")
        .doesNotContain("mine-too");
    assertThat(head(second))
        .startsWith("post /v1/chat/completions?q=%2e http/1.1\r\n")
        .contains("\r\nauthorization: bearer mine\r\n")
        .contains("\r\nx-api-key: mine-too\r\n")
        .contains("\r\ncookie: session=mine-too\r\n")
        .contains("\r\nx-forwarded-for: 10.0.0.1, 10.0.0.2, 127.0.0.1\r\n")
        .containsPattern("\r\nvia: 1\\.0 one, 1\\.1 two, 1\\.1 infini[^\r,]*\r\n")
        .contains("\r\nhost: 127.0.0.1:" + open.port() + "\r\n")
        .contains("\r\nx-request-id: mine-1\r\n")
        .doesNotContain("sk-of-keyed")
        .doesNotContain("x-hop")
        .doesNotContain(String.valueOf(keyed.port()));
    assertThat(second).endsWith("\r\n\r\n" + body);
    assertThat(first).endsWith("\r\n\r\n" + body);
  }

  /// A41: its second name was taken for an instance that had not been tried.
  @Test
  void aServerUnderTwoNamesGetsAFailingRequestOnce() throws Exception {
    ScriptedInstance i = rig.instance("a", ScriptedInstance.CLOSES);
    rig.registry.add("b", i.port(), Map.of());
    rig.launch(Ticker.SYSTEM, List.of());
    await().atMost(Rig.SOON).until(() -> rig.health().equals("1/2"));
    assertThat(rig.chat().status()).isEqualTo(502);
    assertThat(i.seen).filteredOn(r -> r.startsWith("POST")).hasSize(1);
  }

  /// One says "busy" and then nothing, the other nothing at all.
  @Test
  void theFirstCauseIsReportedWithItsRetryAfter() throws Exception {
    List<String> order = Collections.synchronizedList(new ArrayList<>());
    rig.instance(
        "busy",
        (self, t) -> {
          self.take(t);
          order.add("busy");
          if (order.indexOf("busy") == order.size() - 1) {
            t.say(Rig.answer(503, "Retry-After: 7\r\n", "busy"));
          }
          t.close();
        });
    rig.instance(
        "mute",
        (self, t) -> {
          self.take(t);
          order.add("mute");
          t.close();
        });
    rig.start();
    Set<String> first = new HashSet<>();
    for (int k = 0; k < 30 && first.size() < 2; k++) {
      order.clear();
      Said said = rig.chat();
      first.add(order.getFirst());
      assertThat(order).hasSizeGreaterThan(1);
      assertThat(said.status()).isEqualTo(503);
      assertThat(said.field("retry-after")).isEqualTo("7");
      assertThat(said.body().contains("instance busy answered 503"))
          .as("told by the router, not by the instance")
          .isEqualTo(order.getFirst().equals("busy"));
      assertThat(said.field("x-should-retry")).isNotEqualTo("false");
    }
    assertThat(first).contains("busy");
  }

  @Test
  void aBusyInstanceIsNotTurnedIntoARefusalOfSize() throws Exception {
    ScriptedInstance large =
        new ScriptedInstance(
            "large",
            ScriptedInstance.answering((r, n) -> Rig.answer(503, "Retry-After: 7\r\n", "busy")));
    rig.listed(large, Map.of("cache_type", "static", "max_cache_len", 1_000_000));
    rig.listed(
        new ScriptedInstance("small", ScriptedInstance.answering((r, n) -> Rig.OK)),
        Map.of("cache_type", "static", "max_cache_len", 1000));
    rig.start();
    String text = "word ".repeat(8000);
    for (int k = 0; k < 5; k++) {
      Said said =
          rig.send(
              Rig.post(
                  Rig.CHAT,
                  "",
                  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\""
                      + text
                      + "\"}]}"));
      assertThat(said.status()).isEqualTo(503);
      assertThat(said.field("retry-after")).isEqualTo("7");
      assertThat(said.body()).doesNotContain("context_length_exceeded");
    }
    assertThat(large.seen).isNotEmpty();
  }

  /// Every instance answers 500 to this one request: it is the request's fault.
  @Test
  void aPoisonRequestEjectsNobodyAndHasTheInstancesOwnAnswer() throws Exception {
    for (String name : List.of("a", "b", "c")) {
      rig.answering(
          name, (r, n) -> r.contains("poison") ? Rig.answer(500, "", "boom of " + name) : Rig.OK);
    }
    rig.start();
    String poison = Rig.post(Rig.CHAT, "", "{\"model\":\"m\",\"messages\":[],\"user\":\"poison\"}");
    for (int k = 0; k < 20; k++) {
      int before = rig.instances.stream().mapToInt(i -> i.seen.size()).sum();
      Said said = rig.send(poison);
      assertThat(said.status()).isEqualTo(500);
      assertThat(said.body()).startsWith("boom of ");
      int asked = rig.instances.stream().mapToInt(i -> i.seen.size()).sum() - before;
      assertThat(asked).as("put aside once only").isLessThanOrEqualTo(2);
      assertThat(rig.chat().ok()).isTrue();
    }
    await().atMost(Rig.SOON).until(() -> rig.health().equals("3/3"));
    assertThat(rig.health()).isEqualTo("3/3");
  }

  /// C7: a model list that cannot be read now is the one of before.
  @Test
  void aBusyInstanceKeepsItsModels() throws Exception {
    Script[] slow = {null};
    ScriptedInstance i =
        new ScriptedInstance(
            "a",
            (self, t) -> {
              if (slow[0] != null) {
                slow[0].serve(self, t);
              }
              while (true) {
                self.take(t);
                t.say(Rig.OK);
              }
            });
    rig.instances.add(i);
    rig.startFixed(
        List.of(StaticServices.instance("http://127.0.0.1:" + i.port() + ",name=a", Map.of())),
        "health_interval=0.2",
        "health_timeout=0.3");
    await().atMost(Rig.SOON).until(() -> rig.chat().ok());
    slow[0] =
        (self, t) -> {
          String head = t.anyHead();
          if (head.startsWith("GET /v1/models ")) {
            t.hang();
          }
          String body = head.startsWith("GET /health ") ? "{}" : "ok";
          t.body(head);
          t.say(Rig.answer(200, "Connection: close\r\n", body));
          t.close();
        };
    int until = i.connections.get() + 20;
    await()
        .atMost(Rig.SOON)
        .untilAsserted(() -> assertThat(i.connections.get()).isGreaterThan(until));
    Said said = rig.chat();
    assertThat(said.status()).as("%s", said).isEqualTo(200);
    assertThat(rig.get("/services").path("services").path(0).path("models").toString())
        .isEqualTo("[\"m\"]");
  }

  /// L7: a request that is tried again asks who is there now.
  @Test
  void aRetryAsksTheFleetOfNow() throws Exception {
    ScriptedInstance[] late = {null};
    ScriptedInstance first =
        rig.instance(
            "first",
            (self, t) -> {
              self.take(t);
              late[0] = rig.good("late");
              await().atMost(Rig.SOON).until(() -> rig.get("/services").path("total").asInt() == 2);
              t.close();
            });
    rig.start();
    Said said = rig.chat();
    assertThat(said.ok()).as("%s", said).isTrue();
    assertThat(said.field("x-infini-instance")).isEqualTo("late");
    assertThat(first.seen).hasSize(1);
    assertThat(late[0].seen).hasSize(1);
  }

  /// Two routers that know nothing of each other agree on where a session lives.
  @Test
  void twoRoutersGiveASessionTheSameHome() throws Exception {
    for (int k = 0; k < 5; k++) {
      rig.good("instance-" + k);
    }
    rig.start();
    Router other = rig.start(Ticker.SYSTEM, List.of());
    Set<String> homes = new HashSet<>();
    for (int k = 0; k < 40; k++) {
      String request =
          Rig.post(
              Rig.CHAT,
              "",
              "{\"model\":\"m\",\"messages\":[],\"prompt_cache_key\":\"session-" + k + "\"}");
      String here = rig.send(request).field("x-infini-instance");
      assertThat(rig.send(other.port(), request).field("x-infini-instance")).isEqualTo(here);
      homes.add(here);
    }
    assertThat(homes).as("homes of 40 sessions").hasSizeGreaterThan(2);
  }
}
