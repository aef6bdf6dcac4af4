package org.infinilm.svc.picker;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import io.envoyproxy.envoy.config.core.v3.HeaderMap;
import io.envoyproxy.envoy.config.core.v3.HeaderValue;
import io.envoyproxy.envoy.config.core.v3.Metadata;
import io.envoyproxy.envoy.service.ext_proc.v3.ExternalProcessorGrpc;
import io.envoyproxy.envoy.service.ext_proc.v3.HttpHeaders;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingRequest;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingResponse;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.NettyChannelBuilder;
import io.netty.handler.ssl.SslContext;
import io.netty.pkitesting.CertificateBuilder;
import io.netty.pkitesting.X509Bundle;
import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.config.ConfigException;
import org.infinilm.svc.config.Program;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;
import org.infinilm.svc.registry.Registration;
import org.infinilm.svc.registry.RegistryClient;
import org.infinilm.svc.registry.RegistryServer;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A picker over gRPC with the router's room behind it, and instances that are asked for their
/// health and models alone: the test is Envoy.
class PickerIT {
  private static final String CHAT = "/v1/chat/completions";

  @TempDir private Path dir;
  private final List<AutoCloseable> open = new ArrayList<>();
  private final Client client = Client.create();
  private @Nullable Path file;
  private PickerServer picker;
  private ManagedChannel channel;

  @AfterEach
  void stop() throws Exception {
    for (AutoCloseable c : open.reversed()) {
      c.close();
    }
    client.close();
  }

  private Server instance() throws IOException {
    return instance("127.0.0.1");
  }

  private Server instance(String host) throws IOException {
    Server s =
        Server.start(
            Server.Options.at(host, 0),
            r ->
                r.path().equals("/v1/models")
                    ? Response.json(
                        200, Map.of("data", List.of(Map.of("id", "m", "object", "model"))))
                    : Response.json(200, Map.of("status", "healthy")));
    open.add(s);
    return s;
  }

  private static String told(Server s, String name, String type) {
    return "http://127.0.0.1:" + s.port() + ",name=" + name + ",cache_type=" + type;
  }

  private static String endpoint(Server s) {
    return "127.0.0.1:" + s.port();
  }

  /// The list that Envoy gets with two fallbacks.
  private static String told(String... endpoints) {
    return String.join(",", endpoints);
  }

  private static String alone(String endpoint) {
    return told(endpoint, endpoint, endpoint);
  }

  private void start(List<String> instances, String... settings) throws Exception {
    Map<String, String> all = new HashMap<>();
    all.put("host", "127.0.0.1");
    all.put("picker_port", "0");
    all.put("health_port", "0");
    all.put("admin_port", "0");
    all.put("access_log", "false");
    all.put("health_interval", "0.5");
    all.put("lame_duck", "0");
    for (String s : settings) {
      int eq = s.indexOf('=');
      all.put(s.substring(0, eq), s.substring(eq + 1));
    }
    Config config = Config.resolve(PickerProgram.PROGRAM.keys(), all, Map.of(), file);
    picker =
        PickerProgram.start(
            new Program.Args(config, all, List.of(), Map.of("instance", instances)));
    open.add(picker);
    channel = NettyChannelBuilder.forAddress("127.0.0.1", picker.port()).usePlaintext().build();
    open.add(channel::shutdownNow);
    if (instances.isEmpty()) {
      return;
    }
    String every = instances.size() + "/" + instances.size();
    await()
        .atMost(Stage.SOON)
        .until(() -> admin("/health").path("healthy_services").asText().equals(every));
  }

  private JsonNode admin(String path) throws Exception {
    URI u = URI.create("http://127.0.0.1:" + picker.adminPort() + path);
    return Json.tree(client.get(u, Stage.SOON).body());
  }

  private JsonNode service(String name) throws Exception {
    for (JsonNode s : admin("/services").path("services")) {
      if (s.path("name").asText().equals(name)) {
        return s;
      }
    }
    throw new AssertionError(name);
  }

  private int inFlight(String name) throws Exception {
    return service(name).path("in_flight").asInt();
  }

  private JsonNode decision(int fromLast) throws Exception {
    await()
        .atMost(Stage.SOON)
        .until(() -> admin("/decisions?limit=50").path("decisions").size() > fromLast);
    return admin("/decisions?limit=50").path("decisions").get(fromLast);
  }

  private static String body(int letters, String more) {
    return "{\"model\":\"m\""
        + more
        + ",\"messages\":[{\"role\":\"user\",\"content\":\""
        + "x".repeat(letters)
        + "\"}]}";
  }

  private Stage stage() {
    Stage s = Stage.open(channel);
    open.add(s);
    return s;
  }

  private static String error(ProcessingResponse r) throws IOException {
    return Json.tree(r.getImmediateResponse().getBody().toByteArray())
        .path("error")
        .path("code")
        .asText();
  }

  private static int status(ProcessingResponse r) {
    return r.getImmediateResponse().getStatus().getCodeValue();
  }

  @Test
  void theSizeRuleChoosesAndTheAnswerIsLearnedFrom() throws Exception {
    Server paged = instance();
    Server statics = instance();
    start(List.of(told(paged, "p", "paged"), told(statics, "s", "static")), "threshold=1000");
    Stage small = stage().post(CHAT).body(body(10, ",\"stream\":true"), true);
    assertThat(Stage.destination(small.reply(0)))
        .isEqualTo(told(endpoint(paged), endpoint(statics), endpoint(paged)));
    assertThat(inFlight("p")).isEqualTo(1);
    Stage large = stage().post(CHAT).body(body(5000, ""), true);
    assertThat(Stage.destination(large.reply(0)))
        .isEqualTo(told(endpoint(statics), endpoint(paged), endpoint(statics)));
    assertThat(Stage.metadataDestination(large.reply(0)))
        .isEqualTo(Stage.destination(large.reply(0)));
    small
        .answerOf(endpoint(paged), 200, "content-type", "text/event-stream")
        .answerBody("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n", false)
        .answerBody(
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\"total_tokens\":9}}\n\ndata: [DONE]\n\n",
            false)
        .answerBody("", true);
    assertThat(small.end().isOk()).isTrue();
    JsonNode d = decision(0);
    assertThat(d.path("instance").asText()).isEqualTo("p");
    assertThat(d.path("outcome").asText()).isEqualTo("ok");
    assertThat(d.path("prompt_tokens").asInt()).isEqualTo(7);
    assertThat(d.path("ttft_seconds").asDouble()).isPositive();
    assertThat(inFlight("p")).isZero();
    assertThat(inFlight("s")).isEqualTo(1);
    large.resets();
    await().atMost(Stage.SOON).until(() -> inFlight("s") == 0);
    assertThat(decision(0).path("outcome").asText()).isEqualTo("client_gone");
  }

  @Test
  void whoServedInstead() throws Exception {
    Server a = instance();
    Server b = instance();
    start(List.of(told(a, "a", "paged"), told(b, "b", "static")), "threshold=1000");
    Stage s = stage().post(CHAT).body(body(10, ""), true).replies(2);
    assertThat(inFlight("a")).isEqualTo(1);
    s.answerOf(endpoint(b), 200, "content-type", "application/json").replies(3);
    assertThat(inFlight("a")).isZero();
    assertThat(inFlight("b")).isEqualTo(1);
    s.answerBody("{}", true);
    assertThat(s.end().isOk()).isTrue();
    JsonNode d = decision(0);
    assertThat(d.path("instance").asText()).isEqualTo("b");
    assertThat(d.path("reason").asText()).isEqualTo("retry");
    assertThat(d.path("failed_instances").get(0).asText()).isEqualTo("a");
    assertThat(d.path("attempts").asInt()).isEqualTo(2);
    await().atMost(Stage.SOON).until(() -> inFlight("b") == 0);
    for (int k = 0; k < 10 && service("a").path("state").asText().equals("routable"); k++) {
      Stage more = stage().post(CHAT).body(body(10, ""), true).replies(2);
      more.answerOf(endpoint(b), 200).answerBody("{}", true);
      more.end();
    }
    // time after time it is the instance that is wrong, until a probe says otherwise
    assertThat(text("/metrics"))
        .contains(
            "infini_router_instance_state_changes_total{instance=\"a\",state=\"ejected\"} 1.0");
    assertThat(text("/metrics")).contains("infini_router_retries_total{cause=\"fallback\"}");
  }

  private String text(String path) throws Exception {
    URI u = URI.create("http://127.0.0.1:" + picker.adminPort() + path);
    return new String(client.get(u, Stage.SOON).body(), UTF_8);
  }

  @Test
  void aSubsetBoundsTheChoice() throws Exception {
    Server a = instance();
    Server b = instance();
    start(List.of(told(a, "a", "paged"), told(b, "b", "paged")));
    for (int k = 0; k < 4; k++) {
      Stage s = stage();
      s.send(hinted(endpoint(b) + ",10.9.9.9:1"));
      assertThat(Stage.destination(s.reply(0))).isEqualTo(alone(endpoint(b)));
      s.resets();
    }
    Stage none = stage();
    none.send(hinted("10.9.9.9:1"));
    assertThat(status(none.reply(0))).isEqualTo(503);
    assertThat(error(none.reply(0))).isEqualTo("no_healthy_instance");
    Stage empty = stage();
    empty.send(hinted(""));
    assertThat(status(empty.reply(0))).isEqualTo(503);
  }

  @Test
  void aSubsetOfIpv6BoundsTheChoiceHoweverItIsWritten() throws Exception {
    Server a = instance();
    int port = instance("::1").port();
    String b = "[::1]:" + port;
    start(List.of(told(a, "a", "paged"), "http://" + b + ",name=b,cache_type=paged"));
    for (String hint : List.of(b, "[0:0:0:0:0:0:0:1]:" + port, b, "[0::1]:" + port)) {
      Stage s = stage();
      s.send(hinted(hint));
      assertThat(Stage.destination(s.reply(0))).as(hint).isEqualTo(alone(b));
      s.resets();
    }
  }

  private static ProcessingRequest.Builder hinted(String endpoints) {
    Struct s =
        Struct.newBuilder()
            .putFields(
                "x-gateway-destination-endpoint-subset",
                Value.newBuilder().setStringValue(endpoints).build())
            .build();
    return ProcessingRequest.newBuilder()
        .setRequestHeaders(
            HttpHeaders.newBuilder()
                .setEndOfStream(true)
                .setHeaders(
                    HeaderMap.newBuilder()
                        .addHeaders(HeaderValue.newBuilder().setKey(":method").setValue("GET"))
                        .addHeaders(HeaderValue.newBuilder().setKey(":path").setValue("/v1/x"))))
        .setMetadataContext(Metadata.newBuilder().putFilterMetadata("envoy.lb.subset_hint", s));
  }

  @Test
  void whoHasNoPlaceIsShedAndASeatGoesToWhoWaits() throws Exception {
    Server a = instance();
    start(List.of(told(a, "a", "static")), "static_seats=1", "queue_limit=1", "queue_timeout=30");
    Stage first = stage().post(CHAT).body(body(10, ""), true).replies(2);
    Stage waits = stage().post(CHAT).body(body(10, ""), true);
    await()
        .atMost(Stage.SOON)
        .until(() -> text("/metrics").contains("infini_router_queue_length 1.0"));
    Stage shed = stage().post(CHAT).body(body(10, ""), true);
    assertThat(status(shed.reply(0))).isEqualTo(429);
    assertThat(error(shed.reply(0))).isEqualTo("overloaded");
    assertThat(waits.came).isEmpty();
    first.answer(200, false).answerBody("{}", true);
    assertThat(Stage.destination(waits.reply(0))).isEqualTo(alone(endpoint(a)));
    waits.resets();
    await().atMost(Stage.SOON).until(() -> inFlight("a") == 0);
  }

  @Test
  void whatTheProxyAnswersItselfIsNoInstancesFault() throws Exception {
    Server a = instance();
    start(List.of(told(a, "a", "paged")), "static_seats=1");
    for (int k = 0; k < 12; k++) {
      Stage s = stage().post(CHAT).body(body(10, ""), true).replies(2);
      s.ownAnswer(503, "upstream_reset_before_response_started{overflow}");
      assertThat(status(s.reply(2))).isEqualTo(429);
      assertThat(error(s.reply(2))).isEqualTo("overloaded");
      assertThat(s.reply(2).getImmediateResponse().getHeaders().getSetHeadersList())
          .anyMatch(h -> h.getHeader().getKey().equals("retry-after"));
    }
    assertThat(decision(0).path("outcome").asText()).isEqualTo("rejected");
    assertThat(decision(0).at("/error/code").asText()).isEqualTo("overloaded");
    assertThat(decision(0).at("/error/message").asText())
        .startsWith("the proxy has no room for the request: ");
    assertThat(service("a").path("state").asText()).isEqualTo("routable");
    assertThat(text("/metrics")).doesNotContain("state=\"ejected\"} 1");

    Stage none = stage().post(CHAT).body(body(10, ""), true).replies(2);
    none.ownAnswer(404, "route_not_found").answerBody("no route", true);
    assertThat(none.end().isOk()).isTrue();
    assertThat(decision(0).path("status").asInt()).isEqualTo(404);
    assertThat(decision(0).at("/error/code").asText()).isEqualTo("proxy_answered");
    assertThat(decision(0).at("/error/message").asText())
        .isEqualTo("the proxy answered itself: route_not_found");

    Stage late = stage().post(CHAT).body(body(10, ""), true).replies(2);
    late.ownAnswer(408, "upstream_max_stream_duration_reached");
    assertThat(status(late.reply(2))).isEqualTo(504);
    assertThat(decision(0).path("outcome").asText()).isEqualTo("timeout");
    assertThat(inFlight("a")).isZero();
  }

  @Test
  void whoSpeaksNoHttp2IsNoTroubleOfTheLog() throws Exception {
    java.util.logging.Logger root = java.util.logging.Logger.getLogger("");
    List<String> heard = new CopyOnWriteArrayList<>();
    Handler all =
        new Handler() {
          @Override
          public void publish(LogRecord r) {
            heard.add(r.getLoggerName() + " " + r.getMessage());
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        };
    root.addHandler(all);
    open.add(() -> root.removeHandler(all));
    start(List.of());
    for (int k = 0; k < 3; k++) {
      try (Socket s = new Socket("127.0.0.1", picker.port())) {
        s.getOutputStream().write("GET / HTTP/1.1\r\nHost: a\r\n\r\n".getBytes(UTF_8));
        s.getInputStream().readAllBytes();
      }
    }
    assertThat(heard).noneMatch(h -> h.startsWith("io.grpc"));
  }

  @Test
  void ourErrorsAreOfTheRoutersForm() throws Exception {
    Server a = instance();
    start(List.of(told(a, "a", "paged")), "max_body_bytes=1000");
    assertThat(error(stage().post(CHAT).body("{", true).reply(0))).isEqualTo("invalid_json");
    ProcessingResponse unknown =
        stage().post(CHAT).body("{\"model\":\"other\",\"messages\":[]}", true).reply(0);
    assertThat(status(unknown)).isEqualTo(404);
    assertThat(error(unknown)).isEqualTo("model_not_found");
    assertThat(status(stage().post(CHAT).body(body(2000, ""), true).reply(0))).isEqualTo(413);
    assertThat(decision(0).path("status").asInt()).isEqualTo(413);
    URI proxied = URI.create("http://127.0.0.1:" + picker.adminPort() + CHAT);
    assertThat(client.post(proxied, Map.of("model", "m"), Stage.SOON).status()).isEqualTo(404);
    ProcessingResponse models = stage().get("/v1/models").reply(0);
    assertThat(models.getImmediateResponse().getBody().toStringUtf8()).contains("\"m\"");
  }

  /// The router's own routes are no instance's: an engine has some of the same names.
  @Test
  void ourOwnRoutesGoToNoInstance() throws Exception {
    Server a = instance();
    file = keys();
    start(List.of(told(a, "a", "paged")));
    for (String path : List.of("/health", "/status", "/livez", "/readyz")) {
      ProcessingResponse r = stage().get(path).reply(0);
      assertThat(status(r)).as(path).isEqualTo(200);
    }
    assertThat(stage().get("/health").reply(0).getImmediateResponse().getBody().toStringUtf8())
        .contains("\"healthy_services\":\"1/1\"");
    for (String path :
        List.of("/metrics", "/services", "/stats", "/decisions", "/events", "/ui", "/usage")) {
      ProcessingResponse r = stage().get(path).reply(0);
      assertThat(status(r)).as(path).isEqualTo(404);
      assertThat(error(r)).isEqualTo("not_found");
    }
    // nor spelled in other ways, which a server may read as these
    for (String path :
        List.of(
            "/%6detrics", "//metrics", "/v1/../metrics", "/metrics/", "/admin%2fx", "/%68ealth")) {
      ProcessingResponse r = stage().get(path).reply(0);
      assertThat(status(r)).as(path).isEqualTo(404);
    }
    // and no body of theirs is waited for
    assertThat(status(stage().post("/admin/drain").reply(0))).isEqualTo(404);
    assertThat(status(stage().post("/health").reply(0))).isEqualTo(405);
    assertThat(inFlight("a")).isZero();
  }

  /// A file with one key, `opens`.
  private Path keys() throws Exception {
    byte[] digest = MessageDigest.getInstance("SHA-256").digest("opens".getBytes(UTF_8));
    return Files.writeString(
        dir.resolve("picker.toml"),
        "[[keys]]\nname = \"one\"\nhash = \"sha256:" + HexFormat.of().formatHex(digest) + "\"\n");
  }

  @Test
  void aStrangersBodyIsNotAwaited() throws Exception {
    Server a = instance();
    file = keys();
    start(List.of(told(a, "a", "paged")), "max_body_bytes=1000000");
    ProcessingResponse none = stage().post(CHAT).reply(0);
    assertThat(status(none)).isEqualTo(401);
    assertThat(error(none)).isEqualTo("missing_api_key");
    assertThat(decision(0).path("status").asInt()).isEqualTo(401);
    ProcessingResponse other = stage().post(CHAT, "authorization", "Bearer no").reply(0);
    assertThat(error(other)).isEqualTo("invalid_api_key");
    ProcessingResponse large =
        stage().post(CHAT, "authorization", "Bearer opens", "content-length", "1000001").reply(0);
    assertThat(status(large)).isEqualTo(413);
    Stage known =
        stage().post(CHAT, "authorization", "Bearer opens").body(body(10, ""), true).replies(2);
    assertThat(Stage.destination(known.came.getFirst())).isEqualTo(alone(endpoint(a)));
  }

  @Test
  void aBodyThatStopsIsToldSo() throws Exception {
    Server a = instance();
    start(List.of(told(a, "a", "paged")), "body_timeout=0.5");
    Stage s = stage().post(CHAT).body("{\"model\":\"m\"," + " ".repeat(10_000), false);
    assertThat(status(s.reply(0))).isEqualTo(408);
    assertThat(error(s.reply(0))).isEqualTo("request_timeout");
    assertThat(text("/metrics")).contains("infini_picker_body_bytes 0.0");
  }

  /// An instance that was told and never answers is given up after the router's limits, with its
  /// place.
  @Test
  void anAnswerThatNeverComesIsNotWaitedFor() throws Exception {
    Server a = instance();
    start(List.of(told(a, "a", "paged")), "proxy_timeout=0.5");
    Stage s = stage().post(CHAT).body(body(10, ""), true).replies(2);
    assertThat(status(s.reply(2))).isEqualTo(504);
    assertThat(error(s.reply(2))).isEqualTo("timeout");
    await().atMost(Stage.SOON).until(() -> inFlight("a") == 0);
  }

  /// What docs/picker.md and deployment/envoy/inferencepool.yaml say of several pickers.
  @Test
  void pickersOverOneRegistryShareSeats() throws Exception {
    RegistryServer registry =
        RegistryServer.start(RegistryServer.Options.at(0), Ticker.SYSTEM, new SplittableRandom(1));
    open.add(registry);
    String url = "http://127.0.0.1:" + registry.port();
    Server a = instance();
    new RegistryClient(client, URI.create(url), null)
        .register(
            new Registration(
                "a",
                "127.0.0.1",
                a.port(),
                "h",
                "http://127.0.0.1:" + a.port(),
                "running",
                Map.of("type", "openai-api", "models", List.of("m"), "max_concurrency", 2),
                1));
    start(List.of(), "registry_url=" + url);
    PickerServer first = picker;
    start(List.of(), "registry_url=" + url);
    for (PickerServer p : List.of(first, picker)) {
      picker = p;
      await()
          .atMost(Stage.SOON)
          .untilAsserted(() -> {
            assertThat(admin("/stats").at("/routers/known").asInt()).isEqualTo(2);
            assertThat(admin("/stats").at("/routers/heard_of").asInt()).isEqualTo(1);
            assertThat(service("a").path("seats").asInt()).isEqualTo(2);
            assertThat(service("a").path("seats_here").asInt()).isEqualTo(1);
          });
    }
    String sample = Files.readString(Path.of("deployment/envoy/inferencepool.yaml"));
    assertThat(sample).contains("--registry-url").contains("replicas: 2");
  }

  @Test
  void aliasesAreToldToInstancesByTheirNames() throws Exception {
    Server a = instance();
    start(List.of(told(a, "a", "paged")), "aliases=short=m", "alias_answers=name");
    Stage s = stage().post(CHAT).body(body(10, "").replace("\"m\"", "\"short\""), true).replies(2);
    assertThat(
            s.came
                .get(1)
                .getRequestBody()
                .getResponse()
                .getBodyMutation()
                .getStreamedResponse()
                .getBody()
                .toStringUtf8())
        .isEqualTo(body(10, ""));
    s.answer(200, false, "content-type", "application/json", "content-length", "30")
        .answerBody("{\"model\":\"m\",\"choices\":[]}", true);
    assertThat(s.end().isOk()).isTrue();
    StringBuilder back = new StringBuilder();
    s.came
        .subList(3, s.came.size())
        .forEach(r ->
            back.append(
                r.getResponseBody()
                    .getResponse()
                    .getBodyMutation()
                    .getStreamedResponse()
                    .getBody()
                    .toStringUtf8()));
    assertThat(back.toString()).isEqualTo("{\"model\":\"short\",\"choices\":[]}");
  }

  @Test
  void healthIsAskedByItsNames() throws Exception {
    Server a = instance();
    start(List.of(told(a, "a", "paged")));
    ManagedChannel h =
        NettyChannelBuilder.forAddress("127.0.0.1", picker.healthPort()).usePlaintext().build();
    open.add(h::shutdownNow);
    for (String name :
        List.of("liveness", "started", "readiness", ExternalProcessorGrpc.SERVICE_NAME)) {
      await().atMost(Stage.SOON).until(() -> health(h, name) == ServingStatus.SERVING);
      assertThat(health(channel, name)).isEqualTo(ServingStatus.SERVING);
    }
    a.close();
    await().atMost(Stage.SOON).until(() -> health(h, "readiness") == ServingStatus.NOT_SERVING);
    assertThat(health(h, "liveness")).isEqualTo(ServingStatus.SERVING);
    assertThat(health(h, "started")).as("it has an answer").isEqualTo(ServingStatus.SERVING);
  }

  /// By this name a proxy knows when to send requests to one of several that starts anew.
  @Test
  void whoKnowsNobodyYetHasNotStarted() throws Exception {
    start(List.of());
    assertThat(health(channel, "liveness")).isEqualTo(ServingStatus.SERVING);
    assertThat(health(channel, "started")).isEqualTo(ServingStatus.NOT_SERVING);
    await().atMost(Stage.SOON).until(() -> health(channel, "started") == ServingStatus.SERVING);
    assertThat(health(channel, "readiness")).isEqualTo(ServingStatus.NOT_SERVING);
  }

  private static ServingStatus health(ManagedChannel c, String name) {
    return HealthGrpc.newBlockingStub(c)
        .check(HealthCheckRequest.newBuilder().setService(name).build())
        .getStatus();
  }

  @Test
  void theEndLetsStreamsFinish() throws Exception {
    Server a = instance();
    start(List.of(told(a, "a", "paged")), "drain_timeout=30");
    Stage s = stage().post(CHAT).body(body(10, ""), true).replies(2);
    ManagedChannel h =
        NettyChannelBuilder.forAddress("127.0.0.1", picker.healthPort()).usePlaintext().build();
    open.add(h::shutdownNow);
    Thread drain =
        Thread.ofVirtual()
            .start(() -> {
              try {
                picker.drain();
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            });
    await().atMost(Stage.SOON).until(() -> health(h, "readiness") == ServingStatus.NOT_SERVING);
    s.answer(200, false).answerBody("{}", true);
    assertThat(s.end().isOk()).isTrue();
    assertThat(drain.join(Stage.SOON)).isTrue();
    Stage late = stage().post(CHAT);
    assertThat(late.end().getCode()).isEqualTo(Status.Code.UNAVAILABLE);
    assertThat(decision(0).path("outcome").asText()).isEqualTo("ok");
  }

  @Test
  void overTlsWithClientsThatMustShowACertificate() throws Exception {
    X509Bundle authority =
        new CertificateBuilder()
            .ecp256()
            .subject("CN=an authority")
            .setIsCertificateAuthority(true)
            .buildSelfSigned();
    X509Bundle own =
        new CertificateBuilder()
            .ecp256()
            .subject("CN=localhost")
            .addSanIpAddress("127.0.0.1")
            .addSanDnsName("localhost")
            .buildIssuedBy(authority);
    Path ca = Files.writeString(dir.resolve("ca.pem"), authority.getCertificatePEM());
    Path cert = Files.writeString(dir.resolve("cert.pem"), own.getCertificatePathPEM());
    Path key = Files.writeString(dir.resolve("key.pem"), own.getPrivateKeyPEM());
    Map<String, String> all = new HashMap<>();
    all.put("host", "127.0.0.1");
    all.put("picker_port", "0");
    all.put("health_port", "0");
    all.put("admin_port", "0");
    all.put("tls_cert", cert.toString());
    all.put("tls_key", key.toString());
    all.put("tls_client_ca", ca.toString());
    Config config = Config.resolve(PickerProgram.PROGRAM.keys(), all, Map.of(), null);
    picker = PickerProgram.start(new Program.Args(config, all, List.of(), Map.of()));
    open.add(picker);
    SslContext shows =
        GrpcSslContexts.forClient()
            .trustManager(ca.toFile())
            .keyManager(cert.toFile(), key.toFile())
            .build();
    SslContext bare = GrpcSslContexts.forClient().trustManager(ca.toFile()).build();
    channel = tls(shows);
    Stage known = stage().post(CHAT).body(body(1, ""), true);
    assertThat(status(known.reply(0))).isEqualTo(503);
    channel = tls(bare);
    assertThat(stage().post(CHAT).end().getCode()).isEqualTo(Status.Code.UNAVAILABLE);
  }

  private ManagedChannel tls(SslContext context) {
    ManagedChannel c =
        NettyChannelBuilder.forAddress("localhost", picker.port()).sslContext(context).build();
    open.add(c::shutdownNow);
    return c;
  }

  @Test
  void aPortThatIsTakenIsNamed() throws Exception {
    Server taken = instance();
    assertThatThrownBy(() -> start(List.of(), "picker_port=" + taken.port()))
        .isInstanceOf(IOException.class)
        .hasMessageContaining(":" + taken.port());
    assertThatThrownBy(() -> start(List.of(), "fallbacks=9"))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("fallbacks");
  }
}
