package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Probes and model lists of servers that register nothing, on real sockets.
class ProberIT {
  private static final String HEALTHY = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

  private final List<AutoCloseable> open = new CopyOnWriteArrayList<>();
  private Rig rig;

  @BeforeEach
  void begin() throws IOException {
    rig = new Rig();
  }

  @AfterEach
  void end() throws Exception {
    rig.close();
    for (AutoCloseable c : open) {
      c.close();
    }
  }

  /// What a server says to `GET path`; null for nothing, ever.
  private interface Says {
    String to(String path);
  }

  private Known server(String name, Says says) throws IOException {
    ServerSocket listener = new ServerSocket(0, 500, InetAddress.getLoopbackAddress());
    open.add(listener);
    Thread.ofVirtual()
        .start(() -> {
          try {
            while (true) {
              Socket s = listener.accept();
              open.add(s);
              Thread.ofVirtual().start(() -> answer(s, says));
            }
          } catch (IOException closed) {
            // the end of the test
          }
        });
    int port = listener.getLocalPort();
    return new Known(
        name,
        "127.0.0.1",
        port,
        "http://127.0.0.1:" + port,
        null,
        null,
        Map.of(),
        1,
        true,
        true,
        true,
        null,
        null);
  }

  private static void answer(Socket s, Says says) {
    try {
      StringBuilder head = new StringBuilder();
      while (head.length() < 4 || head.indexOf("\r\n\r\n") < 0) {
        int c = s.getInputStream().read();
        if (c < 0) {
          return;
        }
        head.append((char) c);
      }
      String said = says.to(head.substring(4, head.indexOf(" ", 4)));
      if (said != null) {
        s.getOutputStream().write(said.getBytes(java.nio.charset.StandardCharsets.ISO_8859_1));
        s.close();
      }
    } catch (IOException gone) {
      // the router gave up
    }
  }

  private static String ok(String body) {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + body.length() + "\r\n\r\n" + body;
  }

  private static Says models(AtomicReference<String> list) {
    return path -> path.equals("/v1/models") ? list.get() : HEALTHY;
  }

  private List<String> models(String name) throws Exception {
    List<String> out = new ArrayList<>();
    for (JsonNode s : rig.get("/services").path("services")) {
      if (s.path("name").asText().equals(name)) {
        s.path("models").forEach(m -> out.add(m.asText()));
      }
    }
    return out;
  }

  /// C7: a busy server lost its models, and its clients were told not to retry.
  @Test
  void aModelListThatCannotBeReadNowKeepsTheLastOne() throws Exception {
    AtomicReference<String> list = new AtomicReference<>(ok("{\"data\":[{\"id\":\"m\"}]}"));
    AtomicReference<String> health = new AtomicReference<>(HEALTHY);
    Known busy = server("busy", path -> path.equals("/v1/models") ? list.get() : health.get());
    rig.start(Ticker.SYSTEM, List.of(busy), "health_interval=0.1", "health_timeout=0.3");
    await().atMost(Rig.SOON).until(() -> models("busy").equals(List.of("m")));
    String hangs = null;
    for (String odd :
        new String[] {
          hangs,
          "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
          "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
          ok("{\"data\":"),
          ok("{\"models\":3}"),
          "garbage\r\n\r\n",
        }) {
      list.set(odd);
      out(health);
      assertThat(rig.health()).as(odd).isEqualTo("1/1");
      assertThat(models("busy")).as(odd).containsExactly("m");
    }
    list.set(ok("{\"data\":[{\"id\":\"new\"}]}"));
    out(health);
    await().atMost(Rig.SOON).until(() -> models("busy").equals(List.of("new")));
    list.set("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    out(health);
    await().atMost(Rig.SOON).until(() -> models("busy").isEmpty());
  }

  /// Out of service and back, so that the list is read again.
  private void out(AtomicReference<String> health) {
    health.set("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    await().atMost(Rig.SOON).until(() -> rig.health().equals("0/1"));
    health.set(HEALTHY);
    await().atMost(Rig.SOON).until(() -> rig.health().equals("1/1"));
  }

  /// A36: a list that could not be read when its instance came back was left for five minutes.
  @Test
  void aListThatIsNotReadableAtTheComebackIsReadSoonAfter() throws Exception {
    AtomicReference<String> health = new AtomicReference<>(HEALTHY);
    AtomicReference<String> list = new AtomicReference<>(ok("{\"data\":[{\"id\":\"m1\"}]}"));
    AtomicInteger asked = new AtomicInteger();
    Known engine =
        server(
            "engine",
            path -> {
              if (!path.equals("/v1/models")) {
                return health.get();
              }
              asked.incrementAndGet();
              return list.get();
            });
    rig.start(Ticker.SYSTEM, List.of(engine), "health_interval=0.1");
    await().atMost(Rig.SOON).until(() -> models("engine").equals(List.of("m1")));
    list.set("HTTP/1.1 503 Loading\r\nContent-Length: 0\r\n\r\n");
    out(health);
    int before = asked.get();
    await().atMost(Rig.SOON).until(() -> asked.get() > before + 1);
    list.set(ok("{\"data\":[{\"id\":\"m2\"}]}"));
    await().atMost(Rig.SOON).until(() -> models("engine").equals(List.of("m2")));
  }

  private String why(String name) throws Exception {
    for (JsonNode s : rig.get("/services").path("services")) {
      if (s.path("name").asText().equals(name)) {
        return s.path("why_out").asText();
      }
    }
    return "";
  }

  /// A32: the commonest mistake, a wrong key, stood in the log alone.
  @Test
  void whyAListCannotBeReadIsSaidInServices() throws Exception {
    String none = "\r\nContent-Length: 0\r\n\r\n";
    Map<String, String> lists =
        Map.of(
            "key", "HTTP/1.1 401 No" + none,
            "moved", "HTTP/1.1 302 Found" + none,
            "html", ok("<html>"),
            "odd", ok("{\"data\":{\"id\":\"m\"}}"),
            "deep", ok("[".repeat(100_000)));
    List<Known> all = new ArrayList<>();
    for (String name : lists.keySet()) {
      all.add(server(name, models(new AtomicReference<>(lists.get(name)))));
    }
    rig.launch(Ticker.SYSTEM, all, "health_interval=0.1");
    for (String name : lists.keySet()) {
      await()
          .atMost(Rig.SOON)
          .untilAsserted(() ->
              assertThat(why(name))
                  .startsWith("its models are not known yet; http://127.0.0.1:")
                  .contains("/v1/models"));
    }
    assertThat(why("key")).contains("answers 401").contains("is its api_key_env right?");
  }

  /// B40: 70 MB of a model list, at each probe again, took the heap of everybody.
  @Test
  void aListIsReadUpToABoundAndAHealthAnswerIsNotKept() throws Exception {
    String large = "x".repeat(5 << 20);
    String list = ok("{\"data\":[{\"id\":\"" + large + "\"}]}");
    Known huge = server("huge", path -> path.equals("/v1/models") ? list : ok(large));
    rig.launch(Ticker.SYSTEM, List.of(huge), "health_interval=0.1");
    await()
        .atMost(Rig.SOON)
        .untilAsserted(() ->
            assertThat(why("huge")).endsWith("cannot be read: answer larger than 4194304 bytes"));
  }

  /// L14: a sweep waited for 64 places, and instances that hung held them all.
  @Test
  void instancesThatHangDelayNobodyElse() throws Exception {
    List<Known> all = new ArrayList<>();
    for (int k = 0; k < 150; k++) {
      all.add(server("hangs-" + k, path -> null));
    }
    AtomicReference<String> list = new AtomicReference<>(ok("{\"data\":[{\"id\":\"m\"}]}"));
    for (int k = 0; k < 10; k++) {
      all.add(server("zz-" + k, models(list)));
    }
    rig.launch(Ticker.SYSTEM, all, "health_timeout=300");
    await().atMost(Rig.SOON).until(() -> rig.health().startsWith("10/"));
  }
}
