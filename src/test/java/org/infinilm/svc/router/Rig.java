package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;

/// A router in this process, fed by a registry, with scripted instances behind it and raw clients
/// before it.
final class Rig implements AutoCloseable {
  static final Duration SOON = Duration.ofSeconds(30);
  static final String CHAT = "/v1/chat/completions";
  static final String BODY = "{\"model\":\"m\",\"messages\":[]}";
  static final String STREAM = "{\"model\":\"m\",\"stream\":true,\"messages\":[]}";
  static final String OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

  final FakeRegistry registry;
  final List<ScriptedInstance> instances = new ArrayList<>();
  final Client client = Client.create();
  private final List<Router> routers = new ArrayList<>();
  private int external;
  private volatile String lastId = "";

  /// The file of routers that are started from now on, or null.
  @Nullable Path file;

  /// The name server of routers that are started from now on.
  Resolver.Lookup names = InetAddress::getAllByName;

  Rig() throws IOException {
    registry = new FakeRegistry();
  }

  /// An instance that does with each connection what the script says.
  ScriptedInstance instance(String name, ScriptedInstance.Script script) throws IOException {
    return listed(new ScriptedInstance(name, script), Map.of());
  }

  /// An instance that answers each request.
  ScriptedInstance answering(String name, ScriptedInstance.Reply reply) throws IOException {
    return instance(name, ScriptedInstance.answering(reply));
  }

  ScriptedInstance good(String name) throws IOException {
    return answering(name, (r, n) -> OK);
  }

  /// An instance that answers each request well once it may.
  ScriptedInstance holding(String name, CountDownLatch go) throws IOException {
    return answering(
        name,
        (r, n) -> {
          go.await();
          return OK;
        });
  }

  /// Registers it with this metadata.
  ScriptedInstance listed(ScriptedInstance i, Map<String, Object> metadata) {
    instances.add(i);
    registry.add(i.name, i.port(), metadata);
    return i;
  }

  /// Starts the router with these settings (`key=value`) and waits until it knows every instance.
  Rig start(String... settings) throws Exception {
    start(Ticker.SYSTEM, List.of(), settings);
    return this;
  }

  /// Starts a router that follows no registry.
  Rig startFixed(List<Known> fixed, String... settings) throws Exception {
    start(Ticker.SYSTEM, fixed, settings);
    return this;
  }

  /// Starts one more router, over the registry when nothing is fixed, and waits as well.
  Router start(Ticker ticker, List<Known> fixed, String... settings) throws Exception {
    Router r = launch(ticker, fixed, settings);
    int known = fixed.isEmpty() ? instances.size() : fixed.size();
    String every = known + "/" + known;
    await()
        .atMost(SOON)
        .until(() -> get(r.port(), "/health").path("healthy_services").asText().equals(every));
    return r;
  }

  /// Starts one more router, as it is at its start.
  Router launch(Ticker ticker, List<Known> fixed, String... settings) throws Exception {
    Map<String, String> all = new HashMap<>();
    all.put("host", "127.0.0.1");
    all.put("router_port", "0");
    all.put("access_log", "false");
    all.put("transport", System.getProperty("infini.test.transport", "auto"));
    all.put("framing", System.getProperty("infini.test.framing", "auto"));
    all.put("health_interval", "0.5");
    all.put("registry_sync_interval", "0.1");
    if (fixed.isEmpty()) {
      all.put("registry_url", registry.url().toString());
    }
    for (String s : settings) {
      int eq = s.indexOf('=');
      all.put(s.substring(0, eq), s.substring(eq + 1));
    }
    Config config = Config.resolve(RouterConfig.KEYS, all, Map.of(), file);
    SplittableRandom random = new SplittableRandom(1L + routers.size());
    Router r =
        fixed.isEmpty()
            ? new Router(
                new Sources(config, List.of(), List.of(), Map.of()).read(), names, ticker, random)
            : new Router(RouterConfig.of(config), fixed, names, ticker, random);
    routers.add(r);
    return r;
  }

  /// Asks a router that is a process of its own instead, once it knows every instance.
  void follow(Programs.Running router) {
    external = router.port();
    String every = instances.size() + "/" + instances.size();
    await().atMost(SOON).until(() -> health().equals(every));
  }

  /// The first router, in this process.
  Router router() {
    return routers.getFirst();
  }

  int port() {
    return external > 0 ? external : router().port();
  }

  JsonNode get(String path) throws Exception {
    return get(port(), path);
  }

  private JsonNode get(int port, String path) throws Exception {
    return Json.tree(text(port, path).getBytes(UTF_8));
  }

  String text(String path) throws Exception {
    return text(port(), path);
  }

  private String text(int port, String path) throws Exception {
    URI u = URI.create("http://127.0.0.1:" + port + path);
    return new String(client.get(u, SOON).body(), UTF_8);
  }

  String health() throws Exception {
    return get("/health").path("healthy_services").asText();
  }

  /// What `/services` says of an instance; missing when it is not there.
  JsonNode service(String name) throws Exception {
    for (JsonNode s : get("/services").path("services")) {
      if (s.path("name").asText().equals(name)) {
        return s;
      }
    }
    return MissingNode.getInstance();
  }

  /// Waits until an instance is in this state; `gone` when it is not there.
  void awaitState(String name, String state) {
    await().atMost(SOON).until(() -> service(name).path("state").asText("gone").equals(state));
  }

  /// The decision of the answer that was read last; awaited, since an answer of known length may be
  /// whole before the router sees its end.
  JsonNode decision() {
    return decision(lastId);
  }

  JsonNode decision(String requestId) {
    JsonNode[] found = new JsonNode[1];
    await()
        .atMost(SOON)
        .until(() -> {
          for (JsonNode d : get("/decisions?limit=50").path("decisions")) {
            if (d.path("request_id").asText().equals(requestId)) {
              found[0] = d;
            }
          }
          return found[0] != null;
        });
    return found[0];
  }

  /// The newest decision of a request that is not the rig's own; missing when there is none.
  JsonNode newest() throws Exception {
    return get("/decisions?limit=1").path("decisions").path(0);
  }

  /// Waits for the newest outcome.
  void outcome(String expected) {
    await()
        .atMost(SOON)
        .untilAsserted(() -> assertThat(newest().path("outcome").asText()).isEqualTo(expected));
  }

  /// Waits until nothing is in flight anywhere.
  void quiet() {
    await()
        .atMost(SOON)
        .untilAsserted(() -> {
          for (JsonNode s : get("/services").path("services")) {
            assertThat(s.path("in_flight").asInt()).as(s.path("name").asText()).isZero();
          }
        });
  }

  /// Waits until so many are in flight in all.
  void quietBut(int inFlight) {
    await()
        .atMost(SOON)
        .until(() -> {
          int n = 0;
          for (JsonNode s : get("/services").path("services")) {
            n += s.path("in_flight").asInt() + s.path("queued").asInt();
          }
          return n == inFlight;
        });
  }

  Socket connect() throws IOException {
    return connect(port());
  }

  private static Socket connect(int port) throws IOException {
    Socket s = new Socket("127.0.0.1", port);
    s.setSoTimeout((int) SOON.toMillis());
    s.setTcpNoDelay(true);
    return s;
  }

  static String post(String path, String fields, String body) {
    return "POST "
        + path
        + " HTTP/1.1\r\nHost: router.example\r\n"
        + fields
        + "Content-Length: "
        + body.length()
        + "\r\n\r\n"
        + body;
  }

  /// An answer with a body of known length.
  static String answer(int status, String fields, String body) {
    return "HTTP/1.1 "
        + status
        + " Reason\r\n"
        + fields
        + "Content-Length: "
        + body.length()
        + "\r\n\r\n"
        + body;
  }

  /// Sends until an answer needed more than one attempt.
  Said untilRepeated(String request) throws IOException {
    for (int k = 0; k < 30; k++) {
      Said said = send(request);
      if (!said.field("x-infini-attempts").equals("1")) {
        return said;
      }
    }
    throw new AssertionError("no request needed a second attempt");
  }

  /// One request over a connection of its own.
  Said send(String request) throws IOException {
    return send(port(), request);
  }

  Said send(int port, String request) throws IOException {
    try (Socket s = connect(port)) {
      s.getOutputStream().write(request.getBytes(ISO_8859_1));
      Said said = Said.read(new BufferedInputStream(s.getInputStream()));
      lastId = said.field("x-request-id");
      return said;
    }
  }

  Said chat() throws IOException {
    return send(post(CHAT, "", BODY));
  }

  @Override
  public void close() throws IOException {
    routers.forEach(Router::close);
    for (ScriptedInstance i : instances) {
      i.close();
    }
    registry.close();
    client.close();
  }
}
