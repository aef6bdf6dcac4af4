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
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

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
    // Its probes find it well, whenever they come.
    try (Server own = Server.start(Server.Options.at("127.0.0.1", 0), _ -> Response.empty(204))) {
      int port = own.port();
      String url = "http://127.0.0.1:" + port;
      Registration r = new Registration("a", "127.0.0.1", port, "h", url, "running", Map.of(), 1);
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
  }

  /// @param words of a shell in a namespace of its own that mounts something at "$d" and runs "$@"
  private Process onAFaultyDisk(Path data, Path log, String words, String... more)
      throws IOException {
    List<String> inside =
        new ArrayList<>(
            List.of("unshare", "-Urm", "sh", "-c", "d=$1; shift; " + words, "sh", data.toString()));
    inside.addAll(registry(data.resolve("journal"), more));
    return start(inside, Map.of(), log);
  }

  private static ProcessHandle java(Process inNamespace) {
    return Stream.concat(Stream.of(inNamespace.toHandle()), inNamespace.descendants())
        .filter(p -> p.info().command().orElse("").endsWith("java"))
        .findFirst()
        .orElseThrow();
  }

  /// Runs a shell's words where the registry sees its disk.
  private void beside(Process registry, String words, Path data) throws Exception {
    Process shell =
        new ProcessBuilder(
                "nsenter",
                "-U",
                "-m",
                "--preserve-credentials",
                "-t",
                String.valueOf(java(registry).pid()),
                "sh",
                "-c",
                words,
                "sh",
                data.toString())
            .redirectErrorStream(true)
            .redirectOutput(dir.resolve("nsenter").toFile())
            .start();
    started.add(shell);
    assertThat(shell.waitFor()).as(Files.readString(dir.resolve("nsenter"))).isZero();
  }

  private String stats() throws IOException, InterruptedException {
    return Json.tree(http.get(address.resolve("/stats"), PATIENCE).body()).path("journal").asText();
  }

  private String metrics() throws IOException, InterruptedException {
    byte[] all = http.get(address.resolve("/metrics"), PATIENCE).body();
    return new String(all, StandardCharsets.UTF_8);
  }

  private static Registration registration(String name) {
    return new Registration(
        name, "127.0.0.1", 1, "h", "http://127.0.0.1:1", "running", Map.of(), 1);
  }

  /// The folder was asked for (`--data-dir`), cannot be made, and can be later.
  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      value = {
        "no inode is free                 | nr_inodes=1 | mount -o remount,nr_inodes=0 $1",
        "the disk is read-only            | ro          | mount -o remount,rw $1",
        "another disk comes in its place  | ro          | mount -t tmpfs tmpfs $1"
            + " && mkdir $1/journal && echo not read >$1/journal/journal.jsonl"
      })
  void aDiskThatTakesNoFolderStopsNoStartAndGetsTheJournalOnceItDoes(
      String fault, String breaks, String heals) throws Exception {
    Path data = Files.createDirectory(dir.resolve("data"));
    Path log = dir.resolve("log");
    Process running =
        onAFaultyDisk(
            data,
            log,
            "mount -t tmpfs -o " + breaks + " tmpfs \"$d\" && exec \"$@\"",
            "--cleanup-interval",
            "0.2");
    RegistryClient c = client(log, 1);
    c.register(registration("a"));
    assertThat(c.heartbeat("a", null)).isTrue();
    assertThat(c.services()).as(fault).hasSize(1);
    assertThat(Files.readString(log))
        .contains("cannot be written")
        .contains("(failing)")
        .contains(data.toString());
    assertThat(stats()).isEqualTo("failing");
    assertThat(metrics()).contains("infini_registry_journal_failing 1.0");
    beside(running, heals, data);
    await().atMost(PATIENCE).until(() -> stats().equals("on"));
    assertThat(metrics()).contains("infini_registry_journal_failing 0.0");
    c.register(registration("b"));
    String look = "grep -q '\"name\":\"a\"' \"$1\"/journal/journal.jsonl";
    beside(running, look + " && " + look.replace("\"a\"", "\"b\""), data);
    if (heals.contains("not read")) {
      beside(running, "grep -qx 'not read' $1/journal/journal.damaged-*", data);
    }
  }

  /// As after a remount for errors: what stands in the journal is served.
  @Test
  void aJournalOnADiskThatBecameReadOnlyIsReadAndWrittenAgainLater() throws Exception {
    Path data = Files.createDirectory(dir.resolve("data"));
    Path log = dir.resolve("log");
    Process shell =
        onAFaultyDisk(
            data,
            log,
            "mount -t tmpfs tmpfs \"$d\" && { \"$@\"; mount -o remount,ro \"$d\"; \"$@\"; }",
            "--cleanup-interval",
            "0.2");
    client(log, 1).register(registration("a"));
    java(shell).destroyForcibly();
    RegistryClient again = client(log, 2);
    assertThat(again.services()).singleElement().matches(s -> s.name().equals("a"));
    again.register(registration("b"));
    assertThat(again.services()).hasSize(2);
    assertThat(stats()).isEqualTo("failing");
    beside(shell, "mount -o remount,rw \"$1\"", data);
    await().atMost(PATIENCE).until(() -> stats().equals("on"));
    beside(shell, "grep -q '\"name\":\"b\"' \"$1\"/journal/journal.jsonl", data);
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
