package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.PushbackInputStream;
import java.net.Socket;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Prompts that an instance refuses as too long, after the estimate had let them through; models
/// that it lists and has not.
class RefusalIT {
  private static final String WORDS =
      "{\"error\":{\"message\":\"maximum context length is 4096 tokens\",\"code\":400}}";
  private static final String REFUSAL =
      "HTTP/1.1 400 Bad Request\r\nContent-Length: " + WORDS.length() + "\r\n\r\n" + WORDS;

  private Rig rig;

  @BeforeEach
  void begin() throws Exception {
    rig = new Rig();
  }

  @AfterEach
  void end() throws Exception {
    rig.quiet();
    rig.close();
  }

  private ScriptedInstance holding(String name, int tokens, String answer) throws Exception {
    return rig.listed(
        new ScriptedInstance(name, ScriptedInstance.answering((r, n) -> answer)),
        Map.of("max_model_len", tokens));
  }

  @Test
  void aLargerInstanceIsAskedOnce() throws Exception {
    ScriptedInstance small = holding("a", 4096, REFUSAL);
    ScriptedInstance large = holding("b", 16384, Rig.OK);
    rig.start();
    for (int k = 0; k < 4; k++) {
      assertThat(rig.chat().status()).isEqualTo(200);
    }
    assertThat(small.seen).isNotEmpty();
    assertThat(large.seen).hasSize(4);
    assertThat(rig.health()).isEqualTo("2/2");
  }

  private static String no(String what) {
    return switch (what) {
      case "length" -> REFUSAL;
      case "model" -> noModel("m");
      default -> Rig.answer(404, "", "{\"detail\":\"Not Found\"}");
    };
  }

  /// A 400 or a 404 is final to clients.
  @ParameterizedTest
  @CsvSource({
    "length, full", "length, no line", "length, drains", "length, is dead",
    "route, full", "route, no line", "route, drains", "route, is dead",
    "model, full", "model, no line", "model, drains", "model, is dead"
  })
  void whatOneCannotIsNotSaidOfAllWhileAnotherIsBusyOrAway(String what, String how)
      throws Exception {
    String path = what.equals("route") ? "/v1/messages" : Rig.CHAT;
    String no = no(what);
    rig.listed(
        new ScriptedInstance("p", ScriptedInstance.answering((r, n) -> no)),
        Map.of("max_model_len", 4096));
    CountDownLatch end = new CountDownLatch(1);
    ScriptedInstance s =
        rig.listed(
            new ScriptedInstance(
                "s",
                ScriptedInstance.answering((r, n) -> {
                  if (r.contains("X-Blocks")) {
                    end.await();
                  }
                  return Rig.OK;
                })),
            Map.of("max_model_len", 16384, "max_concurrency", 1));
    rig.start("queue_timeout=1", how.equals("no line") ? "queue_limit=0" : "queue_limit=10");
    try (ExecutorService clients = Executors.newVirtualThreadPerTaskExecutor()) {
      switch (how) {
        case "drains" -> {
          String drain =
              Rig.post("/admin/instances/s/drain", "Content-Type: application/json\r\n", "{}");
          assertThat(rig.send(drain.replace("router.example", "localhost")).status())
              .isEqualTo(202);
          rig.awaitState("s", "draining");
        }
        case "is dead" -> s.dies();
        default -> {
          clients.submit(() -> rig.send(Rig.post(path, "X-Blocks: 1\r\n", Rig.BODY)));
          await().atMost(Rig.SOON).until(() -> s.seen.size() == 1);
        }
      }
      for (int k = 0; k < 3; k++) {
        Said said = rig.send(Rig.post(path, "", Rig.BODY));
        assertThat(said.status()).as(said.head() + said.body()).isEqualTo(503);
        assertThat(said.field("retry-after")).isNotEmpty();
      }
      end.countDown();
    }
    assertThat(rig.instances.getFirst().seen)
        .as("asked once a request")
        .hasSizeLessThanOrEqualTo(4);
  }

  /// As it would be after a failure of the other.
  @ParameterizedTest
  @CsvSource({"length", "model", "route"})
  void theOneThatCanAndFailedIsAskedOnceMoreWhereTheOtherRefuses(String what) throws Exception {
    String no = no(what);
    rig.listed(
        new ScriptedInstance("p", ScriptedInstance.answering((r, n) -> no)), Map.of("tier", 2));
    Set<String> seen = ConcurrentHashMap.newKeySet();
    rig.instance(
        "s",
        (self, t) -> {
          String request = self.take(t);
          if (seen.add(request.replaceAll("(?s).*(Name: \\d+).*", "$1"))) {
            t.close();
          } else {
            t.say(Rig.OK);
          }
        });
    rig.start();
    for (int k = 0; k < 4; k++) {
      Said said = rig.send(Rig.post("/v1/embeddings", "Name: " + k + "\r\n", Rig.BODY));
      assertThat(said.status()).as(said.head() + said.body()).isEqualTo(200);
    }
  }

  /// Nothing is computed for a refusal: three of them are no three attempts.
  @ParameterizedTest
  @CsvSource({"length", "model"})
  void theOneOfManyThatCanIsFound(String what) throws Exception {
    String no = no(what);
    for (int k = 0; k < 5; k++) {
      rig.answering("small" + k, (r, n) -> no);
    }
    rig.good("large");
    rig.start();
    for (int k = 0; k < 6; k++) {
      Said said = rig.chat();
      assertThat(said.status()).as(said.body()).isEqualTo(200);
      assertThat(said.field("x-infini-instance")).isEqualTo("large");
    }
  }

  /// A request that may not be sent twice may be sent where it was refused.
  @ParameterizedTest
  @CsvSource({"/v1/responses, ''", "/v1/chat/completions, '\"store\":true,'"})
  void whatMayNotBeRepeatedIsAskedOfALargerOneAsWell(String path, String more) throws Exception {
    holding("a", 4096, REFUSAL);
    holding("b", 16384, Rig.OK);
    rig.start();
    String body = "{" + more + "\"model\":\"m\",\"input\":\"x\",\"messages\":[]}";
    for (int k = 0; k < 6; k++) {
      assertThat(rig.send(Rig.post(path, "", body)).status()).isEqualTo(200);
    }
  }

  /// One says no, one is known to be too small, and the one that would do drains.
  @Test
  void whoIsKnownToBeTooSmallIsNoReasonToSayThatAllAre() throws Exception {
    rig.answering("a", (r, n) -> REFUSAL);
    holding("b", 100, Rig.OK);
    holding("c", 100_000, Rig.OK);
    rig.start();
    String drain = Rig.post("/admin/instances/c/drain", "Content-Type: application/json\r\n", "{}");
    rig.send(drain.replace("router.example", "localhost"));
    rig.awaitState("c", "draining");
    String body =
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"%s\"}]}"
            .formatted("word ".repeat(2000));
    Said said = rig.send(Rig.post(Rig.CHAT, "", body));
    assertThat(said.status()).as(said.body()).isEqualTo(503);
    assertThat(said.body()).contains("instance c, which may, is draining");
  }

  @Test
  void whereNoneIsLargerTheInstancesOwnWordsAreTheAnswer() throws Exception {
    holding("a", 4096, REFUSAL);
    holding("b", 4096, REFUSAL);
    rig.start();
    assertThat(rig.chat().body()).isEqualTo(WORDS);
    assertThat(rig.decision().path("attempts").asInt()).isEqualTo(1);
  }

  @Test
  void aLargerOneThatRefusesTooAnswersForItself() throws Exception {
    holding("a", 4096, REFUSAL);
    String other = WORDS.replace("4096", "8192");
    holding("b", 8192, REFUSAL.replace("4096", "8192"));
    rig.start();
    for (int k = 0; k < 3; k++) {
      assertThat(rig.chat().body()).isEqualTo(other);
    }
    assertThat(rig.health()).isEqualTo("2/2");
  }

  private static String noModel(String model) {
    return Rig.answer(
        404,
        "",
        "{\"error\":{\"message\":\"The model `" + model + "` does not exist.\",\"code\":404}}");
  }

  /// The one that refuses at once is always idle, so that it drew requests on.
  @Test
  void oneThatHasNotTheModelThatItListsIsLeftForAnother() throws Exception {
    ScriptedInstance a = rig.answering("a", (r, n) -> noModel("m"));
    ScriptedInstance b = rig.good("b");
    rig.start();
    for (int k = 0; k < 30; k++) {
      assertThat(rig.chat().status()).isEqualTo(200);
    }
    assertThat(a.seen).isNotEmpty();
    assertThat(b.seen).hasSize(30);
    assertThat(rig.health()).isEqualTo("2/2");
  }

  @Test
  void whereNobodyHasTheModelTheInstancesOwnWordsAreTheAnswer() throws Exception {
    rig.answering("a", (r, n) -> noModel("m"));
    rig.answering("b", (r, n) -> noModel("m"));
    rig.start();
    Said said = rig.chat();
    assertThat(said.status()).isEqualTo(404);
    assertThat(said.body()).contains("does not exist");
    rig.outcome("client_error");
    assertThat(rig.decision().path("attempts").asInt()).isEqualTo(2);
  }

  /// Another model under the same port, which was away for less than a probe takes to see.
  @Test
  void theListOfOneThatHasNotItsModelIsReadAtOnce() throws Exception {
    AtomicReference<String> model = new AtomicReference<>("m");
    ScriptedInstance a =
        new ScriptedInstance(
            "a",
            (self, t) -> {
              while (true) {
                String head = t.anyHead();
                String body = t.body(head);
                String has = model.get();
                t.say(
                    head.startsWith("GET /v1/models")
                        ? Rig.answer(200, "", "{\"data\":[{\"id\":\"" + has + "\"}]}")
                        : head.startsWith("GET") || body.contains("\"" + has + "\"")
                            ? Rig.OK
                            : noModel("m"));
              }
            });
    try (a) {
      Known known = StaticServices.instance("http://127.0.0.1:" + a.port() + ",name=a", Map.of());
      AtomicLong laterNanos = new AtomicLong();
      rig.start(ticker(laterNanos), List.of(known), "health_interval=0.2");
      assertThat(rig.chat().status()).isEqualTo(200);
      model.set("other");
      laterNanos.addAndGet(Duration.ofSeconds(30).toNanos());
      assertThat(rig.chat().status()).as("its own words").isEqualTo(404);
      String other = Rig.BODY.replace("\"m\"", "\"other\"");
      await().atMost(Rig.SOON).until(() -> rig.send(Rig.post(Rig.CHAT, "", other)).status() == 200);
    }
  }

  private static Ticker ticker(AtomicLong laterNanos) {
    return new Ticker() {
      @Override
      public long nanos() {
        return Ticker.SYSTEM.nanos() + laterNanos.get();
      }

      @Override
      public Instant now() {
        return Ticker.SYSTEM.now();
      }
    };
  }

  @Test
  void otherRefusalsStay() throws Exception {
    String words = "{\"error\":{\"message\":\"temperature must be positive\"}}";
    String no = "HTTP/1.1 400 X\r\nContent-Length: " + words.length() + "\r\n\r\n" + words;
    holding("a", 4096, no);
    holding("b", 16384, no);
    rig.start();
    assertThat(rig.chat().body()).isEqualTo(words);
    rig.outcome("client_error");
    assertThat(rig.decision().path("attempts").asInt()).isEqualTo(1);
  }

  @ParameterizedTest
  @CsvSource({"false, false", "true, false", "false, true", "true, true"})
  void itMayComeInPiecesAndInsideAStreamThatBeganEarly(boolean chunked, boolean comments)
      throws Exception {
    Semaphore began = new Semaphore(0);
    rig.listed(
        new ScriptedInstance(
            "a",
            (self, t) -> {
              self.take(t);
              if (comments) {
                began.acquire();
              }
              String frame = chunked ? "Transfer-Encoding: chunked" : "Connection: close";
              t.say("HTTP/1.1 400 Bad Request\r\n" + frame + "\r\n\r\n");
              for (String piece : WORDS.splitWithDelimiters(" ", 0)) {
                Thread.sleep(20);
                t.say(chunked ? "%x\r\n%s\r\n".formatted(piece.length(), piece) : piece);
              }
              t.say(chunked ? "0\r\n\r\n" : "");
              t.close();
            }),
        Map.of("max_model_len", 4096));
    holding("b", 16384, Rig.answer(200, "Content-Type: text/event-stream\r\n", "data: [DONE]\n\n"));
    rig.start(comments ? "sse_comments=1" : "sse_comments=100");
    int attempts = 0;
    String by = "";
    for (int k = 0; k < 20 && attempts < 2; k++) {
      began.drainPermits();
      try (Socket c = rig.connect()) {
        c.getOutputStream().write(Rig.post(Rig.CHAT, "", Rig.STREAM).getBytes(ISO_8859_1));
        PushbackInputStream in = new PushbackInputStream(c.getInputStream());
        in.unread(in.read());
        began.release();
        Said said = Said.read(in);
        assertThat(said.status()).isEqualTo(200);
        assertThat(said.body()).endsWith("data: [DONE]\n\n").doesNotContain("error");
        JsonNode decision = rig.decision(said.field("x-request-id"));
        attempts = decision.path("attempts").asInt();
        by = decision.path("instance").asText();
      }
    }
    assertThat(attempts).isEqualTo(2);
    assertThat(by).isEqualTo("b");
  }
}
