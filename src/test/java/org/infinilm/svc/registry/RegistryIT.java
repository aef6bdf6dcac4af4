package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The registry over loopback: routes, statuses, watch, restart, probes.
@Timeout(60)
class RegistryIT {
  private static final Duration TIMEOUT = Duration.ofSeconds(10);
  private static final Duration LONG = Duration.ofSeconds(30);
  private static final String X =
      "{\"name\":\"x\",\"host\":\"127.0.0.1\",\"port\":1,\"hostname\":\"n\","
          + "\"url\":\"http://127.0.0.1:1\",\"status\":\"running\",\"metadata\":{\"k\":null}}";

  private final Client http = Client.create();
  private RegistryServer registry;
  private RegistryClient client;

  private static RegistryServer start(RegistryServer.Options o) throws IOException {
    return RegistryServer.start(o, Ticker.SYSTEM, new Random(1));
  }

  /// A registry with an empty table, wherever that lives.
  RegistryServer.Options options() {
    return RegistryServer.Options.at(0);
  }

  @BeforeEach
  void begin() throws IOException {
    registry = start(options());
    client = new RegistryClient(http, base(registry), null);
  }

  @AfterEach
  void end() throws IOException {
    registry.close();
    http.close();
  }

  private static URI base(RegistryServer r) {
    return URI.create("http://127.0.0.1:" + r.port());
  }

  private Client.Reply send(String method, String target, @Nullable String json) throws Exception {
    Headers h = json == null ? Headers.NONE : Headers.of("content-type", "application/json");
    byte[] body = json == null ? new byte[0] : json.getBytes(StandardCharsets.UTF_8);
    return http.send(method, URI.create(base(registry) + target), h, body, TIMEOUT);
  }

  private JsonNode get(String target) throws Exception {
    Client.Reply r = send("GET", target, null);
    assertThat(r.status()).as(target).isEqualTo(200);
    assertThat(r.headers().get("content-type")).isEqualTo("application/json");
    return Json.tree(r.body());
  }

  private static Registration registration(String name, int port, String type) {
    return new Registration(
        name,
        "127.0.0.1",
        port,
        "localhost",
        "http://127.0.0.1:" + port,
        "running",
        Map.of("type", type),
        1);
  }

  @Test
  void aServiceRegistersRenewsUpdatesAndLeaves() throws Exception {
    Client.Reply made = send("POST", "/services", X);
    assertThat(made.status()).isEqualTo(201);
    assertThat(new String(made.body(), StandardCharsets.UTF_8))
        .startsWith("{\"message\":\"Service 'x' registered successfully\",\"service\":{")
        .contains("\"name\":\"x\"")
        .containsPattern("\"last_heartbeat\":[0-9]{10}\\.0,\"metadata\":\\{\"k\":null}");
    assertThat(send("POST", "/services", X).status()).isEqualTo(201);
    assertThat(get("/services/x").path("port").asInt()).isEqualTo(1);
    Client.Reply put = send("PUT", "/services/x", "{\"port\":2,\"name\":\"y\",\"host\":null}");
    assertThat(put.status()).isEqualTo(200);
    assertThat(get("/services/x").path("port").asInt()).isEqualTo(2);
    assertThat(get("/services/x").path("host").asText()).isEqualTo("127.0.0.1");
    assertThat(send("POST", "/services/x/heartbeat", null).status()).isEqualTo(200);
    assertThat(send("POST", "/services/x/heartbeat", "{\"status\":\"busy\"}").status())
        .isEqualTo(200);
    assertThat(get("/services?healthy=true").path("total").asInt()).isZero();
    assertThat(get("/services?healthy=1").path("total").asInt()).isEqualTo(1);
    assertThat(get("/services?status=busy&healthy=").path("total").asInt()).isEqualTo(1);
    assertThat(get("/services?status=Busy").path("total").asInt()).isZero();
    assertThat(send("POST", "/services/x/heartbeat", "not json").status()).isEqualTo(200);
    assertThat(send("PUT", "/services/x", "{\"status\":\"running\"}").status()).isEqualTo(200);
    assertThat(get("/services?healthy=TRUE").path("total").asInt()).isEqualTo(1);
    assertThat(get("/health").path("registered_services").asInt()).isEqualTo(1);
    assertThat(get("/stats").path("total_services").asInt()).isEqualTo(1);
    assertThat(send("DELETE", "/services/x", null).status()).isEqualTo(200);
    assertThat(send("DELETE", "/services/x", null).status()).isEqualTo(404);
  }

  @ParameterizedTest(name = "{0} {1}: {2}")
  @CsvSource(
      quoteCharacter = '~',
      value = {
        "GET, /nothing, 404",
        "GET, /services/, 404",
        "GET, /services/x/, 404",
        "GET, /services/x/y, 404",
        "GET, /services/x, 404",
        "PUT, /services/x, 404",
        "DELETE, /services/x, 404",
        "POST, /services/x/heartbeat, 404",
        "GET, /services/x/health, 404",
        "GET, /services?status=a&status=b, 400",
        "GET, /services?healthy=a&healthy=b, 400",
        "GET, /watch?wait=x, 400",
        "GET, /watch?wait=-1, 400",
        "POST, /health, 405",
        "OPTIONS, /services, 405",
        "DELETE, /services, 405",
        "POST, /services/x, 405",
        "GET, /services/x/heartbeat, 405",
        "POST, /services/x/health, 405",
        "POST, /watch, 405",
      })
  void everyFailureIsJsonWithAnError(String method, String target, int status) throws Exception {
    Client.Reply r = send(method, target, method.equals("PUT") ? "{}" : null);
    assertThat(r.status()).isEqualTo(status);
    assertThat(r.headers().get("content-type")).isEqualTo("application/json");
    assertThat(Json.tree(r.body()).path("error").asText()).isNotEmpty();
    if (status == 405) {
      assertThat(r.headers().get("allow")).isNotNull();
    }
  }

  @Test
  void bodiesAreJudged() throws Exception {
    URI services = URI.create(base(registry) + "/services");
    byte[] good = X.getBytes(StandardCharsets.UTF_8);
    assertThat(http.send("POST", services, Headers.NONE, good, TIMEOUT).status()).isEqualTo(415);
    Headers text = Headers.of("content-type", "text/plain");
    assertThat(http.send("POST", services, text, good, TIMEOUT).status()).isEqualTo(415);
    Headers charset = Headers.of("content-type", "application/json; charset=utf-8");
    assertThat(http.send("POST", services, charset, good, TIMEOUT).status()).isEqualTo(201);
    assertThat(send("POST", "/services", "{").status()).isEqualTo(400);
    assertThat(send("POST", "/services", "{}").status()).isEqualTo(422);
    String large = X.replace("null", "\"" + "a".repeat(2 << 20) + "\"");
    assertThat(send("POST", "/services", large).status()).isEqualTo(413);
    assertThat(get("/health").path("registered_services").asInt()).isEqualTo(1);
  }

  @Test
  void theTableIsBounded() throws Exception {
    // Less than etcd takes in one value.
    String text = "a".repeat(1_000_000);
    int status = 201;
    int n = 0;
    while (status == 201 && n < 200) {
      status =
          send(
                  "POST",
                  "/services",
                  X.replace("\"x\"", "\"x" + n++ + "\"").replace("null", "\"" + text + "\""))
              .status();
    }
    assertThat(status).isEqualTo(507);
    assertThat(send("POST", "/services/x0/heartbeat", null).status()).isEqualTo(200);
  }

  @Test
  void headIsAnsweredWhereGetIs() throws Exception {
    send("POST", "/services", X);
    for (String target :
        List.of("/health", "/services", "/stats", "/services/x", "/metrics", "/watch")) {
      Client.Reply r = send("HEAD", target, null);
      assertThat(r.status()).as(target).isEqualTo(200);
      assertThat(r.body()).isEmpty();
    }
  }

  @Test
  void namesAreDecodedFromThePath() throws Exception {
    String name = "a/b +%é";
    client.register(registration(name, 1, "mock"));
    assertThat(client.heartbeat(name, null)).isTrue();
    assertThat(client.setStatus(name, "busy")).isTrue();
    assertThat(client.services())
        .singleElement()
        .satisfies(s -> {
          assertThat(s.name()).isEqualTo(name);
          assertThat(s.status()).isEqualTo("busy");
        });
    assertThat(client.unregister(name)).isTrue();
  }

  @Test
  void theClientSpeaksTheWholeFace() throws Exception {
    assertThat(client.heartbeat("x", null)).isFalse();
    assertThat(client.setStatus("x", "busy")).isFalse();
    assertThat(client.unregister("x")).isFalse();
    client.register(
        new Registration(
            "x", "h", 8100, "n", "http://h:8100", "running", Map.of("models", List.of("m")), 3));
    assertThat(client.services())
        .singleElement()
        .satisfies(s -> {
          assertThat(s.isHealthy()).isTrue();
          assertThat(s.healthStatus()).isEqualTo("unknown");
          assertThat(s.weight()).isEqualTo(3);
          assertThat(s.metadata()).containsEntry("models", List.of("m"));
        });
    assertThat(client.heartbeat("x", "draining")).isTrue();
    assertThat(client.services()).noneMatch(Service::isHealthy);
    Registration bad = new Registration("x", "a b", 1, "n", "http://h:1", "running", Map.of(), 1);
    assertThatThrownBy(() -> client.register(bad))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("422")
        .hasMessageContaining("host");
  }

  @Test
  void aWatcherHearsOfEveryChangeAtOnce() throws Exception {
    Watch first = client.watch(null, Duration.ZERO);
    assertThat(first.services()).isEmpty();
    CompletableFuture<Watch> next = watching(first.version());
    client.register(registration("x", 1, "mock"));
    Watch second = next.get();
    assertThat(second.services()).extracting(Service::name).containsExactly("x");
    assertThat(client.heartbeat("x", null)).isTrue();
    assertThat(client.watch(second.version(), Duration.ZERO).version())
        .as("a heartbeat is no change")
        .isEqualTo(second.version());
    next = watching(second.version());
    client.setStatus("x", "draining");
    Watch third = next.get();
    assertThat(third.services()).noneMatch(Service::isHealthy);
    next = watching(third.version());
    client.unregister("x");
    Watch fourth = next.get();
    assertThat(fourth.services()).isEmpty();
    assertThat(fourth.deleted()).containsExactly("x");
    client.register(registration("x", 1, "mock"));
    assertThat(client.watch(fourth.version(), LONG).deleted()).isEmpty();
  }

  /// Reads events until `enough` says so, then goes away.
  private String events(String since, java.util.function.Predicate<String> enough)
      throws Exception {
    StringBuilder got = new StringBuilder();
    Client.Listener reader =
        new Client.Listener() {
          @Override
          public void head(int status, Headers headers) {
            assertThat(status).isEqualTo(200);
            assertThat(headers.get("content-type")).isEqualTo("text/event-stream");
          }

          @Override
          public void piece(byte[] piece) throws IOException {
            got.append(new String(piece, StandardCharsets.UTF_8));
            if (enough.test(got.toString())) {
              throw new IOException("enough");
            }
          }
        };
    assertThatThrownBy(() ->
            http.stream(
                "GET",
                URI.create(base(registry) + "/watch?since=" + since),
                Headers.NONE,
                new byte[0],
                LONG,
                reader))
        .hasMessageContaining("enough");
    return got.toString();
  }

  private static String lastId(String events) {
    int at = events.lastIndexOf("id: ") + 4;
    return events.substring(at, events.indexOf('\n', at));
  }

  @Test
  void singleChangesAreStreamedAndResumedAndAGapIsASnapshot() throws Exception {
    client.register(registration("a", 1, "mock"));
    String first = events("", s -> s.endsWith("\n\n"));
    assertThat(first)
        .startsWith("event: snapshot\nid: ")
        .contains("data: {\"deleted\":[],\"services\":[{")
        .contains("\"name\":\"a\"");
    String version = lastId(first);
    CompletableFuture<String> next = new CompletableFuture<>();
    Thread.ofVirtual()
        .start(() -> {
          try {
            next.complete(events(version, s -> s.contains("event: delete")));
          } catch (Exception | AssertionError e) {
            next.completeExceptionally(e);
          }
        });
    client.register(registration("b", 2, "mock"));
    client.heartbeat("a", null);
    client.unregister("a");
    String changes = next.get();
    assertThat(changes)
        .doesNotContain("snapshot")
        .contains("event: delete\n")
        .contains("{\"name\":\"a\",\"unregistered\":true}")
        .contains("\"name\":\"b\"");
    String resumed = events(version, s -> s.contains("event: delete") && s.contains("event: put"));
    assertThat(resumed).as("resumed from the same place").contains("\"name\":\"b\"");
    client.setStatus("b", "draining");
    assertThat(events(lastId(resumed), s -> s.endsWith("\n\n")))
        .startsWith("event: put\nid: ")
        .contains("\"status\":\"draining\"")
        .doesNotContain("\"name\":\"a\"");
    assertThat(events("another-run-7", s -> s.endsWith("\n\n"))).startsWith("event: snapshot");
  }

  private CompletableFuture<Watch> watching(String version) {
    CompletableFuture<Watch> f = new CompletableFuture<>();
    Thread.ofVirtual()
        .start(() -> {
          try {
            f.complete(client.watch(version, LONG));
          } catch (Exception e) {
            f.completeExceptionally(e);
          }
        });
    return f;
  }

  @Test
  void closingLetsWatchersGo() throws Exception {
    Watch first = client.watch(null, Duration.ZERO);
    CompletableFuture<Watch> waiting = watching(first.version());
    registry.close();
    await().atMost(Duration.ofSeconds(5)).until(waiting::isDone);
  }

  @Test
  void aRegistryWithoutTheRouteIsReadFromItsServices() throws Exception {
    try (Server old =
        Server.start(
            Server.Options.at("127.0.0.1", 0),
            r ->
                r.path().equals("/services")
                    ? Response.json(
                        200,
                        Map.of(
                            "services",
                            List.of(
                                Map.of("name", "a", "host", "h", "port", 1, "is_healthy", true),
                                Map.of("name", "broken"))))
                    : Response.empty(404))) {
      RegistryClient c =
          new RegistryClient(http, URI.create("http://127.0.0.1:" + old.port() + "/"), null);
      Watch w = c.watch("v", LONG);
      assertThat(w.version()).isEmpty();
      assertThat(w.services()).extracting(Service::name).containsExactly("a");
      assertThat(w.services()).extracting(Service::weight).containsExactly(1);
    }
  }

  @Test
  void aRestartKeepsEntriesTombstonesAndAges(@TempDir Path dir) throws Exception {
    RegistryServer.Options o = options().dataDir(dir);
    Watch before;
    try (RegistryServer first = start(o)) {
      RegistryClient c = new RegistryClient(http, base(first), null);
      c.register(registration("a", 1, "mock"));
      c.register(registration("b", 1, "mock"));
      c.unregister("b");
      before = c.watch(null, Duration.ZERO);
    }
    try (RegistryServer second = RegistryServer.start(o, Ticker.SYSTEM, new Random(2))) {
      assertThat(second.size()).isEqualTo(1);
      RegistryClient c = new RegistryClient(http, base(second), null);
      Watch after = c.watch(before.version(), LONG);
      assertThat(after.version()).isNotEqualTo(before.version());
      assertThat(after.deleted()).containsExactly("b");
      assertThat(after.services())
          .singleElement()
          .satisfies(s -> {
            assertThat(s.name()).isEqualTo("a");
            assertThat(s.timestamp()).isEqualTo(before.services().getFirst().timestamp());
            assertThat(s.lastHeartbeat()).isEqualTo(before.services().getFirst().lastHeartbeat());
          });
    }
  }

  @Test
  void changesWantTheToken() throws Exception {
    RegistryServer.Options o = options().token("secret");
    try (RegistryServer guarded = start(o)) {
      RegistryClient without = new RegistryClient(http, base(guarded), null);
      RegistryClient wrong = new RegistryClient(http, base(guarded), "other");
      RegistryClient with = new RegistryClient(http, base(guarded), "secret");
      Registration r = registration("x", 1, "mock");
      assertThatThrownBy(() -> without.register(r)).hasMessageContaining("401");
      assertThatThrownBy(() -> wrong.register(r)).hasMessageContaining("401");
      with.register(r);
      assertThat(without.services()).hasSize(1);
      assertThatThrownBy(() -> without.heartbeat("x", null)).hasMessageContaining("401");
      assertThatThrownBy(() -> without.setStatus("x", "y")).hasMessageContaining("401");
      assertThatThrownBy(() -> without.unregister("x")).hasMessageContaining("401");
      assertThat(with.unregister("x")).isTrue();
    }
  }

  @Test
  void readingMayWantATokenOfItsOwn() throws Exception {
    RegistryServer.Options o = options().tokens(new Tokens(List.of("w"), List.of("r")));
    try (RegistryServer guarded = start(o)) {
      RegistryClient without = new RegistryClient(http, base(guarded), null);
      RegistryClient reader = new RegistryClient(http, base(guarded), "r");
      RegistryClient writer = new RegistryClient(http, base(guarded), "w");
      Registration r = registration("x", 1, "mock");
      assertThatThrownBy(() -> reader.register(r)).hasMessageContaining("401");
      writer.register(r);
      assertThat(reader.services()).hasSize(1);
      assertThat(writer.watch(null, Duration.ZERO).services()).hasSize(1);
      assertThatThrownBy(without::services).hasMessageContaining("401");
      for (String path : List.of("/stats", "/metrics", "/watch", "/services/x", "/nothing")) {
        assertThat(http.get(URI.create(base(guarded) + path), LONG).status())
            .as(path)
            .isEqualTo(401);
      }
      assertThat(http.get(URI.create(base(guarded) + "/health"), LONG).status()).isEqualTo(200);
    }
  }

  @Test
  void aListOfThousandsIsWholeHoweverItIsSent() throws Exception {
    for (int i = 0; i < 1200; i++) {
      client.register(registration("n" + i, 1 + i, "mock"));
    }
    String url = base(registry) + "/services?healthy=true";
    Client.Reply all = http.get(URI.create(url), LONG);
    JsonNode tree = Json.tree(all.body());
    assertThat(tree.path("total").asInt()).isEqualTo(1200);
    assertThat(tree.path("services")).hasSize(1200);
    assertThat(client.watch(null, Duration.ZERO).services()).hasSize(1200);
    Client.Reply head = http.send("HEAD", URI.create(url), Headers.NONE, new byte[0], LONG);
    assertThat(head.headers().get("content-length")).isEqualTo("" + all.body().length);
  }

  @Test
  void sweepsFindOutWhoIsIllAndFollowNoRedirect() throws Exception {
    AtomicInteger reached = new AtomicInteger();
    CountDownLatch swept = new CountDownLatch(2);
    try (Server target =
            Server.start(
                Server.Options.at("127.0.0.1", 0),
                _ -> {
                  reached.incrementAndGet();
                  return Response.text(200, "text/plain", "ok");
                });
        Server well =
            Server.start(
                Server.Options.at("127.0.0.1", 0),
                r -> Response.empty(r.path().equals("/health") ? 200 : 500));
        Server redirecting =
            Server.start(
                Server.Options.at("127.0.0.1", 0),
                _ -> {
                  swept.countDown();
                  return Response.empty(302)
                      .with("location", "http://127.0.0.1:" + target.port() + "/health");
                });
        RegistryServer r = start(options().probes(Duration.ofMillis(100), Duration.ofSeconds(2)))) {
      RegistryClient c = new RegistryClient(http, base(r), null);
      c.register(registration("well", well.port() - 1, "openai-api"));
      c.register(registration("well-babysitter", well.port(), "command"));
      c.register(registration("redirecting", redirecting.port(), "command"));
      swept.await();
      await()
          .untilAsserted(() ->
              assertThat(c.services())
                  .allSatisfy(s -> {
                    boolean healthy = s.name().startsWith("well");
                    assertThat(s.healthStatus()).isEqualTo(healthy ? "healthy" : "unhealthy");
                    assertThat(s.isHealthy()).isEqualTo(healthy);
                  }));
      assertThat(reached).hasValue(0);
      String metrics =
          new String(
              http.get(URI.create(base(r) + "/metrics"), TIMEOUT).body(), StandardCharsets.UTF_8);
      assertThat(metrics)
          .contains("infini_registry_services{health=\"healthy\",type=\"openai-api\"} 1.0")
          .contains("infini_registry_services{health=\"unhealthy\",type=\"command\"} 1.0");
    }
  }

  @Test
  void theLiveProbeTellsAndChangesNothing() throws Exception {
    try (Server well = Server.start(Server.Options.at("127.0.0.1", 0), _ -> Response.empty(204))) {
      client.register(registration("x", well.port(), "command"));
      double beat = get("/services/x").path("last_heartbeat").asDouble();
      // The next second, so that a renewal would show.
      await().until(() -> get("/health").path("timestamp").asText(), t -> !t.equals(time(beat)));
      JsonNode live = get("/services/x/health");
      assertThat(live.path("health_status").asText()).isEqualTo("healthy");
      assertThat(live.path("is_healthy").asBoolean()).isTrue();
      assertThat(live.path("last_heartbeat").asDouble()).isEqualTo(beat);
      assertThat(get("/services/x").path("last_heartbeat").asDouble()).isEqualTo(beat);
    }
    JsonNode before = get("/services/x");
    assertThat(get("/services/x/health").path("is_healthy").asBoolean()).isFalse();
    assertThat(get("/services/x")).as("a GET changes nothing").isEqualTo(before);
  }

  private static String time(double seconds) {
    return Answers.time(Instant.ofEpochSecond((long) seconds));
  }

  @ParameterizedTest(name = "{0} at {1}: {2}")
  @CsvSource({
    "169.254.169.254, http://10.0.0.1:1, 422",
    "10.0.0.1, http://169.254.169.254:1, 422",
    "10.0.0.1, 'http://[fe80::1]:1', 422",
    "fe80::1, http://10.0.0.1:1, 422",
    "2852039166, http://10.0.0.1:1, 422",
    "0.0.0.0, http://0.0.0.0:1, 201",
    "10.0.0.1, http://a.name:1, 201",
  })
  void linkLocalAndMetadataAddressesAreRefused(String host, String url, int status)
      throws Exception {
    String body = X.replace("http://127.0.0.1:1", url).replace("\"127.0.0.1\"", "\"" + host + "\"");
    assertThat(send("POST", "/services", body).status()).isEqualTo(status);
    send("POST", "/services", X.replace("\"x\"", "\"y\""));
    String update = "{\"host\":\"" + host + "\",\"url\":\"" + url + "\"}";
    assertThat(send("PUT", "/services/y", update).status()).isEqualTo(status == 201 ? 200 : 422);
  }

  @Test
  void anotherRegistrantIsRefusedAndNamedInTheStats() throws Exception {
    String a = X.replace("\"name\"", "\"incarnation\":\"A\",\"name\"");
    String b = a.replace("\"A\"", "\"B\"").replace("\"port\":1", "\"port\":2");
    assertThat(send("POST", "/services", a).status()).isEqualTo(201);
    assertThat(send("POST", "/services", b).status()).isEqualTo(201);
    assertThat(get("/services/x").path("incarnation").asText()).isEqualTo("B");
    String said = "{\"incarnation\":\"A\"}";
    Client.Reply beat = send("POST", "/services/x/heartbeat", said);
    assertThat(beat.status()).isEqualTo(409);
    assertThat(new String(beat.body(), StandardCharsets.UTF_8)).contains("127.0.0.1:2");
    assertThat(send("PUT", "/services/x", said).status()).isEqualTo(409);
    assertThat(send("DELETE", "/services/x?incarnation=A", null).status()).isEqualTo(409);
    assertThat(get("/stats").path("conflicts").toString()).isEqualTo("[\"x\"]");
    assertThat(send("POST", "/services/x/heartbeat", null).status()).isEqualTo(200);
    assertThat(send("POST", "/services/x/heartbeat", "{\"incarnation\":\"B\"}").status())
        .isEqualTo(200);
    assertThat(send("DELETE", "/services/x?incarnation=B", null).status()).isEqualTo(200);
  }

  @Test
  void readersThatDoNotReadHoldUpNobody() throws Exception {
    Map<String, Object> large = Map.of("type", "openai-api", "text", "x".repeat(3000));
    for (int k = 0; k < 600; k++) {
      client.register(
          new Registration(
              "n" + k, "127.0.0.1", 1, "h", "http://127.0.0.1:1", "running", large, 1));
    }
    List<java.net.Socket> readers = new java.util.ArrayList<>();
    try {
      for (int k = 0; k < 120; k++) {
        java.net.Socket s = new java.net.Socket();
        s.setReceiveBufferSize(4096);
        s.connect(new java.net.InetSocketAddress("127.0.0.1", registry.port()));
        String target = k % 2 == 0 ? "/watch?since=" : "/services";
        s.getOutputStream()
            .write(
                ("GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n")
                    .getBytes(StandardCharsets.UTF_8));
        readers.add(s);
      }
      assertThat(client.heartbeat("n1", null)).isTrue();
      assertThat(client.services()).hasSizeGreaterThanOrEqualTo(600);
    } finally {
      for (java.net.Socket s : readers) {
        s.close();
      }
      for (int k = 0; k < 600; k++) {
        client.unregister("n" + k);
      }
    }
  }

  @Test
  void drainTakesTheWholeInstanceOutWhereNoBabysitterAnswers() throws Exception {
    client.register(registration("x", 8101, "command"));
    client.register(registration("x-server", 8100, "openai-api"));
    client.register(registration("y-server", 8200, "openai-api"));
    assertThat(Drain.run(client, _ -> 0, "x-server", false)).isZero();
    assertThat(client.services())
        .extracting(s -> s.name() + " " + s.status())
        .containsExactly("x draining", "x-server draining", "y-server running");
    assertThat(Drain.run(client, _ -> 0, "x", true)).isZero();
    assertThat(client.services()).allMatch(s -> s.status().equals("running"));
    assertThat(Drain.run(client, _ -> 0, "y", false)).isZero();
    assertThat(Drain.run(client, _ -> 0, "z", false)).isEqualTo(1);
  }

  @Test
  void drainTellsTheBabysitterWhereItAnswers() throws Exception {
    List<URI> told = new java.util.ArrayList<>();
    for (String name : List.of("x", "x-server")) {
      client.register(
          new Registration(
              name,
              "127.0.0.1",
              8101,
              "h",
              "http://127.0.0.1:8101",
              "running",
              Map.of("babysitter", "enhanced"),
              1));
    }
    Drain.Babysitters babysitters =
        uri -> {
          told.add(uri);
          return told.size() < 3 ? 200 : 403;
        };
    assertThat(Drain.run(client, babysitters, "x", false)).isZero();
    assertThat(Drain.run(client, babysitters, "x-server", true)).isZero();
    assertThat(told)
        .containsExactly(
            URI.create("http://127.0.0.1:8101/drain"), URI.create("http://127.0.0.1:8101/undrain"));
    assertThat(client.services()).allMatch(s -> s.status().equals("running"));
    assertThat(Drain.run(client, babysitters, "x", false)).isZero();
    assertThat(client.services())
        .as("403: the registry")
        .allMatch(s -> s.status().equals("draining"));
  }

  @Test
  void anInstanceWhoseOwnNameEndsInServerIsFound() throws Exception {
    client.register(registration("x-server", 8101, "command"));
    client.register(registration("x-server-server", 8100, "openai-api"));
    assertThat(Drain.run(client, _ -> 0, "x-server", false)).isZero();
    assertThat(client.services()).allMatch(s -> s.status().equals("draining"));
  }

  @Test
  void aTakenPortIsNamed() {
    assertThatThrownBy(() -> start(RegistryServer.Options.at(registry.port())))
        .isInstanceOf(IOException.class)
        .hasMessageContaining(String.valueOf(registry.port()));
  }
}
