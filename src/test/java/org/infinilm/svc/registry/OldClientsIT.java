package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Random;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What the clients of the earlier registries send, byte for byte, and what they read. The bodies
/// are written down from the compatibility notes: the Rust babysitter's compact ones, the Python
/// client's with spaces, a time stamp without zone and microseconds.
@Timeout(60)
class OldClientsIT {
  private static final Duration LONG = Duration.ofSeconds(30);
  private static final String SECONDS = "[0-9]{10}\\.0";
  private static final String TIME = "2[0-9-]{9}T[0-9:]{8}\\+00:00";

  private static final String RUST_SERVER =
      """
      {"name":"paged-cache-9g_8b_thinking-server","host":"127.0.0.1","hostname":"127.0.0.1",\
      "port":8100,"url":"http://127.0.0.1:8100","status":"running",\
      "timestamp":"2026-02-10T08:06:45.123456789+00:00","metadata":{"babysitter":"enhanced",\
      "cache_type":"paged","models":["9g_8b_thinking"],"models_list":[{"created":1770710805,\
      "id":"9g_8b_thinking","object":"model","owned_by":"infinilm"}],\
      "parent_service":"paged-cache-9g_8b_thinking","static":true,"type":"openai-api"}}\
      """;

  private static final String PYTHON_CLIENT =
      """
      {"name": "model-a", "host": "localhost", "hostname": "localhost", "port": 5000, \
      "url": "http://localhost:5000", "status": "running", \
      "timestamp": "2026-02-10T16:06:45.123456", "weight": 2, \
      "metadata": {"note": "caf\\u00e9 \\ud83d\\ude42", "gpu": null}}\
      """;

  private final Client http = Client.create();
  private RegistryServer registry;

  /// A registry with an empty table, wherever that lives.
  RegistryServer.Options options() {
    return RegistryServer.Options.at(0);
  }

  @BeforeEach
  void begin() throws IOException {
    registry = RegistryServer.start(options(), Ticker.SYSTEM, new Random(1));
  }

  @AfterEach
  void end() throws IOException {
    registry.close();
    http.close();
  }

  private Client.Reply send(String method, String path, String type, String body)
      throws IOException, InterruptedException {
    Headers headers = type.isEmpty() ? Headers.NONE : Headers.of("content-type", type);
    return http.send(
        method,
        URI.create("http://127.0.0.1:" + registry.port() + path),
        headers,
        body.getBytes(StandardCharsets.UTF_8),
        LONG);
  }

  /// The status of a request whose target no URI class would let pass.
  private int raw(String method, String target) throws IOException {
    try (Socket s = new Socket("127.0.0.1", registry.port())) {
      s.getOutputStream()
          .write(
              (method + " " + target + " HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                  .getBytes(StandardCharsets.UTF_8));
      String answer = new String(s.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      return Integer.parseInt(answer.substring(9, 12));
    }
  }

  /// The Rust babysitter's URLs keep a `%` of a name as it is and escape the blank behind it.
  @Test
  void aNameWithAPercentSignRenewsAndLeavesAsItsClientSendsIt() throws Exception {
    String body = RUST_SERVER.replace("paged-cache-9g_8b_thinking-server", "50% off");
    assertThat(send("POST", "/services", "application/json", body).status()).isEqualTo(201);
    assertThat(raw("POST", "/services/50%%20off/heartbeat")).isEqualTo(200);
    assertThat(raw("GET", "/services?healthy=%zz")).isEqualTo(200);
    assertThat(raw("GET", "/services/100%")).isEqualTo(404);
    assertThat(raw("DELETE", "/services/50%%20off")).isEqualTo(200);
  }

  private static String text(Client.Reply r) {
    return new String(r.body(), StandardCharsets.UTF_8);
  }

  @Test
  void theRustBabysittersRegistrationIsAnsweredAsItsRegistryDid() throws Exception {
    Client.Reply r = send("POST", "/services", "application/json", RUST_SERVER);
    assertThat(r.status()).isEqualTo(201);
    String service =
        "\\{\"health_status\":\"unknown\",\"host\":\"127\\.0\\.0\\.1\",\"hostname\":\"127\\.0\\.0\\.1\","
            + "\"is_healthy\":true,\"last_heartbeat\":"
            + SECONDS
            + ",\"metadata\":\\{\"babysitter\":\"enhanced\",\"cache_type\":\"paged\","
            + "\"models\":\\[\"9g_8b_thinking\"],\"models_list\":\\[\\{\"created\":1770710805,"
            + "\"id\":\"9g_8b_thinking\",\"object\":\"model\",\"owned_by\":\"infinilm\"}],"
            + "\"parent_service\":\"paged-cache-9g_8b_thinking\",\"static\":true,"
            + "\"type\":\"openai-api\"},\"name\":\"paged-cache-9g_8b_thinking-server\",\"port\":8100,"
            + "\"status\":\"running\",\"timestamp\":\""
            + TIME
            + "\",\"url\":\"http://127\\.0\\.0\\.1:8100\"}";
    assertThat(text(r))
        .matches(
            "\\{\"message\":\"Service 'paged-cache-9g_8b_thinking-server' registered successfully\","
                + "\"service\":"
                + service
                + "}");
    assertThat(text(send("GET", "/services?healthy=true", "", "")))
        .matches("\\{\"services\":\\[" + service + "],\"timestamp\":\"" + TIME + "\",\"total\":1}");
    Client.Reply beat =
        send("POST", "/services/paged-cache-9g_8b_thinking-server/heartbeat", "", "");
    assertThat(beat.status()).isEqualTo(200);
    assertThat(text(beat))
        .matches("\\{\"message\":\"Heartbeat received\",\"timestamp\":\"" + TIME + "\"}");
  }

  @Test
  void thePythonClientRegistersRenewsReadsAndLeaves() throws Exception {
    Client.Reply r = send("POST", "/services", "application/json", PYTHON_CLIENT);
    assertThat(r.status()).isEqualTo(201);
    assertThat(text(r))
        .contains("\"metadata\":{\"gpu\":null,\"note\":\"café 🙂\"}")
        .doesNotContain("2026-02-10T16:06:45")
        .contains("\"weight\":2}");
    assertThat(
            send(
                    "POST",
                    "/services/model-a/heartbeat",
                    "application/json",
                    "{\"status\": \"running\"}")
                .status())
        .isEqualTo(200);
    assertThat(send("GET", "/services/model-a", "", "").status()).isEqualTo(200);
    assertThat(text(send("GET", "/health", "", "")))
        .matches(
            "\\{\"healthy_services\":1,\"registered_services\":1,\"registry\":\"running\","
                + "\"status\":\"healthy\",\"timestamp\":\""
                + TIME
                + "\"}");
    Client.Reply put =
        send("PUT", "/services/model-a", "application/json", "{\"metadata\": {\"k\": 1}}");
    assertThat(put.status()).isEqualTo(200);
    assertThat(text(put)).contains("\"metadata\":{\"k\":1}");
    Client.Reply left = send("DELETE", "/services/model-a", "", "");
    assertThat(left.status()).isEqualTo(200);
    assertThat(text(left))
        .isEqualTo("{\"message\":\"Service 'model-a' unregistered successfully\"}");
    assertThat(send("DELETE", "/services/model-a", "", "").status()).isEqualTo(404);
  }
}
