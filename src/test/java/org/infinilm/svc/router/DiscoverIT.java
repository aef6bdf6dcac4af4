package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.infinilm.svc.router.Rig.SOON;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.discovery.NameServer;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A router whose instances stand in a folder and in the DNS, beside those of a registry.
class DiscoverIT {
  @TempDir Path folder;
  private Rig rig;
  private FakeEngine one;
  private FakeEngine two;
  private NameServer names;

  @BeforeEach
  void begin() throws Exception {
    rig = new Rig();
    one = new FakeEngine("one").lists("x", "m", "");
    two = new FakeEngine("two").lists("x", "m", "");
    names = new NameServer();
  }

  @AfterEach
  void end() throws Exception {
    rig.close();
    one.close();
    two.close();
    names.close();
  }

  private void write(String name, String text) throws Exception {
    Files.writeString(folder.resolve(name), text);
  }

  private static String instance(String name, int port, String more) {
    return "[[instance]]\nname = \""
        + name
        + "\"\nurl = \"http://127.0.0.1:"
        + port
        + "\"\n"
        + more
        + "\n";
  }

  private String source(String name) throws Exception {
    return rig.service(name).path("source").asText();
  }

  @Test
  void instancesOfAFolderComeServeAndGo() throws Exception {
    write("a.toml", instance("a", one.port(), "cache_type = \"paged\""));
    rig.launch(Ticker.SYSTEM, List.of(), "discover=folder:" + folder);
    rig.awaitState("a", "routable");
    assertThat(source("a")).isEqualTo("folder");
    assertThat(rig.chat().status()).isEqualTo(200);
    assertThat(rig.newest().path("instance").asText()).isEqualTo("a");
    write("b.toml", instance("b", two.port(), "weight = 7"));
    rig.awaitState("b", "routable");
    assertThat(rig.service("b").path("weight").asInt()).isEqualTo(7);
    write("a.toml", instance("a", one.port(), "cache_type = \"pagde\""));
    await().atMost(SOON).until(() -> troubles().size() == 1);
    assertThat(troubles().path(0).asText())
        .startsWith(folder.resolve("a.toml") + ":4: cache_type=pagde (expected: paged or static)");
    assertThat(rig.service("a").path("state").asText()).isEqualTo("routable");
    Files.delete(folder.resolve("b.toml"));
    rig.awaitState("b", "gone");
    assertThat(rig.service("a").path("state").asText()).isEqualTo("routable");
  }

  private JsonNode stats(String kind) throws Exception {
    for (JsonNode s : rig.get("/stats").path("sources")) {
      if (s.path("kind").asText().equals(kind)) {
        return s;
      }
    }
    return MissingNode.getInstance();
  }

  private void awaitSource(String kind, String state) {
    await().atMost(SOON).until(() -> stats(kind).path("state").asText().equals(state));
  }

  @Test
  void eachSourceIsSeenWithItsStateAndWhatWentWrong() throws Exception {
    write("a.toml", instance("a", one.port(), ""));
    rig.listed(new ScriptedInstance("r", ScriptedInstance.answering((r, n) -> Rig.OK)), Map.of());
    rig.launch(Ticker.SYSTEM, List.of(), "discover=folder:" + folder);
    rig.awaitState("a", "routable");
    rig.awaitState("r", "routable");
    awaitSource("folder", "up");
    awaitSource("registry", "up");
    assertThat(stats("folder").path("instances").asInt()).isEqualTo(1);
    assertThat(stats("registry").path("source").asText()).isEqualTo(rig.registry.url().toString());
    assertThat(stats("registry").path("error").isNull()).isTrue();
    String labels = "{kind=\"folder\",source=\"folder:" + folder + "\"}";
    assertThat(rig.text("/metrics"))
        .contains(
            "infini_source_up" + labels + " 1.0",
            "infini_source_instances" + labels + " 1.0",
            "infini_source_failures_total" + labels + " 0.0",
            "infini_source_age_seconds" + labels);
    write("a.toml", instance("a", one.port(), "cache_type = \"pagde\""));
    awaitSource("folder", "troubled");
    assertThat(stats("folder").path("error").asText()).contains("cache_type=pagde");
    rig.registry.close();
    awaitSource("registry", "down");
    JsonNode gone = stats("registry");
    assertThat(gone.path("instances").asInt()).as("what it listed holds").isEqualTo(1);
    assertThat(gone.path("error").asText()).contains("refused");
    assertThat(gone.path("failures").asInt()).isEqualTo(1);
    assertThat(rig.text("/metrics"))
        .contains(
            "infini_source_up" + labels + " 0.0", "infini_source_failures_total" + labels + " 1.0");
    assertThat(rig.get("/readyz").path("discovery")).as("the folder alone").hasSize(1);
  }

  private JsonNode troubles() throws Exception {
    return rig.get("/readyz").path("discovery").path(0).path("troubles");
  }

  @Test
  void addressesOfANameAreInstances() throws Exception {
    FakeEngine other = new FakeEngine("other", "127.0.0.2", one.port());
    try (other) {
      other.lists("x", "m", "");
      names.addresses("llm.example", 1, "127.0.0.1", "127.0.0.2");
      String spec = "dns:llm.example:" + one.port() + ",cache_type=paged,server=" + names.at();
      rig.launch(Ticker.SYSTEM, List.of(), "discover=" + spec);
      String name = "llm.example:" + one.port() + "@127.0.0.";
      rig.awaitState(name + "1", "routable");
      rig.awaitState(name + "2", "routable");
      assertThat(source(name + "1")).isEqualTo("dns");
      assertThat(rig.service(name + "1").path("metadata").path("cache_type").asText())
          .isEqualTo("paged");
      names.addresses("llm.example", 1, "127.0.0.2");
      rig.awaitState(name + "1", "gone");
      assertThat(rig.chat().status()).isEqualTo(200);
    }
  }

  @Test
  void whatIsWrongWithAllAddressesIsSaidOnce() throws Exception {
    names.addresses("llm.example", 1, "127.0.0.1", "127.0.0.2", "127.0.0.3");
    // not looked at before the start, as what is wrong only later is not
    rig.launch(
        Ticker.SYSTEM,
        List.of(StaticServices.instance("http://127.0.0.1:" + one.port(), Map.of())),
        "discover=dns:llm.example,weight=a,server=" + names.at());
    await().atMost(SOON).until(() -> troubles().path(0).asText().contains("weight=a"));
    assertThat(troubles()).hasSize(1);
  }

  @Test
  void theRegistrysInstanceOfANameCountsAndAllSourcesAreThere() throws Exception {
    write("a.toml", instance("a", one.port(), "") + instance("b", two.port(), ""));
    rig.listed(new ScriptedInstance("a", ScriptedInstance.answering((r, n) -> Rig.OK)), Map.of());
    rig.launch(Ticker.SYSTEM, List.of(), "discover=folder:" + folder);
    rig.awaitState("a", "routable");
    rig.awaitState("b", "routable");
    assertThat(source("a")).isEqualTo("registry");
    assertThat(source("b")).isEqualTo("folder");
  }

  @Test
  void aRouterIsReadyWhenEachSourceHasSpokenOrAfterAWhile() throws Exception {
    write("a.toml", instance("a", one.port(), ""));
    names.silent(true);
    rig.launch(
        Ticker.SYSTEM,
        List.of(),
        "discover=folder:" + folder + ",dns:llm.example,server=" + names.at());
    rig.awaitState("a", "routable");
    JsonNode early = rig.get("/readyz");
    assertThat(early.path("status").asText()).isEqualTo("dns has listed nothing yet");
    await().atMost(SOON).until(() -> rig.get("/readyz").path("status").asText().equals("ready"));
    assertThat(rig.get("/readyz").path("discovery").path(1).path("instances").isNull()).isTrue();
  }
}
