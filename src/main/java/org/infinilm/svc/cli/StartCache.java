package org.infinilm.svc.cli;

import java.io.IOException;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;

/// `infini start-cache`: runs every long-lived program and the load generator for a moment in this
/// one process, so that the JVM can record which classes a start needs (JEP 483 and 514). The
/// launcher calls it once after a build with `-XX:AOTCacheOutput`.
final class StartCache {
  static final Program PROGRAM =
      new Program(
          "start-cache",
          "Used by the launcher after a build: one short run of everything, to record a start-up cache.",
          List.of(),
          Map.of(),
          "",
          false,
          args -> run());

  private static final Duration LIMIT = Duration.ofSeconds(20);
  private static final Duration PAUSE = Duration.ofMillis(50);
  private static final String MODEL = "m";
  private static final int WARM_CLIENTS = 8;
  private static final int WARM_REQUESTS = 1000;
  private static final int MEASURED_REQUESTS = 100;

  private StartCache() {}

  private static int run() throws IOException, InterruptedException {
    int registry = freePort();
    int router = freePort();
    int simulated = freePort();
    int engine = freePort();
    Path scratch = Files.createTempDirectory("infini-start-cache");
    start(
        "registry",
        "--port",
        port(registry),
        "--host",
        "127.0.0.1",
        "--data-dir",
        scratch.toString());
    start(
        "simulate",
        "--port",
        port(simulated),
        "--model",
        MODEL,
        "--cache-type",
        "paged",
        "--speed",
        "0");
    List<String> routerArgs =
        new ArrayList<>(
            List.of(
                "--router-port",
                port(router),
                "--host",
                "127.0.0.1",
                "--registry-url",
                "http://127.0.0.1:" + registry,
                "--instance",
                "http://127.0.0.1:" + simulated + ",cache_type=paged"));
    boolean native_ = Files.exists(model());
    if (native_) {
      start(
          "engine", "--port", port(engine), "--served-model-name", MODEL, "--cache-type", "static");
      routerArgs.addAll(List.of("--instance", "http://127.0.0.1:" + engine + ",cache_type=static"));
    }
    start("router", routerArgs.toArray(String[]::new));
    ask(router, native_ ? 2 : 1);
    onEtcd(simulated);
    warm(router);
    measure(router);
    return 0;
  }

  /// A registry that keeps its table in etcd, and a router that reads it there.
  private static void onEtcd(int simulated) throws IOException, InterruptedException {
    try (EtcdRehearsal etcd = new EtcdRehearsal()) {
      int registry = freePort();
      int router = freePort();
      start("registry", "--port", port(registry), "--host", "127.0.0.1", "--store", etcd.address());
      Client http = Client.create();
      URI services = URI.create("http://127.0.0.1:" + registry + "/services");
      await(() -> http.get(services, LIMIT).ok());
      http.post(
          services,
          Map.of(
              "name",
              "m-server",
              "host",
              "127.0.0.1",
              "port",
              simulated,
              "hostname",
              "h",
              "url",
              "http://127.0.0.1:" + simulated,
              "status",
              "running",
              "metadata",
              Map.of("type", "openai-api", "cache_type", "paged", "models", List.of(MODEL))),
          LIMIT);
      start(
          "router",
          "--router-port",
          port(router),
          "--host",
          "127.0.0.1",
          "--registry-url",
          etcd.address());
      URI ready = URI.create("http://127.0.0.1:" + router + "/readyz");
      await(() -> http.get(ready, LIMIT).ok());
    }
  }

  private interface Look {
    boolean isDone() throws IOException, InterruptedException;
  }

  /// Looks again until it is so, at most [#LIMIT].
  private static void await(Look look) throws InterruptedException {
    for (long left = LIMIT.toMillis(); left > 0; left -= PAUSE.toMillis()) {
      try {
        if (look.isDone()) {
          return;
        }
      } catch (IOException notYet) {
        left -= 1;
      }
      Thread.sleep(PAUSE);
    }
  }

  /// `infini bench` in short, so that what it measures is not its own start.
  private static void measure(int router) {
    new CommandLineParser(Main.PROGRAMS, Map.of())
        .run(
            List.of(
                "bench",
                "--url",
                "http://127.0.0.1:" + router,
                "--model",
                MODEL,
                "--dataset-name",
                "random",
                "--random-input-len",
                "50",
                "--random-output-len",
                "8",
                "--num-prompts",
                Integer.toString(MEASURED_REQUESTS),
                "--max-concurrency",
                "4"));
  }

  /// Many small requests through the router, so that the cache holds profiles of its hot path (JEP
  /// 515).
  private static void warm(int router) throws InterruptedException {
    Client http = Client.create();
    URI chat = URI.create("http://127.0.0.1:" + router + "/v1/chat/completions");
    Map<String, Object> body =
        Map.of(
            "messages",
            List.of(Map.of("role", "user", "content", "one small request ".repeat(40))),
            "max_tokens",
            1,
            "model",
            MODEL);
    List<Thread> threads = new ArrayList<>();
    for (int k = 0; k < WARM_CLIENTS; k++) {
      threads.add(
          Thread.ofVirtual()
              .start(() -> {
                try {
                  for (int n = 0; n < WARM_REQUESTS; n++) {
                    http.post(chat, body, LIMIT);
                  }
                } catch (IOException e) {
                  System.err.println("start-cache: " + e.getMessage());
                } catch (InterruptedException e) {
                  Thread.currentThread().interrupt();
                }
              }));
    }
    for (Thread t : threads) {
      t.join();
    }
  }

  private static Path model() {
    return Path.of(System.getenv().getOrDefault("INFINI_HOME", "."), "model", "infini-tiny.gguf");
  }

  private static String port(int p) {
    return Integer.toString(p);
  }

  private static int freePort() throws IOException {
    try (ServerSocket s = new ServerSocket(0)) {
      return s.getLocalPort();
    }
  }

  private static void start(String program, String... args) {
    List<String> all = new ArrayList<>(List.of(program));
    all.addAll(List.of(args));
    Thread.ofPlatform()
        .daemon()
        .name(program)
        .start(() -> new CommandLineParser(Main.PROGRAMS, System.getenv()).run(all));
  }

  /// One small, one large, one streamed request, and the router's own pages.
  private static void ask(int router, int instances) throws InterruptedException {
    Client http = Client.create();
    URI base = URI.create("http://127.0.0.1:" + router);
    String all = "\"" + instances + "/" + instances + "\"";
    await(() -> {
      Client.Reply health = http.get(base.resolve("/health"), LIMIT);
      return new String(health.body(), StandardCharsets.UTF_8).contains(all)
          && http.get(base.resolve("/v1/models/" + MODEL), LIMIT).ok();
    });
    for (String text : List.of("hello", "word ".repeat(12_000))) {
      for (boolean stream : List.of(false, true)) {
        Map<String, Object> body =
            Map.of(
                "model",
                MODEL,
                "max_tokens",
                4,
                "stream",
                stream,
                "messages",
                List.of(Map.of("role", "user", "content", text)));
        try {
          http.send(
              "POST",
              base.resolve("/v1/chat/completions"),
              Headers.of("content-type", "application/json"),
              Json.bytes(body),
              LIMIT);
        } catch (IOException e) {
          System.err.println("start-cache: " + e.getMessage());
        }
      }
    }
    for (String page : List.of("/metrics", "/decisions", "/services", "/stats", "/readyz")) {
      try {
        http.get(base.resolve(page), LIMIT);
      } catch (IOException e) {
        System.err.println("start-cache: " + e.getMessage());
      }
    }
  }
}
