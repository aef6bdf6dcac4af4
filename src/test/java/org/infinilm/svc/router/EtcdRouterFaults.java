package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import org.infinilm.svc.etcd.CutLink;
import org.infinilm.svc.etcd.EtcdCluster;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.registry.Registration;
import org.infinilm.svc.registry.RegistryClient;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Router processes beside each other over a real etcd of three members, which are killed, cut off
/// and replaced while clients ask. Run by `./infini test --cluster`.
@Timeout(300)
class EtcdRouterFaults {
  private static final Duration SOON = Duration.ofSeconds(60);
  private static final int LEASE_SECONDS = 20;

  @TempDir private Path dir;
  private final Client http = Client.create();
  private final List<ScriptedInstance> instances = new CopyOnWriteArrayList<>();
  private final AtomicBoolean ended = new AtomicBoolean();
  private final List<Thread> threads = new ArrayList<>();
  private EtcdCluster etcd;
  private Programs programs;
  private String address;
  private RegistryClient registry;

  @BeforeEach
  void begin() throws Exception {
    etcd = new EtcdCluster(dir, 3);
    programs = new Programs(dir);
    address = etcd.freshAddress();
    Programs.Running r =
        programs.registry(
            "--store", address, "--lease", String.valueOf(LEASE_SECONDS), "--health-interval", "1");
    registry = new RegistryClient(http, URI.create("http://127.0.0.1:" + r.port()), null);
    for (int k = 0; k < 3; k++) {
      instance("i" + k);
    }
    thread(this::beat);
  }

  @AfterEach
  void end() throws Exception {
    ended.set(true);
    threads.forEach(Thread::interrupt);
    for (Thread t : threads) {
      t.join();
    }
    programs.close();
    etcd.close();
    for (ScriptedInstance i : instances) {
      i.close();
    }
    http.close();
  }

  private Thread thread(Runnable body) {
    Thread t = Thread.ofVirtual().start(body);
    threads.add(t);
    return t;
  }

  private static Registration entry(String name, int port) {
    return new Registration(
        name,
        "127.0.0.1",
        port,
        "h",
        "http://127.0.0.1:" + port,
        "running",
        Map.of("type", "openai-api", "models", List.of("m"), "max_concurrency", 32),
        1);
  }

  private void instance(String name) throws Exception {
    ScriptedInstance i = new ScriptedInstance(name, ScriptedInstance.answering((r, n) -> Rig.OK));
    registry.register(entry(name, i.port()));
    instances.add(i);
  }

  /// What babysitters do.
  private void beat() {
    while (!ended.get()) {
      for (ScriptedInstance i : instances) {
        try {
          if (!registry.heartbeat(i.name, null)) {
            registry.register(entry(i.name, i.port()));
          }
        } catch (IOException later) {
          // etcd is away; the next time
        } catch (InterruptedException e) {
          return;
        }
      }
      try {
        Thread.sleep(1000);
      } catch (InterruptedException e) {
        return;
      }
    }
  }

  private Programs.Running router(String from) throws Exception {
    Programs.Running r =
        programs.router(
            "--registry-url",
            from,
            "--health-interval",
            "1",
            "--lame-duck",
            "1",
            "--no-access-log");
    awaitServices(r, instances.size());
    return r;
  }

  private JsonNode get(Programs.Running r, String path) throws Exception {
    URI u = URI.create("http://127.0.0.1:" + r.port() + path);
    return Json.tree(http.get(u, Duration.ofSeconds(10)).body());
  }

  private void awaitServices(Programs.Running r, int n) {
    await()
        .atMost(SOON)
        .until(() -> get(r, "/health").path("healthy_services").asText().startsWith(n + "/"));
  }

  private void awaitRouters(int n, Programs.Running... all) {
    for (Programs.Running r : all) {
      await().atMost(SOON).until(() -> get(r, "/stats").at("/routers/known").asInt() == n);
    }
  }

  /// Clients behind something that knows which routers there are: what comes to no byte is asked of
  /// the next one, as such a thing does.
  private final class Clients {
    final List<Programs.Running> routers = new CopyOnWriteArrayList<>();
    final LongAdder good = new LongAdder();
    final LongAdder again = new LongAdder();
    final LongAdder cut = new LongAdder();
    final List<String> failed = new CopyOnWriteArrayList<>();
    private final AtomicInteger turn = new AtomicInteger();
    private final AtomicBoolean over = new AtomicBoolean();
    private final List<Thread> asking = new ArrayList<>();

    Clients(int n, Programs.Running... at) {
      routers.addAll(List.of(at));
      for (int k = 0; k < n; k++) {
        asking.add(
            thread(() -> {
              while (!over.get() && !ended.get()) {
                ask();
              }
            }));
      }
    }

    private void ask() {
      Said last = null;
      for (int tries = 0; tries < 8; tries++) {
        Programs.Running r = routers.get(Math.floorMod(turn.incrementAndGet(), routers.size()));
        try (Socket s = new Socket("127.0.0.1", r.port())) {
          s.setSoTimeout(20_000);
          s.getOutputStream().write(Rig.post(Rig.CHAT, "", Rig.BODY).getBytes(ISO_8859_1));
          last = Said.read(s.getInputStream());
          if (last.ok()) {
            good.increment();
            return;
          }
          if (last.status() != 0) {
            break;
          }
        } catch (IOException e) {
          // nobody there: the next one
        }
        again.increment();
      }
      if (last != null && last.status() == 200) {
        cut.increment();
      } else {
        failed.add(String.valueOf(last));
      }
    }

    void finish() throws InterruptedException {
      over.set(true);
      for (Thread t : asking) {
        t.join();
      }
      System.out.println(
          "asked "
              + good
              + ", asked again elsewhere "
              + again
              + ", cut "
              + cut
              + ", failed "
              + failed.size());
    }
  }

  private void serve(Clients c, long more) {
    long from = c.good.sum();
    await().atMost(SOON).until(() -> c.good.sum() >= from + more);
  }

  @Test
  void routersThatAreReplacedOneAfterTheOtherFailNobody() throws Exception {
    Programs.Running a = router(address);
    Programs.Running b = router(address);
    Programs.Running c = router(address);
    awaitRouters(3, a, b, c);
    Clients clients = new Clients(64, a, b, c);
    serve(clients, 500);
    int n = 0;
    for (Programs.Running old : List.of(a, b, c)) {
      clients.routers.add(router(address));
      if (n++ == 1) {
        old.kill();
        clients.routers.remove(old);
      } else {
        old.process().destroy();
        // who balances hears of it by /readyz, within the lame duck's second
        await()
            .atMost(SOON)
            .pollInterval(Duration.ofMillis(50))
            .until(() -> {
              try {
                return http.get(
                            URI.create("http://127.0.0.1:" + old.port() + "/readyz"),
                            Duration.ofSeconds(5))
                        .status()
                    != 200;
              } catch (IOException gone) {
                return true;
              }
            });
        clients.routers.remove(old);
        old.process().waitFor();
      }
      serve(clients, 300);
    }
    clients.finish();
    assertThat(clients.failed).isEmpty();
    // the one that was killed is forgotten when its lease ends
    awaitRouters(3, clients.routers.toArray(Programs.Running[]::new));
  }

  @Test
  void withoutAMajorityRoutingGoesOnAndTheTableComesBack() throws Exception {
    Programs.Running a = router(address);
    Programs.Running b = router(address);
    awaitRouters(2, a, b);
    Clients clients = new Clients(8, a, b);
    etcd.kill(0);
    etcd.kill(1);
    // longer than a lease: nobody's runs meanwhile
    Thread.sleep(Duration.ofSeconds(LEASE_SECONDS + 5));
    serve(clients, 100);
    assertThat(get(a, "/health").path("healthy_services").asText()).isEqualTo("3/3");
    assertThat(get(a, "/stats").at("/routers/known").asInt()).isEqualTo(2);
    assertThat(get(a, "/stats").at("/routers/heard_of").asInt()).isZero();
    etcd.start(0);
    etcd.start(1);
    await()
        .atMost(SOON)
        .ignoreExceptions()
        .until(() -> {
          instance("later");
          return true;
        });
    awaitServices(a, 4);
    awaitServices(b, 4);
    await().atMost(SOON).until(() -> get(a, "/stats").at("/routers/heard_of").asInt() == 1);
    clients.finish();
    assertThat(clients.failed).isEmpty();
  }

  @Test
  void aWatchThatStallsForAMinuteAndALinkThatIsCutCostFreshnessAlone() throws Exception {
    String member = etcd.member(0);
    try (CutLink link = new CutLink(Integer.parseInt(member.substring(member.indexOf(':') + 1)))) {
      String prefix = address.substring(address.indexOf('/', "etcd://".length()));
      Programs.Running behind = router("etcd://" + link.address() + prefix);
      Programs.Running beside = router(address);
      awaitRouters(2, behind, beside);
      Clients clients = new Clients(8, behind);
      link.stall();
      instance("stalled");
      awaitServices(beside, 4);
      Thread.sleep(Duration.ofMinutes(1));
      serve(clients, 100);
      assertThat(get(behind, "/health").path("healthy_services").asText()).isEqualTo("3/3");
      // the other hears of its end, and has all seats
      awaitRouters(1, beside);
      assertThat(get(behind, "/stats").at("/routers/known").asInt()).isEqualTo(2);
      link.flow();
      awaitServices(behind, 4);
      awaitRouters(2, behind, beside);
      link.cut();
      instance("cut");
      awaitServices(beside, 5);
      Thread.sleep(Duration.ofSeconds(15));
      serve(clients, 100);
      assertThat(get(behind, "/health").path("healthy_services").asText()).isEqualTo("4/4");
      link.mend();
      awaitServices(behind, 5);
      awaitRouters(2, behind, beside);
      clients.finish();
      assertThat(clients.failed).isEmpty();
    }
  }

  @Test
  void aThousandInstancesThatRegisterAtOnceAreKnownAndDisturbNobody() throws Exception {
    Programs.Running a = router(address);
    Programs.Running b = router(address);
    Clients clients = new Clients(8, a, b);
    serve(clients, 100);
    AtomicInteger next = new AtomicInteger();
    List<Thread> registering = new ArrayList<>();
    List<Throwable> wrong = new CopyOnWriteArrayList<>();
    long from = System.nanoTime();
    for (int k = 0; k < 64; k++) {
      registering.add(
          Thread.ofVirtual()
              .start(() -> {
                for (int i = next.getAndIncrement(); i < 1000; i = next.getAndIncrement()) {
                  try {
                    // nobody has this model, so that no client is sent there
                    registry.register(
                        new Registration(
                            "many-" + i,
                            "127.0.0.1",
                            1,
                            "h",
                            "http://127.0.0.1:1",
                            "running",
                            Map.of("type", "openai-api", "models", List.of("other")),
                            1));
                  } catch (IOException | InterruptedException e) {
                    wrong.add(e);
                  }
                }
              }));
    }
    for (Thread t : registering) {
      t.join();
    }
    long registered = System.nanoTime();
    for (Programs.Running r : List.of(a, b)) {
      await()
          .atMost(SOON)
          .until(() -> get(r, "/services").path("total").asInt() == 1000 + instances.size());
    }
    System.out.printf(
        "1,000 registered in %.1f s, known to both routers %.1f s later%n",
        (registered - from) / 1e9, (System.nanoTime() - registered) / 1e9);
    serve(clients, 100);
    clients.finish();
    assertThat(wrong).isEmpty();
    assertThat(clients.failed).isEmpty();
  }
}
