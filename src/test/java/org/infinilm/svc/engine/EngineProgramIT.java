package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// `infini engine` as a process: how it starts, refuses and ends.
class EngineProgramIT {
  private static final Duration SOON = Duration.ofSeconds(30);
  private static final Pattern ADDRESS = Pattern.compile("serving .* on (http://[^ ]+)");

  @TempDir Path folder;
  private final List<Process> started = new ArrayList<>();

  @AfterEach
  void end() {
    started.forEach(Process::destroyForcibly);
  }

  private Process engine(Map<String, String> environment, String... arguments) throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "--enable-native-access=ALL-UNNAMED",
                "-jar",
                System.getProperty("infini.jar"),
                "engine"));
    command.addAll(List.of(arguments));
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(folder.resolve("log").toFile());
    builder.environment().keySet().removeIf(k -> k.startsWith("INFINI_"));
    builder.environment().putAll(environment);
    Process p = builder.start();
    started.add(p);
    return p;
  }

  private String log() throws IOException {
    return Files.readString(folder.resolve("log"));
  }

  private int code(Process p) throws InterruptedException {
    assertThat(p.waitFor(SOON.toSeconds(), TimeUnit.SECONDS)).isTrue();
    return p.exitValue();
  }

  private URI serving() {
    return await()
        .atMost(SOON)
        .until(
            () -> {
              Matcher m = ADDRESS.matcher(log());
              return m.find() ? URI.create(m.group(1)) : null;
            },
            a -> a != null);
  }

  private String model() throws IOException {
    return GgufWriter.write(folder.resolve("t.gguf"), GgufWriter.Size.TINY, 5, null).toString();
  }

  @Test
  void sigtermCutsAStreamVisiblyAndEndsWithZero() throws Exception {
    Process p = engine(Map.of(), "--model_path", model(), "--port", "0", "--num_blocks", "4096");
    URI at = serving();
    byte[] body =
        Json.bytes(Map.of("prompt", "a", "stream", true, "max_tokens", 60_000, "ignore_eos", true));
    StringBuilder seen = new StringBuilder();
    try (Client client = Client.create()) {
      assertThatThrownBy(() ->
              client.stream(
                  "POST",
                  at.resolve("/v1/completions"),
                  Headers.NONE,
                  body,
                  SOON,
                  new Client.Listener() {
                    @Override
                    public void head(int status, Headers headers) {
                      p.destroy();
                    }

                    @Override
                    public void piece(byte[] piece) {
                      seen.append(new String(piece, StandardCharsets.UTF_8));
                    }
                  }))
          .isInstanceOf(IOException.class);
    }
    assertThat(seen.toString()).contains("data: {\"error\":{").doesNotContain("[DONE]");
    assertThat(code(p)).isZero();
  }

  @Test
  void itEndsWithTheProcessThatStartedIt() throws Exception {
    Process supervisor = new ProcessBuilder("sleep", "600").start();
    started.add(supervisor);
    Process p =
        engine(
            Map.of("INFINI_SUPERVISOR_PID", Long.toString(supervisor.pid())),
            "--model_path",
            model(),
            "--port",
            "0",
            "--cache-type",
            "static");
    serving();
    supervisor.destroyForcibly();
    assertThat(code(p)).isZero();
  }

  @Test
  void aTakenPortIsNamed() throws Exception {
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
      String port = Integer.toString(taken.getLocalPort());
      assertThat(code(engine(Map.of(), "--model_path", model(), "--port", port))).isEqualTo(1);
      assertThat(log()).contains(port);
    }
  }

  @Test
  void aBrokenModelEndsWithOneAndWhatIsNoModelWithTwo() throws Exception {
    Path broken = Files.writeString(folder.resolve("b.gguf"), "GGUF and nothing");
    assertThat(code(engine(Map.of(), "--model_path", broken.toString(), "--port", "0")))
        .isEqualTo(1);
    assertThat(log())
        .contains(
            "b.gguf: damaged or no GGUF model: version 1684955424 (expected: GGUF of version 2 or 3");
    Path text = Files.writeString(folder.resolve("b.txt"), "text");
    assertThat(code(engine(Map.of(), "--model_path", text.toString()))).isEqualTo(2);
    assertThat(log()).contains("b.txt is no GGUF file");
  }
}
