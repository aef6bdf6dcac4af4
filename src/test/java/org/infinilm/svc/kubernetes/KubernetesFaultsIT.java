package org.infinilm.svc.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.netty.pkitesting.CertificateBuilder;
import io.netty.pkitesting.X509Bundle;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import org.infinilm.svc.discovery.Heard;
import org.infinilm.svc.discovery.Source;
import org.infinilm.svc.discovery.SourceSpec;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The real client over HTTP against an API server that does what real ones do when things go
/// wrong.
class KubernetesFaultsIT {
  private static final Duration SOON = Duration.ofSeconds(30);
  private final Heard heard = new Heard();
  private ApiServer api;
  private Source source;

  @BeforeEach
  void begin() throws Exception {
    api = new ApiServer();
    api.put(Pods.ready("a", "10.0.0.1", 0));
    api.put(Pods.ready("b", "10.0.0.2", 0));
  }

  @AfterEach
  void end() throws Exception {
    source.close();
    api.close();
  }

  private static Source of(ConfigBuilder api, Duration quiet) throws Exception {
    return KubernetesSource.open(llm(), f -> {}, KubernetesSource.watched(api), quiet);
  }

  private static SourceSpec.Kubernetes llm() throws Exception {
    return (SourceSpec.Kubernetes) SourceSpec.list("kubernetes:llm", "x").getFirst();
  }

  private ConfigBuilder there() {
    return new ConfigBuilder()
        .withAutoConfigure(false)
        .withMasterUrl(api.url())
        .withNamespace("llm");
  }

  private void open(Duration quiet) throws Exception {
    source = of(there(), quiet);
    source.start(heard);
    found("a", "b");
    await().atMost(SOON).until(() -> !api.watches().isEmpty());
  }

  private void open() throws Exception {
    open(Duration.ofMinutes(2));
  }

  /// Waits until these are what was listed last; `x out` is one that gets no requests.
  private void found(String... names) {
    await().atMost(SOON).untilAsserted(() -> assertThat(names()).containsExactly(names));
  }

  private List<String> names() {
    return heard.last().stream()
        .map(f -> f.options().get("name") + (f.ready() ? "" : " out"))
        .toList();
  }

  @Test
  void podsComeChangeDrainAndGo() throws Exception {
    open();
    assertThat(api.lists().getFirst())
        .contains("/api/v1/namespaces/llm/pods", "labelSelector=infinilm.org%2Finstance%3Dtrue");
    api.put(Pods.ready("c", "10.0.0.3", 0));
    found("a", "b", "c");
    api.put(Pods.unready("b", "10.0.0.2", 0));
    found("a", "b out", "c");
    api.put(Pods.leaving("a", "10.0.0.1", 0));
    found("a out", "b out", "c");
    api.remove("a");
    found("b out", "c");
    assertThat(api.lists()).as("one list is enough").hasSize(1);
  }

  @Test
  void aWatchThatIsCutGoesOnWhereItWas() throws Exception {
    open();
    long at = api.version();
    api.cut();
    api.put(Pods.ready("c", "10.0.0.3", 0));
    found("a", "b", "c");
    assertThat(api.watches().getLast()).contains("resourceVersion=" + at);
    api.end();
    api.put(Pods.ready("d", "10.0.0.4", 0));
    found("a", "b", "c", "d");
    assertThat(api.lists()).as("nothing was listed again").hasSize(1);
    assertThat(heard.troubles()).isEmpty();
  }

  @Test
  void aServerThatHasForgottenIsAskedForAllAgain() throws Exception {
    open();
    for (boolean asStatus : List.of(true, false)) {
      int lists = api.lists().size();
      api.missedAndForgotten(
          asStatus,
          () -> {
            api.put(Pods.ready("c", "10.0.0.3", 0));
            api.remove("c");
            api.put(Pods.ready(asStatus ? "d" : "e", "10.0.0.4", 0));
          });
      await().atMost(SOON).until(() -> names().contains(asStatus ? "d" : "e"));
      assertThat(api.lists()).hasSizeGreaterThan(lists);
      assertThat(names()).as("what came and went meanwhile is not there").doesNotContain("c");
    }
  }

  /// A continue token that has expired, say.
  @Test
  void aListThatIsForgottenOnceIsNobodysTrouble() throws Exception {
    open();
    for (String name : List.of("c", "d")) {
      await().atMost(SOON).until(() -> !api.watches().isEmpty());
      api.forgetsLists(1);
      api.missedAndForgotten(true, () -> api.put(Pods.ready(name, "10.0.0.3", 0)));
      await().atMost(SOON).until(() -> names().contains(name));
      // a watch that is open has said something
      api.put(Pods.ready(name + "-next", "10.0.0.4", 0));
      await().atMost(SOON).until(() -> names().contains(name + "-next"));
    }
    assertThat(heard.everTroubles()).isEmpty();
  }

  @Test
  void listsThatAreForgottenAgainAndAgainAreNamed() throws Exception {
    api.forgetsLists(Integer.MAX_VALUE);
    source = of(there(), Duration.ofMinutes(2));
    source.start(heard);
    await().atMost(SOON).until(() -> !heard.troubles().isEmpty());
    assertThat(heard.troubles()).containsExactly("pods of llm: the continue token is too old");
    assertThat(heard.times()).as("that is no list of nothing").isZero();
    api.forgetsLists(0);
    found("a", "b");
    await().atMost(SOON).until(() -> heard.troubles().isEmpty());
    await().atMost(SOON).until(() -> !api.watches().isEmpty());
    api.forgetsLists(Integer.MAX_VALUE);
    api.missedAndForgotten(true, () -> api.put(Pods.ready("c", "10.0.0.3", 0)));
    await().atMost(SOON).until(() -> !heard.troubles().isEmpty());
    assertThat(names()).containsExactly("a", "b");
    api.forgetsLists(0);
    found("a", "b", "c");
  }

  @Test
  void watchesThatAreForgottenAgainAndAgainAreNamedAndListsGoOn() throws Exception {
    open();
    api.forgetsAlways(true);
    api.cut();
    await().atMost(SOON).until(() -> !heard.troubles().isEmpty());
    assertThat(heard.troubles())
        .containsExactly("pods of llm: watches are refused: 410 Gone for what was just listed");
    api.put(Pods.ready("c", "10.0.0.3", 0));
    found("a", "b", "c");
    api.forgetsAlways(false);
    await().atMost(SOON).until(() -> heard.troubles().isEmpty());
  }

  @Test
  void whatIsSaidTwiceOrOutOfOrderChangesNothing() throws Exception {
    open();
    long v = api.version();
    api.put(Pods.leaving("a", "10.0.0.1", 0));
    found("a out", "b");
    int times = heard.times();
    api.say("MODIFIED", Pods.ready("a", "10.0.0.1", v));
    api.say("ADDED", Pods.ready("a", "10.0.0.1", v - 1));
    api.say("MODIFIED", Pods.leaving("a", "10.0.0.1", api.version()));
    api.say("MODIFIED", Pods.ready("zombie", "10.0.0.9", v - 1));
    api.put(Pods.ready("c", "10.0.0.3", 0));
    found("a out", "b", "c");
    assertThat(heard.times()).isEqualTo(times + 1);
  }

  @Test
  void aWatchThatSaysNothingIsNotBelievedForEver() throws Exception {
    open(Duration.ofMillis(500));
    api.stalls(true);
    api.put(Pods.ready("c", "10.0.0.3", 0));
    api.remove("a");
    found("b", "c");
    assertThat(heard.troubles()).isEmpty();
  }

  @Test
  void anApiServerThatIsAwayChangesNothingAndIsNamed() throws Exception {
    open();
    api.away();
    await().atMost(SOON).until(() -> heard.troubles().size() == 1);
    assertThat(heard.troubles().getFirst()).startsWith("pods of llm: ");
    assertThat(names()).containsExactly("a", "b");
    api.back();
    api.put(Pods.ready("c", "10.0.0.3", 0));
    found("a", "b", "c");
    await().atMost(SOON).until(() -> heard.troubles().isEmpty());
  }

  @Test
  void whoMayNotListIsToldSo() throws Exception {
    api.refuses(403);
    source = of(there(), Duration.ofMinutes(2));
    source.start(heard);
    await().atMost(SOON).until(() -> !heard.troubles().isEmpty());
    assertThat(heard.troubles()).containsExactly("pods of llm: pods is forbidden");
    assertThat(heard.times()).as("that is no list of nothing").isZero();
    api.refuses(0);
    found("a", "b");
  }

  /// A server that has lost its data, or another one.
  @Test
  void aListOfNothingIsBelievedWhenItIsSaidTwice() throws Exception {
    open();
    forgetsAndListsNothing();
    await()
        .atMost(SOON)
        .until(() ->
            heard
                .troubles()
                .equals(
                    List.of(
                        "pods of llm: none is listed any more (asked again before that is believed)")));
    assertThat(names()).containsExactly("a", "b");
    api.listsNothing(false);
    await().atMost(SOON).until(() -> heard.troubles().isEmpty());
    assertThat(names()).containsExactly("a", "b");
    forgetsAndListsNothing();
    await().atMost(SOON).until(() -> names().isEmpty());
  }

  private void forgetsAndListsNothing() throws Exception {
    await().atMost(SOON).until(() -> !api.watches().isEmpty());
    api.listsNothing(true);
    api.missedAndForgotten(true, () -> api.put(Pods.ready("a", "10.0.0.1", 0)));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{}",
        "{\"error\":\"please log in\",\"redirect\":\"/login\"}",
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"message\":\"boom\",\"code\":500}",
        "{\"kind\":\"ServiceList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"5\"},\"items\":[]}",
        "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"5\"},\"items\":[{}]}",
        "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"5\"},\"items\":[null]}",
        "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"5\"},\"items\":[{\"metadata\":{}}]}",
        "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"5\"},\"items\":null}",
        "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{},\"items\":[]}",
        "{\"items\":[]}",
        "null",
        "",
        "[]",
        "7",
        "<html>login</html>",
        "<!DOCTYPE html>\n<html lang=\"en\">\n <head><title>Log in: now</title></head>\n\t<p>{{x}}</p>\n</html>",
        "{\"kind\":\"PodList\",\"items\":[{\"metada",
        "{\"kind\":\"PodList\",\"items\":\"none\"}"
      })
  void anAnswerThatIsNoListOfPodsIsNoneAndIsNamed(String body) throws Exception {
    api.listsAre(body);
    String there = "pods of llm: the API server at " + api.url() + "/: its answer ";
    assertThat(troubleOf(api.url()))
        .isIn(
            there + "is no list of pods (expected: the API of Kubernetes)",
            there + "cannot be read (expected: the API of Kubernetes, JSON)");
  }

  /// As a proxy or a page to log in at, before the server: nobody has left for that, however often
  /// it is said.
  @Test
  void whatIsAnsweredByAnotherChangesNothing() throws Exception {
    open();
    api.listsAre("{\"error\":\"please log in\",\"redirect\":\"/login\"}");
    api.missedAndForgotten(true, () -> api.put(Pods.ready("a", "10.0.0.1", 0)));
    await().atMost(SOON).until(() -> !heard.troubles().isEmpty());
    int lists = api.lists().size();
    await().atMost(SOON).until(() -> api.lists().size() > lists + 1);
    assertThat(names()).containsExactly("a", "b");
    assertThat(heard.troubles()).hasSize(1);
    api.listsAre(null);
    await().atMost(SOON).until(() -> heard.troubles().isEmpty());
    assertThat(names()).containsExactly("a", "b");
  }

  @Test
  void aListThatStopsInItsMiddleIsGivenUpNamedAndAskedForAgain() throws Exception {
    Config hurried =
        new ConfigBuilder(KubernetesSource.watched(there())).withRequestTimeout(500).build();
    source = KubernetesSource.open(llm(), f -> {}, hurried, Duration.ofMinutes(2));
    source.start(heard);
    found("a", "b");
    await().atMost(SOON).until(() -> !api.watches().isEmpty());
    api.stopsInLists(true);
    api.missedAndForgotten(true, () -> api.put(Pods.ready("c", "10.0.0.3", 0)));
    await().atMost(SOON).until(() -> !heard.troubles().isEmpty());
    assertThat(heard.troubles())
        .containsExactly("pods of llm: the API server at " + api.url() + "/: no answer in time");
    assertThat(names()).containsExactly("a", "b");
    api.stopsInLists(false);
    found("a", "b", "c");
    await().atMost(SOON).until(() -> heard.troubles().isEmpty());
  }

  @Test
  void whatIsWrongWithTheConnectionIsSaidInOurWords() throws Exception {
    X509Bundle authority =
        new CertificateBuilder()
            .ecp256()
            .subject("CN=authority")
            .setIsCertificateAuthority(true)
            .buildSelfSigned();
    X509Bundle own =
        new CertificateBuilder()
            .ecp256()
            .subject("CN=api")
            .addSanIpAddress("127.0.0.1")
            .buildIssuedBy(authority);
    SSLContext tls = SSLContext.getInstance("TLS");
    tls.init(own.toKeyManagerFactory().getKeyManagers(), null, null);
    try (ServerSocket server =
        tls.getServerSocketFactory().createServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
      Thread.ofVirtual()
          .start(() -> {
            while (true) {
              try (Socket s = server.accept()) {
                s.getInputStream().read();
              } catch (SSLException refused) {
                // the next one
              } catch (IOException closed) {
                return;
              }
            }
          });
      String there = "https://127.0.0.1:" + server.getLocalPort() + "/";
      assertThat(troubleOf(there))
          .isEqualTo(
              "pods of llm: the API server at " + there + ": certificate of an unknown authority");
    }
    assertThat(troubleOf("http://127.0.0.1:1/"))
        .isEqualTo("pods of llm: the API server at http://127.0.0.1:1/: cannot be connected to");
    assertThat(troubleOf("http://nobody.invalid/"))
        .isEqualTo("pods of llm: the API server at http://nobody.invalid/: its host is not known");
  }

  private String troubleOf(String url) throws Exception {
    Heard h = new Heard();
    source =
        of(
            new ConfigBuilder().withAutoConfigure(false).withMasterUrl(url).withNamespace("llm"),
            Duration.ofMinutes(2));
    try (Source s = source) {
      s.start(h);
      await().atMost(SOON).until(() -> !h.troubles().isEmpty());
      assertThat(h.times()).isZero();
      return h.troubles().getFirst();
    }
  }

  @Test
  void whoMayListAndNotWatchFollowsByListing() throws Exception {
    api.refusesWatches(true);
    open();
    api.put(Pods.ready("c", "10.0.0.3", 0));
    found("a", "b", "c");
    assertThat(heard.troubles())
        .hasSize(1)
        .first()
        .asString()
        .isEqualTo("pods of llm: watches are refused: pods is forbidden");
    api.refusesWatches(false);
    await().atMost(SOON).until(() -> heard.troubles().isEmpty());
  }

  @Test
  void aPodWithBadLabelsIsNamedAndNothingElseIsDisturbed() throws Exception {
    open();
    api.put(Pods.saying("c", "10.0.0.3", 0, Map.of("cache-tpye", "paged")));
    api.put(
        new PodBuilder(Pods.ready("d", "10.0.0.4", 0))
            .editSpec()
            .withContainers()
            .endSpec()
            .build());
    api.put(Pods.ready("e", "10.0.0.5", 0));
    found("a", "b", "e");
    assertThat(heard.troubles()).hasSize(2);
    assertThat(heard.troubles().get(0)).startsWith("pod llm/c: unknown infinilm.org/cache-tpye");
    assertThat(heard.troubles().get(1)).startsWith("pod llm/d: no port");
    api.put(Pods.saying("c", "10.0.0.3", 0, Map.of("cache-type", "paged")));
    found("a", "b", "c", "e");
  }

  /// As a virtual kubelet or an aggregated API may leave it out.
  @Test
  void aPodWithoutWhatEachHasIsNamedAndNothingElseIsDisturbed() throws Exception {
    api.put(new PodBuilder(Pods.ready("a1", "10.0.0.9", 0)).withSpec(null).build());
    open();
    assertThat(heard.troubles()).hasSize(1);
    assertThat(heard.troubles().getFirst()).startsWith("pod llm/a1: no port");
    api.put(Pods.ready("e", "10.0.0.5", 0));
    found("a", "b", "e");
    api.remove("b");
    found("a", "e");
  }

  @Test
  void theTokenFileOfAKubeconfigIsReadForEachRequest(@TempDir Path folder) throws Exception {
    Path config = folder.resolve("config");
    Files.writeString(folder.resolve("token"), "first\n");
    Files.writeString(
        config,
        """
        apiVersion: v1
        kind: Config
        clusters: [{name: c, cluster: {server: "%s"}}]
        users: [{name: other, user: {token: none}}, {name: u, user: {tokenFile: token}}]
        contexts: [{name: x, context: {cluster: c, user: u, namespace: llm}}]
        current-context: x
        """
            .formatted(api.url()));
    source = of(new ConfigBuilder(Config.fromKubeconfig(config.toFile())), Duration.ofMinutes(2));
    source.start(heard);
    found("a", "b");
    await().atMost(SOON).until(() -> !api.watches().isEmpty());
    assertThat(api.credentials()).isNotEmpty().containsOnly("Bearer first");
    Files.writeString(folder.resolve("token"), "second");
    api.end();
    await().atMost(SOON).until(() -> api.credentials().contains("Bearer second"));
  }

  @Test
  void aNamespaceThatMayNotBeReadHidesNoOther() throws Exception {
    api.refusesNamespace("test");
    source =
        KubernetesSource.open(
            (SourceSpec.Kubernetes) SourceSpec.list("kubernetes:llm,test", "x").getFirst(),
            f -> {},
            KubernetesSource.watched(
                new ConfigBuilder().withAutoConfigure(false).withMasterUrl(api.url())),
            Duration.ofMinutes(2));
    source.start(heard);
    found("llm.a", "llm.b");
    assertThat(heard.troubles()).containsExactly("pods of test: pods of test is forbidden");
    api.refusesNamespace(null);
    await().atMost(SOON).until(() -> heard.troubles().isEmpty());
  }
}
