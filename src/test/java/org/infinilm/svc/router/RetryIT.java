package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
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
}
