package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.infinilm.svc.http.Json;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// etcd with a registry, a router and two instances, each in a network namespace of its own whose
/// wire is taken out: no reset, no refusal, nothing. Run by `./infini test --cluster`.
@Timeout(400)
class NetworkFaults {
  private static final Duration SOON = Duration.ofSeconds(90);
  private static final int LEASE_SECONDS = 15;
  private static final int STORE = 1;
  private static final int ROUTER = 2;
  private static final int ONE = 3;
  private static final int TWO = 4;
  private static final String REGISTRY = "http://" + Spaces.address(STORE) + ":18000";

  @TempDir private Path dir;
  private final AtomicBoolean ended = new AtomicBoolean();
  private final List<Thread> threads = new ArrayList<>();
  private final List<String> beating = new CopyOnWriteArrayList<>();
  private Spaces net;
  private Programs programs;
  private Process etcd;
  private Programs.Running router;

  @BeforeEach
  void begin() throws Exception {
    String impossible = Spaces.impossible();
    Assumptions.assumeTrue(impossible.isEmpty(), impossible);
    net = new Spaces(4);
    programs = new Programs(dir);
    String client = "http://" + Spaces.address(STORE) + ":2379";
    List<String> command = new ArrayList<>(net.in(STORE));
    command.addAll(
        List.of(
            System.getProperty("infini.etcd", "etcd"),
            "--name=m",
            "--data-dir=" + dir.resolve("etcd"),
            "--listen-client-urls=" + client,
            "--advertise-client-urls=" + client,
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--initial-advertise-peer-urls=http://127.0.0.1:2380",
            "--initial-cluster=m=http://127.0.0.1:2380",
            "--logger=zap",
            "--log-outputs=stderr"));
    etcd =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(dir.resolve("etcd.log").toFile())
            .start();
    await()
        .atMost(SOON)
        .until(() -> net.run(STORE, "curl", "-s", client + "/health").contains("true"));
    String table = client.replace("http", "etcd") + "/p";
    programs.run(
        "registry",
        "listens on [0-9.]+:([0-9]+)",
        net.shell(STORE),
        List.of(),
        List.of(
            "--host",
            Spaces.address(STORE),
            "--port",
            "18000",
            "--store",
            table,
            "--lease",
            String.valueOf(LEASE_SECONDS)));
    instance(ONE, 8100);
    instance(TWO, 8100);
    threads.add(Thread.ofVirtual().start(this::beat));
    router =
        programs.run(
            "router",
            "router on 127\\.0\\.0\\.1:([0-9]+)",
            net.shell(ROUTER),
            List.of(),
            List.of(
                "--host",
                "127.0.0.1",
                "--router-port",
                "0",
                "--registry-url",
                table,
                "--health-interval",
                "1",
                "--no-access-log"));
    awaitHealthy("2/2");
  }

  @AfterEach
  void end() throws Exception {
    ended.set(true);
    for (Thread t : threads) {
      t.interrupt();
      t.join();
    }
    if (programs != null) {
      programs.close();
    }
    if (etcd != null) {
      etcd.destroyForcibly().waitFor();
    }
    if (net != null) {
      net.close();
    }
  }

  private static String name(int at, int port) {
    return "i" + at + "-" + port;
  }

  private void instance(int at, int port) throws Exception {
    programs.run(
        "simulate",
        "at http://[0-9.]+:([0-9]+)",
        net.shell(at),
        List.of(),
        List.of("--host", Spaces.address(at), "--port", String.valueOf(port), "--model", "m"));
    String entry =
        Json.text(
            Map.of(
                "name",
                name(at, port),
                "host",
                Spaces.address(at),
                "port",
                port,
                "hostname",
                "h",
                "url",
                "http://" + Spaces.address(at) + ":" + port,
                "status",
                "running",
                "metadata",
                Map.of("type", "openai-api", "models", List.of("m"), "max_concurrency", 32)));
    await()
        .atMost(SOON)
        .until(() -> post(STORE, REGISTRY + "/services", entry).contains("\"message\""));
    beating.add(name(at, port));
  }

  /// @return what was answered; empty where nothing was
  private String post(int from, String url, String body) throws Exception {
    return net.run(
        from, "curl", "-s", "-m", "20", "-H", "content-type: application/json", "-d", body, url);
  }

  private void beat() {
    while (!ended.get()) {
      try {
        for (String name : beating) {
          post(STORE, REGISTRY + "/services/" + name + "/heartbeat", "{}");
        }
        Thread.sleep(1000);
      } catch (InterruptedException e) {
        return;
      } catch (Exception e) {
        throw new AssertionError(e);
      }
    }
  }

  private JsonNode get(String path) throws Exception {
    String said =
        net.run(ROUTER, "curl", "-s", "-m", "20", "http://127.0.0.1:" + router.port() + path);
    return said.isEmpty()
        ? MissingNode.getInstance()
        : Json.tree(said.getBytes(StandardCharsets.UTF_8));
  }

  private String healthy() throws Exception {
    return get("/health").path("healthy_services").asText();
  }

  /// What is not to happen has this time to happen in.
  private static void pass(Duration d) {
    await().pollDelay(d).timeout(d.plus(SOON)).until(() -> true);
  }

  private void awaitHealthy(String n) {
    await().atMost(SOON).untilAsserted(() -> assertThat(healthy()).isEqualTo(n));
  }

  /// Clients that ask one after the other, and what came of it.
  private final class Clients {
    final List<String> failed = new CopyOnWriteArrayList<>();
    final AtomicInteger good = new AtomicInteger();
    private final AtomicBoolean over = new AtomicBoolean();
    private final List<Thread> asking = new ArrayList<>();

    Clients(int n) {
      for (int k = 0; k < n; k++) {
        Thread t = Thread.ofVirtual().start(this::ask);
        asking.add(t);
        threads.add(t);
      }
    }

    private void ask() {
      while (!over.get() && !ended.get()) {
        try {
          String status =
              net.run(
                  ROUTER,
                  "curl",
                  "-s",
                  "-o",
                  "/dev/null",
                  "-w",
                  "%{http_code}",
                  "-m",
                  "150",
                  "-H",
                  "content-type: application/json",
                  "-d",
                  "{\"model\":\"m\",\"max_tokens\":4,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
                  "http://127.0.0.1:" + router.port() + Rig.CHAT);
          if (status.equals("200")) {
            good.incrementAndGet();
          } else {
            failed.add(status);
          }
        } catch (InterruptedException | IOException e) {
          return;
        } catch (Exception e) {
          throw new AssertionError(e);
        }
      }
    }

    void serve(int more) {
      int from = good.get();
      await().atMost(SOON).until(() -> good.get() >= from + more);
    }

    void finish() throws Exception {
      over.set(true);
      for (Thread t : asking) {
        assertThat(t.join(Duration.ofSeconds(160))).isTrue();
      }
      System.out.println("asked " + good + ", failed " + failed);
    }
  }

  @Test
  void aRouterThatIsCutOffFromEtcdServesWhatItKnowsAndHearsTheRestAfterwards() throws Exception {
    Clients clients = new Clients(4);
    clients.serve(20);
    net.cut(STORE);
    instance(TWO, 8200);
    // nobody's lease runs where nobody is heard
    pass(Duration.ofSeconds(2 * LEASE_SECONDS));
    clients.serve(20);
    assertThat(healthy()).isEqualTo("2/2");
    net.mend(STORE);
    long mended = System.nanoTime();
    awaitHealthy("3/3");
    System.out.printf("heard %.1f s after the wire was back%n", (System.nanoTime() - mended) / 1e9);
    clients.serve(20);
    clients.finish();
    assertThat(clients.failed).isEmpty();
    assertThat(Files.readString(router.log()))
        .contains("no lease runs meanwhile", "is followed again");
  }

  @Test
  void anInstanceThatIsCutOffCostsTimeAloneAndServesAgain() throws Exception {
    Clients clients = new Clients(4);
    clients.serve(20);
    net.cut(ONE);
    long cut = System.nanoTime();
    awaitHealthy("1/2");
    System.out.printf("out of service %.1f s after the cut%n", (System.nanoTime() - cut) / 1e9);
    // what was on its way is found lost by the kernel, after a minute at most, and asked of the
    // other
    pass(Duration.ofSeconds(70));
    clients.serve(20);
    net.mend(ONE);
    awaitHealthy("2/2");
    int before = served(ONE);
    await().atMost(SOON).until(() -> served(ONE) > before);
    clients.finish();
    assertThat(clients.failed).isEmpty();
  }

  private int served(int at) throws Exception {
    for (JsonNode s : get("/services").path("services")) {
      if (s.path("name").asText().equals(name(at, 8100))) {
        return s.path("request_count").asInt();
      }
    }
    return 0;
  }
}
