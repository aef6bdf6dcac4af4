package org.infinilm.svc.babysitter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.infinilm.svc.LowPorts;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;
import org.infinilm.svc.registry.RegistryClient;
import org.infinilm.svc.registry.RegistryServer;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What happens around a babysitter: operators, killed processes, strangers on its port.
@Timeout(120)
class BabysitterFaultIT extends BabysitterHarness {
  @Test
  void aDrainLastsOverAFlapAndOverARegistryThatRestartsEmpty() throws Exception {
    FakeRegistry first = registry(0);
    start(
        first.url(), "health_interval = 0.1", "health_failures = 100", "heartbeat_interval = 0.2");
    await().until(() -> first.status("t-server").equals("running"));
    assertThat(post("/drain").status()).isEqualTo(200);
    await().until(() -> first.status("t-server").equals("draining"));
    await().until(() -> first.status("t").equals("draining"));
    assertThat(get("/health").status()).isEqualTo(503);
    assertThat(phase()).isEqualTo("draining");
    poke("/break");
    await().until(() -> first.status("t-server").equals("unhealthy"));
    poke("/mend");
    await().until(() -> first.status("t-server").equals("draining"));
    int at = first.port();
    first.close();
    FakeRegistry second = registry(at);
    await().until(() -> second.entries.size() == 2);
    assertThat(second.status("t-server")).isEqualTo("draining");
    assertThat(second.status("t")).isEqualTo("draining");
    assertThat(post("/undrain").status()).isEqualTo(200);
    await().until(() -> second.status("t-server").equals("running"));
    await().until(() -> second.status("t").equals("running"));
    assertThat(get("/health").status()).isEqualTo(200);
    assertThat(get("/drain").status()).isEqualTo(405);
  }

  @Test
  void howeverOftenItDrainsOneReaderLooksAtItsModels() throws Exception {
    FakeRegistry registry = registry(0);
    start(registry.url(), "heartbeat_interval = 0.1");
    await().until(() -> registry.status("t-server").equals("running"));
    for (int n = 0; n < 10; n++) {
      assertThat(post("/drain").status()).isEqualTo(200);
      assertThat(post("/undrain").status()).isEqualTo(200);
    }
    await().until(() -> registry.status("t-server").equals("running"));
    int before = lists();
    registry.calls.clear();
    await()
        .until(() ->
            registry.calls.stream()
                    .filter(c -> c.equals("POST /services/t-server/heartbeat"))
                    .count()
                >= 20);
    assertThat(lists() - before).as("looks in 20 heartbeats").isLessThan(60);
  }

  private int lists() throws Exception {
    URI uri = URI.create("http://127.0.0.1:" + port + "/lists");
    return Integer.parseInt(
        new String(http.get(uri, Duration.ofSeconds(5)).body(), StandardCharsets.UTF_8));
  }

  @Test
  void aRequestInFlightEndsBeforeTheServerIsAskedTo() throws Exception {
    FakeRegistry registry = registry(0);
    Process babysitter = program(toml(registry.url(), List.of(), List.of()));
    await().until(() -> registry.status("t-server").equals("running"));
    CompletableFuture<Client.Reply> slow = new CompletableFuture<>();
    Thread.ofVirtual()
        .start(() -> {
          try {
            slow.complete(
                http.get(URI.create("http://127.0.0.1:" + port + "/slow"), Duration.ofSeconds(20)));
          } catch (IOException | InterruptedException e) {
            slow.completeExceptionally(e);
          }
        });
    await().until(() -> org.infinilm.svc.http.PortOwner.connections(port) > 0);
    babysitter.destroy();
    assertThat(slow.get(20, TimeUnit.SECONDS).body()).asString().isEqualTo("\"finished\"");
    assertThat(babysitter.waitFor(20, TimeUnit.SECONDS)).isTrue();
    assertThat(babysitter.exitValue()).isZero();
    assertThat(registry.entries).isEmpty();
    assertThat(registry.calls)
        .containsSubsequence("PUT /services/t-server", "DELETE /services/t-server");
  }

  @Test
  void aRequestThatNeverEndsIsCutAfterTheDrainTimeoutAndAtOnceByASecondSignal() throws Exception {
    for (boolean twice : List.of(false, true)) {
      String limit = "drain_timeout = " + (twice ? 60 : 1);
      Process babysitter =
          program(toml("", List.of("ignore-term"), List.of(limit, "stop_grace = 30")));
      await().until(() -> get("/health").status() == 200);
      List<ProcessHandle> all = babysitter.descendants().toList();
      try (java.net.Socket busy = new java.net.Socket("127.0.0.1", port)) {
        assertThat(busy.isConnected()).isTrue();
        babysitter.destroy();
        await().until(() -> phase().equals("draining"));
        if (!twice) {
          await().until(() -> phase().equals("stopping"));
        }
        babysitter.destroy();
        assertThat(babysitter.waitFor(15, TimeUnit.SECONDS)).as("twice " + twice).isTrue();
      }
      await().untilAsserted(() -> assertThat(all).isNotEmpty().noneMatch(ProcessHandle::isAlive));
    }
  }

  @Test
  void aForeignListenerIsNotTakenForOurs() throws Exception {
    FakeRegistry registry = registry(0);
    Path file = toml(registry.url(), List.of(), List.of());
    String sleeping =
        Files.readString(file)
            .replaceFirst("command = .*", "command = \"sleep 600\"")
            .replaceFirst("args = .*", "args = []");
    Files.writeString(file, sleeping);
    Babysitter sitter = start(file);
    await().until(() -> phase().equals("starting"));
    try (Server stranger =
        Server.start(
            Server.Options.at("127.0.0.1", port),
            _ -> Response.json(200, Map.of("data", List.of(Map.of("id", "theirs")))))) {
      assertThat(stranger.port()).isEqualTo(port);
      await()
          .until(
              () -> sitter.state().reason().contains("did not come from the process started here"));
      assertThat(phase()).isEqualTo("starting");
      assertThat(registry.entries).containsOnlyKeys("t");
    }
  }

  @Test
  void whatIsToBeAcceptedFromElsewhereIs() throws Exception {
    FakeRegistry registry = registry(0);
    Path file = toml(registry.url(), List.of(), List.of("own_listener = false"));
    Files.writeString(
        file,
        Files.readString(file)
            .replaceFirst("command = .*", "command = \"sleep 600\"")
            .replaceFirst("args = .*", "args = []"));
    start(file);
    await().until(() -> phase().equals("starting"));
    try (Server elsewhere =
        Server.start(
            Server.Options.at("127.0.0.1", port),
            _ -> Response.json(200, Map.of("data", List.of(Map.of("id", "m")))))) {
      assertThat(elsewhere.port()).isEqualTo(port);
      await().until(() -> registry.status("t-server").equals("running"));
    }
  }

  @Test
  void anOrphanOfAKilledBabysitterAndGuardIsEndedByTheNextStart() throws Exception {
    Path pidFile = dir.resolve("descendant.pid");
    Path file = toml("", List.of("descendant=" + pidFile), List.of("stop_grace = 2"));
    Process babysitter = program(file);
    await().until(() -> get("/health").status() == 200);
    List<ProcessHandle> tree = new ArrayList<>(babysitter.descendants().toList());
    List<ProcessHandle> guards =
        tree.stream()
            .filter(p -> Files.exists(Path.of("/proc/" + p.pid())) && isGuard(p.pid()))
            .toList();
    assertThat(guards).isNotEmpty();
    guards.forEach(ProcessHandle::destroyForcibly);
    babysitter.destroyForcibly().waitFor();
    tree.removeAll(guards);
    ProcessHandle descendant =
        ProcessHandle.of(Long.parseLong(Files.readString(pidFile))).orElseThrow();
    assertThat(descendant.isAlive()).isTrue();
    Path log = dir.resolve("second.log");
    Process next = program(file, log);
    await().until(() -> get("/health").status() == 200);
    // What has ended may wait a moment for its new parent to notice.
    await()
        .untilAsserted(
            () -> assertThat(tree).contains(descendant).noneMatch(ProcessHandle::isAlive));
    assertThat(Files.readString(log)).contains("left behind");
    next.destroy();
    next.waitFor();
  }

  @Test
  void whatHasNoParentNoEnvironmentAndASessionOfItsOwnEndsToo() throws Exception {
    for (boolean killed : List.of(false, true)) {
      Path pidFile = dir.resolve("stray-" + killed);
      Path file = toml("", List.of("stray=" + pidFile), List.of("stop_grace = 1"));
      Path log = dir.resolve("stray-" + killed + ".log");
      Process babysitter = program(file, log);
      await().until(() -> get("/health").status() == 200);
      await().until(() -> Files.exists(pidFile) && Files.size(pidFile) > 1);
      ProcessHandle stray =
          ProcessHandle.of(Long.parseLong(Files.readString(pidFile).strip())).orElseThrow();
      await().until(() -> Files.readString(log).contains("lost its parents: " + stray.pid()));
      if (killed) {
        babysitter.destroyForcibly();
      } else {
        babysitter.destroy();
      }
      assertThat(babysitter.waitFor(30, TimeUnit.SECONDS)).isTrue();
      await().untilAsserted(() -> assertThat(stray.isAlive()).as("killed " + killed).isFalse());
      await().until(() -> LowPorts.isFree(port) && LowPorts.isFree(port + 1));
    }
  }

  private static boolean isGuard(long pid) {
    try {
      return Files.readString(Path.of("/proc/" + pid + "/cmdline"), StandardCharsets.ISO_8859_1)
          .contains("infini-guard");
    } catch (IOException gone) {
      return false;
    }
  }

  @Test
  void ourTokensAreNotInTheServersEnvironment() throws Exception {
    Map<String, String> env =
        Map.of("INFINI_REGISTRY_TOKEN", "r", "INFINI_ADMIN_TOKEN", "a", "MY_TOKEN", "kept");
    Process babysitter =
        command(toml("", List.of(), List.of()), env)
            .redirectOutput(dir.resolve("log").toFile())
            .start();
    open.add(() -> babysitter.destroyForcibly().waitFor());
    await().until(() -> get("/health").status() == 200);
    byte[] names =
        http.get(URI.create("http://127.0.0.1:" + port + "/env"), Duration.ofSeconds(5)).body();
    assertThat(new String(names, StandardCharsets.UTF_8).lines())
        .contains("MY_TOKEN", "FAKE_KEY")
        .doesNotContain("INFINI_REGISTRY_TOKEN", "INFINI_ADMIN_TOKEN");
    babysitter.destroy();
    babysitter.waitFor();
  }

  @Test
  void aSecretInTheCommandReachesNoLog() throws Exception {
    Path file = toml("", List.of("--api-key", "SECRET2"), List.of("max_failed_starts = 1"));
    Files.writeString(
        file,
        Files.readString(file)
            .replaceFirst("command = .*", "command = \"false --api-key SECRET1\""));
    Path log = dir.resolve("log");
    Process babysitter = program(file, log);
    assertThat(babysitter.waitFor(30, TimeUnit.SECONDS)).isTrue();
    assertThat(babysitter.exitValue()).isEqualTo(1);
    assertThat(Files.readString(log)).contains("giving up on \"false\"").doesNotContain("SECRET");
  }

  @Test
  void outputThatNobodyReadsHoldsUpNothing() throws Exception {
    FakeRegistry registry = registry(0);
    Process babysitter =
        command(toml(registry.url(), List.of("chatty"), List.of()), Map.of()).start();
    open.add(() -> babysitter.destroyForcibly().waitFor());
    await().until(() -> registry.status("t-server").equals("running"));
    babysitter.destroy();
    assertThat(babysitter.waitFor(20, TimeUnit.SECONDS)).isTrue();
    assertThat(babysitter.exitValue()).isZero();
    assertThat(registry.entries).isEmpty();
  }

  @Test
  void aServerWithAnApiKeyIsRegisteredWithItsOwnModels() throws Exception {
    FakeRegistry registry = registry(0);
    Path file = toml(registry.url(), List.of("key=sekret"), List.of());
    Files.writeString(
        file,
        Files.readString(file)
            .replace("[backend]", "[backend]\napi_key_env = \"MY_KEY\"")
            .replace("FAKE_KEY", "MY_KEY = \"sekret\"\nFAKE_KEY"));
    start(file);
    await().until(() -> registry.status("t-server").equals("running"));
    assertThat(registry.metadata("t-server"))
        .containsEntry("models_list", List.of(Map.of("id", "m1", "max_model_len", 4096)))
        .containsEntry("api_key_env", "MY_KEY");
    assertThat(registry.metadata("t-server").toString()).doesNotContain("sekret");
  }

  @Test
  void aKeyThatIsMissingIsSaidAndNotTakenForAnEmptyList() throws Exception {
    Path log = dir.resolve("log");
    FakeRegistry registry = registry(0);
    Process babysitter = program(toml(registry.url(), List.of("key=sekret"), List.of()), log);
    await().until(() -> Files.readString(log).contains("not registered yet"));
    assertThat(Files.readString(log)).contains("status 401").contains("api_key_env");
    assertThat(registry.entries).containsOnlyKeys("t");
    babysitter.destroy();
    assertThat(babysitter.waitFor(20, TimeUnit.SECONDS)).isTrue();
    assertThat(Files.readString(log).split("not registered yet", -1)).as("said once").hasSize(2);
  }

  @Test
  void anInstanceOnIpv6IsReachedAndRegistered() throws Exception {
    FakeRegistry registry = registry(0);
    Path file = toml(registry.url(), List.of("host=::1"), List.of());
    Files.writeString(
        file,
        Files.readString(file)
            .replace("host = \"0.0.0.0\"\nbind_host = \"127.0.0.1\"", "host = \"::1\""));
    start(file);
    await().until(() -> registry.status("t-server").equals("running"));
    assertThat(registry.entries.get("t-server"))
        .containsEntry("host", "::1")
        .containsEntry("url", "http://[::1]:" + port);
    URI own = URI.create("http://[::1]:" + (port + 1) + "/health");
    assertThat(http.get(own, Duration.ofSeconds(5)).status()).isEqualTo(200);
    assertThat(http.get(own.resolve("/logs"), Duration.ofSeconds(5)).status())
        .as("this machine asks")
        .isEqualTo(200);
  }

  private static RegistryServer realRegistry() throws IOException {
    return RegistryServer.start(
        RegistryServer.Options.at(0).probes(Duration.ofMillis(200), Duration.ofSeconds(1)),
        Ticker.SYSTEM,
        new Random(1));
  }

  @Test
  void aRollingReplacementUnderOneNameLeavesNoGapAndADeadOneIsReplaced() throws Exception {
    try (RegistryServer registry = realRegistry()) {
      String url = "http://127.0.0.1:" + registry.port();
      RegistryClient table = new RegistryClient(http, URI.create(url), null);
      List<String> keys =
          List.of("heartbeat_interval = 0.2", "drain_timeout = 1", "health_interval = 0.2");
      Path log = dir.resolve("a.log");
      final int first = port;
      Process a = program(toml(url, List.of(), keys), log);
      await().until(() -> serves(table, first));
      port = LowPorts.two();
      final int second = port;
      Process b = program(toml(url, List.of(), keys), dir.resolve("b.log"));
      await().until(() -> serves(table, second));
      await().until(() -> Files.readString(log).contains("ANOTHER BABYSITTER"));
      await()
          .until(() ->
              new String(
                      http.get(URI.create(url + "/stats"), Duration.ofSeconds(5)).body(),
                      StandardCharsets.UTF_8)
                  .contains("\"conflicts\":[\"t\",\"t-server\"]"));
      assertThat(serves(table, second)).isTrue();

      b.destroyForcibly().waitFor();
      await().until(() -> serves(table, first));

      port = LowPorts.two();
      final int third = port;
      Process c = program(toml(url, List.of(), keys), dir.resolve("c.log"));
      await().until(() -> serves(table, third));
      a.destroy();
      assertThat(a.waitFor(20, TimeUnit.SECONDS)).isTrue();
      assertThat(serves(table, third)).as("the old one's farewell takes nothing away").isTrue();
      c.destroy();
      assertThat(c.waitFor(20, TimeUnit.SECONDS)).isTrue();
      assertThat(table.services()).isEmpty();
    }
  }

  @Test
  void aReplacementThatStillLoadsTakesNothingFromTheOneThatServes() throws Exception {
    try (RegistryServer registry = realRegistry()) {
      String url = "http://127.0.0.1:" + registry.port();
      RegistryClient table = new RegistryClient(http, URI.create(url), null);
      List<String> keys = List.of("drain_timeout = 1", "health_interval = 0.2");
      final int first = port;
      Process a = program(named(toml(url, List.of(), keys)), dir.resolve("a.log"));
      await().until(() -> serves(table, first));
      port = LowPorts.two();
      final int second = port;
      Path log = dir.resolve("b.log");
      Process b = program(named(toml(url, List.of("loading"), keys)), log);
      await().until(() -> phase().equals("loading"));
      await()
          .until(() -> {
            String said = Files.readString(log);
            return said.contains("t: another instance serves")
                && said.contains("t-server: another instance serves");
          });
      assertThat(serves(table, first)).isTrue();
      assertThat(table.services()).extracting(s -> s.port()).containsOnly(first, first + 1);
      poke("/mend");
      await()
          .until(() -> {
            assertThat(serves(table, first) || serves(table, second)).as("no gap").isTrue();
            return serves(table, second);
          });
      a.destroy();
      assertThat(a.waitFor(20, TimeUnit.SECONDS)).isTrue();
      assertThat(serves(table, second)).isTrue();
      assertThat(table.services()).extracting(s -> s.port()).containsOnly(second, second + 1);
      b.destroy();
      assertThat(b.waitFor(20, TimeUnit.SECONDS)).isTrue();
    }
  }

  /// The file, its models known beforehand.
  private static Path named(Path file) throws IOException {
    return Files.writeString(file, "models = [\"m1\"]\n" + Files.readString(file));
  }

  private static boolean serves(RegistryClient table, int at)
      throws InterruptedException, IOException {
    return table.services().stream()
        .anyMatch(s -> s.name().equals("t-server") && s.isHealthy() && s.port() == at);
  }
}
