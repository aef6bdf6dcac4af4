package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// `infini-registry` as a process: signals, exit codes, what survives a kill.
@Timeout(120)
class RegistryProcessIT {
  private static final Pattern LISTENS = Pattern.compile("listens on 127\\.0\\.0\\.1:([0-9]+)");

  private final Client http = Client.create();
  private final List<Process> started = new ArrayList<>();
  private int logs;
  @TempDir private Path dir;

  /// A started program and the file its stderr goes to.
  private record Running(Process process, Path log) {
    String said() {
      try {
        return Files.readString(log);
      } catch (IOException e) {
        throw new AssertionError(e);
      }
    }
  }

  @AfterEach
  void end() {
    started.forEach(Process::destroyForcibly);
    http.close();
  }

  private Running launch(String program, String... args) throws IOException {
    return launch(List.of(), program, args);
  }

  private Running launch(List<String> before, String program, String... args) throws IOException {
    List<String> command = new ArrayList<>(before);
    command.addAll(
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Xmx64m",
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            "-Dinfini.program=" + program,
            "-jar",
            System.getProperty("infini.jar", "target/infini.jar")));
    command.addAll(List.of(args));
    Path log = dir.resolve("log-" + logs++);
    Process p =
        new ProcessBuilder(command)
            .redirectError(log.toFile())
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
    started.add(p);
    return new Running(p, log);
  }

  private Running registry(int port) throws IOException {
    return launch(
        "registry",
        "--host",
        "127.0.0.1",
        "--port",
        String.valueOf(port),
        "--data-dir",
        dir.resolve("data").toString());
  }

  private RegistryClient client(Running r) {
    await()
        .atMost(Duration.ofSeconds(60))
        .until(() -> !r.process().isAlive() || LISTENS.matcher(r.said()).find());
    Matcher m = LISTENS.matcher(r.said());
    assertThat(m.find()).as(r.said()).isTrue();
    return new RegistryClient(http, URI.create("http://127.0.0.1:" + m.group(1)), null);
  }

  private static int exit(Running r) throws InterruptedException {
    assertThat(r.process().waitFor(60, TimeUnit.SECONDS)).isTrue();
    return r.process().exitValue();
  }

  @Test
  void idleConnectionsLeaveDescriptorsForOthers() throws Exception {
    List<String> limited = List.of("bash", "-c", "ulimit -n 256 && exec \"$@\"", "bash");
    Running r =
        launch(
            limited,
            "registry",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--data-dir",
            "",
            "--health-interval",
            "0.2");
    RegistryClient c = client(r);
    Matcher at = LISTENS.matcher(r.said());
    assertThat(at.find()).isTrue();
    int port = Integer.parseInt(at.group(1));
    List<Socket> idle = new ArrayList<>();
    try (Server own = Server.start(Server.Options.at("127.0.0.1", 0), _ -> Response.empty(204))) {
      for (int n = 0; n < 300; n++) {
        idle.add(new Socket("127.0.0.1", port));
      }
      String url = "http://127.0.0.1:" + own.port();
      c.register(new Registration("a", "127.0.0.1", own.port(), "h", url, "running", Map.of(), 1));
      await().until(() -> c.services().stream().anyMatch(s -> "healthy".equals(s.healthStatus())));
    } finally {
      for (Socket s : idle) {
        s.close();
      }
    }
  }

  private static String answer(int port, String request) throws IOException {
    try (Socket s = new Socket("127.0.0.1", port)) {
      s.setSoTimeout(20_000);
      s.getOutputStream().write(request.getBytes(StandardCharsets.ISO_8859_1));
      BufferedReader in =
          new BufferedReader(
              new InputStreamReader(s.getInputStream(), StandardCharsets.ISO_8859_1));
      return in.lines().takeWhile(l -> !l.isEmpty()).collect(Collectors.joining("\n"));
    }
  }

  /// They took all places, heartbeats found none, and the fleet was removed.
  @ParameterizedTest
  @ValueSource(
      strings = {"/services/a/health", "/watch?version=VERSION&wait=60", "/watch?since=VERSION"})
  void whoeverWaitsThereIsAPlaceForHeartbeats(String target) throws Exception {
    Running r =
        launch(
            List.of("bash", "-c", "ulimit -n 256 && exec \"$@\"", "bash"),
            "registry",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--data-dir",
            "",
            "--health-timeout",
            "60");
    RegistryClient c = client(r);
    Matcher at = LISTENS.matcher(r.said());
    assertThat(at.find()).isTrue();
    int port = Integer.parseInt(at.group(1));
    List<Socket> waiting = new ArrayList<>();
    // connections are taken by the kernel, and nobody answers
    try (ServerSocket hangs = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
      String url = "http://127.0.0.1:" + hangs.getLocalPort();
      int its = hangs.getLocalPort();
      c.register(new Registration("a", "127.0.0.1", its, "h", url, "running", Map.of(), 1));
      String version = c.watch("", Duration.ZERO).version();
      String ask = "GET " + target.replace("VERSION", version) + " HTTP/1.1\r\nHost: r\r\n\r\n";
      for (int n = 0; n < 200; n++) {
        Socket s = new Socket("127.0.0.1", port);
        waiting.add(s);
        try {
          s.getOutputStream().write(ask.getBytes(StandardCharsets.ISO_8859_1));
        } catch (IOException closed) {
          // it made room for the next
        }
      }
      await()
          .ignoreExceptions()
          .untilAsserted(() ->
              assertThat(answer(port, ask)).startsWith("HTTP/1.1 503").contains("retry-after: 1"));
      String beat = "POST /services/a/heartbeat HTTP/1.1\r\nHost: r\r\nContent-Length: 0\r\n\r\n";
      for (int n = 0; n < 20; n++) {
        assertThat(answer(port, beat)).startsWith("HTTP/1.1 200");
      }
    } finally {
      for (Socket s : waiting) {
        s.close();
      }
    }
  }

  @Test
  void aKillLosesNothingThatWasConfirmedAndSigtermEndsCleanly() throws Exception {
    Running first = registry(0);
    RegistryClient c = client(first);
    c.register(new Registration("a", "h", 1, "h", "http://h:1", "running", Map.of("k", "v"), 2));
    first.process().destroyForcibly();
    exit(first);
    Running second = registry(0);
    List<Service> kept = client(second).services();
    assertThat(kept)
        .singleElement()
        .satisfies(s -> {
          assertThat(s.name()).isEqualTo("a");
          assertThat(s.metadata()).containsEntry("k", "v");
          assertThat(s.weight()).isEqualTo(2);
        });
    second.process().destroy();
    assertThat(exit(second)).isZero();
  }

  @ParameterizedTest(name = "umask {0}")
  @ValueSource(strings = {"000", "777"})
  void theJournalIsItsOwnersAloneWhateverTheUmask(String umask) throws Exception {
    Path data = dir.resolve("new/data");
    Running r =
        launch(
            List.of("sh", "-c", "umask " + umask + "; exec \"$@\"", "sh"),
            "registry",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--data-dir",
            data.toString());
    client(r)
        .register(new Registration("a", "h", 1, "h", "http://h:1", "running", Map.of("k", "v"), 2));
    assertThat(mode(data.getParent())).isEqualTo("rwx------");
    assertThat(mode(data)).isEqualTo("rwx------");
    assertThat(mode(data.resolve("lock"))).isEqualTo("rw-------");
    assertThat(mode(data.resolve("journal.jsonl"))).isEqualTo("rw-------");
    assertThat(data.resolve("journal.jsonl")).content().contains("\"name\":\"a\"");
  }

  private static String mode(Path p) throws IOException {
    return PosixFilePermissions.toString(Files.getPosixFilePermissions(p));
  }

  @Test
  void aFolderThatIsNoneStopsTheStartAndIsNamed() throws Exception {
    Path file = Files.writeString(dir.resolve("file"), "");
    Running slip =
        launch("registry", "--host", "127.0.0.1", "--port", "0", "--data-dir", file + "/below");
    assertThat(exit(slip)).isEqualTo(1);
    assertThat(slip.said())
        .contains(file + "/below: " + file + " is no folder (expected: a folder to write to)")
        .doesNotContain("Exception");
  }

  @Test
  void wrongStartsHaveTheirExitCodes() throws Exception {
    Running usage = launch("registry", "--prot", "1");
    Running value = launch("registry", "--port", "70000");
    Running running = registry(0);
    RegistryClient c = client(running);
    Running held = registry(0);
    assertThat(exit(usage)).isEqualTo(2);
    assertThat(exit(value)).isEqualTo(2);
    assertThat(value.said()).contains("--port: 70000 (expected: a whole number 0..65535)");
    assertThat(exit(held)).isEqualTo(1);
    assertThat(held.said()).contains("held by another registry");
    assertThat(c.services()).isEmpty();
  }
}
