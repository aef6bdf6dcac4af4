package org.infinilm.svc.deploy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.netty.pkitesting.CertificateBuilder;
import io.netty.pkitesting.X509Bundle;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.infinilm.svc.LowPorts;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;
import org.infinilm.svc.http.Tls;
import org.infinilm.svc.process.Proc;
import org.infinilm.svc.telemetry.Ticker;
import org.infinilm.svc.tls.TlsSettings;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

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

  /// dash and busybox are the `sh` of Debian and of Alpine.
  @Test
  void everyScriptIsReadByTheShellsThatItsFirstLineMeans() throws Exception {
    int read = 0;
    for (String folder : List.of("bin", "script", "docker", "benchmarks", "deployment")) {
      List<Path> files;
      try (Stream<Path> all = Files.walk(Path.of(folder))) {
        files = all.filter(f -> Files.isRegularFile(f) && Files.isExecutable(f)).toList();
      }
      for (Path file : files) {
        String first = new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1);
        List<List<String>> shells =
            first.startsWith("#!/bin/sh\n")
                ? List.of(List.of("sh"), List.of("dash"), List.of("busybox", "sh"))
                : first.startsWith("#!/bin/bash\n") ? List.of(List.of("bash")) : List.of();
        for (List<String> shell : shells) {
          if (isThere(shell.getFirst())) {
            List<String> command = new ArrayList<>(shell);
            command.addAll(List.of("-n", file.toString()));
            Process p = new ProcessBuilder(command).redirectErrorStream(true).start();
            String said = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(p.waitFor()).as(command + ": " + said).isZero();
            read++;
          }
        }
      }
    }
    assertThat(read).isGreaterThan(15);
  }

  private static boolean isThere(String program) {
    return Stream.of(System.getenv("PATH").split(":"))
        .anyMatch(f -> Files.isExecutable(Path.of(f, program)));
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

  private static void executable(Path file) throws IOException {
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  /// The real `infini`, from the compiled classes.
  private Path infini() throws IOException {
    Path file = dir.resolve("infini");
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    String classes =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    Files.writeString(
        file,
        "#!/bin/sh\nexec '%s' -XX:TieredStopAtLevel=1 -cp '%s' org.infinilm.svc.cli.Main \"$@\"\n"
            .formatted(java, classes));
    executable(file);
    return file;
  }

  private Map<String, String> babysittersAlone(Path babysitter, String configs) throws IOException {
    return Map.of(
        "LAUNCH_REGISTRY",
        "false",
        "LAUNCH_ROUTER",
        "false",
        "BABYSITTER_BIN",
        babysitter.toString(),
        "INFINI_BIN",
        infini().toString(),
        "BABYSITTER_CONFIGS",
        configs,
        "LOG_DIR",
        dir.resolve("logs of mine").toString());
  }

  @Test
  void whatAKilledBabysitterLeftBehindIsEndedWithTheRest() throws Exception {
    Path babysitter = dir.resolve("babysitter");
    Files.writeString(
        babysitter,
        """
        #!/bin/sh
        setsid sh -c 'trap "" TERM; echo $$ >"$SCRIPTS_TEST/left"; while :; do sleep 0.1; done' &
        exec sleep 600
        """);
    executable(babysitter);
    Path one = Files.writeString(dir.resolve("one.toml"), "");
    Path two = Files.writeString(dir.resolve("two.toml"), "");
    Map<String, String> env = babysittersAlone(babysitter, one + " " + two);
    Process launch = start(Path.of("script", "launch_all_rust.sh"), env);
    assertThat(launch.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(launch.exitValue()).as(out()).isZero();
    Path logs = dir.resolve("logs of mine");
    long pid = Long.parseLong(Files.readString(logs.resolve("babysitter_one.pid")).strip());
    ProcessHandle.of(pid).orElseThrow().destroyForcibly();
    await().until(() -> Proc.of(pid).isEmpty());
    assertThat(Proc.withEnvironment("SCRIPTS_TEST=" + dir)).hasSizeGreaterThan(2);

    Map<String, String> quick = new java.util.HashMap<>(env);
    quick.put("STOP_TIMEOUT_SECONDS", "1");
    Process stop = start(Path.of("script", "stop_all.sh"), quick);
    assertThat(stop.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(stop.exitValue()).as(out()).isZero();
    assertThat(out()).contains("babysitter_two: ending, PID").contains("killed process");
    assertThat(Proc.withEnvironment("SCRIPTS_TEST=" + dir)).isEmpty();
    assertThat(logs.resolve("babysitter_two.pid")).doesNotExist();

    Process again = start(Path.of("script", "stop_all.sh"), quick);
    assertThat(again.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(again.exitValue()).isEqualTo(1);
    assertThat(out()).contains("nothing was running");
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
    executable(babysitter);
    Path good = Files.writeString(dir.resolve("good.toml"), "");
    Path bad = Files.writeString(dir.resolve("bad.toml"), "");
    Process all =
        start(
            Path.of("script", "launch_all_rust.sh"),
            babysittersAlone(babysitter, good + " " + bad),
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

  /// The same file's name in two folders; and who stays watches what an earlier call has started.
  @Test
  void filesOfOneNameAreTwoBabysittersAndWhoStaysWatchesWhatRunsAlready() throws Exception {
    Path babysitter = dir.resolve("babysitter");
    Files.writeString(
        babysitter,
        """
        #!/bin/sh
        trap 'exit 0' TERM
        while :; do sleep 0.1; done
        """);
    executable(babysitter);
    List<String> files = new ArrayList<>();
    for (String folder : List.of("a", "b")) {
      Path in = Files.createDirectories(dir.resolve("toml").resolve(folder));
      files.add(Files.writeString(in.resolve("inst.toml"), "").toString());
    }
    Map<String, String> env = babysittersAlone(babysitter, String.join(" ", files));
    Path launch = Path.of("script", "launch_all_rust.sh");
    Process first = start(launch, env);
    assertThat(first.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(first.exitValue()).as(out()).isZero();
    assertThat(out()).containsPattern("babysitter_inst_[0-9]+: started").doesNotContain("already");
    assertThat(out().lines().filter(l -> l.contains(": started, PID"))).hasSize(2);
    Process stays = start(launch, env, "--foreground");
    await()
        .atMost(Duration.ofSeconds(30))
        .until(() -> out().contains("already running") || !stays.isAlive());
    for (Proc p : Proc.withEnvironment("SCRIPTS_TEST=" + dir)) {
      if (Proc.commandLine(p.pid()).contains(babysitter.toString())) {
        p.signal(true);
      }
    }
    assertThat(stays.waitFor(30, TimeUnit.SECONDS)).as(out()).isTrue();
    assertThat(stays.exitValue()).as("nobody is left: " + out()).isEqualTo(1);
  }

  /// It had looked before the launch started the rest, which ran on.
  @Test
  void whoEndsAllWaitsForALaunchThatIsUnderWay() throws Exception {
    Path babysitter = dir.resolve("babysitter");
    Files.writeString(babysitter, "#!/bin/sh\nexec sleep 600\n");
    executable(babysitter);
    Path one = Files.writeString(dir.resolve("one.toml"), "");
    Map<String, String> env = babysittersAlone(babysitter, one.toString());
    Process launch = start(Path.of("script", "launch_all_rust.sh"), env);
    assertThat(launch.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(launch.exitValue()).as(out()).isZero();
    Path lock = dir.resolve("logs of mine").resolve("launch.lock");
    Path held = dir.resolve("held");
    Process underWay =
        new ProcessBuilder("flock", lock.toString(), "sh", "-c", "touch '" + held + "'; read end")
            .start();
    started.add(underWay);
    await().until(() -> Files.exists(held));
    Process stop = start(Path.of("script", "stop_all.sh"), env);
    await().until(() -> out().contains("waiting for another launch in"));
    assertThat(out()).doesNotContain("ending");
    underWay.getOutputStream().close();
    assertThat(stop.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(stop.exitValue()).as(out()).isZero();
    assertThat(out()).contains("babysitter_one: ending, PID");
  }

  /// What runs is named, and nothing is changed, where something else is asked for.
  @Test
  void aSecondLaunchWithOtherSettingsIsToldWhatRuns() throws Exception {
    Path babysitter = dir.resolve("babysitter");
    Files.writeString(babysitter, "#!/bin/sh\nexec sleep 600\n");
    executable(babysitter);
    Path one = Files.writeString(dir.resolve("one.toml"), "port = 1\n");
    Map<String, String> env = babysittersAlone(babysitter, one.toString());
    Path launch = Path.of("script", "launch_all_rust.sh");
    assertThat(ended(start(launch, env))).as(out()).isZero();
    assertThat(ended(start(launch, env))).as(out()).isZero();
    assertThat(out()).contains("babysitter_one: already running");
    Map<String, String> other = new HashMap<>(env);
    other.put("BABYSITTER_REGISTRY_URL", "http://127.0.0.1:9");
    assertThat(ended(start(launch, other))).as("it runs where it was asked for").isZero();
    assertThat(out())
        .contains("babysitter_one: already running, PID ")
        .contains("you asked for: --config-file " + one + " --registry-url http://127.0.0.1:9")
        .contains("nothing was changed");
    Files.writeString(one, "port = 2\n");
    assertThat(ended(start(launch, env))).as("another content: " + out()).isZero();
    assertThat(out()).contains("with other settings");
    assertThat(ended(start(Path.of("script", "stop_all.sh"), env))).as(out()).isZero();
    try (Stream<Path> left = Files.list(dir.resolve("logs of mine"))) {
      assertThat(left.map(f -> f.getFileName().toString())).noneMatch(f -> f.contains(".pid"));
    }
  }

  @Test
  void aSecondLaunchAtAnotherPortIsNoSuccess() throws Exception {
    Path router = dir.resolve("router");
    Files.writeString(router, "#!/bin/sh\nexec '" + infini() + "' router \"$@\"\n");
    executable(router);
    Map<String, String> env = new HashMap<>(babysittersAlone(router, ""));
    env.putAll(
        Map.of(
            "LAUNCH_ROUTER", "true", "ROUTER_BIN", router.toString(), "LISTEN_HOST", "127.0.0.1"));
    env.put("ROUTER_REGISTRY_URL", "");
    env.put("ROUTER_PORT", "" + LowPorts.two());
    Path launch = Path.of("script", "launch_all_rust.sh");
    assertThat(ended(start(launch, env))).as(out()).isZero();
    Map<String, String> elsewhere = new HashMap<>(env);
    elsewhere.put("ROUTER_PORT", "" + LowPorts.two());
    assertThat(ended(start(launch, elsewhere))).as(out()).isEqualTo(1);
    assertThat(out()).contains("router: already running, PID ").contains("nothing was changed");
    assertThat(ended(start(Path.of("script", "stop_all.sh"), env))).as(out()).isZero();
  }

  private static int ended(Process p) throws InterruptedException {
    assertThat(p.waitFor(60, TimeUnit.SECONDS)).isTrue();
    return p.exitValue();
  }

  @Test
  void aLaunchWhoseFirstPartsEndUnderItDoesNotSayThatAllStarted() throws Exception {
    Path babysitter = dir.resolve("babysitter");
    Files.writeString(
        babysitter, "#!/bin/sh\nkill $(cat \"$LOG_DIR/registry.pid\")\nexec sleep 600\n");
    executable(babysitter);
    Path registry = dir.resolve("registry");
    Files.writeString(
        registry, "#!/bin/sh\nexec '" + infini() + "' registry --data-dir '' \"$@\"\n");
    executable(registry);
    Path one = Files.writeString(dir.resolve("one.toml"), "");
    Map<String, String> env = new HashMap<>(babysittersAlone(babysitter, one.toString()));
    env.put("LAUNCH_REGISTRY", "true");
    env.put("REGISTRY_BIN", registry.toString());
    env.put("REGISTRY_PORT", "" + LowPorts.two());
    env.put("LISTEN_HOST", "127.0.0.1");
    assertThat(ended(start(Path.of("script", "launch_all_rust.sh"), env))).isEqualTo(1);
    assertThat(out())
        .contains("babysitter_one: started")
        .contains("registry: ended again while the others were started")
        .contains("not everything started");
    assertThat(ended(start(Path.of("script", "stop_all.sh"), env))).as(out()).isZero();
  }

  private String health(Map<String, String> env) throws Exception {
    int code = ended(start(Path.of("docker", "healthcheck.sh"), env));
    return code + " " + out();
  }

  @Test
  void aSlipInTheListOfComponentsIsNotHealthy() throws Exception {
    assertThat(health(Map.of("LAUNCH_COMPONENTS", "None"))).isEqualTo("0 ");
    for (String slip : List.of("registri", "registry;router", " ", ",")) {
      assertThat(health(Map.of("LAUNCH_COMPONENTS", slip)))
          .startsWith("1 ")
          .contains("(expected: all, none, registry, router or babysitter)");
    }
  }

  @Test
  void aServerThatSleepsUntilARequestComesIsHealthy() throws Exception {
    AtomicReference<String> status = new AtomicReference<>("asleep");
    try (Server own =
        Server.start(
            Server.Options.at("127.0.0.1", 0),
            _ -> Response.json(503, Map.of("service", "t", "status", status.get())))) {
      Files.writeString(
          dir.resolve("b.toml"),
          "port = " + (own.port() - 1) + "\n[backend]\ntype = \"command\"\ncommand = \"true\"\n");
      Map<String, String> env =
          Map.of(
              "LAUNCH_COMPONENTS",
              "babysitter",
              "INFINI_BIN",
              infini().toString(),
              "BABYSITTER_CONFIGS",
              dir.resolve("b.toml").toString(),
              "LOG_DIR",
              dir.toString());
      assertThat(health(env)).isEqualTo("0 ");
      status.set("restarting");
      assertThat(health(env)).startsWith("1 ");
    }
  }

  /// The file is read by the babysitter's own reader, whatever TOML allows.
  @Test
  void theHealthcheckAsksWhereTheBabysitterListens() throws Exception {
    Map<String, String> env =
        Map.of(
            "LAUNCH_COMPONENTS",
            "babysitter",
            "INFINI_BIN",
            infini().toString(),
            "BABYSITTER_CONFIGS",
            dir.resolve("b.toml").toString(),
            "LOG_DIR",
            dir.toString());
    try (Server own =
        Server.start(Server.Options.at("127.0.0.1", 0), _ -> Response.json(200, Map.of()))) {
      int port = own.port() - 1;
      String rest = "\n[backend]\ntype = \"command\"\ncommand = \"true\"\n";
      for (String line :
          List.of(
              "\ufeffport = " + port,
              "port = " + port / 1000 + "_" + String.format("%03d", port % 1000) + "\r",
              "\"port\" = " + port,
              "port = 0x" + Integer.toHexString(port))) {
        Files.writeString(dir.resolve("b.toml"), line + rest);
        assertThat(health(env)).as(line).isEqualTo("0 ");
      }
      Files.writeString(dir.resolve("b.toml"), "port = 0" + rest);
      assertThat(health(env)).startsWith("1 ").contains("b.toml").contains("port");
    }
  }

  /// By curl, by openssl, and by neither, which is told no more than that it speaks TLS.
  @ParameterizedTest
  @CsvSource({"curl, 1", "openssl, 1", "none, 0"})
  void whatListensOverTlsMayBeUnhealthy(String by, int code) throws Exception {
    Path bin = Files.createDirectory(dir.resolve("bin"));
    for (String tool :
        List.of(
            "bash", "cat", "sed", "tr", "cksum", "env", "grep", "sort", "timeout", "dirname", by)) {
      for (String folder : List.of("/usr/bin/", "/bin/")) {
        if (Files.exists(Path.of(folder + tool)) && !Files.exists(bin.resolve(tool))) {
          String exec = "#!/bin/sh\nexec " + folder + tool + " \"$@\"\n";
          executable(Files.writeString(bin.resolve(tool), exec));
        }
      }
    }
    AtomicInteger status = new AtomicInteger(200);
    X509Bundle pair = selfSigned();
    Path cert = Files.writeString(dir.resolve("cert.pem"), pair.getCertificatePEM());
    Path key = Files.writeString(dir.resolve("key.pem"), pair.getPrivateKeyPEM());
    Map<String, String> env = new HashMap<>();
    env.put("LAUNCH_COMPONENTS", "registry");
    env.put("LOG_DIR", dir.toString());
    env.put("PATH", bin.toString());
    for (Path clientCa : Arrays.asList(null, cert)) {
      TlsSettings tls = new TlsSettings(cert, key, clientCa, true, null, null);
      try (Tls.Listener shown = tls.listener(Ticker.SYSTEM::now);
          Server own =
              Server.start(
                  Server.Options.at("127.0.0.1", 0).tls(shown),
                  _ -> Response.json(status.get(), Map.of()))) {
        env.put("REGISTRY_PORT", "" + own.port());
        status.set(200);
        assertThat(health(env)).isEqualTo("0 ");
        status.set(503);
        if (clientCa == null) {
          assertThat(health(env)).startsWith(code + " ");
        } else {
          assertThat(health(env)).as("whom it lets in, is not us").isEqualTo("0 ");
          Map<String, String> withOwn = new HashMap<>(env);
          withOwn.put("INFINI_CLIENT_CERT", cert.toString());
          withOwn.put("INFINI_CLIENT_KEY", key.toString());
          assertThat(health(withOwn)).startsWith(code + " ");
        }
      }
    }
  }

  @Test
  void whatSleepsBehindTlsIsNotTakenForIll() throws Exception {
    X509Bundle pair = selfSigned();
    Path cert = Files.writeString(dir.resolve("cert.pem"), pair.getCertificatePEM());
    Path key = Files.writeString(dir.resolve("key.pem"), pair.getPrivateKeyPEM());
    AtomicReference<String> word = new AtomicReference<>("asleep");
    TlsSettings tls = new TlsSettings(cert, key, null, true, null, null);
    try (Tls.Listener shown = tls.listener(Ticker.SYSTEM::now);
        Server own =
            Server.start(
                Server.Options.at("127.0.0.1", 0).tls(shown),
                _ -> Response.json(503, Map.of("status", word.get())))) {
      Files.writeString(
          dir.resolve("b.toml"),
          """
          port = %d
          tls_cert = "%s"
          tls_key = "%s"
          [backend]
          type = "command"
          command = "true"
          """
              .formatted(own.port() - 1, cert, key));
      Map<String, String> env = new HashMap<>();
      env.put("LAUNCH_COMPONENTS", "babysitter");
      env.put("INFINI_BIN", infini().toString());
      env.put("BABYSITTER_CONFIGS", dir.resolve("b.toml").toString());
      env.put("LOG_DIR", dir.toString());
      assertThat(health(env)).isEqualTo("0 ");
      word.set("unhealthy");
      assertThat(health(env)).startsWith("1 ").contains("b.toml");
    }
  }

  private static X509Bundle selfSigned() throws Exception {
    return new CertificateBuilder()
        .ecp256()
        .subject("CN=a")
        .addSanDnsName("a")
        .setIsCertificateAuthority(true)
        .buildSelfSigned();
  }

  @Test
  void whatListensOverTlsIsNotTakenForDead() throws Exception {
    X509Bundle pair = selfSigned();
    Path cert = Files.writeString(dir.resolve("cert.pem"), pair.getCertificatePEM());
    Path key = Files.writeString(dir.resolve("key.pem"), pair.getPrivateKeyPEM());
    TlsSettings tls = new TlsSettings(cert, key, null, true, null, null);
    try (Tls.Listener shown = tls.listener(Ticker.SYSTEM::now);
        Server own =
            Server.start(
                Server.Options.at("127.0.0.1", 0).tls(shown), _ -> Response.json(200, Map.of()));
        Server refuses =
            Server.start(
                Server.Options.at("127.0.0.1", 0), _ -> Response.json(400, Map.of("a", "b")))) {
      Files.writeString(
          dir.resolve("b.toml"),
          """
          port = %d
          tls_cert = "%s"
          tls_key = "%s"
          [backend]
          type = "command"
          command = "true"
          """
              .formatted(own.port() - 1, cert, key));
      Map<String, String> env = new HashMap<>();
      env.put("LAUNCH_COMPONENTS", "registry,babysitter");
      env.put("INFINI_BIN", infini().toString());
      env.put("BABYSITTER_CONFIGS", dir.resolve("b.toml").toString());
      env.put("LOG_DIR", dir.toString());
      env.put("REGISTRY_PORT", "" + own.port());
      assertThat(health(env)).isEqualTo("0 ");
      env.put("REGISTRY_PORT", "" + refuses.port());
      assertThat(health(env)).startsWith("1 ").contains("registry").doesNotContain("b.toml");
    }
  }
}
