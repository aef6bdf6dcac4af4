package org.infinilm.svc.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Request;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;

/// An etcd in memory as far as the start of a registry and of a router asks one (etcd's
/// documentation "gRPC gateway"): keys that are put and stay, a watch, leases that never end. For
/// [StartCache] alone, which has no other.
final class EtcdRehearsal implements AutoCloseable {
  private final Server server;

  /// By their bytes as characters.
  private final TreeMap<String, Map<String, Object>> keys = new TreeMap<>();

  /// Of revision 2 and on.
  private final List<Map<String, Object>> history = new ArrayList<>();

  EtcdRehearsal() throws IOException {
    server = Server.start(Server.Options.at("127.0.0.1", 0), this::answer);
  }

  String address() {
    return "etcd://127.0.0.1:" + server.port();
  }

  private Response answer(Request r) throws IOException {
    JsonNode n = Json.tree(r.body());
    return switch (r.path()) {
      case "/v3/kv/range" -> said(range(n));
      case "/v3/kv/put" -> {
        put(n);
        yield said(Map.of());
      }
      case "/v3/kv/txn" -> {
        n.path("success").forEach(op -> put(op.path("request_put")));
        yield said(Map.of("succeeded", true));
      }
      case "/v3/watch" -> {
        int from = n.path("create_request").path("start_revision").asInt();
        yield Response.stream(200, Headers.NONE, to -> watch(from, to));
      }
      default -> said(Map.of("ID", n.path("ID").asText("0"), "TTL", "60", "grantedTTL", "60"));
    };
  }

  private Map<String, Object> header() {
    return Map.of("cluster_id", "1", "revision", String.valueOf(revision()));
  }

  private Response said(Map<String, Object> what) {
    Map<String, Object> all = new LinkedHashMap<>(what);
    all.put("header", header());
    return Response.json(200, all);
  }

  private synchronized int revision() {
    return history.size() + 1;
  }

  private static String raw(JsonNode base64) {
    return new String(Base64.getDecoder().decode(base64.asText()), StandardCharsets.ISO_8859_1);
  }

  private synchronized void put(JsonNode n) {
    if (n.path("key").isTextual()) {
      Map<String, Object> kv =
          Map.of(
              "key", n.path("key").asText(),
              "value", n.path("value").asText(),
              "lease", n.path("lease").asText("0"),
              "mod_revision", String.valueOf(revision() + 1));
      keys.put(raw(n.path("key")), kv);
      history.add(kv);
      notifyAll();
    }
  }

  private synchronized Map<String, Object> range(JsonNode n) {
    String from = raw(n.path("key"));
    String to = n.path("range_end").isTextual() ? raw(n.path("range_end")) : from + "\0";
    return Map.of("kvs", new ArrayList<>(keys.subMap(from, to).values()));
  }

  private void watch(int from, Response.BodySink to) throws IOException, InterruptedException {
    to.write(line(Map.of("header", header(), "created", true)));
    for (int at = Math.max(0, from - 2); ; at++) {
      to.write(line(Map.of("header", header(), "events", List.of(Map.of("kv", change(at))))));
    }
  }

  private synchronized Map<String, Object> change(int at) throws InterruptedException {
    while (history.size() <= at) {
      wait();
    }
    return history.get(at);
  }

  private static byte[] line(Map<String, Object> result) {
    return (Json.text(Map.of("result", result)) + "\n").getBytes(StandardCharsets.UTF_8);
  }

  @Override
  public void close() {
    server.close();
  }
}
