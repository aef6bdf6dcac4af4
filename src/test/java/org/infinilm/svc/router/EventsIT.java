package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The stream that the page and `top` read, and what the page may do.
class EventsIT {
  private static final String USAGE =
      "data: {\"choices\":[{}]}\n\ndata: {\"choices\":[{}]}\n\n"
          + "data: {\"usage\":{\"prompt_tokens\":70,\"completion_tokens\":9,"
          + "\"prompt_tokens_details\":{\"cached_tokens\":30}}}\n\ndata: [DONE]\n\n";

  private Rig rig;

  @BeforeEach
  void open() throws Exception {
    rig = new Rig();
  }

  @AfterEach
  void close() throws Exception {
    rig.close();
  }

  /// One who listens to `/events`.
  private static final class Listener implements Closeable {
    final Socket socket;
    final BufferedReader in;

    Listener(Socket socket, String fields) throws IOException {
      this.socket = socket;
      socket
          .getOutputStream()
          .write(("GET /events HTTP/1.1\r\n" + fields + "\r\n").getBytes(ISO_8859_1));
      in = new BufferedReader(new InputStreamReader(socket.getInputStream(), UTF_8));
    }

    /// The data of the next event of this name that fits; those of others are passed over.
    JsonNode next(String name, Predicate<JsonNode> fits) throws IOException {
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        if (line.equals("event: " + name)) {
          String data = in.readLine();
          JsonNode n = Json.tree(data.substring("data: ".length()).getBytes(UTF_8));
          if (fits.test(n)) {
            return n;
          }
        }
      }
      throw new IOException("the stream ended before such a " + name);
    }

    JsonNode next(String name) throws IOException {
      return next(name, n -> true);
    }

    @Override
    public void close() throws IOException {
      socket.close();
    }
  }

  private Listener listen(String fields) throws IOException {
    return new Listener(rig.connect(), fields);
  }

  private Listener listen() throws IOException {
    return listen("Host: localhost\r\n");
  }

  private static JsonNode named(JsonNode list, String field, String value) {
    for (JsonNode n : list) {
      if (n.path(field).asText().equals(value)) {
        return n;
      }
    }
    return com.fasterxml.jackson.databind.node.MissingNode.getInstance();
  }

  @Test
  void aListenerIsToldEverythingAndThenWhatChanges() throws Exception {
    rig.listed(
        new ScriptedInstance(
            "p",
            ScriptedInstance.answering(
                (r, n) -> Rig.answer(200, "Content-Type: text/event-stream\r\n", USAGE))),
        Map.of("cache_type", "paged"));
    rig.listed(
        new ScriptedInstance("s", ScriptedInstance.answering((r, n) -> Rig.OK)),
        Map.of("cache_type", "static"));
    rig.start("threshold=200", "aliases=short=m");
    rig.send(Rig.post(Rig.CHAT, "X-Request-Id: before\r\n", Rig.BODY));
    rig.decision("before");
    try (Listener l = listen()) {
      JsonNode first = l.next("snapshot");
      assertThat(first.path("summary").path("status").asText()).isEqualTo("serving");
      assertThat(first.path("router").path("threshold").asLong()).isEqualTo(200);
      assertThat(named(first.path("instances"), "name", "p").path("pool").asText())
          .isEqualTo("paged");
      assertThat(named(first.path("decisions"), "request_id", "before").path("instance").asText())
          .isEqualTo("p");
      assertThat(first.path("models").path(0).path("aliases").path(0).asText()).isEqualTo("short");
      assertThat(named(first.path("events"), "state", "routable").isMissingNode()).isFalse();
      JsonNode pool = named(first.path("pools"), "pool", "static");
      assertThat(pool.path("ttft_p50").isNull()).as("unknown is null, never zero").isTrue();
      assertThat(pool.path("requests_per_second").isNull()).isTrue();

      l.next("tick");
      String large = Rig.BODY.replace("[]", "[{\"content\":\"" + "x".repeat(300) + "\"}]");
      rig.send(Rig.post(Rig.CHAT, "X-Request-Id: large\r\n", large));
      rig.send(Rig.post(Rig.CHAT, "X-Request-Id: small\r\n", Rig.STREAM));
      JsonNode tick =
          l.next("tick", n -> !named(n.path("decisions"), "request_id", "small").isMissingNode());
      JsonNode small = named(tick.path("decisions"), "request_id", "small");
      assertThat(small.path("prompt_tokens").asLong()).isEqualTo(70);
      assertThat(small.path("completion_tokens").asLong()).isEqualTo(9);
      assertThat(small.path("cached_tokens").asLong()).isEqualTo(30);
      JsonNode statics =
          l.next(
                  "tick",
                  n ->
                      named(n.path("pools"), "pool", "static").path("requests_total").asLong() == 1)
              .path("pools");
      assertThat(named(statics, "pool", "static").path("ttft_p95").asDouble()).isPositive();
      assertThat(named(statics, "pool", "paged").path("tokens_total").path("cached").asLong())
          .isEqualTo(60);
    }
    assertThat(rig.text("/metrics"))
        .contains(
            "infini_router_tokens_total{instance=\"p\",kind=\"prompt\",model=\"m\",pool=\"paged\"} 140.0")
        .contains("infini_router_ttft_seconds_count{instance=\"s\",model=\"m\",pool=\"static\"} 1")
        .contains("infini_router_threshold_bytes{model=\"m\",source=\"configured\"} 200.0");
  }

  @Test
  void kvUseAndRestartsOfInstancesAreToldWhereTheyAreKnown() throws Exception {
    String gauges = "vllm:num_requests_running 1\nvllm:kv_cache_usage_perc{engine=\"0\"} 0.425\n";
    rig.listed(
        new ScriptedInstance(
            "p",
            ScriptedInstance.answering(
                (r, n) -> r.startsWith("GET /metrics ") ? Rig.answer(200, "", gauges) : Rig.OK)),
        Map.of("restarts", 3));
    rig.good("unknown");
    rig.start();
    assertThat(rig.instances.getFirst().seen)
        .as("nobody looks")
        .noneMatch(r -> r.contains("/metrics"));
    try (Listener l = listen()) {
      assertThat(named(l.next("snapshot").path("instances"), "name", "p").path("restarts").asInt())
          .isEqualTo(3);
      JsonNode now =
          l.next("tick", n -> named(n.path("instances"), "name", "p").has("kv_cache_usage"));
      assertThat(named(now.path("instances"), "name", "p").path("kv_cache_usage").asDouble())
          .isEqualTo(0.425);
    }
    try (Listener l = listen()) {
      JsonNode other = named(l.next("snapshot").path("instances"), "name", "unknown");
      assertThat(other.path("kv_cache_usage").isNull()).isTrue();
      assertThat(other.path("restarts").isNull()).isTrue();
    }
  }

  @Test
  void requestsInFlightAreToldByStage() throws Exception {
    rig.instance(
        "a",
        (self, t) -> {
          t.head();
          t.hang();
        });
    rig.start();
    try (Listener l = listen()) {
      Socket client = rig.connect();
      l.next("snapshot");
      client
          .getOutputStream()
          .write(Rig.post(Rig.CHAT, "X-Request-Id: waits\r\n", Rig.BODY).getBytes(ISO_8859_1));
      JsonNode t = l.next("tick", n -> n.path("flights").path("prefill").asInt() == 1);
      JsonNode one = t.path("flights").path("oldest").path(0);
      assertThat(one.path("request_id").asText()).isEqualTo("waits");
      assertThat(one.path("stage").asText()).isEqualTo("prefill");
      assertThat(one.path("instance").asText()).isEqualTo("a");
      client.close();
      l.next("tick", n -> n.path("flights").path("prefill").asInt() == 0);
    }
  }

  @Test
  void onlySoManyListenAndTheNextIsToldSo() throws Exception {
    rig.good("a");
    rig.start();
    List<Listener> all = new ArrayList<>();
    for (int k = 0; k < EventFeed.MOST_LISTENERS; k++) {
      Listener l = listen();
      all.add(l);
      l.next("snapshot");
    }
    Said more = rig.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assertThat(more.status()).isEqualTo(503);
    assertThat(more.body()).contains("too_many_listeners");
    for (Listener l : all) {
      l.close();
    }
    await()
        .atMost(Rig.SOON)
        .untilAsserted(() -> {
          try (Listener l = listen()) {
            l.next("snapshot");
          }
        });
  }

  @Test
  void aRouterThatEndsDoesNotWaitForListeners() throws Exception {
    rig.good("a");
    rig.start("lame_duck=0", "drain_timeout=600");
    try (Listener l = listen()) {
      l.next("snapshot");
      rig.router().drain();
      for (String line = l.in.readLine(); line != null && !line.equals("0"); ) {
        line = l.in.readLine();
      }
    }
  }

  @Test
  void drainingOverHttpTakesAnInstanceOutAndUndrainingBringsItBack() throws Exception {
    rig.good("a");
    rig.good("b");
    rig.start();
    try (Listener l = listen()) {
      l.next("snapshot");
      assertThat(action("a/drain", "").status()).isEqualTo(202);
      JsonNode t =
          l.next(
              "tick",
              n ->
                  named(n.path("instances"), "name", "a")
                      .path("state")
                      .asText()
                      .equals("draining"));
      assertThat(named(t.path("instances"), "name", "a").path("why_out").asText())
          .isEqualTo("it was drained at this router");
      assertThat(named(t.path("events"), "state", "draining").path("instance").asText())
          .isEqualTo("a");
      for (int k = 0; k < 4; k++) {
        assertThat(rig.chat().field("x-infini-instance")).isEqualTo("b");
      }
      assertThat(action("a/undrain", "").status()).isEqualTo(202);
      l.next(
          "tick",
          n -> named(n.path("instances"), "name", "a").path("state").asText().equals("routable"));
    }
    assertThat(action("nobody/drain", "").status()).isEqualTo(404);
  }

  private Said action(String what, String fields) throws IOException {
    return rig.send(
        "POST /admin/instances/"
            + what
            + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            + fields
            + "Content-Length: 2\r\n\r\n{}");
  }

  private Said get(String path, String fields) throws IOException {
    return rig.send("GET " + path + " HTTP/1.1\r\n" + fields + "\r\n");
  }

  /// DNS rebinding: a page of evil.example whose name leads to 127.0.0.1.
  @Test
  void underAStrangeHostNothingIsShownAndTheAnswerSaysWhy() throws Exception {
    rig.good("a");
    rig.start("ui_hosts=gateway.example,Ui2.Example.,fe80::1%eth9,[2001:DB8:0:0::7]");
    for (String path : List.of("/ui", "/events", "/decisions")) {
      Said no = get(path, "Host: evil.example:8000\r\n");
      assertThat(no.status()).as(path).isEqualTo(403);
      assertThat(no.body()).contains("evil.example").contains("ui_hosts");
    }
    for (String host :
        List.of(
            "127.0.0.1:1",
            "localhost",
            "localhost.:8000",
            "[::1]:8000",
            "[0:0:0:0:0:0:0:1]",
            "gateway.example",
            "gateway.example.",
            "ui2.example",
            "UI2.example.:8000",
            "[fe80::1]:8000",
            "[2001:db8::7]")) {
      assertThat(get("/ui", "Host: " + host + "\r\n").status()).as(host).isEqualTo(200);
      assertThat(get("/decisions", "Host: " + host + "\r\n").status()).as(host).isEqualTo(200);
    }
    assertThat(get("/decisions", "Host: localhost\r\nX-Forwarded-For: 192.0.2.7\r\n").status())
        .as("a proxy on this machine speaks for others")
        .isEqualTo(403);
  }

  /// As nginx, HAProxy and others send them on, by default or with what is most often added.
  @ParameterizedTest
  @ValueSource(
      strings = {
        "HTTP/1.0\r\nHost: 127.0.0.1:8000\r\nConnection: close\r\n",
        "HTTP/1.1\r\nHost: 203.0.113.5\r\n",
        "HTTP/1.1\r\nHost: [2001:db8::5]:80\r\n",
        "HTTP/1.1\r\nHost: 0.0.0.0:8000\r\n",
        "HTTP/1.1\r\nHost: router.example\r\n",
        "HTTP/1.1\r\nHost: localhost\r\nX-Real-IP: 203.0.113.7\r\n",
        "HTTP/1.1\r\nHost: localhost\r\nVia: 1.1 front\r\n",
        "HTTP/1.1\r\nHost: localhost\r\nForwarded: for=203.0.113.7\r\n",
        "HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Proto: https\r\n",
        "HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Host: router.example\r\n"
      })
  void whoComesThroughAProxyBesideTheRouterIsNotOnThisMachine(String rest) throws Exception {
    rig.good("a");
    rig.start();
    for (String path : List.of("/events", "/decisions", "/whatif")) {
      assertThat(rig.send("GET " + path + " " + rest + "\r\n").status()).as(path).isEqualTo(403);
    }
    assertThat(rig.send("GET /v1/models " + rest + "\r\n").status()).isEqualTo(200);
  }

  @Test
  void whereLoopbackNeedsTheTokenNothingIsShownWithoutIt() throws Exception {
    rig.good("a");
    rig.start("admin_token=secret", "loopback_needs_token=true");
    for (String path : List.of("/events", "/decisions", "/whatif")) {
      assertThat(get(path, "Host: localhost\r\n").status()).as(path).isEqualTo(401);
    }
    assertThat(get("/decisions", "Host: localhost\r\nAuthorization: Bearer secret\r\n").status())
        .isEqualTo(200);
    assertThat(get("/ui", "Host: localhost\r\n").status()).as("it holds no data").isEqualTo(200);
  }

  @Test
  void pagesOfOtherOriginsNeitherReadNorActWhateverCorsAllows() throws Exception {
    rig.good("a");
    rig.start("cors_origins=*");
    String foreign = "Host: localhost\r\nOrigin: https://evil.example\r\n";
    assertThat(get("/decisions", foreign).status()).isEqualTo(403);
    assertThat(get("/events", foreign).status()).isEqualTo(403);
    assertThat(action("a/drain", "Origin: https://evil.example\r\n").status()).isEqualTo(403);
    assertThat(action("a/drain", "Sec-Fetch-Site: cross-site\r\n").status()).isEqualTo(403);
    Said form =
        rig.send(
            Rig.post("/admin/instances/a/drain", "Content-Type: text/plain\r\n", "")
                .replace("router.example", "localhost"));
    assertThat(form.status()).as("what a form can send").isEqualTo(415);
    assertThat(get("/admin/instances/a/drain", "Host: localhost\r\n").status()).isEqualTo(405);
    assertThat(action("a/drain", "Origin: http://localhost\r\n").status()).isEqualTo(202);
  }

  @Test
  void whereThereIsATokenActionsNeedItOnThisMachineToo() throws Exception {
    rig.good("a");
    rig.start("admin_token=secret");
    assertThat(action("a/drain", "").status()).isEqualTo(401);
    assertThat(action("a/drain", "Authorization: Bearer wrong\r\n").status()).isEqualTo(401);
    assertThat(action("a/drain", "Authorization: Bearer secret\r\n").status()).isEqualTo(202);
    try (Listener l =
        listen(
            "Host: some.name\r\nX-Forwarded-For: 192.0.2.1\r\nAuthorization: Bearer secret\r\n")) {
      l.next("snapshot");
    }
    assertThat(get("/events", "Host: some.name\r\nX-Forwarded-For: 192.0.2.1\r\n").status())
        .isEqualTo(401);
  }

  @Test
  void thePageAndAllThatItNamesAreServedWithAStrictPolicy() throws Exception {
    rig.good("a");
    rig.start();
    Said page = get("/ui", "Host: localhost\r\n");
    assertThat(page.status()).isEqualTo(200);
    assertThat(page.field("content-security-policy")).contains("default-src 'none'");
    assertThat(page.body()).doesNotContain("http://").doesNotContain("https://");
    var names =
        java.util.regex.Pattern.compile("(?:href|src)=\"(ui/[^\"]+)\"").matcher(page.body());
    List<String> files = new ArrayList<>();
    names.results().forEach(m -> files.add("/" + m.group(1)));
    assertThat(files).contains("/ui/main.js", "/ui/page.css", "/ui/uplot.css");
    for (int k = 0; k < files.size(); k++) {
      Said file = get(files.get(k), "Host: localhost\r\n");
      assertThat(file.status()).as(files.get(k)).isEqualTo(200);
      if (files.get(k).endsWith(".js")) {
        var imports =
            java.util.regex.Pattern.compile("from '\\./([a-z]+\\.js)'").matcher(file.body());
        imports
            .results()
            .map(m -> "/ui/" + m.group(1))
            .filter(f -> !files.contains(f))
            .forEach(files::add);
      }
    }
    assertThat(files).contains("/ui/uplot.js", "/ui/drawer.js");
    assertThat(get("/ui/", "Host: localhost\r\n").field("location")).isEqualTo("../ui");
    assertThat(get("/ui/none.js", "Host: localhost\r\n").status()).isEqualTo(404);
    Said again = get("/ui", "Host: localhost\r\nIf-None-Match: " + page.field("etag") + "\r\n");
    assertThat(again.status()).isEqualTo(304);
  }

  @Test
  void aDecisionIsFoundByItsRequestId() throws Exception {
    rig.good("a");
    Router r = rig.start(Ticker.SYSTEM, List.of());
    assertThat(r.port()).isPositive();
    rig.send(Rig.post(Rig.CHAT, "X-Request-Id: mine\r\n", Rig.BODY));
    rig.chat();
    JsonNode found = rig.get("/decisions?request_id=mine").path("decisions");
    assertThat(found).hasSize(1);
    assertThat(found.path(0).path("candidates").path(0).path("why").asText()).isEqualTo("chosen");
    assertThat(rig.get("/decisions?request_id=other").path("decisions")).isEmpty();
  }
}
