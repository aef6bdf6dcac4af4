package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.infinilm.svc.router.Rig.SOON;

import com.fasterxml.jackson.databind.JsonNode;
import io.fabric8.kubernetes.api.model.Pod;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.kubernetes.ApiServer;
import org.infinilm.svc.kubernetes.Pods;
import org.infinilm.svc.registry.RegistryServer;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A router that follows pods of a cluster; its API server is one of tests, its pods are engines in
/// this process. What the client reads of its surroundings is a kubeconfig.
class KubernetesRouterIT {
  private static final String KUBECONFIG = "kubeconfig";

  @TempDir Path dir;
  private Rig rig;
  private FakeEngine one;
  private FakeEngine two;
  private ApiServer api;

  @BeforeEach
  void begin() throws Exception {
    rig = new Rig();
    one = new FakeEngine("one").lists("x", "m", "");
    two = new FakeEngine("two").lists("x", "m", "");
    api = new ApiServer();
    Path file = dir.resolve("config");
    Files.writeString(
        file,
        """
        apiVersion: v1
        kind: Config
        current-context: c
        contexts: [{name: c, context: {cluster: c, namespace: llm, user: u}}]
        clusters: [{name: c, cluster: {server: "%s"}}]
        users: [{name: u, user: {token: t}}]
        """
            .formatted(api.url()));
    System.setProperty(KUBECONFIG, file.toString());
  }

  @AfterEach
  void end() throws Exception {
    System.clearProperty(KUBECONFIG);
    rig.close();
    one.close();
    two.close();
    api.close();
  }

  private static Pod pod(String name, FakeEngine at, Map<String, String> said) {
    return Pods.pod(name, "uid-" + name, "127.0.0.1", 0, true, said, Map.of("openai", at.port()));
  }

  @Test
  void aPodThatLeavesEndsWhatItHasAndGetsNothingNew() throws Exception {
    CountDownLatch go = new CountDownLatch(1);
    one.says(
        Rig.CHAT,
        r -> {
          go.await();
          return Response.json(200, Map.of("by", "one"));
        });
    two.says(Rig.CHAT, r -> Response.json(200, Map.of("by", "two")));
    Pod leaves = pod("paged-0", one, Map.of("cache-type", "paged", "weight", "4", "models", "m"));
    api.put(leaves);
    rig.launch(Ticker.SYSTEM, List.of(), "discover=kubernetes");
    rig.awaitState("paged-0", "routable");
    assertThat(rig.service("paged-0").path("source").asText()).isEqualTo("kubernetes");
    assertThat(rig.service("paged-0").path("weight").asInt()).isEqualTo(4);
    assertThat(rig.service("paged-0").path("metadata").path("cache_type").asText())
        .isEqualTo("paged");
    FutureTask<Said> running = new FutureTask<>(rig::chat);
    Thread.ofVirtual().start(running);
    await().atMost(SOON).until(() -> rig.service("paged-0").path("in_flight").asInt() == 1);
    api.put(pod("paged-1", two, Map.of("models", "m")));
    rig.awaitState("paged-1", "routable");
    api.put(Pods.leaving(leaves));
    rig.awaitState("paged-0", "draining");
    for (int k = 0; k < 8; k++) {
      assertThat(rig.chat().body()).contains("two");
    }
    assertThat(running).isNotDone();
    api.remove("paged-0");
    rig.awaitState("paged-0", "gone");
    go.countDown();
    assertThat(running.get().body()).contains("one");
  }

  @Test
  void whatThePodSaysWrongIsNamedWhereTheRouterTellsHowItStands() throws Exception {
    api.put(pod("a", one, Map.of()));
    api.put(pod("b", two, Map.of("cache-type", "pagde")));
    rig.launch(Ticker.SYSTEM, List.of(), "discover=kubernetes");
    rig.awaitState("a", "routable");
    await()
        .atMost(SOON)
        .untilAsserted(() ->
            assertThat(
                    rig.get("/readyz").path("discovery").path(0).path("troubles").path(0).asText())
                .isEqualTo(
                    "pod llm/b: infinilm.org/cache-type: cache_type=pagde (expected: paged or static)"));
    assertThat(rig.service("b").isMissingNode()).isTrue();
    assertThat(rig.chat().status()).isEqualTo(200);
  }

  private static RegistryServer registry(int port) throws Exception {
    // as the chart starts it: reading is open, and nobody registers
    return RegistryServer.start(
        RegistryServer.Options.at(port).token("uid"), Ticker.SYSTEM, new SplittableRandom(1));
  }

  private JsonNode stats(Router r) throws Exception {
    URI u = URI.create("http://127.0.0.1:" + r.port() + "/stats");
    return Json.tree(rig.client.get(u, SOON).body());
  }

  private Router follower(int registry) throws Exception {
    return rig.launch(
        Ticker.SYSTEM,
        List.of(),
        "discover=kubernetes",
        "registry_sync_interval=0.5",
        "registry_url=http://127.0.0.1:" + registry);
  }

  private void awaitParts(List<Router> routers, int seats) {
    await()
        .atMost(SOON)
        .untilAsserted(() -> {
          int parts = 0;
          for (Router r : routers) {
            JsonNode s = stats(r);
            assertThat(s.at("/routers/known").asInt()).isEqualTo(routers.size());
            assertThat(s.at("/services/0/seats").asInt()).isEqualTo(seats);
            parts += s.at("/services/0/seats_here").asInt();
          }
          assertThat(parts).isEqualTo(seats);
        });
  }

  @Test
  void routersThatMeetAtARegistryShareThePodsSeats() throws Exception {
    api.put(pod("static-0", one, Map.of("max-concurrency", "1", "models", "m")));
    try (RegistryServer registry = registry(0)) {
      List<Router> routers = List.of(follower(registry.port()), follower(registry.port()));
      awaitParts(routers, 1);
    }
  }

  @Test
  void withoutTheirRegistryRoutersStartAndServeAndMeetWhenItIsThere() throws Exception {
    api.put(pod("paged-0", one, Map.of("max-concurrency", "4", "models", "m")));
    int port = Programs.freePort();
    List<Router> routers = List.of(follower(port), follower(port));
    rig.awaitState("paged-0", "routable");
    await().atMost(SOON).until(() -> rig.get("/readyz").path("status").asText().equals("ready"));
    assertThat(rig.chat().status()).isEqualTo(200);
    assertThat(stats(routers.getFirst()).at("/services/0/seats_here").asInt()).isEqualTo(4);
    try (RegistryServer registry = registry(port)) {
      assertThat(registry.port()).isEqualTo(port);
      awaitParts(routers, 4);
    }
    assertThat(rig.chat().status()).isEqualTo(200);
    assertThat(rig.service("paged-0").path("state").asText()).isEqualTo("routable");
  }
}
