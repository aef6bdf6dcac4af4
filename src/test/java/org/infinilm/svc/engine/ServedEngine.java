package org.infinilm.svc.engine;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Server;
import org.infinilm.svc.telemetry.Ticker;

/// One engine with its routes on a free port of the loopback, and a client.
record ServedEngine(Server server, Loaded loaded, EngineMetrics metrics, Client client) {
  private static final Duration SOON = Duration.ofSeconds(60);

  static ServedEngine start(EngineSetup setup, Path model) throws Exception {
    return start(setup, model, EngineProgram.listening("127.0.0.1", 0));
  }

  static ServedEngine start(EngineSetup setup, Path model, Server.Options options)
      throws Exception {
    return start(setup, model, options, RequestRoom.ofHeap());
  }

  static ServedEngine start(EngineSetup setup, Path model, Server.Options options, RequestRoom room)
      throws Exception {
    EngineMetrics metrics =
        new EngineMetrics("m", setup.pooled(), setup.blockTokens(), setup.blocks());
    AskReader reader = new AskReader(new AskReader.Defaults(1, 0.8, 1), () -> 1L);
    EngineRoutes routes = new EngineRoutes("m", reader, metrics, Ticker.SYSTEM, room);
    Server server = Server.start(options, routes);
    Loaded loaded = setup.load(model, metrics, System.getenv());
    routes.serve(loaded);
    return new ServedEngine(server, loaded, metrics, Client.create());
  }

  URI uri(String path) {
    return URI.create("http://127.0.0.1:" + server.port() + path);
  }

  /// The answer's JSON; anything but 200 fails.
  JsonNode post(String path, Map<String, ?> body) throws Exception {
    Client.Reply reply = client.post(uri(path), body, SOON);
    assertThat(reply.status()).as(new String(reply.body(), StandardCharsets.UTF_8)).isEqualTo(200);
    return Json.tree(reply.body());
  }

  /// The whole text of an answer in events; anything but 200 fails.
  static String stream(Client client, URI to, Map<String, ?> body) throws Exception {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    client.stream(
        "POST",
        to,
        Headers.NONE,
        Json.bytes(body),
        SOON,
        new Client.Listener() {
          @Override
          public void head(int status, Headers headers) {
            assertThat(status).isEqualTo(200);
          }

          @Override
          public void piece(byte[] piece) {
            out.writeBytes(piece);
          }
        });
    return out.toString(StandardCharsets.UTF_8);
  }

  int status(String path, Map<String, ?> body) throws Exception {
    return client.post(uri(path), body, SOON).status();
  }

  MetricsPage page() throws Exception {
    Client.Reply reply = client.get(uri("/metrics"), SOON);
    assertThat(reply.headers().get("content-type")).startsWith("text/plain; version=0.0.4");
    return MetricsPage.read(new String(reply.body(), StandardCharsets.UTF_8));
  }

  void stop() throws Exception {
    server.close();
    loaded.stop();
    client.close();
  }
}
