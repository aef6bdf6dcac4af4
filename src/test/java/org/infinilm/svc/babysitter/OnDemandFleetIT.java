package org.infinilm.svc.babysitter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.infinilm.svc.LowPorts;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Registry and two routers as processes, a babysitter, and a server that comes and goes.
@Timeout(180)
class OnDemandFleetIT extends BabysitterHarness {
  private static final Duration SOON = Duration.ofSeconds(60);
  private static final byte[] CHAT =
      "{\"model\":\"m1\",\"messages\":[]}".getBytes(StandardCharsets.UTF_8);

  private int logs;

  private int infini(String program, String portFlag, String... args) throws Exception {
    int at = LowPorts.two();
    List<String> base = command(Path.of("none"), Map.of()).command();
    List<String> all = new ArrayList<>(base.subList(0, base.indexOf("babysitter")));
    all.addAll(List.of(program, "--host", "127.0.0.1", portFlag, "" + at));
    all.addAll(List.of(args));
    Process p =
        new ProcessBuilder(all)
            .redirectErrorStream(true)
            .redirectOutput(dir.resolve("process-" + logs++ + ".log").toFile())
            .start();
    open.add(() -> p.destroyForcibly().waitFor());
    await().until(() -> answers(at, "/health"));
    return at;
  }

  private boolean answers(int at, String path) throws InterruptedException {
    try {
      return http.get(URI.create("http://127.0.0.1:" + at + path), SOON).ok();
    } catch (IOException notYet) {
      return false;
    }
  }

  private JsonNode asked(int at, String path) throws Exception {
    return Json.tree(http.get(URI.create("http://127.0.0.1:" + at + path), SOON).body());
  }

  private String state(int router) throws Exception {
    return asked(router, "/services").path("services").path(0).path("state").asText();
  }

  private List<Integer> twoRouters(String registryUrl) throws Exception {
    List<Integer> out = new ArrayList<>();
    for (int k = 0; k < 2; k++) {
      out.add(infini("router", "--router-port", "--registry-url", registryUrl, "--no-access-log"));
    }
    return out;
  }

  private static <T> CompletableFuture<T> meanwhile(Callable<T> task) {
    return CompletableFuture.supplyAsync(
        () -> {
          try {
            return task.call();
          } catch (Exception e) {
            throw new AssertionError(e);
          }
        },
        r -> Thread.ofVirtual().start(r));
  }

  private Client.Reply ask(int router) throws IOException, InterruptedException {
    URI u = URI.create("http://127.0.0.1:" + router + "/v1/chat/completions");
    return http.send("POST", u, Headers.of("content-type", "application/json"), CHAT, SOON);
  }

  private CompletableFuture<Integer> chat(int router) {
    return meanwhile(() -> ask(router).status());
  }

  @Test
  void noRequestIsLostWheneverItComes() throws Exception {
    int registry = infini("registry", "--port", "--data-dir", "", "--health-interval", "0.5");
    String url = "http://127.0.0.1:" + registry;
    List<Integer> routers = twoRouters(url);
    List<String> keys =
        List.of(
            "on_demand = true",
            "idle_stop = 0.3",
            "heartbeat_interval = 0.5",
            "state_file = \"" + dir.resolve("seen.json") + "\"");
    Babysitter b = start(toml(url, List.of("metrics"), keys));
    await().until(() -> b.state().phase() == Supervision.Phase.ASLEEP);
    for (int r : routers) {
      await().until(() -> state(r).equals("asleep"));
      assertThat(asked(r, "/v1/models").path("data").path(0).path("id").asText()).isEqualTo("m1");
    }
    JsonNode entry = asked(registry, "/services/t-server");
    assertThat(entry.path("status").asText()).isEqualTo("asleep");
    assertThat(entry.path("is_healthy").asBoolean()).isFalse();
    assertThat(asked(registry, "/services?healthy=true").toString()).doesNotContain("t-server");
    // at each moment of its falling asleep
    List<Supervision.Phase> seen = new ArrayList<>();
    for (Supervision.Phase when :
        List.of(
            Supervision.Phase.ASLEEP,
            Supervision.Phase.DOZING,
            Supervision.Phase.ASLEEP,
            Supervision.Phase.DOZING,
            Supervision.Phase.ASLEEP)) {
      await().pollInterval(Duration.ofMillis(2)).until(() -> b.state().phase() == when);
      seen.add(b.state().phase());
      List<CompletableFuture<Integer>> all = new ArrayList<>();
      for (int r : routers) {
        all.add(chat(r));
        all.add(chat(r));
      }
      for (CompletableFuture<Integer> one : all) {
        assertThat(one.get()).isEqualTo(200);
      }
    }
    assertThat(seen).hasSize(5);
    assertThat(b.state().restarts()).isZero();
    assertThat(b.state().generation()).isGreaterThan(1);
  }

  /// A chat that is asked again as long as it is told to.
  private CompletableFuture<List<Client.Reply>> patientChat(int router) {
    return meanwhile(() -> {
      List<Client.Reply> all = new ArrayList<>();
      do {
        if (!all.isEmpty()) {
          String after = String.valueOf(all.getLast().headers().get("retry-after"));
          new CountDownLatch(1).await(Long.parseLong(after), TimeUnit.SECONDS);
        }
        all.add(ask(router));
      } while (all.getLast().status() == 503 && all.size() < 20);
      return all;
    });
  }

  @Test
  void anEngineThatCannotBeStartedForAWhileIsLostForNobody() throws Exception {
    int registry = infini("registry", "--port", "--data-dir", "", "--health-interval", "0.5");
    String url = "http://127.0.0.1:" + registry;
    List<Integer> routers = twoRouters(url);
    List<String> keys =
        List.of(
            "on_demand = true",
            "idle_stop = 0",
            "max_failed_starts = 2",
            "restart_delay = 0.05",
            "max_restart_delay = 5",
            "heartbeat_interval = 0.5",
            "state_file = \"" + dir.resolve("seen.json") + "\"");
    Path starts = dir.resolve("starts");
    Path file = toml(url, List.of("metrics", "fails=3," + starts), keys);
    Files.writeString(file, "models = [\"m1\"]\n" + Files.readString(file));
    Babysitter b = start(file);
    for (int r : routers) {
      await().until(() -> state(r).equals("asleep"));
    }
    List<CompletableFuture<List<Client.Reply>>> all = new ArrayList<>();
    for (int k = 0; k < 6; k++) {
      all.add(patientChat(routers.get(k % 2)));
    }
    await().until(() -> b.state().rest().now());
    for (int r : routers) {
      await()
          .untilAsserted(() -> {
            JsonNode there = asked(r, "/stats").path("services").path(0);
            assertThat(there.path("state").asText()).isEqualTo("asleep");
            assertThat(there.path("not_before").isTextual()).isTrue();
            assertThat(there.path("why_out").asText())
                .contains("ended with status 3", "not started again before")
                .as("what an engine printed is not for everybody")
                .doesNotContain("CUDA");
          });
    }
    for (CompletableFuture<List<Client.Reply>> one : all) {
      List<Client.Reply> replies = one.get();
      assertThat(replies.getLast().status()).isEqualTo(200);
      for (Client.Reply no : replies.subList(0, replies.size() - 1)) {
        String body = new String(no.body(), StandardCharsets.UTF_8);
        assertThat(body)
            .contains("instance_start_failed", "could not be started: the process ended with")
            .doesNotContain("127.0.0.1", "CUDA", "errno");
      }
      assertThat(replies).as("somebody was told").hasSizeGreaterThan(1);
    }
    // two that failed, one that failed after the rest, and the one that serves
    assertThat(Files.readAllLines(starts)).hasSize(4);
  }
}
