package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.infinilm.svc.LowPorts;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// What engines say of their models: which are in memory, what they hold, what else they are
/// called.
class ModelMemoryIT {
  private static final String UNLOADED = ",'status':{'value':'unloaded','args':['llama-server']}";
  private static final String LOADED = ",'status':{'value':'loaded','args':['llama-server']}";

  private final List<FakeEngine> engines = new ArrayList<>();
  private final AtomicLong laterNanos = new AtomicLong();
  private final Ticker ticker =
      new Ticker() {
        @Override
        public long nanos() {
          return Ticker.SYSTEM.nanos() + laterNanos.get();
        }

        @Override
        public Instant now() {
          return Ticker.SYSTEM.now();
        }
      };
  private Rig rig;

  @BeforeEach
  void open() throws IOException {
    rig = new Rig();
  }

  @AfterEach
  void close() throws IOException {
    rig.close();
    engines.forEach(FakeEngine::close);
  }

  private FakeEngine engine(String name) throws IOException {
    FakeEngine e = new FakeEngine(name);
    engines.add(e);
    return e;
  }

  private void start(String... settings) throws Exception {
    List<String> all = new ArrayList<>(List.of(settings));
    all.add("health_interval=0.1");
    rig.start(ticker, engines.stream().map(FakeEngine::known).toList(), all.toArray(String[]::new));
  }

  private Set<String> servedBy(int requests) throws IOException {
    Set<String> out = new HashSet<>();
    for (int k = 0; k < requests; k++) {
      Said said = rig.chat();
      assertThat(said.status()).as(said.toString()).isEqualTo(200);
      out.add(said.field("x-infini-instance"));
    }
    return out;
  }

  private JsonNode service(String name) throws Exception {
    for (JsonNode s : rig.get("/services").path("services")) {
      if (s.path("name").asText().equals(name)) {
        return s;
      }
    }
    throw new AssertionError("no " + name);
  }

  private String notLoaded(String name) throws Exception {
    return service(name).path("models_not_loaded").toString();
  }

  @Test
  void whoHasTheModelServesItAndWhoCanLoadItTakesOver() throws Exception {
    engine("a").lists("llamacpp", "m", UNLOADED);
    FakeEngine b = engine("b").lists("llamacpp", "m", LOADED);
    engine("c").lists("llamacpp", "m", UNLOADED);
    start();
    assertThat(notLoaded("a")).isEqualTo("{\"m\":\"unloaded\"}");
    assertThat(notLoaded("b")).isEqualTo("{}");
    assertThat(servedBy(20)).containsExactly("b");
    b.close();
    Set<String> loads = servedBy(20);
    assertThat(loads).as("one loads it, not each in turn").hasSize(1);
    String home = loads.iterator().next();
    FakeEngine other = engines.get(home.equals("a") ? 2 : 0);
    other.lists("llamacpp", "m", LOADED);
    laterNanos.set(Duration.ofSeconds(11).toNanos());
    await().atMost(Rig.SOON).until(() -> notLoaded(other.name).equals("{}"));
    assertThat(servedBy(20)).containsExactly(other.name);
    rig.quiet();
  }

  @Test
  void whatLmStudioAndOllamaHaveInMemoryIsAskedForAtTheirOwnRoutes() throws Exception {
    engine("lm")
        .lists("organization_owner", "m", "")
        .says("/api/v0/models", "{'data':[{'id':'m','state':'not-loaded'}]}");
    engine("ollama")
        .lists("library", "m", "")
        .says("/api/ps", "{'models':[{'name':'m','context_length':8192}]}");
    start();
    assertThat(notLoaded("lm")).isEqualTo("{\"m\":\"unloaded\"}");
    assertThat(notLoaded("ollama")).isEqualTo("{}");
    assertThat(servedBy(10)).containsExactly("ollama");
    assertThat(rig.get("/v1/models/m").path("max_model_len").asInt()).isEqualTo(8192);
  }

  /// A prompt went to slots that could not hold it, and came back as 400.
  @Test
  void llamaCppsSlotsHoldWhatItsPropsSay() throws Exception {
    engine("large")
        .lists("llamacpp", "m", ",'meta':{'n_ctx_train':131072}")
        .says("/props", "{'default_generation_settings':{'n_ctx':32768},'total_slots':1}");
    FakeEngine small =
        engine("small")
            .lists("llamacpp", "m", ",'meta':{'n_ctx_train':131072}")
            .says("/props", "{'default_generation_settings':{'n_ctx':2048},'total_slots':4}");
    start();
    String prompt = "It was a dark night. ".repeat(1000);
    String ask =
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"" + prompt + "\"}]}";
    for (int k = 0; k < 10; k++) {
      assertThat(rig.send(Rig.post(Rig.CHAT, "", ask)).field("x-infini-instance"))
          .isEqualTo("large");
    }
    assertThat(servedBy(10)).containsExactlyInAnyOrder("large", "small");
    small.says("/props", r -> Response.json(500, "busy"));
    small.lists("llamacpp", "new", "");
    laterNanos.set(Duration.ofMinutes(6).toNanos());
    FakeEngine large = engines.getFirst();
    large.lists("llamacpp", "new", "");
    await()
        .atMost(Rig.SOON)
        .until(() -> service("large").path("models").path(0).asText().equals("new"));
    assertThat(service("small").path("models").path(0).asText())
        .as("half an answer changes nothing")
        .isEqualTo("m");
  }

  @Test
  void aServerWithoutSuchARouteIsInServiceAllTheSame() throws Exception {
    engine("a").lists("llamacpp", "m", "");
    engine("b").lists("organization_owner", "m", "").says("/api/v0/models", r -> broken());
    engine("c")
        .lists("library", "m", "")
        .says("/api/ps", r -> Response.text(200, "text/html", "<"));
    start();
    assertThat(servedBy(12)).containsExactlyInAnyOrder("a", "b", "c");
  }

  private static Response broken() {
    return Response.json(500, "no");
  }

  /// What a babysitter registers of them is what there was when the server started.
  @Test
  void registeredInstancesAreReadAgainWhereModelsComeAndGo() throws Exception {
    int port = LowPorts.two();
    FakeEngine a = new FakeEngine("a", "127.0.0.1", port).lists("llamacpp", "m", UNLOADED);
    engines.add(a);
    try (FakeEngine babysitter = new FakeEngine("a", "127.0.0.1", port + 1)) {
      a.lists("llamacpp", "m", LOADED);
      Map<String, Object> entry =
          Map.of("id", "m", "owned_by", "llamacpp", "status", Map.of("value", "unloaded"));
      rig.registry.add(
          "a", a.port(), Map.of("models", List.of("m"), "models_list", List.of(entry)));
      rig.launch(ticker, List.of(), "health_interval=0.1");
      await().atMost(Rig.SOON).until(() -> rig.health().equals("1/1"));
      await().atMost(Rig.SOON).until(() -> notLoaded("a").equals("{}"));
      assertThat(servedBy(3)).containsExactly("a");
      a.says(
          "/v1/models",
          "{'data':[{'id':'m','owned_by':'llamacpp'"
              + UNLOADED
              + "},{'id':'not registered','owned_by':'llamacpp'}]}");
      laterNanos.set(Duration.ofSeconds(11).toNanos());
      await().atMost(Rig.SOON).until(() -> notLoaded("a").equals("{\"m\":\"unloaded\"}"));
      assertThat(rig.get("/v1/models").path("data").findValuesAsText("id")).containsExactly("m");
      assertThat(babysitter.name).isEqualTo("a");
    }
  }

  @Test
  void aliasesOfLlamaCppAreServed() throws Exception {
    FakeEngine a = engine("a").lists("llamacpp", "chat", ",'aliases':['chat','gpt-oss']");
    start();
    for (String model : List.of("chat", "gpt-oss")) {
      String ask = "{\"model\":\"" + model + "\",\"messages\":[]}";
      assertThat(rig.send(Rig.post(Rig.CHAT, "", ask)).status()).isEqualTo(200);
      assertThat(a.bodies.get(Rig.CHAT)).as("under the client's name").contains(ask);
      assertThat(rig.get("/v1/models/" + model).path("id").asText()).isEqualTo("chat");
    }
    String other = "{\"model\":\"gpt\",\"messages\":[]}";
    assertThat(rig.send(Rig.post(Rig.CHAT, "", other)).status()).isEqualTo(404);
  }
}
