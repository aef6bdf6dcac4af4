package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// `infini router` as a process: signals, a log that nobody reads, few descriptors.
@Timeout(120)
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
class RouterProcessIT {
  private static final Pattern LISTENS = Pattern.compile("router on 127\\.0\\.0\\.1:([0-9]+)");
  private static final Pattern OTHERS =
      Pattern.compile(
          " (org\\.bouncycastle|io\\.opentelemetry|org\\.sqlite|ai\\.djl|de\\.kherud|org\\.jfree|org\\.apache)\\.");
  private static final Duration SOON = Duration.ofSeconds(60);
  private static final String UNFINISHED =
      "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{";

  private final List<Process> started = new ArrayList<>();
  @TempDir private Path dir;
  private int port;

  @AfterEach
  void end() {
    started.forEach(Process::destroyForcibly);
  }

  /// Starts a router whose standard output goes to a pipe that nobody reads.
  private Process router(String before, String... flags) throws IOException {
    List<String> java =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx128m",
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-jar",
                System.getProperty("infini.jar", "target/infini.jar"),
                "router",
                "--host",
                "127.0.0.1",
                "--router-port",
                "0"));
    java.addAll(List.of(flags));
    List<String> command = new ArrayList<>(List.of("sh", "-c", before + "exec \"$@\"", "sh"));
    command.addAll(java);
    Path log = dir.resolve("log-" + started.size());
    Process p = new ProcessBuilder(command).redirectError(log.toFile()).start();
    started.add(p);
    await().atMost(SOON).until(() -> !p.isAlive() || LISTENS.matcher(Files.readString(log)).find());
    Matcher m = LISTENS.matcher(Files.readString(log));
    assertThat(m.find()).as(Files.readString(log)).isTrue();
    port = Integer.parseInt(m.group(1));
    return p;
  }

  private String said(Process p) throws IOException {
    return Files.readString(dir.resolve("log-" + started.indexOf(p)));
  }

  private Socket connect() throws IOException {
    Socket s = new Socket("127.0.0.1", port);
    s.setSoTimeout(30_000);
    return s;
  }

  private Said ask(String target) throws IOException {
    try (Socket s = connect()) {
      write(s, "GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      return Said.read(s.getInputStream());
    }
  }

  private static void write(Socket s, String text) throws IOException {
    s.getOutputStream().write(text.getBytes(ISO_8859_1));
  }

  @Test
  void aLogThatNobodyReadsStopsNeitherServiceNorTheEnd() throws Exception {
    Process p = router("", "--lame-duck", "0.2", "--drain-timeout", "2");
    String request = Rig.post(Rig.CHAT, "X-Request-Id: " + "i".repeat(120) + "\r\n", Rig.BODY);
    try (Socket s = connect()) {
      for (int k = 0; k < 2000; k++) {
        write(s, request);
        assertThat(Said.read(s.getInputStream()).status()).isBetween(404, 503);
      }
    }
    assertThat(ask("/livez").status()).isEqualTo(200);
    p.destroy();
    assertThat(p.waitFor(20, TimeUnit.SECONDS)).as("ends").isTrue();
    assertThat(p.exitValue()).isZero();
  }

  /// systemd's own program, which sends what it is told to the socket that NOTIFY_SOCKET names.
  @Test
  void whoStartedItAsAServiceIsToldOnceItListens() throws Exception {
    Path told = dir.resolve("told");
    Path notify = dir.resolve("systemd-notify");
    Files.writeString(notify, "#!/bin/sh\necho \"$@ at $NOTIFY_SOCKET\" >'" + told + "'\n");
    assertThat(notify.toFile().setExecutable(true)).isTrue();
    router("export PATH='" + dir + "':$PATH NOTIFY_SOCKET=/run/x; ");
    await().atMost(SOON).until(() -> Files.exists(told) && Files.size(told) > 0);
    assertThat(Files.readString(told)).isEqualTo("--ready at /run/x\n");
    Files.delete(told);
    Process plain = router("export PATH='" + dir + "':$PATH; unset NOTIFY_SOCKET; ");
    plain.destroy();
    assertThat(plain.waitFor(20, TimeUnit.SECONDS)).isTrue();
    assertThat(told).doesNotExist();
  }

  /// One class of a signed jar costs the start a third of its time.
  @Test
  void aStartLoadsNothingOfLibrariesThatItDoesNotUse() throws Exception {
    Path log = dir.resolve("classes");
    router("export JAVA_TOOL_OPTIONS='-Xlog:class+load:file=" + log + "'; ");
    try (Stream<String> lines = Files.lines(log)) {
      assertThat(lines.filter(l -> OTHERS.matcher(l).find())).isEmpty();
    }
  }

  /// SQLite's driver unpacks its native part, and removes it only when a process ends by itself.
  @Test
  void aHistoryLeavesNothingInTheTemporaryFolder() throws Exception {
    Path temporary = Files.createDirectory(dir.resolve("tmp"));
    String into = "export JAVA_TOOL_OPTIONS='-Djava.io.tmpdir=" + temporary + "'; ";
    Process p = router(into, "--history", dir.resolve("h.db").toString());
    await().atMost(SOON).until(() -> said(p).contains("history: "));
    p.destroyForcibly();
    assertThat(p.waitFor(20, TimeUnit.SECONDS)).isTrue();
    try (Stream<Path> left = Files.list(temporary)) {
      assertThat(left.map(f -> f.getFileName().toString())).noneMatch(f -> f.contains("sqlite"));
    }
  }

  @Test
  void aRouterOfNobodyNamesTheFlagsThatWouldGiveItInstances() throws Exception {
    Process p = router("");
    assertThat(said(p))
        .contains(
            "no instances: none of --registry-url, --discover, --instance and --static-services");
    assertThat(ask("/readyz").status()).isEqualTo(503);
  }

  @Test
  void aSecondSignalEndsItAtOnce() throws Exception {
    Process p = router("", "--lame-duck", "0", "--drain-timeout", "300");
    try (Socket s = connect()) {
      write(s, UNFINISHED);
      await().atMost(SOON).until(() -> ask("/readyz").status() != 0);
      p.destroy();
      await()
          .atMost(SOON)
          .until(() -> {
            try (Socket refused = connect()) {
              return !refused.isConnected();
            } catch (IOException closed) {
              return true;
            }
          });
      assertThat(p.isAlive()).as("the request is still under way").isTrue();
      p.toHandle().destroy();
      assertThat(p.waitFor(10, TimeUnit.SECONDS)).isTrue();
      assertThat(p.exitValue()).isEqualTo(143);
    }
  }

  @Test
  void fewDescriptorsMeanFewerClientsAndHealthChecksGoOn() throws Exception {
    Process p = router("ulimit -n 500; ");
    Matcher m = Pattern.compile("(\\d+) client connections at most").matcher(said(p));
    assertThat(m.find()).isTrue();
    int places = Integer.parseInt(m.group(1));
    assertThat(places).isBetween(50, 250);
    List<Socket> idle = new ArrayList<>();
    for (int k = 0; k < places + 50; k++) {
      idle.add(connect());
    }
    assertThat(ask("/livez").status()).isEqualTo(200);
    Said told = ask("/v1/x");
    assertThat(told.status()).isEqualTo(503);
    assertThat(told.body()).contains("too many connections");
    for (Socket s : idle) {
      s.close();
    }
    await().atMost(SOON).until(() -> !ask("/v1/x").body().contains("too many connections"));
    assertThat(said(p)).doesNotContain("Too many open files");
  }
}
