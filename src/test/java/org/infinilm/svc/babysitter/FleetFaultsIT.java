package org.infinilm.svc.babysitter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.infinilm.svc.LowPorts;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;
import org.infinilm.svc.registry.Registration;
import org.infinilm.svc.registry.RegistryClient;
import org.infinilm.svc.registry.Service;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Faults on real processes: registry, babysitter, server and its descendants, with a lease of a
/// second and heartbeats of a fifth. After each the instance is in the registry again as soon as it
/// serves, and what is dead is not offered.
@Timeout(180)
class FleetFaultsIT extends BabysitterHarness {
  private static final List<String> KEYS =
      List.of(
          "heartbeat_interval = 0.2",
          "health_interval = 0.2",
          "health_timeout = 0.5",
          "health_failures = 3",
          "restart_delay = 0.1",
          "max_restart_delay = 0.2",
          "drain_timeout = 0",
          "stop_grace = 1");

  private int registryPort;
  private int logs;

  @BeforeEach
  void findRegistryPort() throws IOException {
    registryPort = LowPorts.two();
  }

  private String url() {
    return "http://127.0.0.1:" + registryPort;
  }

  private Process registry(String dataDir) throws IOException {
    return registry(dataDir, 1);
  }

  private Process registry(String dataDir, int leaseSeconds) throws IOException {
    return infini(
        "registry",
        "--host",
        "127.0.0.1",
        "--port",
        "" + registryPort,
        "--lease",
        "" + leaseSeconds,
        "--cleanup-interval",
        "0.5",
        "--health-interval",
        "0.3",
        "--health-timeout",
        "0.5",
        "--data-dir",
        dataDir);
  }

  private Process infini(String... args) throws IOException {
    ProcessBuilder b = command(Path.of("none"), Map.of());
    List<String> command = new ArrayList<>(b.command());
    List<String> java = command.subList(0, command.indexOf("babysitter"));
    List<String> all = new ArrayList<>(java);
    all.addAll(List.of(args));
    Process p =
        new ProcessBuilder(all)
            .redirectErrorStream(true)
            .redirectOutput(dir.resolve("process-" + logs++ + ".log").toFile())
            .start();
    open.add(() -> p.destroyForcibly().waitFor());
    return p;
  }

  /// A babysitter that is asked to end with the test.
  private Process sitter(Path file) throws IOException {
    return sitter(file, dir.resolve("program.log"));
  }

  private Process sitter(Path file, Path log) throws IOException {
    Process p = program(file, log);
    open.add(() -> {
      p.destroy();
      assertThat(p.waitFor(30, TimeUnit.SECONDS)).isTrue();
    });
    return p;
  }

  private String dataDir() {
    return dir.resolve("data").toString();
  }

  private Path file() throws IOException {
    return toml(url(), List.of(), KEYS);
  }

  private RegistryClient table() {
    return new RegistryClient(http, URI.create(url()), null);
  }

  /// Whether the registry offers the server.
  private boolean offered() throws InterruptedException {
    try {
      return table().services().stream()
          .anyMatch(s -> s.name().equals("t-server") && s.isHealthy() && s.port() == port);
    } catch (IOException noRegistry) {
      return false;
    }
  }

  private boolean registryAnswers() throws InterruptedException {
    try {
      return http.get(URI.create(url() + "/health"), Duration.ofSeconds(2)).ok();
    } catch (IOException notYet) {
      return false;
    }
  }

  private long server() throws IOException, InterruptedException {
    return Long.parseLong(
        new String(
            http.get(URI.create("http://127.0.0.1:" + port + "/pid"), Duration.ofSeconds(2)).body(),
            java.nio.charset.StandardCharsets.US_ASCII));
  }

  private static void kill(long pid) {
    assertThat(ProcessHandle.of(pid).map(ProcessHandle::destroyForcibly)).contains(true);
  }

  private long restarts() throws IOException, InterruptedException {
    JsonNode info = Json.tree(get("/info").body());
    return info.path("restart_count").asLong(-1);
  }

  @Test
  void aRegistryThatStartsLastDiesInTheMiddleAndComesBackEmptyOrFull() throws Exception {
    sitter(file());
    await().until(() -> get("/health").status() == 200);
    Process first = registry(dataDir());
    await().until(this::offered);
    first.destroyForcibly().waitFor();
    Process restored = registry(dataDir());
    await().until(this::offered);
    restored.destroyForcibly().waitFor();
    Process empty = registry("");
    await().until(this::offered);
    assertThat(empty.isAlive()).isTrue();
    assertThat(restarts()).as("the server was left alone").isZero();
  }

  @Test
  void anOutageOfManyLeasesTakesNobodyOutForLongerThanItself() throws Exception {
    Process first = registry(dataDir());
    sitter(file());
    await().until(this::offered);
    first.destroyForcibly().waitFor();
    Semaphore beats = new Semaphore(0);
    AtomicInteger asked = new AtomicInteger();
    // A hundred calls that fail are twenty leases and more.
    Server sick =
        Server.start(
            Server.Options.at("127.0.0.1", registryPort),
            r -> {
              beats.release();
              return switch (asked.getAndIncrement() % 3) {
                case 0 -> Response.json(500, Map.of("error", "sick"));
                case 1 -> Response.text(200, "text/html", "<html>");
                default -> {
                  Thread.sleep(300);
                  yield Response.empty(503);
                }
              };
            });
    assertThat(beats.tryAcquire(100, 90, TimeUnit.SECONDS)).isTrue();
    sick.close();
    assertThat(get("/health").status()).isEqualTo(200);
    registry(dataDir());
    await().until(this::offered);
    assertThat(restarts()).isZero();
  }

  @Test
  void aRegistryThatHangsHoldsNothingUp() throws Exception {
    Semaphore never = new Semaphore(0);
    try (Server hanging =
        Server.start(
            Server.Options.at("127.0.0.1", registryPort),
            _ -> {
              never.acquire();
              return Response.empty(200);
            })) {
      assertThat(hanging.port()).isEqualTo(registryPort);
      Process babysitter = sitter(file());
      await().until(() -> get("/health").status() == 200);
      long before = server();
      kill(before);
      await()
          .ignoreExceptionsInstanceOf(IOException.class)
          .until(() -> get("/health").status() == 200 && server() != before);
      babysitter.destroy();
      assertThat(babysitter.waitFor(30, TimeUnit.SECONDS)).isTrue();
      assertThat(babysitter.exitValue()).isZero();
      never.release(1000);
    }
  }

  @Test
  void aKilledServerIsNotOfferedAndComesBack() throws Exception {
    registry(dataDir());
    sitter(file());
    await().until(this::offered);
    for (int round = 1; round <= 3; round++) {
      kill(server());
      await().until(() -> !offered() || restarts() > 0);
      int wanted = round;
      await().until(() -> restarts() >= wanted && offered());
    }
  }

  @Test
  void whatExitsAtOnceTwentyTimesIsGivenUpAndLeavesTheRegistry() throws Exception {
    registry("");
    await().until(this::registryAnswers);
    Path file = toml(url(), List.of(), KEYS);
    Files.writeString(
        file,
        Files.readString(file)
            .replace("[babysitter]", "[babysitter]\nmax_failed_starts = 20")
            .replaceFirst("command = .*", "command = \"false\"")
            .replaceFirst("args = .*", "args = []"));
    Process babysitter = sitter(file);
    assertThat(babysitter.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(babysitter.exitValue()).isEqualTo(1);
    assertThat(Files.readString(dir.resolve("program.log"))).contains("20 starts in a row");
    assertThat(table().services()).isEmpty();
  }

  @Test
  void aServerThatEndsWithZeroIsStartedAgain() throws Exception {
    registry("");
    sitter(file());
    await().until(this::offered);
    poke("/exit0");
    await().until(() -> restarts() == 1 && offered());
  }

  @Test
  void aServerThatHangsWithItsPortOpenIsTakenOutAndReplaced() throws Exception {
    registry("");
    sitter(file());
    await().until(this::offered);
    poke("/freeze");
    await().until(() -> !offered());
    await().until(() -> restarts() == 1 && offered());
  }

  @Test
  void aPortThatIsLostToAnotherProgramIsNotOffered() throws Exception {
    registry("");
    sitter(file());
    await().until(this::offered);
    poke("/close");
    Server stranger = null;
    while (stranger == null) {
      try {
        stranger =
            Server.start(
                Server.Options.at("127.0.0.1", port),
                _ -> Response.json(200, Map.of("data", List.of(Map.of("id", "theirs")))));
      } catch (IOException notFreeYet) {
        Thread.onSpinWait();
      }
    }
    try (Server s = stranger) {
      assertThat(s.port()).isEqualTo(port);
      await().until(() -> !offered());
      await().until(() -> phase().equals("restarting") || phase().equals("unhealthy"));
      assertThat(offered()).isFalse();
    }
    await().until(this::offered);
  }

  @Test
  void aServerThatForksAndEndsLeavesNothingBehindWhenItIsReplaced() throws Exception {
    Path pid = dir.resolve("descendant");
    registry("");
    sitter(toml(url(), List.of("descendant=" + pid, "ignore-term"), KEYS));
    await().until(this::offered);
    ProcessHandle child = ProcessHandle.of(Long.parseLong(Files.readString(pid))).orElseThrow();
    kill(server());
    await().until(() -> restarts() == 1 && offered());
    await().until(() -> !child.isAlive());
    ProcessHandle next = ProcessHandle.of(Long.parseLong(Files.readString(pid))).orElseThrow();
    assertThat(next).isNotEqualTo(child);
    kill(next.pid());
    assertThat(offered()).as("a helper that dies is the server's own affair").isTrue();
  }

  @Test
  void aKilledGrandchildTouchesNeitherTheServerNorItsRegistrationAndLeavesNoZombie()
      throws Exception {
    Path helper = dir.resolve("helper");
    Path stray = dir.resolve("stray");
    registry("");
    sitter(toml(url(), List.of("descendant=" + helper, "stray=" + stray), KEYS));
    await().until(this::offered);
    await().until(() -> Files.exists(stray) && Files.size(stray) > 1);
    long server = server();
    for (Path file : List.of(helper, stray)) {
      long pid = Long.parseLong(Files.readString(file).strip());
      kill(pid);
      // The helper's parent is the server, whose affair it is to wait for it.
      await()
          .until(() -> file.equals(helper) || !Files.exists(Path.of("/proc", String.valueOf(pid))));
      assertThat(offered()).isTrue();
    }
    assertThat(server()).isEqualTo(server);
    assertThat(restarts()).isZero();
  }

  @Test
  void everythingKilledAtOnceStartsAgainOnTheSamePortsAndLeavesNoOrphan() throws Exception {
    Process registry = registry(dataDir());
    Process babysitter = sitter(file());
    await().until(this::offered);
    List<ProcessHandle> all = new ArrayList<>(babysitter.descendants().toList());
    registry.destroyForcibly();
    babysitter.destroyForcibly();
    all.forEach(ProcessHandle::destroyForcibly);
    registry.waitFor();
    babysitter.waitFor();
    registry(dataDir());
    await().until(this::registryAnswers);
    await().until(() -> !offered());
    sitter(file(), dir.resolve("again.log"));
    await().until(this::offered);
  }

  @Test
  void aThousandInstancesThatRegisterAtOnceAreAllThere() throws Exception {
    registry(dataDir(), 60);
    await().until(this::registryAnswers);
    RegistryClient table = table();
    Semaphore done = new Semaphore(0);
    AtomicInteger failed = new AtomicInteger();
    List<Thread> all = new ArrayList<>();
    for (int i = 0; i < 1000; i++) {
      String name = "many-" + i;
      Registration r =
          new Registration(name, "127.0.0.1", 1, "h", "http://127.0.0.1:1", "running", Map.of(), 1);
      all.add(
          Thread.ofVirtual()
              .start(() -> {
                try {
                  table.register(r);
                } catch (IOException | InterruptedException e) {
                  failed.incrementAndGet();
                }
                done.release();
              }));
    }
    assertThat(done.tryAcquire(1000, 60, TimeUnit.SECONDS)).isTrue();
    assertThat(failed).hasValue(0);
    assertThat(all).hasSize(1000);
    List<Service> listed = table.services();
    assertThat(listed.stream().filter(s -> s.name().startsWith("many-"))).hasSize(1000);
  }
}
