package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.infinilm.svc.etcd.EtcdAddress;
import org.infinilm.svc.etcd.EtcdCluster;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/// A real etcd of three members, two registries over it, and instances that speak to them.
abstract class OnEtcd {
  /// Longer than a heartbeat takes that two registries refuse, each after its patience with etcd:
  /// who comes round more slowly is rightly taken out.
  static final Duration LEASE = Duration.ofSeconds(10);

  /// After the first probes, which a registry makes of all that it finds when it starts.
  private static final Duration NO_PROBE = Duration.ofHours(1);

  static final Duration BEAT = Duration.ofMillis(500);
  static final Duration SOON = Duration.ofSeconds(30);
  static final Pattern LISTENS = Pattern.compile("listens on 127\\.0\\.0\\.1:([0-9]+)");

  @TempDir Path dir;
  final Client http = Client.create();
  final List<AutoCloseable> opened = new ArrayList<>();
  EtcdCluster etcd;
  String address;
  RegistryServer a;
  RegistryServer b;
  int seed;

  /// Where all instances say that they are well.
  private static Server healthy;

  @BeforeAll
  static void serve() throws IOException {
    healthy = Server.start(Server.Options.at("127.0.0.1", 0), _ -> Response.empty(200));
  }

  @AfterAll
  static void serveNoMore() {
    healthy.close();
  }

  @BeforeEach
  void begin() throws Exception {
    etcd = new EtcdCluster(dir, 3);
    address = etcd.freshAddress();
    a = registry(address);
    b = registry(address);
  }

  @AfterEach
  void end() throws Exception {
    for (AutoCloseable c : opened.reversed()) {
      c.close();
    }
    etcd.close();
    http.close();
  }

  RegistryServer registry(String at) throws IOException {
    return registry(at, LEASE);
  }

  RegistryServer registry(String at, Duration lease) throws IOException {
    RegistryServer r =
        RegistryServer.start(
            RegistryServer.Options.at(0)
                .lease(lease)
                .probes(NO_PROBE, SOON)
                .etcd(new EtcdHome(EtcdAddress.parse(at), null)),
            Ticker.SYSTEM,
            new Random(++seed));
    opened.add(r);
    return r;
  }

  RegistryClient client(RegistryServer r) {
    return new RegistryClient(http, URI.create("http://127.0.0.1:" + r.port()), null);
  }

  static Registration entry(String name) {
    String url = "http://127.0.0.1:" + healthy.port();
    return new Registration(
        name, "127.0.0.1", healthy.port(), "h", url, "running", Map.of("type", "mock"), 1);
  }

  Set<String> names(RegistryServer r) throws Exception {
    return client(r).services().stream()
        .map(Service::name)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  Set<String> healthy(RegistryServer r) throws Exception {
    return healthy(client(r));
  }

  static Set<String> healthy(RegistryClient r) throws Exception {
    return r.services().stream()
        .filter(Service::isHealthy)
        .map(Service::name)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /// What a babysitter does: registers until that is confirmed, beats, registers again when it is
  /// told to; at the first registry that takes it.
  final class Instance implements AutoCloseable {
    private final String name;
    private final List<RegistryClient> registries;
    private final Thread thread;

    Instance(String name, RegistryServer... registries) {
      this(name, Stream.of(registries).map(OnEtcd.this::client).toArray(RegistryClient[]::new));
    }

    Instance(String name, RegistryClient... registries) {
      this.name = name;
      this.registries = List.of(registries);
      this.thread = Thread.ofVirtual().start(this::live);
      opened.add(this);
    }

    private void live() {
      boolean registered = false;
      while (true) {
        for (RegistryClient r : registries) {
          try {
            if (!registered) {
              r.register(entry(name));
              registered = true;
            } else {
              registered = r.heartbeat(name, null);
            }
            break;
          } catch (IOException next) {
            // another registry, or later
          } catch (InterruptedException ended) {
            return;
          }
        }
        try {
          Thread.sleep(BEAT);
        } catch (InterruptedException ended) {
          return;
        }
      }
    }

    @Override
    public void close() {
      thread.interrupt();
      await().until(() -> !thread.isAlive());
    }

    void fallSilent() {
      close();
    }
  }

  /// Looks all the while whether these are healthy at a registry; says when they are not.
  final class Watching implements AutoCloseable {
    final Set<String> missed = new ConcurrentSkipListSet<>();
    private final Thread thread;

    Watching(RegistryServer r, String... names) {
      thread =
          Thread.ofVirtual()
              .start(() -> {
                while (!Thread.currentThread().isInterrupted()) {
                  try {
                    Set<String> now = healthy(r);
                    for (String n : names) {
                      if (!now.contains(n)) {
                        missed.add(n);
                      }
                    }
                    Thread.sleep(50);
                  } catch (InterruptedException ended) {
                    return;
                  } catch (Exception e) {
                    missed.add("cannot be read: " + e);
                  }
                }
              });
      opened.add(this);
    }

    @Override
    public void close() {
      thread.interrupt();
      await().until(() -> !thread.isAlive());
    }
  }

  void awaitHealthy(RegistryServer r, String... names) {
    await().atMost(SOON).untilAsserted(() -> assertThat(healthy(r)).contains(names));
  }

  /// What is not to happen has this time to happen in.
  static void pass(Duration d) {
    await().pollDelay(d).timeout(d.plus(SOON)).until(() -> true);
  }

  /// @param before what starts it
  Process process(String at, Path log, String... before) throws IOException {
    List<String> command = new ArrayList<>(List.of(before));
    command.addAll(
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Xmx64m",
            "-XX:TieredStopAtLevel=1",
            "-Dinfini.program=registry",
            "-jar",
            System.getProperty("infini.jar", "target/infini.jar"),
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--lease",
            String.valueOf(LEASE.toSeconds()),
            "--health-interval",
            String.valueOf(NO_PROBE.toSeconds()),
            "--health-timeout",
            String.valueOf(SOON.toSeconds()),
            "--store",
            at));
    Process p =
        new ProcessBuilder(command)
            .redirectError(log.toFile())
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
    // faketime runs what it is given as a child
    opened.add(() -> {
      p.descendants().forEach(ProcessHandle::destroyForcibly);
      p.destroyForcibly();
    });
    return p;
  }

  /// Where a process listens, by what it prints.
  static URI url(Path log) {
    Matcher m =
        await()
            .atMost(SOON.multipliedBy(2))
            .until(() -> LISTENS.matcher(Files.readString(log)), Matcher::find);
    return URI.create("http://127.0.0.1:" + m.group(1));
  }

  Set<String> live(RegistryServer r) throws Exception {
    return client(r).exchange("asks", Map.of(), "").live();
  }
}
