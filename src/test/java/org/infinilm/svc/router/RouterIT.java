package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.simulator.SimulatedInstance;
import org.infinilm.svc.simulator.SimulatedInstance.Options;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class RouterIT {
  private static final Duration SOON = Duration.ofSeconds(20);
  private static final String CHAT = "/v1/chat/completions";

  private final Client client = Client.create();
  private final List<SimulatedInstance> instances = new ArrayList<>();
  private Router router;

  @AfterEach
  void end() {
    if (router != null) {
      router.close();
    }
    instances.forEach(SimulatedInstance::close);
  }

  private SimulatedInstance paged(String name) throws IOException {
    return add(SimulatedInstance.start(Options.paged(name, "m").speed(0)));
  }

  private SimulatedInstance statics(String name) throws IOException {
    return add(SimulatedInstance.start(Options.ofStatic(name, "m").maxCacheLen(65536).speed(0)));
  }

  private SimulatedInstance add(SimulatedInstance i) {
    instances.add(i);
    return i;
  }

  private void route(Map<String, String> flags, String... specs) throws Exception {
    Map<String, String> all = new HashMap<>(flags);
    all.putIfAbsent("host", "127.0.0.1");
    all.putIfAbsent("router_port", "0");
    all.put("transport", System.getProperty("infini.test.transport", "auto"));
    all.put("framing", System.getProperty("infini.test.framing", "auto"));
    all.putIfAbsent("access_log", "false");
    all.putIfAbsent("health_interval", "0.5");
    RouterConfig config = RouterConfig.of(Config.resolve(RouterConfig.KEYS, all, Map.of(), null));
    List<Known> fixed = new ArrayList<>();
    for (String s : specs) {
      fixed.add(StaticServices.instance(s, Map.of("KEY", "sk-secret")));
    }
    router = new Router(config, fixed, Ticker.SYSTEM, new SplittableRandom(1));
  }

  /// Routes to these instances, with their cache types and names, and waits until their models are
  /// known.
  private void routeTo(Map<String, String> flags, SimulatedInstance... to) throws Exception {
    route(
        flags,
        Stream.of(to)
            .map(i ->
                i.url()
                    + ",name="
                    + i.name()
                    + (i.name().startsWith("paged")
                        ? ",cache_type=paged"
                        : i.name().startsWith("static") ? ",cache_type=static" : ""))
            .toArray(String[]::new));
    String all = to.length + "/" + to.length;
    await().atMost(SOON).until(() -> get("/health").path("healthy_services").asText().equals(all));
  }

  private boolean modelsKnown(String name) throws Exception {
    for (JsonNode s : get("/services").path("services")) {
      if (s.path("name").asText().equals(name)) {
        return !s.path("models").isEmpty();
      }
    }
    return false;
  }

  private URI at(String path) {
    return URI.create("http://127.0.0.1:" + router.port() + path);
  }

  private JsonNode get(String path) throws Exception {
    return Json.tree(client.get(at(path), SOON).body());
  }

  private static Map<String, Object> ask(String text) {
    return Map.of("model", "m", "messages", List.of(Map.of("role", "user", "content", text)));
  }

  /// A chat body of exactly `bytes` bytes.
  private static byte[] sized(int bytes) {
    int frame = Json.bytes(ask("")).length;
    return Json.bytes(ask("ab".repeat(bytes).substring(0, bytes - frame)));
  }

  private Client.Reply post(byte[] body) throws Exception {
    return client.send(
        "POST", at(CHAT), Headers.of("content-type", "application/json"), body, SOON);
  }

  private Client.Reply chat(String text) throws Exception {
    return client.post(at(CHAT), ask(text), SOON);
  }

  private static String error(Client.Reply r) throws Exception {
    return Json.tree(r.body()).path("error").path("code").asText();
  }

  @Test
  void theSizeRuleHoldsAtItsBoundaryAndIsExplained() throws Exception {
    SimulatedInstance small = paged("paged-1");
    SimulatedInstance large = statics("static-1");
    routeTo(Map.of("threshold", "5000"), small, large);
    Client.Reply at = post(sized(5000));
    Client.Reply above = post(sized(5001));
    assertThat(at.status()).isEqualTo(200);
    assertThat(at.headers().get("x-infini-instance")).isEqualTo("paged-1");
    assertThat(at.headers().get("x-infini-pool")).isEqualTo("paged");
    assertThat(at.headers().get("x-infini-reason")).isEqualTo("size");
    assertThat(at.headers().get("x-infini-size")).isEqualTo("5000");
    assertThat(at.headers().get("x-infini-threshold")).isEqualTo("5000");
    assertThat(at.headers().get("x-infini-attempts")).isEqualTo("1");
    assertThat(above.headers().get("x-infini-instance")).isEqualTo("static-1");
    assertThat(small.requests()).isEqualTo(1);
    assertThat(large.requests()).isEqualTo(1);
    JsonNode newest = get("/decisions?limit=1").path("decisions").path(0);
    assertThat(newest.path("instance").asText()).isEqualTo("static-1");
    assertThat(newest.path("outcome").asText()).isEqualTo("ok");
    assertThat(newest.path("size").asLong()).isEqualTo(5001);
    assertThat(newest.path("request_id").asText()).isEqualTo(above.headers().get("x-request-id"));
  }

  @Test
  void whatThePoolCannotHoldGoesWhereItFits() throws Exception {
    add(SimulatedInstance.start(Options.ofStatic("static-1", "m").maxCacheLen(1000).speed(0)));
    SimulatedInstance small = paged("paged-1");
    routeTo(Map.of("threshold", "5000"), small, instances.getFirst());
    Client.Reply r = post(sized(9000));
    assertThat(r.headers().get("x-infini-reason")).isEqualTo("fit");
    assertThat(r.headers().get("x-infini-instance")).isEqualTo("paged-1");
  }

  @Test
  void whatFitsNowhereIsRefused() throws Exception {
    add(SimulatedInstance.start(Options.ofStatic("static-1", "m").maxCacheLen(100).speed(0)));
    routeTo(Map.of(), instances.getFirst());
    Client.Reply r = post(sized(9000));
    assertThat(r.status()).isEqualTo(400);
    assertThat(error(r)).isEqualTo("context_length_exceeded");
    assertThat(instances.getFirst().requests()).isZero();
  }

  @Test
  void theListenersCountsAreInTheMetrics() throws Exception {
    routeTo(Map.of(), paged("paged-1"));
    assertThat(chat("hi").status()).isEqualTo(200);
    assertThat(new String(client.get(at("/metrics"), SOON).body(), UTF_8))
        .containsPattern("infini_router_connections [1-9]")
        .contains(
            "infini_router_buffered_bytes ",
            "infini_router_connections_refused_total 0.0",
            "infini_router_given_up_for_memory_total 0.0",
            "infini_router_stalled_clients_total 0.0");
  }

  @Test
  void anEmptyPoolFallsBackAndSaysSo() throws Exception {
    SimulatedInstance small = paged("paged-1");
    routeTo(Map.of("threshold", "100"), small);
    Client.Reply r = post(sized(3000));
    assertThat(r.status()).isEqualTo(200);
    assertThat(r.headers().get("x-infini-reason")).isEqualTo("empty-pool");
  }

  @Test
  void theTextMetricCountsDecodedUtf8Bytes() throws Exception {
    routeTo(Map.of("size_metric", "text", "threshold", "6"), paged("paged-1"), statics("static-1"));
    assertThat(chat("ä日a").headers().get("x-infini-size")).isEqualTo("6");
    Client.Reply parts =
        client.post(
            at(CHAT),
            Map.of(
                "model",
                "m",
                "messages",
                List.of(
                    Map.of(
                        "role",
                        "user",
                        "content",
                        List.of(
                            Map.of("type", "text", "text", "abc"),
                            Map.of("type", "text", "text", "defg"))))),
            SOON);
    assertThat(parts.headers().get("x-infini-size")).isEqualTo("7");
    assertThat(parts.headers().get("x-infini-pool")).isEqualTo("static");
  }

  @Test
  void oneKeyStaysAtOneInstanceAndOthersAlternate() throws Exception {
    routeTo(Map.of(), paged("a"), paged("b"));
    List<String> keyed = new ArrayList<>();
    List<String> plain = new ArrayList<>();
    for (int k = 0; k < 6; k++) {
      Map<String, Object> body = new HashMap<>(ask("hi"));
      body.put("prompt_cache_key", "conversation-1");
      keyed.add(client.post(at(CHAT), body, SOON).headers().get("x-infini-instance"));
      plain.add(chat("hi").headers().get("x-infini-instance"));
    }
    assertThat(keyed).containsOnly(keyed.getFirst());
    assertThat(plain.stream().filter("a"::equals).count()).isEqualTo(3);
  }

  @Test
  void aStreamArrivesEventByEventWithItsBytesUnchanged() throws Exception {
    SimulatedInstance i = paged("paged-1");
    routeTo(Map.of(), i);
    Map<String, Object> body = new HashMap<>(ask("hi"));
    body.put("stream", true);
    body.put("max_tokens", 5);
    String direct = stream(i.url().resolve(CHAT), body);
    String routed = stream(at(CHAT), body);
    assertThat(routed).endsWith("data: [DONE]\n\n");
    assertThat(normal(routed)).isEqualTo(normal(direct));
  }

  private static String normal(String stream) {
    return stream.replaceAll("\"id\":\"[^\"]*\"", "").replaceAll("\"created\":\\d+", "");
  }

  private String stream(URI to, Map<String, Object> body) throws Exception {
    StringBuilder all = new StringBuilder();
    client.stream(
        "POST",
        to,
        Headers.of("content-type", "application/json"),
        Json.bytes(body),
        SOON,
        new Client.Listener() {
          @Override
          public void head(int status, Headers headers) {
            assertThat(status).isEqualTo(200);
          }

          @Override
          public void piece(byte[] piece) {
            all.append(new String(piece, UTF_8));
          }
        });
    return all.toString();
  }

  @Test
  void aDeadInstanceIsPassedOverAndThenLeftAlone() throws Exception {
    SimulatedInstance dead = paged("a");
    SimulatedInstance alive = paged("b");
    routeTo(Map.of("max_errors", "2"), dead, alive);
    dead.stopListening();
    for (int k = 0; k < 8; k++) {
      Client.Reply r = chat("hi");
      assertThat(r.status()).isEqualTo(200);
      assertThat(r.headers().get("x-infini-instance")).isEqualTo("b");
    }
    await()
        .atMost(SOON)
        .until(() -> get("/health").path("healthy_services").asText().equals("1/2"));
    assertThat(chat("hi").headers().get("x-infini-attempts")).isEqualTo("1");
    dead.startListening();
    await()
        .atMost(SOON)
        .until(() -> get("/health").path("healthy_services").asText().equals("2/2"));
  }

  @Test
  void aCloseWithoutAnAnswerIsTriedElsewhere() throws Exception {
    SimulatedInstance bad = paged("a");
    routeTo(Map.of(), bad, paged("b"));
    bad.faults("close-before-head");
    for (int k = 0; k < 4; k++) {
      assertThat(chat("hi").status()).isEqualTo(200);
    }
    assertThat(bad.requests()).isPositive();
  }

  @Test
  void anAnswer503IsTriedElsewhereAndRelayedWhenThereIsNoOther() throws Exception {
    SimulatedInstance bad = paged("a");
    SimulatedInstance good = paged("b");
    routeTo(Map.of(), bad, good);
    bad.faults("status:code=503");
    for (int k = 0; k < 4; k++) {
      assertThat(chat("hi").status()).isEqualTo(200);
    }
    good.faults("status:code=503");
    assertThat(chat("hi").status()).isEqualTo(503);
  }

  @Test
  void aStreamThatBreaksEndsWithAnErrorEventAndNoLastChunk() throws Exception {
    SimulatedInstance i = paged("paged-1");
    routeTo(Map.of(), i);
    i.faults("reset:after=2");
    Map<String, Object> body = new HashMap<>(ask("hi"));
    body.put("stream", true);
    StringBuilder all = new StringBuilder();
    assertThatThrownBy(() ->
            client.stream(
                "POST",
                at(CHAT),
                Headers.NONE,
                Json.bytes(body),
                SOON,
                new Client.Listener() {
                  @Override
                  public void head(int status, Headers headers) {}

                  @Override
                  public void piece(byte[] piece) {
                    all.append(new String(piece, UTF_8));
                  }
                }))
        .isInstanceOf(IOException.class);
    assertThat(all.toString())
        .contains("\n\ndata: {\"error\":{\"code\":\"stream_interrupted\"")
        .endsWith("\n\n");
    assertThat(get("/decisions?limit=1").path("decisions").path(0).path("outcome").asText())
        .isEqualTo("upstream_gone");
  }

  @Test
  void aSilentInstanceIsOneTimeoutAndNeverTriedElsewhere() throws Exception {
    SimulatedInstance a = paged("a");
    SimulatedInstance b = paged("b");
    routeTo(Map.of("proxy_timeout", "1"), a, b);
    a.faults("hang-before-head");
    b.faults("hang-before-head");
    Client.Reply r = chat("hi");
    assertThat(r.status()).isEqualTo(504);
    assertThat(a.requests() + b.requests()).isEqualTo(1);
  }

  @Test
  void aClientThatGoesAwayCancelsTheInstancesWork() throws Exception {
    SimulatedInstance i = paged("paged-1");
    routeTo(Map.of(), i);
    i.faults("hang-before-head");
    try (Socket c = new Socket("127.0.0.1", router.port())) {
      byte[] body = Json.bytes(ask("hi"));
      OutputStream o = c.getOutputStream();
      o.write(
          ("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: "
                  + body.length
                  + "\r\n\r\n")
              .getBytes(UTF_8));
      o.write(body);
      o.flush();
      await().atMost(SOON).until(() -> i.running() == 1);
    }
    await().atMost(SOON).until(() -> i.running() == 0);
    await()
        .atMost(SOON)
        .until(() ->
            get("/decisions?limit=1")
                .path("decisions")
                .path(0)
                .path("outcome")
                .asText()
                .equals("client_gone"));
    assertThat(get("/services").path("services").path(0).path("in_flight").asInt()).isZero();
  }

  @Test
  void wrongRequestsGetOpenAiErrors() throws Exception {
    routeTo(Map.of("max_body_bytes", "1000"), paged("paged-1"));
    Client.Reply unknown = client.post(at(CHAT), Map.of("model", "other"), SOON);
    assertThat(unknown.status()).isEqualTo(404);
    assertThat(error(unknown)).isEqualTo("model_not_found");
    assertThat(unknown.headers().get("x-should-retry")).isEqualTo("false");
    assertThat(new String(unknown.body(), UTF_8))
        .contains("No healthy services available for model 'other'")
        .contains("on offer: m");
    assertThat(error(post("nope".getBytes(UTF_8)))).isEqualTo("invalid_json");
    assertThat(error(post("{\"messages\":".getBytes(UTF_8)))).isEqualTo("invalid_json");
    assertThat(error(post("{\"model\":3}".getBytes(UTF_8)))).isEqualTo("invalid_model");
    assertThat(error(post("{\"model\":\"m\",\"model\":\"n\"}".getBytes(UTF_8))))
        .isEqualTo("invalid_model");
    Client.Reply large = post(sized(1001));
    assertThat(large.status()).isEqualTo(413);
    assertThat(large.headers().get("x-request-id")).isNotBlank();
    assertThat(chat("still works").status()).isEqualTo(200);
  }

  @Test
  void aModelThatIsNotKnownYetMayBeAskedForAgain() throws Exception {
    SimulatedInstance i = paged("paged-1");
    i.stopListening();
    route(Map.of(), i.url() + ",name=paged-1");
    Client.Reply early = chat("hi");
    assertThat(early.status()).isEqualTo(503);
    assertThat(early.headers().get("x-should-retry")).isNull();
    assertThat(early.headers().get("retry-after")).isEqualTo("1");
    assertThat(get("/health").path("healthy_services").asText()).startsWith("0/");
    i.startListening();
    await().atMost(SOON).until(() -> chat("hi").status() == 200);
  }

  @Test
  void aBodyWithoutAModelIsServedWhenThereIsOne() throws Exception {
    SimulatedInstance i = paged("paged-1");
    routeTo(Map.of(), i);
    Client.Reply r =
        client.post(
            at(CHAT), Map.of("messages", List.of(Map.of("role", "user", "content", "x"))), SOON);
    assertThat(r.status()).isEqualTo(200);
    SimulatedInstance two = add(SimulatedInstance.start(Options.paged("other", "m2").speed(0)));
    router.close();
    routeTo(Map.of(), i, two);
    r =
        client.post(
            at(CHAT), Map.of("messages", List.of(Map.of("role", "user", "content", "x"))), SOON);
    assertThat(r.status()).isEqualTo(400);
    assertThat(new String(r.body(), UTF_8)).contains("m, m2");
  }

  @Test
  void headersPassEndToEndAndNoFurther() throws Exception {
    SimulatedInstance i = paged("paged-1");
    routeTo(Map.of(), i);
    client.send(
        "POST",
        at(CHAT + "?x=%2e%2e&y=1"),
        Headers.of("authorization", "Bearer mine")
            .with("connection", "x-hop")
            .with("x-hop", "1")
            .with("te", "trailers")
            .with("x-request-id", "given-1")
            .with("x-custom", "kept"),
        Json.bytes(ask("hi")),
        SOON);
    SimulatedInstance.Seen seen = i.lastRequest();
    assertThat(seen.target()).isEqualTo(CHAT + "?x=%2e%2e&y=1");
    assertThat(seen.headers().get("authorization")).isEqualTo("Bearer mine");
    assertThat(seen.headers().get("x-request-id")).isEqualTo("given-1");
    assertThat(seen.headers().get("x-custom")).isEqualTo("kept");
    assertThat(seen.headers().get("host")).isEqualTo("127.0.0.1:" + i.port());
    assertThat(seen.headers().get("te")).isNull();
    assertThat(seen.headers().get("x-forwarded-for")).isEqualTo("127.0.0.1");
  }

  @Test
  void anInstancesOwnKeyReplacesTheClients() throws Exception {
    SimulatedInstance i = paged("paged-1");
    route(Map.of(), i.url() + ",name=paged-1,api_key_env=KEY");
    await().atMost(SOON).until(() -> modelsKnown("paged-1"));
    client.send(
        "POST", at(CHAT), Headers.of("authorization", "Bearer mine"), Json.bytes(ask("x")), SOON);
    assertThat(i.lastRequest().headers().get("authorization")).isEqualTo("Bearer sk-secret");
  }

  @Test
  void ownRoutesKeepTheirContract() throws Exception {
    routeTo(Map.of(), paged("paged-1"));
    assertThat(new String(client.get(at("/models"), SOON).body(), UTF_8))
        .startsWith("{\"data\":[{")
        .contains("\"id\":\"m\"");
    assertThat(client.get(at("/v1/models"), SOON).body())
        .isEqualTo(client.get(at("/models"), SOON).body());
    assertThat(get("/v1/models/m").path("id").asText()).isEqualTo("m");
    assertThat(get("/health").path("status").asText()).isEqualTo("healthy");
    assertThat(get("/stats").path("healthy_services").asInt()).isEqualTo(1);
    assertThat(client.get(at("/readyz"), SOON).status()).isEqualTo(200);
    Client.Reply wrong = client.send("OPTIONS", at("/health"), Headers.NONE, new byte[0], SOON);
    assertThat(wrong.status()).isEqualTo(405);
    assertThat(wrong.headers().get("allow")).isEqualTo("GET,HEAD");
    chat("hi");
    // counted when it is over, which its client may know before
    await()
        .atMost(SOON)
        .untilAsserted(() ->
            assertThat(new String(client.get(at("/metrics"), SOON).body(), UTF_8))
                .contains(
                    "infini_router_requests_total{instance=\"paged-1\",model=\"m\",outcome=\"ok\",pool=\"paged\",reason=\"size\"} 1.0"));
  }

  @Test
  void oneConnectionCarriesManyRequestsAndHeldOnesWait() throws Exception {
    routeTo(Map.of(), paged("paged-1"));
    byte[] body = Json.bytes(ask("hi"));
    String head =
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: " + body.length + "\r\n";
    try (Socket c = new Socket("127.0.0.1", router.port())) {
      OutputStream o = c.getOutputStream();
      for (int k = 0; k < 3; k++) {
        o.write((head + (k == 2 ? "Connection: close\r\n" : "") + "\r\n").getBytes(UTF_8));
        o.write(body);
      }
      o.flush();
      try (InputStream in = c.getInputStream()) {
        String all = new String(in.readAllBytes(), UTF_8);
        assertThat(all.split("HTTP/1.1 200 OK", -1)).hasSize(4);
      }
    }
  }

  @Test
  void smuggledAndOddRequestsAreRefused() throws Exception {
    SimulatedInstance i = paged("paged-1");
    routeTo(Map.of(), i);
    long before = i.requests();
    for (String request :
        List.of(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n")) {
      assertThat(raw(request)).as(request).startsWith("HTTP/1.1 400 ");
    }
    assertThat(raw("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n")).startsWith("HTTP/1.1 501 ");
    assertThat(
            raw(
                "GET /v1/x HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"))
        .startsWith("HTTP/1.1 501 ");
    assertThat(i.requests()).isEqualTo(before);
    assertThat(get("/health").path("healthy_services").asText()).isEqualTo("1/1");
  }

  private String raw(String request) throws IOException {
    try (Socket c = new Socket("127.0.0.1", router.port())) {
      c.setSoTimeout(20_000);
      c.getOutputStream().write(request.getBytes(UTF_8));
      c.shutdownOutput();
      try (InputStream in = c.getInputStream()) {
        return new String(in.readAllBytes(), UTF_8);
      }
    }
  }
}
