package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.infinilm.svc.LowPorts;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Programs in a terminal, util-linux's `script`, that is closed: they lived on for ever where they
/// read a file, or wrote into one, and held their ports.
@Timeout(180)
class HangUpIT {
  private static final Path SCRIPT = Path.of("/usr/bin/script");

  @TempDir Path dir;
  private final List<ProcessHandle> started = new ArrayList<>();

  @AfterEach
  void end() {
    started.forEach(ProcessHandle::destroyForcibly);
  }

  private record InTerminal(Process terminal, ProcessHandle program, Path log) {
    String said() throws IOException {
      return Files.exists(log) ? Files.readString(log) : "";
    }

    /// As a window that is closed, or a connection that breaks.
    void close() throws InterruptedException {
      terminal.destroyForcibly();
      assertThat(terminal.waitFor(60, TimeUnit.SECONDS)).isTrue();
    }

    void signal(String name) throws IOException, InterruptedException {
      new ProcessBuilder("kill", "-" + name, Long.toString(program.pid())).start().waitFor();
    }
  }

  private InTerminal start(String shell, String ready, List<String> arguments) throws Exception {
    assumeTrue(Files.isExecutable(SCRIPT), "util-linux's script");
    Path log = dir.resolve("log");
    Path pid = dir.resolve("pid");
    Path run = dir.resolve("run.sh");
    List<String> java =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx128m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-jar",
                System.getProperty("infini.jar", "target/infini.jar")));
    java.addAll(arguments);
    String quoted = "'" + String.join("' '", java) + "'";
    Files.writeString(
        run,
        shell
            .replace("JAVA", quoted)
            .replace("PID", pid.toString())
            .replace("LOG", log.toString()));
    ProcessBuilder b =
        new ProcessBuilder(SCRIPT.toString(), "-qfc", "sh " + run, "/dev/null")
            .redirectErrorStream(true)
            .redirectOutput(dir.resolve("screen").toFile());
    Process terminal = b.start();
    started.add(terminal.toHandle());
    await()
        .atMost(Rig.SOON)
        .until(() -> Files.exists(log) && Files.readString(log).contains(ready));
    Optional<ProcessHandle> program =
        ProcessHandle.of(Long.parseLong(Files.readString(pid).strip()));
    assertThat(program).isPresent();
    started.add(program.get());
    return new InTerminal(terminal, program.get(), log);
  }

  private static final String EXEC = "echo $$ >PID; exec JAVA >LOG 2>&1\n";

  static Stream<List<String>> programs() {
    return Stream.of(
            "listens on registry --host 127.0.0.1 --port 0",
            "picker on picker --port 0 --health-port 0 --admin-port 0",
            "babysitter on babysitter --host 127.0.0.1 --port PORT --command SLEEP",
            "router on router --host 127.0.0.1 --router-port 0",
            "router on router --host 127.0.0.1 --router-port 0 --config-file FILE")
        .map(line -> {
          String[] words = line.split(" ");
          List<String> out = new ArrayList<>(List.of(words[0] + " " + words[1]));
          out.addAll(List.of(words).subList(2, words.length));
          return out;
        });
  }

  private List<String> withFile(List<String> arguments) throws IOException {
    Path file = dir.resolve("r.toml");
    Files.writeString(file, "threshold = 100\n");
    Map<String, String> meant =
        Map.of(
            "FILE", file.toString(), "PORT", String.valueOf(LowPorts.two()), "SLEEP", "sleep 1000");
    return arguments.stream().skip(1).map(a -> meant.getOrDefault(a, a)).toList();
  }

  @ParameterizedTest
  @MethodSource("programs")
  void whatATerminalWasClosedOverEndsInOrder(List<String> words) throws Exception {
    InTerminal t = start(EXEC, words.getFirst(), withFile(words));
    t.close();
    await().atMost(Rig.SOON).until(() -> !t.program().isAlive());
    assertThat(t.said()).contains("the terminal has hung up; ending").doesNotContain("Exception");
  }

  /// A shell in between, as at every prompt: the signal comes by the end of its session.
  @Test
  void behindAShellItEndsAsWell() throws Exception {
    List<String> words = programs().toList().getLast();
    InTerminal t =
        start("set -m; JAVA >LOG 2>&1 & echo $! >PID; fg %1\n", "router on", withFile(words));
    t.close();
    await().atMost(Rig.SOON).until(() -> !t.program().isAlive());
    assertThat(t.said()).contains("the terminal has hung up; ending");
  }

  /// The signal of a service manager's reload, or of somebody at the next prompt.
  @Test
  void whileTheTerminalIsThereTheSignalReadsAnew() throws Exception {
    InTerminal t = start(EXEC, "router on", withFile(programs().toList().getLast()));
    t.signal("HUP");
    await().atMost(Rig.SOON).until(() -> t.said().contains("settings were read anew"));
    assertThat(t.program().isAlive()).isTrue();
    t.close();
    await().atMost(Rig.SOON).until(() -> !t.program().isAlive());
  }
}
