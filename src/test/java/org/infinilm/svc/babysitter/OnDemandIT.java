package org.infinilm.svc.babysitter;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.infinilm.svc.LowPorts;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.registry.Registration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// A server that runs on demand, under a babysitter in this process.
class OnDemandIT extends BabysitterHarness {
  private static final Duration SOON = Duration.ofSeconds(30);

  /// A babysitter of a server whose models are known from its file, or not.
  private Babysitter onDemand(
      FakeRegistry registry, boolean models, List<String> options, String... keys)
      throws Exception {
    List<String> all = new ArrayList<>(List.of(keys));
    all.add("on_demand = true");
    all.add("state_file = \"" + dir.resolve("seen.json") + "\"");
    all.add("heartbeat_interval = 0.5");
    Path file = toml(registry.url(), options, all);
    if (models) {
      Files.writeString(file, "models = [\"m1\"]\n" + Files.readString(file));
    }
    return start(file);
  }

  private String pid() throws Exception {
    return new String(server("/pid").body(), UTF_8);
  }

  private Client.Reply server(String path) throws IOException, InterruptedException {
    return http.get(URI.create("http://127.0.0.1:" + port + path), SOON);
  }

  private JsonNode woken() throws Exception {
    Client.Reply r = post("/wake");
    assertThat(r.status()).isEqualTo(200);
    return Json.tree(r.body());
  }

  private static void isNow(FakeRegistry registry, String status) {
    await().until(() -> registry.status("t-server").equals(status));
  }

  @Test
  void itIsListedAsleepWithItsModelsAndStartsWhenItIsAskedFor() throws Exception {
    FakeRegistry registry = registry(0);
    onDemand(registry, true, List.of());
    isNow(registry, "asleep");
    assertThat(registry.metadata("t-server"))
        .containsEntry("models", List.of("m1"))
        .containsEntry("on_demand", true)
        .containsEntry("wake_key", Entries.WAKE_KEY);
    assertThat(registry.status("t")).isEqualTo("running");
    assertThat(get("/health").status()).isEqualTo(503);
    assertThat(phase()).isEqualTo("asleep");
    assertThat(LowPorts.isFree(port)).isTrue();
    assertThat(woken().path("status").asText()).isEqualTo("waking");
    isNow(registry, "running");
    String pid = pid();
    assertThat(woken().path("status").asText()).isEqualTo("healthy");
    assertThat(pid()).isEqualTo(pid);
    assertThat(text("/metrics"))
        .contains("infini_babysitter_wakes_total 1.0", "infini_babysitter_restarts_total 0.0");
  }

  @Test
  void oneThatNobodyUsesIsStoppedAndKeepsItsEntry() throws Exception {
    FakeRegistry registry = registry(0);
    onDemand(registry, true, List.of("metrics"), "idle_stop = 1");
    await().until(() -> phase().equals("asleep"));
    woken();
    isNow(registry, "running");
    String first = pid();
    isNow(registry, "asleep");
    await().until(() -> LowPorts.isFree(port));
    assertThat(registry.calls).noneMatch(c -> c.startsWith("DELETE"));
    // a model list of its own was registered meanwhile
    assertThat(registry.metadata("t-server").get("models_list").toString()).contains("4096");
    await().until(() -> phase().equals("asleep"));
    woken();
    isNow(registry, "running");
    assertThat(pid()).isNotEqualTo(first);
    assertThat(Json.tree(get("/info").body()).path("restart_count").asInt()).isZero();
  }

  @Test
  void modelsThatNobodyKnowsAreLearntByOneStartAndKeptForTheNext() throws Exception {
    FakeRegistry registry = registry(0);
    Babysitter first = onDemand(registry, false, List.of("metrics"), "idle_stop = 1");
    isNow(registry, "running");
    isNow(registry, "asleep");
    first.close();
    assertThat(registry.entries).isEmpty();
    onDemand(registry, false, List.of("metrics"), "idle_stop = 1");
    isNow(registry, "asleep");
    assertThat(LowPorts.isFree(port)).isTrue();
    assertThat(registry.metadata("t-server").get("models_list").toString())
        .contains("m1")
        .contains("4096");
    assertThat(Files.readString(dir.resolve("seen.json"))).doesNotContain("FakeBackend");
  }

  @Test
  void whatIsKeptOfAnotherCommandSaysNothing() throws Exception {
    Files.writeString(
        dir.resolve("seen.json"), "{\"version\":1,\"of\":\"x\",\"models\":[{\"id\":\"other\"}]}");
    FakeRegistry registry = registry(0);
    onDemand(registry, false, List.of());
    isNow(registry, "running");
    assertThat(registry.metadata("t-server")).containsEntry("models", List.of("m1"));
  }

  @SuppressWarnings("unchecked") // what the babysitter's JSON holds
  private static Map<String, Object> failure(FakeRegistry registry) {
    return (Map<String, Object>)
        registry.metadata("t-server").getOrDefault(Registration.START_FAILED, Map.of());
  }

  private int starts() throws IOException {
    return Files.readAllLines(dir.resolve("starts")).size();
  }

  @ParameterizedTest
  @CsvSource({
    "fails, the process ended with status 3, CUDA out of memory",
    "dies, the process ended with status 4, capture of graphs failed"
  })
  void oneThatCannotBeStartedStaysListedWithTheReasonAndIsWokenAgainLater(
      String how, String cause, String printed) throws Exception {
    FakeRegistry registry = registry(0);
    Babysitter b =
        onDemand(
            registry,
            true,
            List.of(how + "=3," + dir.resolve("starts")),
            "max_failed_starts = 2",
            "restart_delay = 0.01",
            "max_restart_delay = 600");
    isNow(registry, "asleep");
    woken();
    rests(registry, b, 1);
    assertThat(registry.status("t-server")).isEqualTo("asleep");
    assertThat(failure(registry))
        .containsOnlyKeys("cause", "starts", "until")
        .containsEntry("cause", cause)
        .containsEntry("starts", 2);
    assertThat(registry.entries.toString()).contains(cause).doesNotContain(printed);
    assertThat(text("/logs")).contains(printed);
    assertThat(registry.metadata("t-server")).containsEntry("models", List.of("m1"));
    assertThat(registry.calls).noneMatch(c -> c.startsWith("DELETE"));
    Client.Reply refused = post("/wake");
    assertThat(refused.status()).isEqualTo(503);
    JsonNode said = Json.tree(refused.body());
    assertThat(said.path("error").asText()).isEqualTo("t could not be started: " + cause);
    assertThat(said.path("cause").asText()).isEqualTo(cause);
    assertThat(said.path("retry_after_seconds").asInt()).isBetween(400, 600);
    assertThat(refused.headers().get("retry-after"))
        .isEqualTo(said.path("retry_after_seconds").asText());
    assertThat(said.path("status").asText()).isEqualTo("asleep");
    assertThat(starts()).isEqualTo(2);
    undrained(registry, b);
    assertThat(failure(registry)).containsEntry("cause", cause);
    // one start shows that it is too early still
    woken();
    rests(registry, b, 2);
    assertThat(starts()).isEqualTo(3);
    undrained(registry, b);
    woken();
    isNow(registry, "running");
    assertThat(failure(registry)).isEmpty();
    assertThat(text("/metrics")).contains("infini_babysitter_rests_total 2.0");
  }

  private static void rests(FakeRegistry registry, Babysitter b, int inARow) {
    await().until(() -> b.state().rest().now() && b.state().rest().inARow() == inARow);
    await().until(() -> failure(registry).containsKey("until"));
  }

  /// An operator says that it may be started again.
  private void undrained(FakeRegistry registry, Babysitter b) throws Exception {
    assertThat(post("/undrain").status()).isEqualTo(200);
    await().until(() -> !b.state().rest().now());
    await().until(() -> !failure(registry).containsKey("until"));
  }

  @Test
  void aClientThatCamePastTheRouterIsNotCutOff() throws Exception {
    FakeRegistry registry = registry(0);
    onDemand(registry, false, List.of("metrics"), "idle_stop = 1");
    isNow(registry, "running");
    CompletableFuture<Client.Reply> held =
        CompletableFuture.supplyAsync(() -> {
          try {
            return server("/hold");
          } catch (IOException | InterruptedException e) {
            throw new AssertionError(e);
          }
        });
    await()
        .until(
            () -> new String(server("/metrics").body(), UTF_8).contains("running{model=\"m1\"} 1"));
    String pid = pid();
    int calls = registry.calls.size();
    // several idle times and heartbeats
    await().until(() -> registry.calls.size() >= calls + 6);
    assertThat(registry.status("t-server")).isEqualTo("running");
    assertThat(pid()).isEqualTo(pid);
    server("/release");
    assertThat(held.get().status()).isEqualTo(200);
    isNow(registry, "asleep");
  }

  @Test
  void shortRequestsBetweenLooksCountAsUse() throws Exception {
    FakeRegistry registry = registry(0);
    Babysitter b = onDemand(registry, false, List.of("metrics"), "idle_stop = 2");
    isNow(registry, "running");
    long before = b.state().usedNanos();
    await()
        .untilAsserted(() -> {
          server("/quick");
          assertThat(b.state().usedNanos() - before).isGreaterThan(4_000_000_000L);
        });
    assertThat(registry.calls).noneMatch(c -> c.equals("PUT /services/t-server"));
  }

  @Test
  void aServerWithoutMetricsIsInUseWhileItHasConnections() throws Exception {
    FakeRegistry registry = registry(0);
    onDemand(registry, false, List.of(), "idle_stop = 1");
    isNow(registry, "running");
    try (Socket s = new Socket("127.0.0.1", port)) {
      int calls = registry.calls.size();
      await().until(() -> registry.calls.size() >= calls + 4);
      assertThat(registry.status("t-server")).isEqualTo("running");
      assertThat(s.isConnected()).isTrue();
    }
    isNow(registry, "asleep");
  }

  @Test
  void aRequestWhileItDozesKeepsTheVeryProcess() throws Exception {
    FakeRegistry registry = registry(0);
    onDemand(registry, false, List.of("metrics"), "idle_stop = 1");
    isNow(registry, "running");
    String pid = pid();
    isNow(registry, "asleep");
    // the registry has just been told, and it runs for a second more
    woken();
    isNow(registry, "running");
    assertThat(pid()).isEqualTo(pid);
  }

  @Test
  void aRequestWhileItIsBeingStoppedStartsItAgain() throws Exception {
    FakeRegistry registry = registry(0);
    Babysitter b =
        onDemand(
            registry, false, List.of("metrics", "ignore-term"), "idle_stop = 1", "stop_grace = 2");
    isNow(registry, "running");
    String pid = pid();
    await()
        .pollInterval(Duration.ofMillis(5))
        .until(() -> b.state().phase() == Supervision.Phase.ASLEEP);
    assertThat(b.state().tree()).isNotEqualTo(Supervision.Tree.NONE);
    woken();
    isNow(registry, "waking");
    assertThat(woken().path("status").asText()).isEqualTo("waking");
    isNow(registry, "running");
    assertThat(pid()).isNotEqualTo(pid);
  }

  @Test
  void aStartThatFailsIsToldAndTriedAgain() throws Exception {
    FakeRegistry registry = registry(0);
    Path needed = dir.resolve("needed");
    onDemand(
        registry,
        true,
        List.of("needs=" + needed),
        "restart_delay = 0.2",
        "max_restart_delay = 0.4",
        "max_failed_starts = 1000");
    isNow(registry, "asleep");
    woken();
    isNow(registry, "restarting");
    JsonNode said = woken();
    assertThat(said.path("status").asText()).isIn("restarting", "starting");
    Files.writeString(needed, "");
    isNow(registry, "running");
  }

  @Test
  void whileTheRegistryIsAwayItIsNotStopped() throws Exception {
    FakeRegistry registry = registry(0);
    onDemand(registry, false, List.of("metrics"), "idle_stop = 1");
    isNow(registry, "running");
    String pid = pid();
    int at = registry.port();
    registry.close();
    await().until(() -> phase().equals("dozing"));
    await().until(() -> phase().equals("healthy"));
    assertThat(pid()).isEqualTo(pid);
    // it is told again, and then nothing keeps it
    FakeRegistry again = registry(at);
    isNow(again, "asleep");
  }

  @Test
  void aDrainedOneIsNotWoken() throws Exception {
    FakeRegistry registry = registry(0);
    onDemand(registry, true, List.of());
    isNow(registry, "asleep");
    post("/drain");
    isNow(registry, "draining");
    await().until(() -> post("/wake").status() == 409);
    assertThat(phase()).isEqualTo("draining");
    post("/undrain");
    isNow(registry, "asleep");
    woken();
    isNow(registry, "running");
  }

  @Test
  void aPageOfABrowserWakesNobodyAndARouterDoes() throws Exception {
    FakeRegistry registry = registry(0);
    onDemand(registry, true, List.of());
    isNow(registry, "asleep");
    Headers page = Headers.of("origin", "http://evil.example");
    assertThat(wake(page)).isEqualTo(403);
    assertThat(phase()).isEqualTo("asleep");
    Object key = registry.metadata("t-server").get(Registration.WAKE_KEY);
    assertThat(wake(page.with("authorization", "Bearer " + key))).isEqualTo(200);
    isNow(registry, "running");
    assertThat(http.get(own("/wake"), SOON).status()).isEqualTo(405);
    assertThat(Map.of("t-server", "running"))
        .containsEntry("t-server", registry.status("t-server"));
  }

  private int wake(Headers with) throws Exception {
    return http.send("POST", own("/wake"), with, new byte[0], SOON).status();
  }
}
