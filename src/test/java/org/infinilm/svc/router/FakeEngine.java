package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Request;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;

/// An engine that nobody supervises: answers of its own for each path, 404 elsewhere. It is well
/// and answers chats unless told otherwise.
final class FakeEngine implements AutoCloseable {
  /// What is said to one request; may block.
  interface Says {
    Response to(Request r) throws Exception;
  }

  final String name;

  /// Bodies by path, of requests that had one.
  final Map<String, List<String>> bodies = new ConcurrentHashMap<>();

  final List<String> keys = new CopyOnWriteArrayList<>();
  private final Map<String, Says> routes = new ConcurrentHashMap<>();
  private final Server server;

  FakeEngine(String name) throws IOException {
    this(name, "127.0.0.1", 0);
  }

  FakeEngine(String name, String address, int port) throws IOException {
    this.name = name;
    says("/health", r -> Response.json(200, Map.of("status", "ok")));
    says("/v1/chat/completions", r -> Response.json(200, Map.of("choices", List.of())));
    server = Server.start(Server.Options.at(address, port), this::answer);
  }

  private Response answer(Request r) throws Exception {
    if (r.body().length > 0) {
      bodies.computeIfAbsent(r.path(), p -> new CopyOnWriteArrayList<>()).add(r.bodyText());
    }
    if (r.path().equals("/tokenize")) {
      keys.add(String.valueOf(r.headers().get("authorization")));
    }
    Says says = routes.get(r.path());
    return says == null ? Response.json(404, Map.of("error", "no such route")) : says.to(r);
  }

  FakeEngine says(String path, Says says) {
    routes.put(path, says);
    return this;
  }

  /// A JSON document with single quotes for double ones.
  FakeEngine says(String path, String json) {
    return says(path, r -> Response.json(200, Json.tree(json.replace('\'', '"').getBytes(UTF_8))));
  }

  /// Lists one model of this owner, and more of its entry.
  FakeEngine lists(String owner, String id, String more) {
    return says(
        "/v1/models", "{'data':[{'id':'" + id + "','owned_by':'" + owner + "'" + more + "}]}");
  }

  int times(String path) {
    return bodies.getOrDefault(path, List.of()).size();
  }

  static JsonNode json(Request r) throws IOException {
    return Json.tree(r.body());
  }

  int port() {
    return server.port();
  }

  Known known() {
    return known("127.0.0.1", null);
  }

  /// @param authorization its key, or null
  Known known(String host, String authorization) {
    return new Known(
        name,
        host,
        server.port(),
        "http://" + host + ":" + server.port(),
        null,
        null,
        new HashMap<>(),
        1,
        true,
        true,
        true,
        null,
        authorization);
  }

  @Override
  public void close() {
    server.close();
  }
}
