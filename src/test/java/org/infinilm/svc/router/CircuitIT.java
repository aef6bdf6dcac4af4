package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What takes an instance out of service and what brings it back, on real sockets.
class CircuitIT {
  private static final String BROKEN =
      "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nno";

  private static final String STREAM_HEAD =
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

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

  private String state(String name) throws Exception {
    for (JsonNode s : rig.get("/services").path("services")) {
      if (s.path("name").asText().equals(name)) {
        return s.path("state").asText();
      }
    }
    return "gone";
  }

  private void becomes(String name, String state) {
    await().atMost(Rig.SOON).until(() -> state(name).equals(state));
  }

  @Test
  void whoFailsWhatOthersAnswerIsOutAndOneTrialBringsItBack() throws Exception {
    AtomicBoolean broken = new AtomicBoolean(true);
    ScriptedInstance a = rig.answering("a", (r, n) -> broken.get() ? BROKEN : Rig.OK);
    rig.good("b");
    rig.start();
    await()
        .atMost(Rig.SOON)
        .until(() -> {
          rig.chat();
          return state("a").equals("ejected");
        });
    int before = a.seen.size();
    assertThat(before).as("three strikes").isLessThan(10);
    for (int k = 0; k < 20; k++) {
      assertThat(rig.chat().ok()).isTrue();
    }
    assertThat(a.seen).hasSize(before);
    becomes("a", "trial");
    await()
        .atMost(Rig.SOON)
        .until(() -> {
          assertThat(rig.chat().ok()).isTrue();
          return a.seen.size() == before + 1;
        });
    becomes("a", "ejected");
    for (int k = 0; k < 10; k++) {
      assertThat(rig.chat().ok()).isTrue();
    }
    assertThat(a.seen).as("one trial and no more").hasSize(before + 1);
    broken.set(false);
    becomes("a", "trial");
    await()
        .atMost(Rig.SOON)
        .until(() -> {
          assertThat(rig.chat().ok()).isTrue();
          return state("a").equals("routable");
        });
  }

  @Test
  void whatFailsEverywhereTakesNobodyOut() throws Exception {
    rig.answering("a", (r, n) -> BROKEN);
    rig.answering("b", (r, n) -> BROKEN);
    rig.start();
    for (int k = 0; k < 60; k++) {
      assertThat(rig.chat().status()).isEqualTo(500);
    }
    assertThat(rig.health()).isEqualTo("2/2");
  }

  /// An instance with a small share of the requests, as one in slow start, gets each request that
  /// fails everywhere all the same: it was out for minutes in a soak.
  @Test
  void whatFailsEverywhereTakesNobodyOutWhoGetsLittleElse() throws Exception {
    ScriptedInstance.Reply reply = (r, n) -> r.contains("poison") ? BROKEN : Rig.OK;
    ScriptedInstance few = new ScriptedInstance("few", ScriptedInstance.answering(reply));
    ScriptedInstance most = new ScriptedInstance("most", ScriptedInstance.answering(reply));
    rig.listed(few, Map.of("weight", 1));
    rig.listed(most, Map.of("weight", 100));
    rig.start();
    String poison = Rig.post(Rig.CHAT, "", "{\"model\":\"m\",\"messages\":[],\"user\":\"poison\"}");
    await()
        .atMost(Rig.SOON)
        .until(() -> {
          assertThat(rig.send(poison).status()).isEqualTo(500);
          for (int k = 0; k < 9; k++) {
            assertThat(rig.chat().ok()).isTrue();
          }
          assertThat(state("few")).isEqualTo("routable");
          return few.seen.stream().filter(r -> r.contains("poison")).count() > 2 * Outliers.LEAST;
        });
    await()
        .during(Duration.ofSeconds(1))
        .atMost(Rig.SOON)
        .until(() -> state("few").equals("routable"));
  }

  /// The home of a session key is asked first with all that its client sends.
  @Test
  void whatFailsEverywhereDoesNotTakeTheHomeOfItsKeyOut() throws Exception {
    ScriptedInstance.Reply reply = (r, n) -> r.contains("poison") ? BROKEN : Rig.OK;
    rig.answering("a", reply);
    rig.answering("b", reply);
    rig.start();
    String poison =
        Rig.post(
            Rig.CHAT,
            "",
            "{\"model\":\"m\",\"messages\":[],\"prompt_cache_key\":\"s\",\"user\":\"poison\"}");
    for (int round = 0; round < 40; round++) {
      assertThat(rig.send(poison).status()).isEqualTo(500);
      for (int k = 0; k < 4; k++) {
        assertThat(rig.chat().ok()).isTrue();
      }
    }
    await().during(Duration.ofSeconds(1)).atMost(Rig.SOON).until(() -> rig.health().equals("2/2"));
    long bad = 0;
    for (ScriptedInstance i : rig.instances) {
      bad += i.seen.stream().filter(r -> r.contains("poison")).count();
    }
    assertThat(bad).as("it was tried elsewhere").isGreaterThan(40 + Outliers.LEAST);
  }

  /// A head proves nothing: whoever breaks each of its answers made a good peer look broken, which
  /// had refused what fails everywhere.
  @Test
  void anAnswerThatBreaksDisprovesNobody() throws Exception {
    ScriptedInstance a =
        rig.instance(
            "a",
            (self, t) -> {
              self.take(t);
              t.say(STREAM_HEAD);
              t.say("9\r\ndata: 1\n\n\r\n");
              t.reset();
            });
    rig.answering("b", (r, n) -> BROKEN);
    rig.start();
    await()
        .atMost(Rig.SOON)
        .until(() -> {
          rig.send(Rig.post(Rig.CHAT, "", Rig.STREAM));
          return a.seen.size() > 20;
        });
    for (JsonNode s : rig.get("/services").path("services")) {
      if (s.path("name").asText().equals("b")) {
        assertThat(s.path("error_count").asInt()).isZero();
      }
    }
  }

  /// C6: it went out and in once a second.
  @Test
  void aDeadPortBehindAHealthyBabysitterStaysOutAndComesBackByItself() throws Exception {
    ScriptedInstance a = rig.good("a");
    rig.good("b");
    rig.start();
    a.dies();
    await()
        .atMost(Rig.SOON)
        .until(() -> {
          assertThat(rig.chat().ok()).isTrue();
          return state("a").equals("ejected");
        });
    await()
        .during(Duration.ofSeconds(4))
        .atMost(Rig.SOON)
        .until(() -> state("a").equals("ejected"));
    assertThat(rig.chat().field("x-infini-attempts")).isEqualTo("1");
    a.returns();
    becomes("a", "routable");
  }

  @Test
  void whoAsksForAPauseIsLeftAloneWhileAnotherCanTakeRequests() throws Exception {
    ScriptedInstance a =
        rig.answering(
            "a",
            (r, n) ->
                "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n");
    ScriptedInstance b = rig.good("b");
    rig.start();
    for (int k = 0; k < 20; k++) {
      assertThat(rig.chat().ok()).isTrue();
    }
    assertThat(a.seen).hasSize(1);
    assertThat(state("a")).as("no strike").isEqualTo("routable");
    b.dies();
    await().atMost(Rig.SOON).until(() -> a.seen.size() > 1 || rig.chat().status() == 429);
  }

  /// A trial decides, however long its answer takes: that nobody was asked is another matter.
  @Test
  void aTrialThatHangsDoesNotBringItBack() throws Exception {
    AtomicBoolean hangs = new AtomicBoolean();
    CountDownLatch end = new CountDownLatch(1);
    ScriptedInstance a =
        rig.answering(
            "a",
            (r, n) -> {
              if (hangs.get()) {
                end.await();
                return Rig.OK;
              }
              return BROKEN;
            });
    rig.good("b");
    rig.start();
    await()
        .atMost(Rig.SOON)
        .until(() -> {
          rig.chat();
          return state("a").equals("ejected");
        });
    hangs.set(true);
    becomes("a", "trial");
    int before = a.seen.size();
    Thread trial =
        Thread.ofVirtual()
            .start(() -> {
              try {
                while (a.seen.size() == before) {
                  rig.chat();
                }
              } catch (IOException e) {
                throw new UncheckedIOException(e);
              }
            });
    await().atMost(Rig.SOON).until(() -> a.seen.size() > before);
    await().during(Duration.ofSeconds(12)).atMost(Rig.SOON).until(() -> state("a").equals("trial"));
    end.countDown();
    becomes("a", "routable");
    trial.join();
  }

  /// It failed requests that its peer answered: the client had no part in it.
  @Test
  void whoNeverAnswersWithinALimitThatItsPeerKeepsIsOut() throws Exception {
    rig.instance(
        "a",
        (self, t) -> {
          self.take(t);
          t.hang();
        });
    rig.good("b");
    rig.start("first_byte_timeout=0.5");
    await()
        .atMost(Rig.SOON)
        .until(() -> {
          assertThat(rig.chat().ok()).isTrue();
          return state("a").equals("ejected");
        });
  }

  /// A head that was well is not yet an answer, nor is an end that is nothing but a closed
  /// connection.
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void whoBreaksEveryStreamIsOutWithFewRequestsToo(boolean byClose) throws Exception {
    String head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
    rig.instance(
        "a",
        (self, t) -> {
          self.take(t);
          if (byClose) {
            t.say(head + "Connection: close\r\n\r\ndata: {}\n\n");
            t.close();
          } else {
            t.say(head + "Transfer-Encoding: chunked\r\n\r\n5\r\ndata:\r\n");
            t.reset();
          }
        });
    rig.good("b");
    rig.start();
    await()
        .atMost(Rig.SOON)
        .until(() -> {
          rig.send(Rig.post(Rig.CHAT, "", Rig.STREAM));
          return state("a").equals("ejected");
        });
  }

  /// TGI and gateways say 429 and nothing more.
  @Test
  void aRefusalWithoutRetryAfterAttractsNobody() throws Exception {
    ScriptedInstance a = rig.answering("a", (r, n) -> Rig.answer(429, "", "busy"));
    rig.good("b");
    rig.start();
    for (int k = 0; k < 50; k++) {
      assertThat(rig.chat().ok()).isTrue();
    }
    assertThat(a.seen).hasSizeLessThan(15);
  }
}
