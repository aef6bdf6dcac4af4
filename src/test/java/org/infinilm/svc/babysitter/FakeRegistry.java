package org.infinilm.svc.babysitter;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Request;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;

/// A registry of the contract's routes that remembers what it was told.
final class FakeRegistry implements AutoCloseable {
  final Map<String, Map<String, Object>> entries = new ConcurrentHashMap<>();
  final List<String> calls = new CopyOnWriteArrayList<>();
  private final Server server;

  FakeRegistry(int port) throws IOException {
    server = Server.start(Server.Options.at("127.0.0.1", port), this::handle);
  }

  int port() {
    return server.port();
  }

  String url() {
    return "http://127.0.0.1:" + port();
  }

  String status(String name) {
    return String.valueOf(entries.getOrDefault(name, Map.of()).get("status"));
  }

  @SuppressWarnings("unchecked") // what the test's own JSON holds
  Map<String, Object> metadata(String name) {
    return (Map<String, Object>)
        entries.getOrDefault(name, Map.of()).getOrDefault("metadata", Map.of());
  }

  private Response handle(Request r) throws Exception {
    String[] path = r.path().split("/");
    String name = path.length > 2 ? path[2] : "";
    calls.add(r.method() + " " + r.path());
    if (r.method().equals("POST") && path.length == 2) {
      Map<String, Object> entry = Json.plain(Json.tree(r.body()));
      entries.put(String.valueOf(entry.get("name")), entry);
      return Response.json(201, Map.of("message", "ok"));
    }
    Map<String, Object> entry = entries.get(name);
    if (entry == null) {
      return Response.empty(404);
    }
    JsonNode said =
        r.body().length == 0
            ? Json.tree("{}".getBytes(java.nio.charset.StandardCharsets.UTF_8))
            : Json.tree(r.body());
    if (said.path("status").isTextual()) {
      entry.put("status", said.path("status").asText());
    }
    if (r.method().equals("DELETE")) {
      entries.remove(name);
    }
    return Response.json(200, Map.of("message", "ok"));
  }

  @Override
  public void close() {
    server.close();
  }
}
