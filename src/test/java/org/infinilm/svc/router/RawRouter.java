package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.telemetry.Ticker;

/// A router in front of fixed instances, spoken to over raw sockets.
final class RawRouter implements AutoCloseable {
  static final Duration SOON = Duration.ofSeconds(20);

  private final Client client = Client.create();
  final Router router;

  /// @param instances as for `--instance`
  static RawRouter of(Map<String, String> flags, List<String> instances) throws Exception {
    List<Known> fixed = new ArrayList<>();
    for (String i : instances) {
      fixed.add(StaticServices.instance(i, Map.of()));
    }
    return new RawRouter(flags, fixed);
  }

  RawRouter(Map<String, String> flags, List<Known> fixed) throws Exception {
    Map<String, String> all = new HashMap<>(flags);
    all.put("host", "127.0.0.1");
    all.put("router_port", "0");
    all.put("transport", System.getProperty("infini.test.transport", "auto"));
    all.put("framing", System.getProperty("infini.test.framing", "auto"));
    all.put("access_log", "false");
    router =
        new Router(
            RouterConfig.of(Config.resolve(RouterConfig.KEYS, all, Map.of(), null)),
            fixed,
            Ticker.SYSTEM,
            new SplittableRandom(1));
    await().atMost(SOON).until(() -> services().size() == fixed.size());
  }

  /// Waits until every instance has told its models.
  RawRouter ready() {
    await()
        .atMost(SOON)
        .until(() -> services().findValues("models").stream().noneMatch(JsonNode::isEmpty));
    return this;
  }

  JsonNode services() throws Exception {
    return Json.tree(client.get(at("/services"), SOON).body()).path("services");
  }

  private URI at(String path) {
    return URI.create("http://127.0.0.1:" + router.port() + path);
  }

  Socket connect() throws IOException {
    Socket s = new Socket("127.0.0.1", router.port());
    s.setSoTimeout(20_000);
    return s;
  }

  /// Sends everything and reads to the end of the connection.
  String raw(String request) throws IOException {
    try (Socket s = connect()) {
      RawInstance.write(s, request);
      return new String(s.getInputStream().readAllBytes(), ISO_8859_1);
    }
  }

  static String post(String path, String model, String fields) {
    String body = "{\"model\":\"" + model + "\"}";
    return "POST "
        + path
        + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        + fields
        + "Content-Length: "
        + body.length()
        + "\r\n\r\n"
        + body;
  }

  JsonNode lastDecision() throws Exception {
    return Json.tree(client.get(at("/decisions?limit=1"), SOON).body()).path("decisions").path(0);
  }

  /// Waits until nothing is in flight.
  void idle() {
    await()
        .atMost(SOON)
        .untilAsserted(
            () -> services().forEach(s -> assertThat(s.path("in_flight").asInt()).isZero()));
  }

  @Override
  public void close() {
    router.close();
  }
}
