package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A router process that may open no more descriptors: it says so, blames nobody else, and goes on
/// when it may again. Clients cannot bring that about (connections are limited before); a limit
/// that is lowered under the running process can.
@Timeout(120)
class DescriptorsProcessIT {
  private static final int LIMIT = 256;
  private static final Pattern LISTENS = Pattern.compile("router on 127\\.0\\.0\\.1:([0-9]+)");

  @TempDir private Path dir;
  private Process process;
  private RawInstance instance;

  @AfterEach
  void end() throws Exception {
    process.destroyForcibly();
    instance.close();
  }

  /// Lets the process open descriptors below `most` only.
  private void limit(int most) throws Exception {
    Process p =
        new ProcessBuilder(
                "prlimit", "--pid", Long.toString(process.pid()), "--nofile=" + most + ":" + LIMIT)
            .redirectErrorStream(true)
            .start();
    String said = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(p.waitFor()).as(said).isZero();
  }

  private int start() throws Exception {
    Path log = dir.resolve("log");
    process =
        new ProcessBuilder(
                "bash",
                "-c",
                "ulimit -n " + LIMIT + " && exec \"$@\"",
                "bash",
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx96m",
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-Dinfini.program=router",
                "-jar",
                System.getProperty("infini.jar", "target/infini.jar"),
                "--host",
                "127.0.0.1",
                "--router-port",
                "0",
                "--threads",
                "1",
                "--health-interval",
                "0.1",
                "--instance",
                "http://127.0.0.1:" + instance.port())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    await()
        .atMost(RawRouter.SOON.multipliedBy(3))
        .until(() -> LISTENS.matcher(Files.readString(log)).find());
    Matcher m = LISTENS.matcher(Files.readString(log));
    assertThat(m.find()).isTrue();
    return Integer.parseInt(m.group(1));
  }

  private static String ask(Socket s, String request) throws IOException {
    RawInstance.write(s, request);
    return RawInstance.read(s.getInputStream());
  }

  @Test
  void noDescriptorLeftIsTheRoutersFault() throws Exception {
    instance =
        new RawInstance(
            "m",
            (r, s) -> {
              RawInstance.write(
                  s, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
              s.close();
            });
    int port = start();
    try (Socket client = new Socket("127.0.0.1", port)) {
      client.setSoTimeout(20_000);
      String post = RawRouter.post("/v1/chat/completions", "m", "");
      await()
          .atMost(RawRouter.SOON)
          .untilAsserted(() -> assertThat(ask(client, post)).startsWith("HTTP/1.1 200"));
      limit(10);
      await()
          .atMost(RawRouter.SOON)
          .untilAsserted(() ->
              assertThat(ask(client, post))
                  .startsWith("HTTP/1.1 503")
                  .contains("no file descriptor left"));
      await()
          .atMost(RawRouter.SOON)
          .untilAsserted(() -> assertThat(probes(client, "unknown")).isGreaterThan(10));
      assertThat(ask(client, get("/health"))).contains("\"healthy_services\":\"1/1\"");
      assertThat(probes(client, "down")).as("no probe blames the instance").isZero();
      try (Socket waits = new Socket("127.0.0.1", port)) {
        waits.setSoTimeout(20_000);
        limit(LIMIT);
        assertThat(ask(waits, get("/livez"))).as("accepting goes on").startsWith("HTTP/1.1 200");
      }
      await()
          .atMost(RawRouter.SOON)
          .untilAsserted(() -> assertThat(ask(client, post)).startsWith("HTTP/1.1 200"));
    }
  }

  /// Probes that ended so.
  private static int probes(Socket client, String result) throws IOException {
    Matcher m =
        Pattern.compile("infini_router_probes_total\\{result=\"" + result + "\"} ([0-9]+)")
            .matcher(ask(client, get("/metrics")));
    return m.find() ? Integer.parseInt(m.group(1)) : 0;
  }

  private static String get(String path) {
    return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n";
  }
}
