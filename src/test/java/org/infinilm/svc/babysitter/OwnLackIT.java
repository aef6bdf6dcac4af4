package org.infinilm.svc.babysitter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// A babysitter that runs short of something of its own: file descriptors, memory. Its server is
/// none the worse for it.
@Timeout(120)
class OwnLackIT extends BabysitterHarness {
  private static final int LIMIT = 256;

  private Process limited(Path file, String... javaOptions) throws IOException {
    List<String> argv =
        new ArrayList<>(List.of("bash", "-c", "ulimit -n " + LIMIT + " && exec \"$@\"", "bash"));
    // Classes come from an open file.
    argv.addAll(List.of(JAVA, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"));
    argv.addAll(List.of(javaOptions));
    argv.addAll(
        List.of(
            "-Dinfini.program=babysitter",
            "-jar",
            System.getProperty("infini.jar", "target/infini.jar"),
            "--config-file",
            file.toString()));
    Process p =
        new ProcessBuilder(argv)
            .redirectErrorStream(true)
            .redirectOutput(dir.resolve("program.log").toFile())
            .start();
    open.add(() -> {
      p.destroy();
      p.waitFor();
    });
    return p;
  }

  private Path quick(FakeRegistry registry) throws IOException {
    return toml(
        registry.url(),
        List.of(),
        List.of("health_interval = 0.1", "health_failures = 3", "heartbeat_interval = 0.2"));
  }

  private static void limit(Process p, int most) throws Exception {
    Process done =
        new ProcessBuilder(
                "prlimit", "--pid", Long.toString(p.pid()), "--nofile=" + most + ":" + LIMIT)
            .redirectErrorStream(true)
            .start();
    String said = new String(done.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(done.waitFor()).as(said).isZero();
  }

  private static int probes(String metrics, String result) {
    Matcher m =
        Pattern.compile("infini_babysitter_probes_total\\{result=\"" + result + "\"} ([0-9]+)")
            .matcher(metrics);
    return m.find() ? Integer.parseInt(m.group(1)) : 0;
  }

  /// Over a connection that is open already.
  private static String metrics(Socket s) throws IOException {
    s.getOutputStream()
        .write("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
    InputStream in = s.getInputStream();
    StringBuilder head = new StringBuilder();
    while (head.indexOf("\r\n\r\n") < 0) {
      head.append((char) in.read());
    }
    Matcher length = Pattern.compile("(?i)content-length: ([0-9]+)").matcher(head);
    assertThat(length.find()).as(head.toString()).isTrue();
    return new String(in.readNBytes(Integer.parseInt(length.group(1))), StandardCharsets.UTF_8);
  }

  @Test
  void noDescriptorLeftIsNoIllnessOfTheServer() throws Exception {
    FakeRegistry registry = registry(0);
    Process p = limited(quick(registry));
    await().until(() -> registry.status("t-server").equals("running"));
    try (Socket own = new Socket("127.0.0.1", port + 1)) {
      own.setSoTimeout(20_000);
      assertThat(metrics(own)).contains("infini_babysitter_probes_total");
      limit(p, 10);
      await().untilAsserted(() -> assertThat(probes(metrics(own), "unasked")).isGreaterThan(10));
      assertThat(probes(metrics(own), "silent")).isZero();
      limit(p, LIMIT);
    }
    int ok = probes(text("/metrics"), "ok");
    await().until(() -> probes(text("/metrics"), "ok") > ok);
    assertThat(phase()).isEqualTo("healthy");
    assertThat(text("/metrics")).contains("infini_babysitter_restarts_total 0");
  }

  @Test
  void idleConnectionsLeaveDescriptorsForItsOwnCalls() throws Exception {
    FakeRegistry registry = registry(0);
    limited(quick(registry));
    await().until(() -> registry.status("t-server").equals("running"));
    List<Socket> idle = new ArrayList<>();
    try {
      for (int n = 0; n < LIMIT + 50; n++) {
        idle.add(new Socket("127.0.0.1", port + 1));
      }
      int ok = probes(text("/metrics"), "ok");
      registry.calls.clear();
      await().until(() -> probes(text("/metrics"), "ok") > ok + 5);
      await().until(() -> registry.calls.contains("POST /services/t-server/heartbeat"));
      assertThat(text("/metrics")).doesNotContain("result=\"unasked\"").doesNotContain("silent\"");
      assertThat(phase()).isEqualTo("healthy");
    } finally {
      for (Socket s : idle) {
        s.close();
      }
    }
  }

  /// 30 MB that are never finished, at a heap of 64 MB.
  @Test
  void unfinishedRequestsFillNoHeap() throws Exception {
    FakeRegistry registry = registry(0);
    limited(quick(registry), "-Xmx64m");
    await().until(() -> registry.status("t-server").equals("running"));
    byte[] head =
        ("POST /x HTTP/1.1\r\nHost: x\r\nX-Large: " + "y".repeat(60_000))
            .getBytes(StandardCharsets.US_ASCII);
    List<Socket> slow = new ArrayList<>();
    try {
      for (int n = 0; n < 500; n++) {
        Socket s = new Socket("127.0.0.1", port + 1);
        slow.add(s);
        try {
          s.getOutputStream().write(head);
        } catch (IOException madeRoom) {
          // for a younger one
        }
      }
      int ok = probes(text("/metrics"), "ok");
      await().until(() -> probes(text("/metrics"), "ok") > ok + 5);
      assertThat(phase()).isEqualTo("healthy");
    } finally {
      for (Socket s : slow) {
        s.close();
      }
    }
  }
}
