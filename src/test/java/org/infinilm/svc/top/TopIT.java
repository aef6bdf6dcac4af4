package org.infinilm.svc.top;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.time.Duration;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Request;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;
import org.infinilm.svc.telemetry.Ticker;
import org.jline.terminal.Size;
import org.jline.terminal.Sized;
import org.jline.terminal.impl.LineDisciplineTerminal;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// `infini top` against a server that tells what a router tells.
class TopIT {
  private static final Duration SOON = Duration.ofSeconds(30);

  private final List<String> actions = new CopyOnWriteArrayList<>();
  private final CountDownLatch over = new CountDownLatch(1);
  private Server server;
  private volatile String token = "";

  @BeforeEach
  void open() throws Exception {
    server = Server.start(Server.Options.at("127.0.0.1", 0), this::answer);
  }

  @AfterEach
  void close() {
    over.countDown();
    server.close();
  }

  private Response answer(Request r) {
    if (!token.isEmpty() && !("Bearer " + token).equals(r.headers().get("authorization"))) {
      return Response.json(401, Map.of("error", Map.of("message", "the admin token is wanted")));
    }
    if (r.method().equals("POST")) {
      actions.add(r.path());
      return Response.json(202, Map.of());
    }
    if (r.path().equals("/decisions")) {
      return Response.json(
          200,
          Map.of(
              "decisions",
              r.query("request_id").equals(List.of("mine"))
                  ? List.of(Told.explained())
                  : List.of()));
    }
    if (r.path().equals("/history")) {
      return Response.json(200, Map.of("on", true));
    }
    List<Map<String, Object>> two =
        List.of(
            Told.instance("a b", "paged", "routable", 0.5),
            Told.instance("b", "static", "routable", 2));
    return Response.stream(
        200,
        Headers.of("content-type", "text/event-stream"),
        sink -> {
          byte[] first = Told.event("snapshot", Told.data(true, null, two));
          sink.write(java.util.Arrays.copyOf(first, 100));
          sink.write(java.util.Arrays.copyOfRange(first, 100, first.length));
          for (int k = 0; k < 2000; k++) {
            sink.write(Told.event("tick", Told.data(false, 2.0 + k, List.of())));
            if (over.await(20, TimeUnit.MILLISECONDS)) {
              return;
            }
          }
        });
  }

  private String url() {
    return "http://127.0.0.1:" + server.port();
  }

  private record Ended(int code, String out, String err) {}

  private static Ended run(String url, Map<String, String> flags) throws Exception {
    return run(TopProgram.PROGRAM, url, flags);
  }

  private static Ended run(Program p, String argument, Map<String, String> flags) throws Exception {
    PrintStream out = System.out;
    PrintStream err = System.err;
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    ByteArrayOutputStream complained = new ByteArrayOutputStream();
    System.setOut(new PrintStream(said, true, UTF_8));
    System.setErr(new PrintStream(complained, true, UTF_8));
    try {
      Config config = Config.resolve(p.keys(), flags, Map.of(), null);
      int code = p.run().run(new Program.Args(config, flags, List.of(argument), Map.of()));
      return new Ended(code, said.toString(UTF_8), complained.toString(UTF_8));
    } finally {
      System.setOut(out);
      System.setErr(err);
    }
  }

  @Test
  void onceIsAReportWithRates() throws Exception {
    Ended e = run(url() + "/ui", Map.of("once", "true"));
    assertThat(e.code()).isZero();
    assertThat(e.out()).contains("Serving: 1 of 2 in service").contains("2.0/s").contains("a b");
    assertThat(e.out()).as("for pipes").doesNotContain("\u001b");
  }

  @Test
  void onceAsJsonIsOneDocument() throws Exception {
    Ended e = run(url(), Map.of("once", "true", "json", "true"));
    JsonNode n = Json.tree(e.out().getBytes(UTF_8));
    assertThat(n.path("instances")).hasSize(2);
    assertThat(n.path("pools").path(0).path("requests_per_second").asDouble()).isEqualTo(2.0);
    assertThat(n.path("decisions").path(0).path("sequence").asLong()).isEqualTo(8);
    assertThat(n.path("router").path("policy").asText()).isEqualTo("cache-type");
  }

  @Test
  void explainTellsOneDecisionInWords() throws Exception {
    Ended e = run(ExplainProgram.PROGRAM, "mine", Map.of("url", url()));
    assertThat(e.code()).isZero();
    assertThat(e.out())
        .contains("60174 (body), above the threshold of 51200")
        .contains("s, pool static, reason size, attempt 2, after t")
        .contains("in line 1.00 s, to the first token 2.00 s, answer 1.00 s, in all 4.00 s")
        .contains("[............========================------------]")
        .contains("p (paged, holds 1000 tokens): other pool")
        .contains("prompt 70 (cached -), answer 9");
    Ended none = run(ExplainProgram.PROGRAM, "other", Map.of("url", url()));
    assertThat(none.code()).isEqualTo(1);
    assertThat(none.err()).contains("does not remember other: neither among its last requests nor");
  }

  @Test
  void whoIsRefusedOrFindsNobodyIsToldWhyAndGetsOne() throws Exception {
    token = "secret";
    Ended refused = run(url(), Map.of("once", "true"));
    assertThat(refused.code()).isEqualTo(1);
    assertThat(refused.err()).contains("the admin token is wanted");
    assertThat(run(url(), Map.of("once", "true", "admin_token", "secret")).code()).isZero();
    String nobody = url();
    server.close();
    for (Map<String, String> how : List.of(Map.of("once", "true"), Map.of("json", "true"))) {
      Ended gone = run(nobody, how);
      assertThat(gone.code()).isEqualTo(1);
      assertThat(gone.err()).startsWith("infini top: " + nobody + ": ").contains("refused");
      assertThat(gone.out()).isEmpty();
    }
  }

  @Test
  void whatIsNoRouterOrSpeaksNoTlsIsNamed() throws Exception {
    try (Server other =
        Server.start(
            Server.Options.at("127.0.0.1", 0),
            r -> Response.json(404, Map.of("error", Map.of("message", "no such path"))))) {
      Ended e = run("http://127.0.0.1:" + other.port(), Map.of("once", "true"));
      assertThat(e.code()).isEqualTo(1);
      assertThat(e.err()).contains("/events: 404 no such path (expected: the address of a router)");
    }
    Ended tls = run(url().replace("http:", "https:"), Map.of("once", "true"));
    assertThat(tls.code()).isEqualTo(1);
    assertThat(tls.err()).contains("no TLS there (its URL says https)");
  }

  private IOException failure(String type, Size size, String at) throws Exception {
    ByteArrayOutputStream drawn = new ByteArrayOutputStream();
    try (Client client = Client.create();
        LineDisciplineTerminal t = new LineDisciplineTerminal("t", type, drawn, UTF_8)) {
      t.setSize((Sized) size);
      Feed feed = new Feed(client, java.net.URI.create(at), null, Ticker.SYSTEM);
      Screen screen = new Screen(at, true, ZoneOffset.UTC);
      Live live = new Live(feed, screen, Map.of("NO_COLOR", "1"), Ticker.SYSTEM);
      return org.junit.jupiter.api.Assertions.assertThrows(IOException.class, () -> live.run(t));
    }
  }

  @Test
  void aTerminalThatCannotBeDrawnOnAndARouterThatNeverWasThereEndIt() throws Exception {
    assertThat(failure("dumb", Size.of(80, 24), url()))
        .hasMessage(
            "the terminal 'dumb' cannot be drawn on (expected: another TERM, as xterm-256color, or --once)");
    token = "secret";
    assertThat(failure("xterm", Size.of(80, 24), url())).hasMessage("the admin token is wanted");
    String nobody = url();
    server.close();
    assertThat(failure("xterm", Size.of(80, 24), nobody)).hasMessageContaining("refused");
  }

  @Test
  void aTerminalThatIsTooSmallSaysSoUntilItIsLarger() throws Exception {
    ByteArrayOutputStream drawn = new ByteArrayOutputStream();
    try (Client client = Client.create();
        LineDisciplineTerminal t = new LineDisciplineTerminal("t", "xterm", drawn, UTF_8)) {
      t.setSize((Sized) Size.of(70, 5));
      Feed feed = new Feed(client, java.net.URI.create(url()), null, Ticker.SYSTEM);
      Live live =
          new Live(
              feed,
              new Screen(url(), true, ZoneOffset.UTC),
              Map.of("NO_COLOR", "1"),
              Ticker.SYSTEM);
      AtomicInteger code = new AtomicInteger(-1);
      Thread view =
          Thread.ofPlatform()
              .start(() -> {
                try {
                  code.set(live.run(t));
                } catch (IOException | InterruptedException e) {
                  code.set(-2);
                }
              });
      await()
          .atMost(SOON)
          .until(() ->
              drawn.toString(UTF_8).contains("70 x 5 is too small (expected: 40 x 8 or more)"));
      t.setSize((Sized) Size.of(80, 24));
      await().atMost(SOON).until(() -> drawn.toString(UTF_8).contains("Serving: 1 of 2"));
      type(t, "q");
      view.join(SOON);
      assertThat(code).hasValue(0);
    }
  }

  @Test
  void keysOfATerminalSortFilterAndDrainAndItIsLeftAsItWas() throws Exception {
    ByteArrayOutputStream drawn = new ByteArrayOutputStream();
    try (Client client = Client.create();
        LineDisciplineTerminal t = new LineDisciplineTerminal("t", "xterm", drawn, UTF_8)) {
      t.setSize((Sized) Size.of(80, 24));
      var before = t.getAttributes().toString();
      Feed feed = new Feed(client, java.net.URI.create(url()), null, Ticker.SYSTEM);
      Screen screen = new Screen(url(), true, ZoneOffset.UTC);
      AtomicInteger code = new AtomicInteger(-1);
      Thread view =
          Thread.ofPlatform()
              .start(() -> {
                try {
                  code.set(new Live(feed, screen, Map.of("NO_COLOR", "1"), Ticker.SYSTEM).run(t));
                } catch (IOException | InterruptedException e) {
                  code.set(-2);
                }
              });
      await().atMost(SOON).until(() -> drawn.toString(UTF_8).contains("Serving: 1 of 2"));
      assertThat(drawn.toString(UTF_8)).as("NO_COLOR").doesNotContain("\u001b[32m");
      type(t, "Dn");
      type(t, "jDy");
      await()
          .atMost(SOON)
          .untilAsserted(() -> assertThat(actions).containsExactly("/admin/instances/b/drain"));
      t.setSize((Sized) Size.of(60, 12));
      type(t, "/a b\rDy");
      await()
          .atMost(SOON)
          .untilAsserted(
              () -> assertThat(actions).last().isEqualTo("/admin/instances/a%20b/drain"));
      type(t, "sq");
      view.join(SOON);
      assertThat(code).hasValue(0);
      assertThat(t.getAttributes()).hasToString(before);
    }
  }

  /// It said how old its data was and not why.
  @Test
  void aRouterThatGoesAwayIsToldWithTheReason() throws Exception {
    ByteArrayOutputStream drawn = new ByteArrayOutputStream();
    try (Client client = Client.create();
        LineDisciplineTerminal t = new LineDisciplineTerminal("t", "xterm", drawn, UTF_8)) {
      t.setSize((Sized) Size.of(80, 24));
      Feed feed = new Feed(client, java.net.URI.create(url()), null, Ticker.SYSTEM);
      Screen screen = new Screen(url(), true, ZoneOffset.UTC);
      Thread view =
          Thread.ofPlatform()
              .start(() -> {
                try {
                  new Live(feed, screen, Map.of("NO_COLOR", "1"), Ticker.SYSTEM).run(t);
                } catch (IOException | InterruptedException e) {
                  Thread.currentThread().interrupt();
                }
              });
      await().atMost(SOON).until(() -> drawn.toString(UTF_8).contains("Serving: 1 of 2"));
      over.countDown();
      server.close();
      AtomicInteger width = new AtomicInteger(80);
      await()
          .atMost(SOON)
          .pollInterval(Duration.ofSeconds(1))
          .until(() -> {
            // another size has all of it drawn, not what differs
            t.setSize((Sized) Size.of(80 + width.getAndIncrement() % 2, 24));
            return drawn.toString(UTF_8).contains("refused");
          });
      type(t, "q");
      view.join(SOON);
      assertThat(view.isAlive()).isFalse();
    }
  }

  @Test
  void anAnswerThatIsNoJsonIsOneLine() throws Exception {
    try (Server other =
        Server.start(
            Server.Options.at("127.0.0.1", 0),
            r -> Response.text(400, "text/plain", "This port speaks TLS\n"))) {
      Ended e = run("http://127.0.0.1:" + other.port(), Map.of("once", "true"));
      assertThat(e.err().strip()).endsWith("/events: 400 This port speaks TLS");
    }
  }

  private static void type(LineDisciplineTerminal t, String keys) throws IOException {
    for (byte b : keys.getBytes(UTF_8)) {
      t.processInputByte(b);
    }
  }
}
