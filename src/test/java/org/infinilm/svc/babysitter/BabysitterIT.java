package org.infinilm.svc.babysitter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.awaitility.Awaitility;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BabysitterIT {
  private static final String JAVA = System.getProperty("java.home") + "/bin/java";
  private static final String CLASSES =
      System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));

  @TempDir Path dir;
  private final Client http = Client.create();
  private final List<AutoCloseable> open = new ArrayList<>();
  private int port;

  @BeforeAll
  static void patience() {
    Awaitility.setDefaultTimeout(Duration.ofSeconds(30));
    Awaitility.setDefaultPollInterval(Duration.ofMillis(20));
  }

  @BeforeEach
  void findPorts() throws IOException {
    port = twoFreePorts();
  }

  @AfterEach
  void closeAll() throws Exception {
    for (AutoCloseable c : open.reversed()) {
      c.close();
    }
    http.close();
    assertThat(isFree(port)).as("the server's port is free").isTrue();
    assertThat(isFree(port + 1)).as("the babysitter's port is free").isTrue();
  }

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
  void aCrashTakesTheInstanceOutOfServiceUntilItIsReadyAgain() throws Exception {
    FakeRegistry registry = registry(0);
    start(registry.url(), "restart_delay = 1");
    await().until(() -> registry.status("t-server").equals("running"));
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
    int registryPort = twoFreePorts();
    start("http://127.0.0.1:" + registryPort, "heartbeat_interval = 0.2");
    await().until(() -> get("/health").status() == 200);
    FakeRegistry first = registry(registryPort);
    await().until(() -> first.entries.size() == 2);
    first.close();
    FakeRegistry second = registry(registryPort);
    await().until(() -> second.entries.size() == 2);
    assertThat(second.status("t-server")).isEqualTo("running");
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
    assertThat(all).noneMatch(ProcessHandle::isAlive);
  }

  @Test
  void aServerThatIgnoresSigtermIsKilledAfterTheGrace() throws Exception {
    Path file = toml("", List.of("ignore-term"), List.of("stop_grace = 1"));
    Process babysitter = program(file);
    await().until(() -> get("/health").status() == 200);
    List<ProcessHandle> all = babysitter.descendants().toList();
    babysitter.destroy();
    assertThat(babysitter.waitFor(15, TimeUnit.SECONDS)).isTrue();
    assertThat(all).isNotEmpty().noneMatch(ProcessHandle::isAlive);
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

  // --- setting up -----------------------------------------------------------------------------

  private FakeRegistry registry(int at) throws IOException {
    FakeRegistry r = new FakeRegistry(at);
    open.add(r);
    return r;
  }

  private void start(String registryUrl, String... babysitterKeys) throws Exception {
    start(toml(registryUrl, List.of(), List.of(babysitterKeys)));
  }

  private void start(Path file) throws Exception {
    Config flags =
        Config.resolve(Flags.ALL, Map.of("config_file", file.toString()), Map.of(), null);
    Settings s = SettingsReader.read(flags, LocalAddress::toward);
    AtomicInteger code = new AtomicInteger(-1);
    open.add(Babysitter.start(s, s.backend().argv(s, null), Ticker.SYSTEM, code::set));
  }

  private Path toml(String registryUrl, List<String> options, List<String> babysitterKeys)
      throws IOException {
    List<String> args = new ArrayList<>(List.of("-Xmx32m", "-XX:TieredStopAtLevel=1", "-cp"));
    args.add(Path.of("target", "test-classes").toAbsolutePath().toString());
    args.add(FakeBackend.class.getName());
    args.add("" + port);
    args.addAll(options);
    return Files.writeString(
        dir.resolve("t.toml"),
        """
        name = "t"
        host = "0.0.0.0"
        bind_host = "127.0.0.1"
        port = %d
        registry_url = "%s"
        [babysitter]
        %s
        [backend]
        type = "command"
        command = "%s"
        args = %s
        [backend.env]
        FAKE_KEY = "K"
        [metadata]
        cache_type = "paged"
        """
            .formatted(
                port, registryUrl, String.join("\n", babysitterKeys), JAVA, Json.text(args)));
  }

  private Process program(Path file) throws IOException {
    return program(file, dir.resolve("program.log"));
  }

  private Process program(Path file, Path log) throws IOException {
    Process p =
        new ProcessBuilder(
                JAVA,
                "-XX:TieredStopAtLevel=1",
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-cp",
                CLASSES,
                "org.infinilm.svc.cli.Main",
                "babysitter",
                "--config-file",
                file.toString())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    open.add(() -> p.destroyForcibly().waitFor());
    return p;
  }

  private URI own(String path) {
    return URI.create("http://127.0.0.1:" + (port + 1) + path);
  }

  private Client.Reply get(String path) throws InterruptedException {
    try {
      return http.get(own(path), Duration.ofSeconds(5));
    } catch (IOException notUpYet) {
      return new Client.Reply(0, Headers.NONE, new byte[0]);
    }
  }

  private String text(String path) throws InterruptedException {
    return new String(get(path).body(), java.nio.charset.StandardCharsets.UTF_8);
  }

  private void poke(String path) throws InterruptedException {
    try {
      http.get(URI.create("http://127.0.0.1:" + port + path), Duration.ofSeconds(5));
    } catch (IOException ended) {
      // as asked
    }
  }

  private static List<String> names(JsonNode object) {
    List<String> out = new ArrayList<>();
    object.fieldNames().forEachRemaining(out::add);
    return out;
  }

  private static int twoFreePorts() throws IOException {
    while (true) {
      try (ServerSocket first = new ServerSocket(0)) {
        int p = first.getLocalPort();
        if (p < Settings.MAX_PORT && isFree(p + 1)) {
          return p;
        }
      }
    }
  }

  private static boolean isFree(int p) {
    try (ServerSocket s = new ServerSocket()) {
      s.bind(new InetSocketAddress("127.0.0.1", p));
      return true;
    } catch (IOException taken) {
      return false;
    }
  }
}
