package org.infinilm.svc.babysitter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.infinilm.svc.LowPorts;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Json;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BabysitterIT extends BabysitterHarness {
  @Test
  void bothEntriesAreRegisteredAndTheTruthIsServed() throws Exception {
    FakeRegistry registry = registry(0);
    start(registry.url());
    await().until(() -> registry.status("t-server").equals("running"));
    assertThat(registry.entries).containsOnlyKeys("t", "t-server");
    assertThat(registry.entries.get("t-server"))
        .containsEntry("host", "127.0.0.1")
        .containsEntry("port", port)
        .containsEntry("url", "http://127.0.0.1:" + port);
    assertThat(registry.entries.get("t")).containsEntry("port", port + 1);
    assertThat(registry.metadata("t"))
        .isEqualTo(Map.of("babysitter", "enhanced", "type", "command"));
    assertThat(registry.metadata("t-server"))
        .containsEntry("models", List.of("m1"))
        .containsEntry("models_list", List.of(Map.of("id", "m1", "max_model_len", 4096)))
        .containsEntry("cache_type", "paged")
        .containsEntry("parent_service", "t")
        .containsEntry("type", "openai-api");

    Client.Reply health = get("/health");
    assertThat(health.status()).isEqualTo(200);
    JsonNode h = Json.tree(health.body());
    assertThat(names(h))
        .containsExactly(
            "babysitter",
            "infinilm_server_port",
            "infinilm_server_running",
            "service",
            "status",
            "timestamp");
    assertThat(h.path("status").asText()).isEqualTo("healthy");
    assertThat(names(Json.tree(get("/info").body())))
        .containsExactly(
            "host",
            "infinilm_server_port",
            "name",
            "port",
            "restart_count",
            "service_type",
            "uptime",
            "url");
    assertThat(text("/models")).contains("\"id\":\"m1\"");
    await().untilAsserted(() -> assertThat(text("/logs")).contains("raw\ufffd\ufffd", "key is K"));
    assertThat(text("/metrics"))
        .contains("infini_babysitter_restarts_total 0.0")
        .contains("infini_babysitter_phase{phase=\"healthy\"} 1.0");
    assertThat(get("/nothing").status()).isEqualTo(404);
    Client.Reply post = http.post(own("/health"), Map.of(), Duration.ofSeconds(5));
    assertThat(post.status()).isEqualTo(405);
  }

  @Test
  void knownModelsAreRegisteredAsLoadingUntilTheServerServes() throws Exception {
    FakeRegistry registry = registry(0);
    Path file = toml(registry.url(), List.of("loading"), List.of());
    Files.writeString(file, "models = [\"m1\"]\n" + Files.readString(file));
    start(file);
    await().until(() -> registry.status("t-server").equals("loading"));
    assertThat(registry.metadata("t-server")).containsEntry("models", List.of("m1"));
    await().until(() -> phase().equals("loading"));
    assertThat(get("/health").status()).isEqualTo(503);
    assertThat(Json.tree(get("/health").body()).path("infinilm_server_port").isNull()).isTrue();
    assertThat(Json.tree(get("/info").body()).path("infinilm_server_port").isNull()).isTrue();
    poke("/mend");
    await().until(() -> registry.status("t-server").equals("running"));
    assertThat(Json.tree(get("/health").body()).path("infinilm_server_port").asInt())
        .isEqualTo(port);
  }

  @Test
  void aRelayedModelListIsCompactWhateverTheServersStyle() throws Exception {
    start("", List.of("spaced"));
    await().until(() -> get("/health").status() == 200);
    assertThat(text("/models"))
        .isEqualTo("{\"data\":[{\"id\":\"ü\",\"max_model_len\":4096}],\"object\":\"list\"}");
  }

  /// Each of them holds a connection: there have to be some for `/health` and `/wake`.
  @Test
  void fewWaitForTheModelListOfAServerThatHangs() throws Exception {
    start("");
    await().until(() -> get("/health").status() == 200);
    poke("/freeze");
    List<CompletableFuture<Client.Reply>> all = new ArrayList<>();
    for (int k = 0; k < 40; k++) {
      all.add(
          CompletableFuture.supplyAsync(
              () -> {
                try {
                  return get("/models");
                } catch (InterruptedException e) {
                  throw new IllegalStateException(e);
                }
              },
              r -> Thread.ofVirtual().start(r)));
    }
    int told = 0;
    for (CompletableFuture<Client.Reply> one : all) {
      Client.Reply r = one.get();
      boolean full =
          new String(r.body(), StandardCharsets.UTF_8)
              .contains("16 requests wait for the model list");
      if (full) {
        assertThat(r.status()).isEqualTo(503);
        assertThat(r.headers().get("retry-after")).isEqualTo("1");
        told++;
      }
    }
    assertThat(told).isPositive();
  }

  @Test
  void anEngineThatHangsBehindAHealthyServerIsRestartedWhereCompletionsAreProbed()
      throws Exception {
    FakeRegistry registry = registry(0);
    Babysitter sitter =
        start(
            registry.url(),
            "probe = \"completion\"",
            "health_interval = 0.2",
            "health_timeout = 0.5",
            "health_failures = 2",
            "restart_delay = 0");
    await().until(() -> registry.status("t-server").equals("running"));
    poke("/hang");
    await().until(() -> sitter.state().restarts() == 1);
    await().until(() -> registry.status("t-server").equals("running"));
    assertThat(text("/metrics")).contains("infini_babysitter_probes_total{result=\"silent\"}");
  }

  @Test
  void theServersLinesMayGoToAFileOfTheirOwn() throws Exception {
    Path log = dir.resolve("program.log");
    Process p = program(toml("", List.of(), List.of("log_file = \"server.log\"")), log);
    await().until(() -> get("/health").status() == 200);
    await()
        .untilAsserted(() -> assertThat(dir.resolve("server.log")).content().contains("key is K"));
    assertThat(log).content().doesNotContain("key is K");
    assertThat(text("/logs")).contains("key is K");
    p.destroy();
    assertThat(p.waitFor(20, TimeUnit.SECONDS)).isTrue();
  }

  @Test
  void whatEndsEarlyShowsItsLastLines() throws Exception {
    Path file = toml("", List.of(), List.of("max_failed_starts = 1", "log_file = \"s.log\""));
    Files.writeString(
        file,
        Files.readString(file)
            .replaceFirst("command = .*", "command = \"sh -c 'echo line 1; echo line 3; exit 3'\"")
            .replaceFirst("args = .*", "args = []"));
    Process p = program(file);
    assertThat(p.waitFor(20, TimeUnit.SECONDS)).isTrue();
    assertThat(p.exitValue()).isEqualTo(1);
    assertThat(dir.resolve("program.log")).content().contains("status 3", "line 1", "line 3");
  }

  @Test
  void aStartThatWroteNothingIsNotToldWithTheLinesOfTheOneBefore() throws Exception {
    Path file =
        toml(
            "",
            List.of(),
            List.of("max_failed_starts = 2", "restart_delay = 0.01", "log_file = \"s.log\""));
    Path once = dir.resolve("once");
    Files.writeString(
        file,
        Files.readString(file)
            .replaceFirst(
                "command = .*",
                "command = \"sh -c 'test -e %1$s && exit 9; touch %1$s; echo out of memory; exit 3'\""
                    .formatted(once))
            .replaceFirst("args = .*", "args = []"));
    Process p = program(file);
    assertThat(p.waitFor(20, TimeUnit.SECONDS)).isTrue();
    assertThat(dir.resolve("program.log"))
        .content()
        .containsPattern("status 3; its last lines:\\s+out of memory")
        .containsPattern("giving up on .*status 9\\s")
        .containsOnlyOnce("out of memory");
  }

  @Test
  void aCrashTakesTheInstanceOutOfServiceUntilItIsReadyAgain() throws Exception {
    FakeRegistry registry = registry(0);
    start(registry.url(), "restart_delay = 1");
    await().until(() -> registry.status("t-server").equals("running"));
    assertThat(registry.metadata("t-server")).containsEntry("restarts", 0);
    poke("/exit");
    await().until(() -> registry.status("t-server").equals("restarting"));
    Client.Reply health = get("/health");
    assertThat(health.status()).isEqualTo(503);
    assertThat(Json.tree(health.body()).path("status").asText()).isIn("restarting", "starting");
    assertThat(
            Json.tree(health.body()).path("infinilm_server_port").isNull()
                || Json.tree(health.body()).path("status").asText().equals("starting"))
        .isTrue();
    await().until(() -> registry.status("t-server").equals("running"));
    assertThat(Json.tree(get("/info").body()).path("restart_count").asInt()).isEqualTo(1);
    assertThat(registry.metadata("t-server")).containsEntry("restarts", 1);
    assertThat(get("/health").status()).isEqualTo(200);
  }

  @Test
  void aServerWhoseHealthFailsIsWithdrawnThenRestarted() throws Exception {
    FakeRegistry registry = registry(0);
    start(registry.url(), "restart_delay = 0.1", "health_interval = 0.2", "health_failures = 10");
    await().until(() -> registry.status("t-server").equals("running"));
    poke("/break");
    await().until(() -> registry.status("t-server").equals("unhealthy"));
    await().until(() -> text("/metrics").contains("infini_babysitter_restarts_total 1.0"));
    await().until(() -> registry.status("t-server").equals("running"));
  }

  @Test
  void aRegistryThatStartsLastOrForgetsGetsBothEntries() throws Exception {
    int registryPort = LowPorts.two();
    start("http://127.0.0.1:" + registryPort, "heartbeat_interval = 0.2");
    await().until(() -> get("/health").status() == 200);
    FakeRegistry first = registry(registryPort);
    await().until(() -> first.entries.size() == 2);
    first.close();
    FakeRegistry second = registry(registryPort);
    await().until(() -> second.entries.size() == 2);
    assertThat(second.status("t-server")).isEqualTo("running");
  }

  /// Adapters are loaded and models pulled while a server runs.
  @Test
  void aModelThatComesLaterIsRegisteredAsWell() throws Exception {
    FakeRegistry registry = registry(0);
    start(registry.url(), "heartbeat_interval = 0.2");
    await().until(() -> registry.status("t-server").equals("running"));
    assertThat(registry.metadata("t-server")).containsEntry("models", List.of("m1"));
    poke("/load");
    await()
        .untilAsserted(() ->
            assertThat(registry.metadata("t-server")).containsEntry("models", List.of("m1", "m2")));
  }

  @Test
  void configuredModelsServeABackendWithoutAList() throws Exception {
    FakeRegistry registry = registry(0);
    Path file = toml(registry.url(), List.of("no-models"), List.of());
    Files.writeString(file, "models = [\"given\"]\nweight = 4\n" + Files.readString(file));
    start(file);
    await().until(() -> registry.status("t-server").equals("running"));
    assertThat(registry.metadata("t-server"))
        .containsEntry("models", List.of("given"))
        .containsEntry("models_list", List.of(Map.of("id", "given", "object", "model")));
    assertThat(registry.entries.get("t-server")).containsEntry("weight", 4);
  }

  @Test
  void aHealthThatIsNotThereIsAskedForOnce() throws Exception {
    FakeRegistry registry = registry(0);
    start(toml(registry.url(), List.of("no-health"), List.of("health_interval = 0.05")));
    await().until(() -> registry.status("t-server").equals("running"));
    int asked = asked("/healths");
    int lists = asked("/lists");
    await().until(() -> asked("/lists") > lists + 5);
    assertThat(asked("/healths")).isEqualTo(asked);
  }

  private int asked(String path) throws Exception {
    URI address = URI.create("http://127.0.0.1:" + port + path);
    return Json.tree(http.get(address, Duration.ofSeconds(5)).body()).asInt();
  }

  @Test
  void sigtermDeregistersAndLeavesNoProcess() throws Exception {
    FakeRegistry registry = registry(0);
    Path pidFile = dir.resolve("descendant.pid");
    Process babysitter = program(toml(registry.url(), List.of("descendant=" + pidFile), List.of()));
    await().until(() -> registry.status("t-server").equals("running"));
    ProcessHandle descendant =
        ProcessHandle.of(Long.parseLong(Files.readString(pidFile))).orElseThrow();
    List<ProcessHandle> all = babysitter.descendants().toList();
    assertThat(all).contains(descendant);
    babysitter.destroy();
    assertThat(babysitter.waitFor(15, TimeUnit.SECONDS)).isTrue();
    assertThat(babysitter.exitValue()).isZero();
    assertThat(registry.entries).isEmpty();
    await().untilAsserted(() -> assertThat(all).noneMatch(ProcessHandle::isAlive));
  }

  /// A page in a browser on this machine asks from this machine.
  @ParameterizedTest
  @CsvSource({"origin, http://evil.example", "sec-fetch-site, cross-site", "host, evil.example"})
  void aWebPageNeitherDrainsNorReadsLogs(String field, String value) throws Exception {
    start(registry(0).url());
    await().until(() -> get("/health").status() == 200);
    for (String path : List.of("POST /drain", "GET /logs")) {
      String[] words = path.split(" ");
      assertThat(raw(words[0], words[1], field, value)).as(path).startsWith("HTTP/1.1 403 ");
      assertThat(raw(words[0], words[1], "accept", "*/*")).as(path).startsWith("HTTP/1.1 200 ");
    }
  }

  private String raw(String method, String path, String field, String value) throws Exception {
    try (Socket s = new Socket("127.0.0.1", port + 1)) {
      String host = field.equals("host") ? "" : "Host: localhost\r\n";
      s.getOutputStream()
          .write(
              (method
                      + " "
                      + path
                      + " HTTP/1.1\r\n"
                      + host
                      + field
                      + ": "
                      + value
                      + "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                  .getBytes(StandardCharsets.US_ASCII));
      return new String(s.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  @Test
  void aServerThatIgnoresSigtermIsKilledAfterTheGrace() throws Exception {
    Path file = toml("", List.of("ignore-term"), List.of("stop_grace = 1"));
    Process babysitter = program(file);
    await().until(() -> get("/health").status() == 200);
    List<ProcessHandle> all = babysitter.descendants().toList();
    babysitter.destroy();
    assertThat(babysitter.waitFor(15, TimeUnit.SECONDS)).isTrue();
    await().untilAsserted(() -> assertThat(all).isNotEmpty().noneMatch(ProcessHandle::isAlive));
  }

  @Test
  void aKilledBabysitterTakesItsServerWithIt() throws Exception {
    Path pidFile = dir.resolve("descendant.pid");
    List<String> options = List.of("descendant=" + pidFile);
    Process babysitter = program(toml("", options, List.of("stop_grace = 1")));
    await().until(() -> get("/health").status() == 200);
    List<ProcessHandle> all = babysitter.descendants().toList();
    assertThat(all).map(ProcessHandle::pid).contains(Long.parseLong(Files.readString(pidFile)));
    babysitter.destroyForcibly().waitFor();
    await().untilAsserted(() -> assertThat(all).isNotEmpty().noneMatch(ProcessHandle::isAlive));
  }

  @Test
  void aCommandThatDoesNotExistIsNamedAndEndsWithOne() throws Exception {
    FakeRegistry registry = registry(0);
    Path file =
        toml(registry.url(), List.of(), List.of("restart_delay = 0", "max_failed_starts = 3"));
    Files.writeString(file, Files.readString(file).replace(JAVA, "/no/such/server"));
    Path log = dir.resolve("log");
    Process babysitter = program(file, log);
    assertThat(babysitter.waitFor(30, TimeUnit.SECONDS)).isTrue();
    assertThat(babysitter.exitValue()).isEqualTo(1);
    assertThat(Files.readString(log))
        .contains("giving up")
        .contains("\"/no/such/server\" not found");
    assertThat(registry.entries).isEmpty();
  }

  @Test
  void aTakenPortIsNamedWithItsHolder() throws Exception {
    Path log = dir.resolve("log");
    try (ServerSocket own = new ServerSocket()) {
      own.bind(new InetSocketAddress("127.0.0.1", port + 1));
      Process babysitter = program(toml("", List.of(), List.of()), log);
      assertThat(babysitter.waitFor(30, TimeUnit.SECONDS)).isTrue();
      assertThat(babysitter.exitValue()).isEqualTo(1);
      assertThat(Files.readString(log))
          .contains("port " + (port + 1))
          .contains("held by pid " + ProcessHandle.current().pid());
    }
    try (ServerSocket servers = new ServerSocket()) {
      servers.bind(new InetSocketAddress("127.0.0.1", port));
      Path file = toml("", List.of(), List.of("restart_delay = 0", "max_failed_starts = 2"));
      Process babysitter = program(file, log);
      assertThat(babysitter.waitFor(30, TimeUnit.SECONDS)).isTrue();
      assertThat(babysitter.exitValue()).isEqualTo(1);
      assertThat(Files.readString(log))
          .contains("port " + port)
          .contains("held by pid " + ProcessHandle.current().pid());
    }
  }

  @Test
  void aBadFileEndsWithTwo() throws Exception {
    Path file = Files.writeString(dir.resolve("bad.toml"), "port = \"x\"\n");
    Path log = dir.resolve("log");
    Process babysitter = program(file, log);
    assertThat(babysitter.waitFor(30, TimeUnit.SECONDS)).isTrue();
    assertThat(babysitter.exitValue()).isEqualTo(2);
    assertThat(Files.readString(log)).contains("bad.toml:1: port: \"x\" (expected:");
  }
}
