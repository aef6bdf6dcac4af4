package org.infinilm.svc.deploy;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Request;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;

/// A registry, a router that applies the size rule, two instances and their babysitters, all in one
/// process on loopback; each can be made to lie.
final class FakeDeployment implements AutoCloseable {
  static final String PAGED = "paged-cache-9g_8b_thinking";
  static final String STATIC = "static-cache-9g_8b_thinking";

  /// An instance and the babysitter one port above it.
  private record Instance(
      String name, String cacheType, Server server, Server babysitter, AtomicInteger finished) {}

  final Server registry;
  final Server router;
  private final Map<String, Instance> instances = new TreeMap<>();
  volatile int threshold = 51_200;
  volatile boolean counts = true;
  volatile boolean everythingToPaged;
  volatile boolean headerLies;
  volatile String token = "";

  volatile boolean withoutHealth;
  volatile boolean listsModels = true;

  /// That the router wants of clients, or empty.
  volatile String key = "";

  FakeDeployment() throws IOException {
    registry = Server.start(any(), this::registry);
    router = Server.start(any(), this::router);
    add(PAGED, "paged");
    add(STATIC, "static");
  }

  private static Server.Options any() {
    return Server.Options.at("127.0.0.1", 0);
  }

  private void add(String name, String cacheType) throws IOException {
    AtomicInteger finished = new AtomicInteger();
    for (int attempt = 0; attempt < 50; attempt++) {
      Server server = Server.start(any(), r -> instance(r, finished));
      try {
        Server sitter =
            Server.start(
                Server.Options.at("127.0.0.1", server.port() + 1),
                r -> Response.json(200, Map.of("status", "healthy")));
        instances.put(name, new Instance(name, cacheType, server, sitter, finished));
        return;
      } catch (IOException taken) {
        server.close();
      }
    }
    throw new IOException("no two free ports in a row");
  }

  /// Ends an instance and its babysitter; the registry and the router forget it.
  void remove(String name) {
    Instance gone = instances.remove(name);
    if (gone != null) {
      gone.server().close();
      gone.babysitter().close();
    }
  }

  private Response instance(Request r, AtomicInteger finished) {
    if (r.headers().get("authorization") != null) {
      return Response.json(500, Map.of("error", "a key that is none of an instance's business"));
    }
    if (r.path().equals("/metrics")) {
      String n = counts ? "infini_engine_requests_total{outcome=\"ok\"} " + finished.get() : "x 1";
      return Response.text(200, "text/plain", n + "\n");
    }
    if (withoutHealth && r.path().equals("/health")) {
      return Response.json(404, Map.of("error", "not found"));
    }
    if (r.path().equals("/v1/models") && !listsModels) {
      return Response.json(404, Map.of("error", "not found"));
    }
    return Response.json(200, Map.of("status", "healthy"));
  }

  private Response registry(Request r) {
    if (r.path().equals("/health")) {
      return Response.json(200, Map.of("status", "healthy", "healthy_services", 4));
    }
    String given = r.headers().get("authorization");
    if (!token.isEmpty() && !("Bearer " + token).equals(given)) {
      return Response.json(401, Map.of("error", "a token is needed"));
    }
    List<Object> entries = new ArrayList<>();
    for (Instance i : instances.values()) {
      entries.add(entry(i.name(), i.babysitter().port(), Map.of("type", "engine")));
      entries.add(entry(i.name() + "-server", i.server().port(), metadata(i)));
    }
    return Response.json(200, Map.of("services", entries, "total", entries.size()));
  }

  private static Map<String, Object> entry(String name, int port, Map<String, Object> metadata) {
    return Map.of(
        "name",
        name,
        "host",
        "127.0.0.1",
        "port",
        port,
        "is_healthy",
        true,
        "health_status",
        "healthy",
        "metadata",
        metadata);
  }

  private static Map<String, Object> metadata(Instance i) {
    return Map.of(
        "type", "openai-api",
        "cache_type", i.cacheType(),
        "parent_service", i.name(),
        "models", List.of("9g_8b_thinking"));
  }

  private Response router(Request r) {
    boolean shown = ("Bearer " + key).equals(r.headers().get("authorization"));
    if (!key.isEmpty() && !shown && r.path().matches("/models|/v1/.*")) {
      return Response.json(401, Map.of("error", Map.of("code", "missing_api_key")));
    }
    return switch (r.path()) {
      case "/health" -> Response.json(200, Map.of("status", "healthy", "healthy_services", "2/2"));
      case "/services" ->
          Response.json(
              200,
              Map.of("services", instances.values().stream().map(FakeDeployment::info).toList()));
      case "/models", "/v1/models" ->
          Response.json(
              200, Map.of("object", "list", "data", List.of(Map.of("id", "9g_8b_thinking"))));
      default -> chat(r);
    };
  }

  private static Map<String, Object> info(Instance i) {
    return Map.of(
        "name",
        i.name() + "-server",
        "host",
        "127.0.0.1",
        "port",
        i.server().port(),
        "healthy",
        true,
        "models",
        List.of("9g_8b_thinking"),
        "metadata",
        metadata(i));
  }

  private Response chat(Request r) {
    int size = r.body().length;
    String pool = size > threshold && !everythingToPaged ? "static" : "paged";
    Instance chosen =
        instances.values().stream()
            .filter(i -> i.cacheType().equals(pool))
            .findFirst()
            .orElseGet(() -> instances.values().iterator().next());
    chosen.finished().incrementAndGet();
    String named = headerLies && size > threshold ? STATIC : chosen.name();
    Response answer = r.bodyText().contains("\"stream\":true") ? streamed() : plain();
    return answer
        .with("x-infini-instance", named + "-server")
        .with("x-infini-pool", named.equals(STATIC) ? "static" : "paged")
        .with("x-infini-reason", chosen.cacheType().equals(pool) ? "size" : "empty-pool")
        .with("x-infini-size", String.valueOf(size))
        .with("x-infini-threshold", String.valueOf(threshold));
  }

  private static Response plain() {
    return Response.json(
        200,
        Map.of(
            "object", "chat.completion",
            "choices", List.of(Map.of("message", Map.of("content", "Hi."))),
            "usage", Map.of("completion_tokens", 2)));
  }

  private static Response streamed() {
    return new Response(
        200,
        Headers.of("content-type", "text/event-stream"),
        """
        data: {"object":"chat.completion.chunk","choices":[{"delta":{"content":"Hi"}}]}

        data: {"object":"chat.completion.chunk","choices":[],"usage":{"completion_tokens":1}}

        data: [DONE]

        """
            .getBytes(java.nio.charset.StandardCharsets.UTF_8),
        null);
  }

  @Override
  public void close() {
    registry.close();
    router.close();
    List.copyOf(instances.keySet()).forEach(this::remove);
  }
}
