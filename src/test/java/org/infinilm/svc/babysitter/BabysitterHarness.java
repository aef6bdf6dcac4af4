package org.infinilm.svc.babysitter;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.awaitility.Awaitility;
import org.infinilm.svc.LowPorts;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/// A babysitter of [FakeBackend] on ports of its own, in this JVM or as a process.
abstract class BabysitterHarness {
  static final String JAVA = System.getProperty("java.home") + "/bin/java";
  private static final String CLASSES =
      System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));

  @TempDir Path dir;
  final Client http = Client.create();
  final List<AutoCloseable> open = new ArrayList<>();
  int port;

  @BeforeAll
  static void patience() {
    Awaitility.setDefaultTimeout(Duration.ofSeconds(60));
    Awaitility.setDefaultPollInterval(Duration.ofMillis(20));
  }

  @BeforeEach
  void findPorts() throws IOException {
    port = LowPorts.two();
  }

  @AfterEach
  void closeAll() throws Exception {
    for (AutoCloseable c : open.reversed()) {
      c.close();
    }
    http.close();
    assertThat(LowPorts.isFree(port)).as("the server's port is free").isTrue();
    assertThat(LowPorts.isFree(port + 1)).as("the babysitter's port is free").isTrue();
  }

  FakeRegistry registry(int at) throws IOException {
    FakeRegistry r = new FakeRegistry(at);
    open.add(r);
    return r;
  }

  Babysitter start(String registryUrl, String... babysitterKeys) throws Exception {
    return start(toml(registryUrl, List.of(), List.of(babysitterKeys)));
  }

  Babysitter start(String registryUrl, List<String> options) throws Exception {
    return start(toml(registryUrl, options, List.of()));
  }

  Babysitter start(Path file) throws Exception {
    Config flags =
        Config.resolve(Flags.ALL, Map.of("config_file", file.toString()), Map.of(), null);
    Settings s = SettingsReader.read(flags, LocalAddress::toward);
    AtomicInteger code = new AtomicInteger(-1);
    Babysitter b = Babysitter.start(s, s.backend().argv(s, null), Ticker.SYSTEM, code::set);
    open.add(b);
    return b;
  }

  Path toml(String registryUrl, List<String> options, List<String> babysitterKeys)
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

  Process program(Path file) throws IOException {
    return program(file, dir.resolve("program.log"));
  }

  Process program(Path file, Path log) throws IOException {
    Process p = command(file, Map.of()).redirectOutput(log.toFile()).start();
    open.add(() -> p.destroyForcibly().waitFor());
    return p;
  }

  /// The program, its output not yet redirected.
  ProcessBuilder command(Path file, Map<String, String> env) {
    ProcessBuilder b =
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
            .redirectErrorStream(true);
    b.environment().putAll(env);
    return b;
  }

  URI own(String path) {
    return URI.create("http://127.0.0.1:" + (port + 1) + path);
  }

  Client.Reply get(String path) throws InterruptedException {
    try {
      return http.get(own(path), Duration.ofSeconds(5));
    } catch (IOException notUpYet) {
      return new Client.Reply(0, Headers.NONE, new byte[0]);
    }
  }

  String text(String path) throws InterruptedException {
    return new String(get(path).body(), java.nio.charset.StandardCharsets.UTF_8);
  }

  /// What the babysitter's own `/health` says; empty while it is not up.
  String phase() throws InterruptedException {
    Client.Reply r = get("/health");
    try {
      return r.body().length == 0 ? "" : Json.tree(r.body()).path("status").asText();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  Client.Reply post(String path) throws IOException, InterruptedException {
    return http.send("POST", own(path), Headers.NONE, new byte[0], Duration.ofSeconds(5));
  }

  void poke(String path) throws InterruptedException {
    try {
      http.get(URI.create("http://127.0.0.1:" + port + path), Duration.ofSeconds(5));
    } catch (IOException ended) {
      // as asked
    }
  }

  static List<String> names(JsonNode object) {
    List<String> out = new ArrayList<>();
    object.fieldNames().forEachRemaining(out::add);
    return out;
  }
}
