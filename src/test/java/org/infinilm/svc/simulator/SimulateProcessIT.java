package org.infinilm.svc.simulator;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.infinilm.svc.http.Client;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// `infini simulate` as a process.
class SimulateProcessIT {
  private static final Duration SOON = Duration.ofSeconds(10);
  private static final Pattern ADDRESS = Pattern.compile("at (http://\\S+)");
  private final List<Process> started = new ArrayList<>();

  @AfterEach
  void endAll() {
    started.forEach(Process::destroyForcibly);
  }

  private Process simulate(String... args) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(ProcessHandle.current().info().command().orElseThrow());
    command.addAll(List.of("-XX:TieredStopAtLevel=1", "-jar", System.getProperty("infini.jar")));
    command.addAll(List.of("simulate", "--port", "0"));
    command.addAll(List.of(args));
    Process p = new ProcessBuilder(command).redirectErrorStream(true).start();
    started.add(p);
    return p;
  }

  private static URI address(Process p) throws IOException {
    BufferedReader out = p.inputReader();
    for (String line = out.readLine(); line != null; line = out.readLine()) {
      Matcher m = ADDRESS.matcher(line);
      if (m.find()) {
        return URI.create(m.group(1));
      }
    }
    throw new IOException("ended before it listened");
  }

  @Test
  void itServesAndEndsWithZeroOnSigterm() throws Exception {
    Process p = simulate("--cache_type", "static", "--model", "a", "--served_model_name", "b");
    URI at = address(p);
    Client client = Client.create();
    assertThat(new String(client.get(at.resolve("/v1/models"), SOON).body(), UTF_8))
        .contains("\"id\":\"a\"")
        .contains("\"id\":\"b\"")
        .contains("\"max_model_len\":4096");
    p.destroy();
    assertThat(p.waitFor(30, TimeUnit.SECONDS)).isTrue();
    assertThat(p.exitValue()).isZero();
  }

  @Test
  void itServesOnWhenItIgnoresSigterm() throws Exception {
    Process p = simulate("--ignore-sigterm", "--model_path", "/models/tiny.gguf");
    URI at = address(p);
    assertThat(new String(Client.create().get(at.resolve("/models"), SOON).body(), UTF_8))
        .contains("\"id\":\"tiny\"");
    p.toHandle().destroy();
    BufferedReader out = p.inputReader();
    assertThat(out.readLine()).contains("ignored (--ignore-sigterm)");
    assertThat(Client.create().get(at.resolve("/health"), SOON).ok()).isTrue();
    assertThat(p.isAlive()).isTrue();
  }

  @Test
  void itEndsWhenItsSupervisorIsGone() throws Exception {
    Process supervisor = new ProcessBuilder("sleep", "60").start();
    started.add(supervisor);
    for (List<String> extra : List.of(List.<String>of(), List.of("--ignore-sigterm"))) {
      List<String> args =
          new ArrayList<>(List.of("--supervisor-pid", Long.toString(supervisor.pid())));
      args.addAll(extra);
      address(simulate(args.toArray(String[]::new)));
    }
    supervisor.destroyForcibly();
    for (Process p : started) {
      assertThat(p.waitFor(30, TimeUnit.SECONDS)).isTrue();
    }
  }

  @Test
  void aWrongFaultOrPortIsSaidAndEndsIt() throws Exception {
    Process fault = simulate("--fault", "explode");
    assertThat(fault.waitFor(30, TimeUnit.SECONDS)).isTrue();
    assertThat(fault.exitValue()).isEqualTo(2);
    assertThat(new String(fault.getInputStream().readAllBytes(), UTF_8))
        .contains("--fault: fault explode (expected: one of refuse");

    URI at = address(simulate());
    Process port = simulate("--port", Integer.toString(at.getPort()));
    assertThat(port.waitFor(30, TimeUnit.SECONDS)).isTrue();
    assertThat(port.exitValue()).isEqualTo(1);
    assertThat(new String(port.getInputStream().readAllBytes(), UTF_8))
        .contains(Integer.toString(at.getPort()));
  }
}
