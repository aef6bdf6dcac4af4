package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.registry.Registration;
import org.infinilm.svc.registry.RegistryClient;
import org.infinilm.svc.registry.RegistryServer;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Routers beside each other over one registry of ours.
@Timeout(120)
class BesideIT {
  private final AtomicInteger now = new AtomicInteger();
  private final AtomicInteger most = new AtomicInteger();
  private final Semaphore answers = new Semaphore(0);
  private final ExecutorService clients = Executors.newVirtualThreadPerTaskExecutor();
  private final List<Router> routers = new ArrayList<>();
  private Rig rig;
  private RegistryServer registry;

  @BeforeEach
  void begin() throws IOException {
    rig = new Rig();
    registry =
        RegistryServer.start(RegistryServer.Options.at(0), Ticker.SYSTEM, new SplittableRandom(1));
  }

  @AfterEach
  void end() throws IOException {
    answers.release(1000);
    clients.close();
    rig.close();
    registry.close();
  }

  private String url() {
    return "http://127.0.0.1:" + registry.port();
  }

  /// An instance with so many seats that counts who is there, and answers when the test lets it.
  private void instance(String name, int seats) throws Exception {
    ScriptedInstance i =
        new ScriptedInstance(
            name,
            ScriptedInstance.answering((r, n) -> {
              if (!r.startsWith("POST")) {
                return Rig.OK;
              }
              most.accumulateAndGet(now.incrementAndGet(), Math::max);
              answers.acquire();
              now.decrementAndGet();
              return Rig.OK;
            }));
    rig.instances.add(i);
    Map<String, Object> metadata = new HashMap<>();
    metadata.put("type", "openai-api");
    metadata.put("models", List.of("m"));
    metadata.put("max_concurrency", seats);
    new RegistryClient(rig.client, URI.create(url()), null)
        .register(
            new Registration(
                name,
                "127.0.0.1",
                i.port(),
                "h",
                "http://127.0.0.1:" + i.port(),
                "running",
                metadata,
                1));
  }

  private Router router(String... settings) throws Exception {
    List<String> all = new ArrayList<>(List.of("registry_url=" + url()));
    all.addAll(List.of(settings));
    Router r = rig.start(Ticker.SYSTEM, List.of(), all.toArray(String[]::new));
    routers.add(r);
    return r;
  }

  private String metrics(Router r) throws Exception {
    URI u = URI.create("http://127.0.0.1:" + r.port() + "/metrics");
    return new String(rig.client.get(u, Rig.SOON).body(), StandardCharsets.UTF_8);
  }

  private JsonNode stats(Router r) throws Exception {
    URI u = URI.create("http://127.0.0.1:" + r.port() + "/stats");
    return Json.tree(rig.client.get(u, Rig.SOON).body());
  }

  private void awaitKnown(int n) {
    for (Router r : routers) {
      await()
          .atMost(Rig.SOON)
          .untilAsserted(() -> {
            assertThat(stats(r).at("/routers/known").asInt()).isEqualTo(n);
            assertThat(stats(r).at("/routers/heard_of").asInt()).isEqualTo(n - 1);
          });
    }
  }

  private List<Future<Boolean>> ask(Router r, int n) {
    List<Future<Boolean>> out = new ArrayList<>();
    for (int k = 0; k < n; k++) {
      Callable<Boolean> ask =
          () -> {
            try (Socket s = new Socket("127.0.0.1", r.port())) {
              s.setSoTimeout((int) Rig.SOON.toMillis());
              s.getOutputStream().write(Rig.post(Rig.CHAT, "", Rig.BODY).getBytes(ISO_8859_1));
              return Said.read(s.getInputStream()).ok();
            }
          };
      out.add(clients.submit(ask));
    }
    return out;
  }

  private static void allAnswered(List<Future<Boolean>> asked) throws Exception {
    for (Future<Boolean> f : asked) {
      assertThat(f.get()).isTrue();
    }
  }

  @Test
  void seatsAreSharedAndAllAreUsed() throws Exception {
    instance("i", 6);
    for (int k = 0; k < 3; k++) {
      router();
    }
    awaitKnown(3);
    List<Future<Boolean>> asked = new ArrayList<>();
    for (Router r : routers) {
      asked.addAll(ask(r, 6));
    }
    await().atMost(Rig.SOON).until(() -> now.get() == 6);
    // each has its part, and says so
    for (Router r : routers) {
      await().atMost(Rig.SOON).until(() -> stats(r).at("/services/0/seats_here").asInt() == 2);
    }
    answers.release(1000);
    allAnswered(asked);
    assertThat(most.get()).as("at once, of 6 seats").isLessThanOrEqualTo(6);
  }

  @Test
  void whatOthersDoNotWantOneHas() throws Exception {
    instance("i", 6);
    for (int k = 0; k < 3; k++) {
      router();
    }
    awaitKnown(3);
    List<Future<Boolean>> asked = ask(routers.getFirst(), 8);
    await().atMost(Rig.SOON).until(() -> now.get() == 6);
    answers.release(1000);
    allAnswered(asked);
    assertThat(most.get()).isLessThanOrEqualTo(6);
  }

  @Test
  void oneSeatIsForAllRoutersInTurn() throws Exception {
    instance("i", 1);
    for (int k = 0; k < 3; k++) {
      router();
    }
    awaitKnown(3);
    List<Future<Boolean>> asked = new ArrayList<>();
    for (Router r : routers) {
      asked.addAll(ask(r, 3));
    }
    answers.release(1000);
    allAnswered(asked);
    assertThat(most.get()).as("one each at most").isLessThanOrEqualTo(3);
  }

  @Test
  void whoEndsIsNotReckonedWithAndWhoCannotBeHeardIsForAWhile() throws Exception {
    instance("i", 4);
    for (int k = 0; k < 2; k++) {
      router();
    }
    awaitKnown(2);
    String since = stats(routers.getFirst()).at("/routers/since").asText();
    assertThat(Instant.parse(since)).isBefore(Instant.now().plusSeconds(1));
    assertThat(metrics(routers.getFirst()))
        .contains("infini_routers_live 2.0", "infini_routers_changed_timestamp_seconds");
    Router gone = routers.removeLast();
    gone.close();
    await()
        .atMost(Rig.SOON)
        .until(() -> stats(routers.getFirst()).at("/routers/known").asInt() == 1);
    router();
    awaitKnown(2);
    registry.close();
    // nobody hears of anybody now: each goes on with an even part
    for (Router r : routers) {
      await().atMost(Rig.SOON).until(() -> stats(r).at("/routers/heard_of").asInt() == 0);
      assertThat(stats(r).at("/routers/known").asInt()).isEqualTo(2);
    }
    List<Future<Boolean>> asked = new ArrayList<>();
    for (Router r : routers) {
      asked.addAll(ask(r, 4));
    }
    await().atMost(Rig.SOON).until(() -> now.get() == 4);
    answers.release(1000);
    allAnswered(asked);
    assertThat(most.get()).isLessThanOrEqualTo(4);
  }
}
