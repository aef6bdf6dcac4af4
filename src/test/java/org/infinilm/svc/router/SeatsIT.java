package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Semaphore;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Places at instances and the line before them, on real sockets.
class SeatsIT {
  private static final Map<String, Object> STATIC = Map.of("cache_type", "static");

  /// Instances answer when the test lets them.
  private final Semaphore answers = new Semaphore(0);

  private final List<Socket> clients = new ArrayList<>();
  private Rig rig;

  @BeforeEach
  void begin() throws IOException {
    rig = new Rig();
  }

  @AfterEach
  void end() throws IOException {
    answers.release(1000);
    for (Socket s : clients) {
      s.close();
    }
    rig.quiet();
    rig.close();
  }

  private ScriptedInstance listed(
      String name, Map<String, Object> metadata, ScriptedInstance.Reply reply) throws IOException {
    ScriptedInstance i = new ScriptedInstance(name, ScriptedInstance.answering(reply));
    rig.instances.add(i);
    rig.registry.add(name, i.port(), metadata);
    return i;
  }

  private ScriptedInstance slow(String name, Map<String, Object> metadata) throws IOException {
    return listed(
        name,
        metadata,
        (r, n) -> {
          answers.acquire();
          return Rig.OK;
        });
  }

  private Socket ask() throws IOException {
    return ask(0);
  }

  private Socket ask(int more) throws IOException {
    Socket s = rig.connect();
    clients.add(s);
    String body = "{\"model\":\"m\",\"user\":\"" + "x".repeat(more) + "\"}";
    s.getOutputStream().write(Rig.post(Rig.CHAT, "", body).getBytes(ISO_8859_1));
    return s;
  }

  private static Said said(Socket s) throws IOException {
    return Said.read(s.getInputStream());
  }

  private URI metricsUri() {
    return URI.create("http://127.0.0.1:" + rig.router().port() + "/metrics");
  }

  private JsonNode service(String name) throws Exception {
    for (JsonNode s : rig.get("/services").path("services")) {
      if (s.path("name").asText().equals(name)) {
        return s;
      }
    }
    throw new IllegalStateException("no " + name);
  }

  private void queued(String name, int n) {
    await()
        .atMost(Rig.SOON)
        .untilAsserted(() -> assertThat(service(name).path("queued").asInt()).isEqualTo(n));
  }

  @Test
  void aStaticInstanceHasTwoRequestsAndTheOthersWaitHere() throws Exception {
    ScriptedInstance s = slow("s", STATIC);
    rig.start();
    List<Socket> all = new ArrayList<>();
    for (int k = 0; k < 6; k++) {
      all.add(ask());
    }
    queued("s", 4);
    await().atMost(Rig.SOON).until(() -> s.seen.size() == 2);
    assertThat(service("s").path("in_flight").asInt()).isEqualTo(2);
    assertThat(service("s").path("seats").asInt()).isEqualTo(2);
    answers.release();
    queued("s", 3);
    await().atMost(Rig.SOON).until(() -> s.seen.size() == 3);
    answers.release(5);
    int waited = 0;
    for (Socket c : all) {
      Said a = said(c);
      assertThat(a.ok()).isTrue();
      waited += a.field("x-infini-queue-ms").isEmpty() ? 0 : 1;
    }
    assertThat(waited).isEqualTo(4);
    String metrics = new String(rig.client.get(metricsUri(), Rig.SOON).body(), ISO_8859_1);
    assertThat(metrics)
        .containsPattern("infini_router_queue_seconds_count\\{instance=\"s\"[^}]*\\} 4\n")
        .contains("infini_router_queued{");
  }

  @Test
  void theShorterRequestGoesFirstUnlessTheLineIsFifo() throws Exception {
    ScriptedInstance s = slow("s", Map.of("max_concurrency", 1));
    rig.start("queue_ageing=0");
    ask();
    await().atMost(Rig.SOON).until(() -> s.seen.size() == 1);
    ask(5000);
    queued("s", 1);
    ask(10);
    queued("s", 2);
    answers.release();
    await().atMost(Rig.SOON).until(() -> s.seen.size() == 2);
    assertThat(s.seen.get(1).length()).isLessThan(1000);
    answers.release(2);
  }

  @Test
  void aClientThatLeavesGivesItsPlaceUp() throws Exception {
    ScriptedInstance s = slow("s", Map.of("max_concurrency", 1));
    rig.start();
    ask();
    await().atMost(Rig.SOON).until(() -> s.seen.size() == 1);
    Socket leaves = ask(10);
    queued("s", 1);
    leaves.close();
    queued("s", 0);
    rig.outcome("client_gone");
    answers.release();
    assertThat(said(clients.getFirst()).ok()).isTrue();
    assertThat(s.seen).hasSize(1);
  }

  @Test
  void aLineThatIsFullSaysWhenToComeBack() throws Exception {
    slow("s", Map.of("max_concurrency", 1));
    rig.start("queue_limit=1");
    ask();
    await().atMost(Rig.SOON).until(() -> service("s").path("in_flight").asInt() == 1);
    ask();
    queued("s", 1);
    Said third = rig.chat();
    assertThat(third.status()).isEqualTo(503);
    assertThat(third.body()).contains("\"overloaded\"");
    assertThat(Integer.parseInt(third.field("retry-after"))).isPositive();
    answers.release(2);
    assertThat(said(clients.get(1)).ok()).isTrue();
  }

  @Test
  void aWaitHasAnEnd() throws Exception {
    slow("s", Map.of("max_concurrency", 1));
    rig.start("queue_timeout=0.5");
    ask();
    await().atMost(Rig.SOON).until(() -> service("s").path("in_flight").asInt() == 1);
    Said late = rig.chat();
    assertThat(late.status()).isEqualTo(503);
    assertThat(late.field("retry-after")).isNotEmpty();
    assertThat(service("s").path("queued").asInt()).isZero();
    answers.release();
    assertThat(said(clients.getFirst()).ok()).isTrue();
  }

  @Test
  void whoWaitsIsTakenByAnInstanceThatComes() throws Exception {
    ScriptedInstance first = slow("s1", Map.of("max_concurrency", 1));
    rig.start();
    ask();
    await().atMost(Rig.SOON).until(() -> first.seen.size() == 1);
    Socket waits = ask();
    queued("s1", 1);
    listed("s2", Map.of("max_concurrency", 1), (r, n) -> Rig.OK);
    Said a = said(waits);
    assertThat(a.ok()).isTrue();
    assertThat(a.field("x-infini-instance")).isEqualTo("s2");
    answers.release();
  }

  @Test
  void whoWaitsGoesElsewhereWhenItsInstanceDies() throws Exception {
    ScriptedInstance first = slow("s1", Map.of("max_concurrency", 1));
    ScriptedInstance second = slow("s2", Map.of("max_concurrency", 1));
    rig.start();
    ask();
    ask();
    await().atMost(Rig.SOON).until(() -> first.seen.size() + second.seen.size() == 2);
    ask();
    ask();
    queued("s1", 2);
    first.dies();
    answers.release(10);
    for (Socket c : clients) {
      assertThat(said(c).ok()).isTrue();
    }
  }

  @Test
  void theLowerTierIsAskedOnlyWhenTheFirstIsFull() throws Exception {
    slow("first", Map.of("max_concurrency", 1));
    listed("second", Map.of("tier", 2), (r, n) -> Rig.OK);
    rig.start();
    ask();
    await().atMost(Rig.SOON).until(() -> service("first").path("in_flight").asInt() == 1);
    Said spilt = rig.chat();
    assertThat(spilt.field("x-infini-instance")).isEqualTo("second");
    assertThat(spilt.field("x-infini-reason")).isEqualTo("tier");
    answers.release();
    assertThat(said(clients.getFirst()).field("x-infini-instance")).isEqualTo("first");
    answers.release();
    assertThat(rig.chat().field("x-infini-instance")).isEqualTo("first");
  }
}
