package org.infinilm.svc.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.jdkhttp.JdkHttpClientFactory;
import io.fabric8.kubernetes.client.server.mock.KubernetesCrudDispatcher;
import io.fabric8.kubernetes.client.server.mock.KubernetesMockServer;
import io.fabric8.mockwebserver.Context;
import io.fabric8.mockwebserver.MockWebServer;
import java.net.InetAddress;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import org.infinilm.svc.discovery.Heard;
import org.infinilm.svc.discovery.Source;
import org.infinilm.svc.discovery.SourceSpec;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Against the mock server of the client's makers, which keeps what is created: its watches are web
/// sockets.
class KubernetesCrudIT {
  private static final Duration SOON = Duration.ofSeconds(30);
  private final Heard heard = new Heard();
  private KubernetesMockServer server;
  private KubernetesClient admin;
  private Source source;

  @BeforeEach
  void begin() {
    server =
        new KubernetesMockServer(
            new Context(),
            new MockWebServer(),
            new HashMap<>(),
            new KubernetesCrudDispatcher(),
            false);
    server.init(InetAddress.getLoopbackAddress(), 0);
    admin = server.createClient(new JdkHttpClientFactory());
  }

  @AfterEach
  void end() {
    source.close();
    admin.close();
    try {
      server.destroy();
    } catch (IllegalStateException slow) {
      // the mock waits two seconds for its own threads; they end by themselves
      assertThat(slow).hasMessageContaining("MockWebServer");
    }
  }

  private void open(String spec) throws Exception {
    source =
        KubernetesSource.open(
            (SourceSpec.Kubernetes) SourceSpec.list(spec, "x").getFirst(),
            f -> {},
            admin.getConfiguration(),
            Duration.ofMinutes(2));
    source.start(heard);
    await().atMost(SOON).until(() -> heard.times() > 0);
  }

  private void create(Pod p, String namespace) {
    admin.pods().inNamespace(namespace).resource(in(p, namespace)).create();
  }

  private static Pod in(Pod p, String namespace) {
    return new PodBuilder(p)
        .editMetadata()
        .withNamespace(namespace)
        .withResourceVersion(null)
        .endMetadata()
        .build();
  }

  private void found(String... names) {
    await()
        .atMost(SOON)
        .untilAsserted(() ->
            assertThat(heard.last().stream().map(f -> f.options().get("name")).sorted().toList())
                .isEqualTo(List.of(names)));
  }

  @Test
  void podsOfANamespaceComeChangeAndGo() throws Exception {
    create(Pods.ready("a", "10.0.0.1", 0), "llm");
    create(Pods.ready("x", "10.0.0.9", 0), "elsewhere");
    open("kubernetes:llm");
    found("a");
    create(Pods.ready("b", "10.0.0.2", 0), "llm");
    found("a", "b");
    admin
        .pods()
        .inNamespace("llm")
        .withName("b")
        .edit(p ->
            new PodBuilder(p)
                .editMetadata()
                .addToAnnotations("infinilm.org/weight", "5")
                .endMetadata()
                .build());
    await().atMost(SOON).until(() -> "5".equals(heard.last().getLast().options().get("weight")));
    admin.pods().inNamespace("llm").withName("a").delete();
    found("b");
  }

  @Test
  void allNamespacesAndASelector() throws Exception {
    create(Pods.ready("a", "10.0.0.1", 0), "one");
    create(Pods.ready("a", "10.0.0.2", 0), "two");
    Pod other =
        new PodBuilder(Pods.ready("b", "10.0.0.3", 0))
            .editMetadata()
            .withLabels(java.util.Map.of("app", "x"))
            .endMetadata()
            .build();
    create(other, "two");
    open("kubernetes:*");
    found("one.a", "two.a");
    source.close();
    open("kubernetes:one,two/app=x");
    found("two.b");
  }
}
