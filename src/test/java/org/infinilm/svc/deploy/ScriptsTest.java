package org.infinilm.svc.deploy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.infinilm.svc.process.Proc;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The container's scripts, with stand-ins for the programs.
@Timeout(90)
class ScriptsTest {
  @TempDir private Path dir;
  private final List<Process> started = new ArrayList<>();

  private Process start(Path script, Map<String, String> env, String... args) throws IOException {
    List<String> command = new ArrayList<>(List.of("bash", script.toAbsolutePath().toString()));
    command.addAll(List.of(args));
    ProcessBuilder b =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(dir.resolve("out").toFile());
    b.environment().put("SCRIPTS_TEST", dir.toString());
    b.environment().putAll(env);
    Process p = b.start();
    started.add(p);
    return p;
  }

  private String out() {
    try {
      return Files.readString(dir.resolve("out"));
    } catch (IOException e) {
      return "";
    }
  }

  @AfterEach
  void nothingIsLeft() {
    started.forEach(Process::destroyForcibly);
    Proc.withEnvironment("SCRIPTS_TEST=" + dir).forEach(p -> p.signal(true));
  }

  @Test
  void anIdleContainerEndsAtOnceWhenAsked() throws Exception {
    Process idle =
        start(Path.of("docker", "docker_entrypoint.sh"), Map.of("LAUNCH_COMPONENTS", "none"));
    await().atMost(Duration.ofSeconds(30)).until(() -> out().contains("idle until SIGTERM"));
    idle.destroy();
    assertThat(idle.waitFor(5, TimeUnit.SECONDS)).isTrue();
    assertThat(idle.exitValue()).isZero();
  }

  @Test
  void oneBabysitterThatGivesUpLeavesTheOthersAloneAndASignalEndsAll() throws Exception {
    Path babysitter = dir.resolve("babysitter");
    Files.writeString(
        babysitter,
        """
        #!/bin/sh
        case $2 in *bad.toml) sleep 3; exit 7 ;; esac
        trap 'exit 0' TERM
        while :; do sleep 0.1; done
        """);
    Files.setPosixFilePermissions(babysitter, PosixFilePermissions.fromString("rwxr-xr-x"));
    Path good = Files.writeString(dir.resolve("good.toml"), "");
    Path bad = Files.writeString(dir.resolve("bad.toml"), "");
    Process all =
        start(
            Path.of("script", "launch_all_rust.sh"),
            Map.of(
                "LAUNCH_REGISTRY",
                "false",
                "LAUNCH_ROUTER",
                "false",
                "BABYSITTER_BIN",
                babysitter.toString(),
                "BABYSITTER_CONFIGS",
                good + " " + bad,
                "LOG_DIR",
                dir.resolve("logs").toString()),
            "--foreground");
    await()
        .atMost(Duration.ofSeconds(30))
        .until(() ->
            out().contains("babysitter_bad: ended by itself with exit code 7") || !all.isAlive());
    assertThat(all.isAlive()).as(out()).isTrue();
    assertThat(out()).contains("the others go on");
    assertThat(Proc.withEnvironment("SCRIPTS_TEST=" + dir)).hasSizeGreaterThan(1);
    all.destroy();
    assertThat(all.waitFor(15, TimeUnit.SECONDS)).isTrue();
    assertThat(all.exitValue()).as(out()).isZero();
    await()
        .atMost(Duration.ofSeconds(10))
        .untilAsserted(() -> assertThat(Proc.withEnvironment("SCRIPTS_TEST=" + dir)).isEmpty());
  }
}
