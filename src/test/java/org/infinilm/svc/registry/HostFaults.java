package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Json;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Faults of the machine under a registry process: a clock that is set (Debian's faketime), a disk
/// of 64 KiB (a tmpfs in a namespace of its own). Not part of the default tests: they need
/// `faketime` and `unshare`; `./infini test --faults` runs them.
@Timeout(120)
class HostFaults {
  private static final Pattern LISTENS = Pattern.compile("listens on 127\\.0\\.0\\.1:([0-9]+)");
  private static final Duration PATIENCE = Duration.ofSeconds(30);

  private final Client http = Client.create();
  private final List<Process> started = new ArrayList<>();
  @TempDir private Path dir;

  @AfterEach
  void end() {
    started.forEach(p -> p.descendants().forEach(ProcessHandle::destroyForcibly));
    started.forEach(Process::destroyForcibly);
    http.close();
  }

  private static List<String> registry(Path data, String... more) {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx64m",
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-Dinfini.program=registry",
                "-jar",
                System.getProperty("infini.jar", "target/infini.jar"),
                "--host",
                "127.0.0.1",
                "--port",
                "0",
                "--data-dir",
                data.toString()));
    command.addAll(List.of(more));
    return command;
  }

  private Process start(List<String> command, Map<String, String> env, Path log)
      throws IOException {
    ProcessBuilder b = new ProcessBuilder(command).redirectErrorStream(true);
    b.redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile())).environment().putAll(env);
    Process p = b.start();
    started.add(p);
    return p;
  }

  /// A client of the registry that said so `nth` in this log.
  private RegistryClient client(Path log, int nth) {
    await()
        .atMost(PATIENCE)
        .until(() -> LISTENS.matcher(Files.readString(log)).results().count() >= nth);
    try {
      Matcher m = LISTENS.matcher(Files.readString(log));
      for (int i = 0; i < nth; i++) {
        assertThat(m.find()).isTrue();
      }
      address = URI.create("http://127.0.0.1:" + m.group(1));
      return new RegistryClient(http, address, null);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private URI address = URI.create("http://127.0.0.1");

  private Instant clock() throws IOException, InterruptedException {
    byte[] health = http.get(address.resolve("/health"), PATIENCE).body();
    return Instant.parse(Json.tree(health).path("timestamp").asText().replace("+00:00", "Z"));
  }

  @Test
  void aClockThatIsSetByAnHourTakesNobodyOut() throws Exception {
    Path lib;
    try (Stream<Path> all =
        Files.find(Path.of("/usr/lib"), 3, (p, _) -> p.endsWith("libfaketimeMT.so.1"))) {
      lib = all.findFirst().orElseThrow(() -> new AssertionError("libfaketimeMT.so.1: not found"));
    }
    Path offset = Files.writeString(dir.resolve("offset"), "+0");
    Map<String, String> env =
        Map.of(
            "LD_PRELOAD",
            lib.toString(),
            "FAKETIME_TIMESTAMP_FILE",
            offset.toString(),
            "FAKETIME_NO_CACHE",
            "1",
            "FAKETIME_DONT_FAKE_MONOTONIC",
            "1");
    Path log = dir.resolve("log");
    Path data = dir.resolve("data");
    Process first = start(registry(data, "--cleanup-interval", "0.2"), env, log);
    RegistryClient c = client(log, 1);
    Registration r =
        new Registration("a", "127.0.0.1", 1, "h", "http://127.0.0.1:1", "running", Map.of(), 1);
    c.register(r);
    Instant begin = clock();
    for (String step : List.of("+1h", "-1h", "+1h")) {
      Files.writeString(offset, step);
      Instant aim = step.startsWith("+") ? begin.plusSeconds(3000) : begin.minusSeconds(3000);
      await()
          .atMost(PATIENCE)
          .until(() -> step.startsWith("+") ? clock().isAfter(aim) : clock().isBefore(aim));
      // Clean-ups that follow the step.
      for (int look = 0; look < 10; look++) {
        assertThat(c.heartbeat("a", null)).isTrue();
        assertThat(c.services()).as(step).singleElement().matches(Service::isHealthy);
      }
    }
    first.destroyForcibly().waitFor();
    Files.writeString(offset, "-1h");
    start(registry(data), env, log);
    assertThat(client(log, 2).services()).singleElement().matches(Service::isHealthy);
  }

  @Test
  void aFullDiskStopsNeitherRegistrationsNorHeartbeatsNorTheNextStart() throws Exception {
    Path data = Files.createDirectory(dir.resolve("data"));
    Path log = dir.resolve("log");
    List<String> inside =
        new ArrayList<>(
            List.of(
                "unshare",
                "-Urm",
                "sh",
                "-c",
                "mount -t tmpfs -o size=64k tmpfs \"$1\" && shift && { \"$@\"; \"$@\"; }",
                "sh",
                data.toString()));
    inside.addAll(registry(data));
    Process shell = start(inside, Map.of(), log);
    RegistryClient c = client(log, 1);
    for (int i = 0; i < 300; i++) {
      c.register(
          new Registration(
              "n" + i, "127.0.0.1", 1, "h", "http://127.0.0.1:1", "running", Map.of("k", "v"), 1));
      assertThat(c.heartbeat("n" + i, null)).isTrue();
    }
    assertThat(c.services()).hasSize(300);
    assertThat(Files.readString(log, StandardCharsets.UTF_8)).contains("cannot be written");
    ProcessHandle registry =
        shell
            .descendants()
            .filter(p -> p.info().command().orElse("").endsWith("java"))
            .findFirst()
            .orElseThrow();
    registry.destroyForcibly();
    RegistryClient again = client(log, 2);
    int kept = again.services().size();
    assertThat(kept).as("what fitted was kept").isBetween(50, 300);
    again.register(
        new Registration("x", "127.0.0.1", 1, "h", "http://127.0.0.1:1", "running", Map.of(), 1));
    assertThat(again.services()).hasSize(kept + 1);
  }
}
