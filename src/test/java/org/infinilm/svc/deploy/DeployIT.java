package org.infinilm.svc.deploy;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.infinilm.svc.LowPorts;
import org.infinilm.svc.process.Proc;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The real programs as real processes, on simulated instances.
class DeployIT {
  private static final Duration LONG = Duration.ofSeconds(90);

  @TempDir private Path dir;
  private Path launcher = Path.of("");
  private final List<Process> started = new ArrayList<>();
  private final Map<String, String> environment = new HashMap<>();
  private int registry;
  private int router;
  private int paged;
  private int fixed;

  /// What a command printed and how it ended.
  private record Ran(int exit, String out) {}

  @BeforeEach
  void prepare() throws IOException {
    Path bin = Files.createDirectories(dir.resolve("home/bin"));
    launcher = bin.resolve("infini");
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    Files.writeString(
        launcher,
        "#!/bin/sh\nINFINI_HOME='%s'\nexport INFINI_HOME\nexec '%s' %s -jar '%s' \"$@\"\n"
            .formatted(
                dir.resolve("home"),
                java,
                "-Xshare:auto -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx128m"
                    + " --enable-native-access=ALL-UNNAMED"
                    + " --sun-misc-unsafe-memory-access=allow",
                System.getProperty("infini.jar")));
    Files.setPosixFilePermissions(launcher, PosixFilePermissions.fromString("rwx------"));
    registry = LowPorts.two();
    router = LowPorts.two();
    paged = LowPorts.two();
    fixed = LowPorts.two();
  }

  @AfterEach
  void clean() throws Exception {
    started.forEach(Process::destroyForcibly);
    run("down");
  }

  @Test
  void aDetachedDeploymentIsShownValidatedAndEnded() throws Exception {
    Ran up = up("--detach");
    assertThat(up.exit()).as(up.out()).isZero();
    assertThat(up.out())
        .contains("curl http://127.0.0.1:" + router)
        .contains("page      http://127.0.0.1:" + router + "/ui")
        .containsPattern("(?m)^  registry +http://127\\.0\\.0\\.1:\\d+ +\\d+\\.\\d\\d s$");

    assertThat(up("--detach").exit()).as("a second up finds the first").isZero();
    Ran other = up("--detach", "--threshold", "10");
    assertThat(other.exit()).as(other.out()).isEqualTo(1);
    assertThat(other.out())
        .contains("threshold: it runs with its default, you asked for 10")
        .contains("nothing was changed");
    Ran secret = up("--detach", "--token", "s3cret-77");
    assertThat(secret.exit()).as(secret.out()).isEqualTo(1);
    assertThat(secret.out())
        .contains("token: it runs without, you asked for one")
        .doesNotContain("s3cret-77");
    Ran status = run("status", "--json");
    assertThat(status.exit()).as(status.out()).isZero();
    Ran green = validate();
    assertThat(green.exit()).as(green.out()).isZero();

    State.Part lost = part("static-cache-9g_8b_thinking");
    ProcessHandle sitter = ProcessHandle.of(lost.process().pid()).orElseThrow();
    List<ProcessHandle> tree = new ArrayList<>(sitter.descendants().toList());
    assertThat(tree).isNotEmpty();
    sitter.destroyForcibly();
    tree.forEach(ProcessHandle::destroyForcibly);

    Ran red = validate();
    assertThat(red.exit()).isEqualTo(1);
    assertThat(red.out()).contains("FAIL").contains("static-cache-9g_8b_thinking");
    assertThat(red.out()).contains("ok    chat:");
    assertThat(run("status").exit()).isEqualTo(1);

    Ran down = run("down");
    assertThat(down.exit()).as(down.out()).isZero();
    assertNothingIsLeft();
    assertThat(run("down").out()).contains("nothing runs");
  }

  @Test
  void aRegistryWithTokensIsUsedByEveryPartAndShownValidatedAndDrained() throws Exception {
    Path tokens = dir.resolve("tokens");
    Files.writeString(tokens, "read spectator-9\nwrite operator-7\n");
    Files.setPosixFilePermissions(tokens, PosixFilePermissions.fromString("rw-------"));
    String file = tokens.toString();

    Ran up = up("--detach", "--token-file", file);
    assertThat(up.exit()).as(up.out()).isZero();
    assertThat(run("status").exit()).isZero();
    assertThat(validate("--token-file", file).exit()).isZero();
    assertThat(validate("--read-token", "spectator-9").exit()).isZero();
    assertThat(validate().out()).contains("HTTP 401").contains("--token-file");

    String at = "http://127.0.0.1:" + registry;
    String name = "paged-cache-9g_8b_thinking";
    Ran refused = run("drain", "--registry-url", at, name);
    assertThat(refused.exit()).isNotZero();
    assertThat(refused.out()).contains("401");
    Ran drained = run("drain", "--registry-url", at, "--token-file", file, name);
    assertThat(drained.exit()).as(drained.out()).isZero();
    for (Proc p : Proc.withEnvironment("XDG_STATE_HOME=" + dir)) {
      assertThat(Proc.commandLine(p.pid()).toString()).doesNotContain("operator-7");
    }
  }

  @Test
  void aDeploymentOverTlsIsStartedShownValidatedAndEnded() throws Exception {
    Path tls = dir.resolve("tls");
    assertThat(run("cert", "dev", "--dir", tls.toString()).exit()).isZero();
    String ca = tls.resolve("ca.pem").toString();
    String[] listens = {"--tls-cert", tls + "/server.pem", "--tls-key", tls + "/server-key.pem"};

    Ran alone = up(listens);
    assertThat(alone.exit()).as(alone.out()).isEqualTo(1);
    assertThat(alone.out()).contains("certificate of an unknown authority").contains("--ca-file");
    Ran asking = up(with(listens, "--tls-client-ca", ca));
    assertThat(asking.exit()).as(asking.out()).isEqualTo(2);
    assertThat(asking.out()).contains("--client-cert");

    Ran up =
        up(
            with(
                listens,
                "--detach",
                "--ca-file",
                ca,
                "--tls-client-ca",
                ca,
                "--client-cert",
                tls + "/client.pem",
                "--client-key",
                tls + "/client-key.pem"));
    assertThat(up.exit()).as(up.out()).isZero();
    assertThat(up.out())
        .contains("page      https://127.0.0.1:" + router + "/ui")
        .contains("infini top https://127.0.0.1:" + router + " --ca-file " + ca)
        .contains("curl --cacert " + ca + " --cert " + tls + "/client.pem")
        .doesNotContain("http://127.0.0.1:" + router)
        .doesNotContain("http://127.0.0.1:" + registry);

    Ran status = run("status");
    assertThat(status.exit()).as("it knows what up was told: " + status.out()).isZero();
    String[] asks = {
      "--ca-file", ca, "--client-cert", tls + "/client.pem", "--client-key", tls + "/client-key.pem"
    };
    Ran validated = run(with(asks, validateCommand("https://127.0.0.1")));
    assertThat(validated.exit()).as(validated.out()).isZero();
    Ran top = run(with(asks, "top", "--once", "https://127.0.0.1:" + router));
    assertThat(top.exit()).as(top.out()).isZero();
    assertThat(top.out()).contains("2 of 2 in service");

    String at = "https://127.0.0.1:" + router;
    Ran bench =
        run(with(asks, "bench", "--url", at, "--num-prompts", "4", "--random-input-len", "20"));
    assertThat(bench.exit()).as(bench.out()).isZero();
    Ran list = run(with(asks, "instance", "list", "--url", at));
    assertThat(list.out()).contains("static-cache-9g_8b_thinking-server").contains("routable");
    Ran stranger = run("top", "--once", "--ca-file", ca, at);
    assertThat(stranger.exit()).isEqualTo(1);
    assertThat(stranger.out()).contains("it asks for a certificate of ours");
    assertThat(run("usage").exit()).isZero();

    Ran down = run("down");
    assertThat(down.exit()).as(down.out()).isZero();
    assertNothingIsLeft();
  }

  private static String[] with(String[] flags, String... words) {
    return Stream.concat(Arrays.stream(words), Arrays.stream(flags)).toArray(String[]::new);
  }

  @Test
  void aDeploymentWhoseRunFolderIsGoneIsShownAndEnded() throws Exception {
    Ran up = up("--detach");
    assertThat(up.exit()).as(up.out()).isZero();
    try (Stream<Path> all = Files.walk(dir.resolve("infini"))) {
      for (Path p : all.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(p);
      }
    }

    Ran status = run("status");
    assertThat(status.exit()).as(status.out()).isZero();
    assertThat(status.out())
        .contains("paged-cache-9g_8b_thinking")
        .contains("" + paged)
        .doesNotContainPattern("\\d{4}h");
    Ran down = run("down", "--router-port", String.valueOf(router));
    assertThat(down.exit()).as(down.out()).isZero();
    assertNothingIsLeft();
  }

  @Test
  void aSignalEndsAllInOrder() throws Exception {
    Process up = start(upCommand());
    awaitServing(up);

    up.destroy();

    assertThat(up.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(up.exitValue()).as(output()).isZero();
    assertThat(output()).contains("small request: paged-").contains("large request: static-");
    assertNothingIsLeft();
  }

  @Test
  void whoIsEndedBeforeItServesSaysSoToWhoWaitsForIt() throws Exception {
    Path never =
        Files.writeString(
            dir.resolve("never.toml"),
            """
            name = "never"
            host = "127.0.0.1"
            port = %d
            [backend]
            type = "command"
            command = "sleep 600"
            """
                .formatted(paged));
    Process up = start(upCommand("--detach", "--config", never.toString()));
    await().atMost(Duration.ofSeconds(60)).until(() -> run("status").out().contains("never"));

    assertThat(run("down").exit()).isZero();

    assertThat(up.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(output()).contains("was asked to end before everything served");
    assertThat(up.exitValue()).isEqualTo(1);
    assertNothingIsLeft();
  }

  @Test
  void whoAsksTwiceWaitsForNothingAndLeavesNothing() throws Exception {
    Process up = start(upCommand());
    awaitServing(up);
    ProcessBuilder twice =
        new ProcessBuilder("sh", "-c", "kill -TERM $0; sleep 0.05; kill -TERM $0", "" + up.pid());
    assertThat(twice.start().waitFor()).isZero();
    assertThat(up.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertNothingIsLeft();
  }

  @Test
  void whatAKilledUpLeavesBehindIsEndedByDown() throws Exception {
    Process up = start(upCommand("--no-demo"));
    awaitServing(up);

    up.destroyForcibly();
    assertThat(up.waitFor(10, TimeUnit.SECONDS)).isTrue();
    Ran down = run("down");

    assertThat(down.exit()).as(down.out()).isZero();
    assertNothingIsLeft();
  }

  @Test
  void aPartThatCannotRunIsShownWithItsLogAndAllIsEnded() throws Exception {
    Path file = dir.resolve("broken.toml");
    Files.writeString(
        file, "name = \"broken\"\nport = %d\n[backend]\ntype = \"nonsense\"\n".formatted(paged));

    Ran up = up("--detach", "--config", file.toString());

    assertThat(up.exit()).isEqualTo(1);
    assertThat(up.out()).contains("broken ended with exit code").contains("nonsense");
    assertNothingIsLeft();
  }

  @Test
  void aTakenPortIsNamedBeforeAnythingStarts() throws Exception {
    try (ServerSocket holder = new ServerSocket(fixed + 1, 1, InetAddress.getByName("127.0.0.1"))) {
      Ran up = up("--detach");

      assertThat(up.exit()).isEqualTo(1);
      assertThat(up.out())
          .contains("port " + holder.getLocalPort())
          .contains("pid " + ProcessHandle.current().pid())
          .contains("--static-port");
    }
  }

  @Test
  void aModelThatIsNoGgufIsRefused() throws Exception {
    Path model = Files.writeString(dir.resolve("x.gguf"), "not a model");

    Ran up = run(without(upCommand("--detach", "--model", model.toString()), "--simulate"));

    assertThat(up.exit()).isEqualTo(1);
    assertThat(up.out()).contains("not a GGUF file").contains(model.toString());
  }

  private void awaitServing(Process up) throws IOException {
    await().atMost(LONG).until(() -> output().contains("Ctrl-C ends it.") || !up.isAlive());
    assertThat(up.isAlive()).as(output()).isTrue();
  }

  private void assertNothingIsLeft() throws Exception {
    assertThat(state()).isNull();
    for (int port : new int[] {registry, router, paged, paged + 1, fixed, fixed + 1}) {
      assertThat(Preflight.isFree("127.0.0.1", port)).as("port " + port).isTrue();
    }
    assertThat(Proc.withEnvironment("XDG_STATE_HOME=" + dir)).isEmpty();
  }

  private State.Part part(String name) throws IOException {
    return new RunFolder(folder())
        .read().orElseThrow().parts().stream()
            .filter(p -> p.name().equals(name))
            .findFirst()
            .orElseThrow();
  }

  private @org.jspecify.annotations.Nullable State state() throws IOException {
    return new RunFolder(folder()).read().orElse(null);
  }

  private Path folder() {
    return dir.resolve("infini/run/" + router);
  }

  private String output() throws IOException {
    return Files.readString(dir.resolve("out.txt"));
  }

  /// Its header alone is read here; what stands for llama-server serves the name of `--alias`.
  @Test
  void aModelThatIsNewerThanTheEngineIsServedByLlamaCppsOwnServer() throws Exception {
    Path model = dir.resolve("qwen3-0.6b.gguf");
    Files.write(model, header("qwen3"));
    String[] command = without(upCommand("--detach", "--model", model.toString()), "--simulate");
    environment.put("PYTHON", "no-such-python");
    environment.put("PATH", "/usr/bin:/bin");
    Ran none = run(command);
    assertThat(none.exit()).as(none.out()).isEqualTo(2);
    assertThat(none.out())
        .contains(model + ": architecture qwen3, which the embedded engine does not serve")
        .contains("llama-server")
        .contains("pip install xllamacpp");

    Path server = Files.createDirectories(dir.resolve("own server")).resolve("llama-server");
    Files.writeString(
        server,
        """
        #!/bin/sh
        while [ $# -gt 0 ]; do
          case $1 in
            --alias) name=$2; shift ;;
            --host) host=$2; shift ;;
            --port) port=$2; shift ;;
            -m) [ -f "$2" ] || exit 3; shift ;;
          esac
          shift
        done
        exec '%s' simulate --host "$host" --port "$port" --model "$name" --name "own-$port"
        """
            .formatted(launcher));
    Files.setPosixFilePermissions(server, PosixFilePermissions.fromString("rwx------"));
    environment.put("PATH", server.getParent() + ":/usr/bin:/bin");
    Ran up = run(command);
    assertThat(up.exit()).as(up.out()).isZero();
    assertThat(up.out())
        .contains("llama.cpp's own server: " + server)
        .contains("\"model\":\"qwen3-0.6b\"");
    Ran green = validate();
    assertThat(green.exit()).as(green.out()).isZero();
    Ran other = run(with(new String[] {"--engine", "llama.cpp"}, command));
    assertThat(other.out()).contains("engine: it runs with auto, you asked for llama.cpp");
  }

  private static byte[] header(String architecture) {
    String key = "general.architecture";
    int bytes = 24 + 8 + key.length() + 4 + 8 + architecture.length();
    return ByteBuffer.allocate(bytes)
        .order(ByteOrder.LITTLE_ENDIAN)
        .put("GGUF".getBytes(US_ASCII))
        .putInt(3)
        .putLong(0)
        .putLong(1)
        .putLong(key.length())
        .put(key.getBytes(US_ASCII))
        .putInt(8)
        .putLong(architecture.length())
        .put(architecture.getBytes(US_ASCII))
        .array();
  }

  private Ran validate(String... more) throws Exception {
    return run(with(more, validateCommand("127.0.0.1")));
  }

  private String[] validateCommand(String host) {
    return new String[] {
      "validate",
      host,
      "--registry-port",
      String.valueOf(registry),
      "--router-port",
      String.valueOf(router),
      "--timeout",
      "20"
    };
  }

  private Ran up(String... more) throws Exception {
    return run(upCommand(more));
  }

  private String[] upCommand(String... more) {
    List<String> c =
        new ArrayList<>(
            List.of(
                "up",
                "--simulate",
                "--registry-port",
                String.valueOf(registry),
                "--router-port",
                String.valueOf(router),
                "--paged-port",
                String.valueOf(paged),
                "--static-port",
                String.valueOf(fixed)));
    c.addAll(Arrays.asList(more));
    return c.toArray(String[]::new);
  }

  private static String[] without(String[] command, String word) {
    return Arrays.stream(command).filter(w -> !w.equals(word)).toArray(String[]::new);
  }

  private Ran run(String... arguments) throws Exception {
    Path said = dir.resolve("ran.txt");
    Process p = start(said, arguments);
    boolean ended = p.waitFor(LONG.toSeconds(), TimeUnit.SECONDS);
    assertThat(ended).as(Files.readString(said)).isTrue();
    return new Ran(p.exitValue(), Files.readString(said));
  }

  private Process start(String... arguments) throws IOException {
    return start(dir.resolve("out.txt"), arguments);
  }

  /// @param said where its output goes
  private Process start(Path said, String... arguments) throws IOException {
    List<String> command = new ArrayList<>(List.of(launcher.toString()));
    command.addAll(Arrays.asList(arguments));
    ProcessBuilder b =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(said.toFile());
    Map<String, String> env = b.environment();
    env.keySet().removeIf(k -> k.startsWith("INFINI_") || k.startsWith("XDG_"));
    env.put("XDG_STATE_HOME", dir.toString());
    env.putAll(environment);
    Process p = b.start();
    started.add(p);
    return p;
  }
}
