package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.infinilm.svc.router.Rig.SOON;

import io.fabric8.kubernetes.api.model.Pod;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.kubernetes.ApiServer;
import org.infinilm.svc.kubernetes.Pods;
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
}
