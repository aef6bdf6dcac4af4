package org.infinilm.svc.picker;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingResponse;
import io.grpc.ManagedChannel;
import io.grpc.netty.NettyChannelBuilder;
import java.io.BufferedReader;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.Socket;
import java.net.StandardProtocolFamily;
import java.net.URI;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.infinilm.svc.config.Config;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;
import org.infinilm.svc.router.Choosings;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Whom Envoy is told to ask beside the chosen one, and what it is told with it.
class FallbacksIT {
  private static final int FALLBACKS = 3;
  private static final String CHAT = "/v1/chat/completions";
  private static final String BODY =
      "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}";
  private static final String MODELS = "{\"data\":[{\"id\":\"m\",\"object\":\"model\"}]}";
  private static final String REFUSED =
      "upstream_reset_before_response_started{connection_failure}";
  private static final byte[] PREFACE =
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0".getBytes(ISO_8859_1);
  private static final int PING = 6;
  private static final int GOAWAY = 7;

  @TempDir private Path dir;
  private final List<AutoCloseable> open = new ArrayList<>();
  private final Client client = Client.create();
  private final Map<String, List<String>> names = new HashMap<>();
  private PickerServer picker;
  private ManagedChannel channel;

  @AfterEach
  void stop() throws Exception {
    for (AutoCloseable c : open.reversed()) {
      c.close();
    }
    client.close();
  }

  /// An instance under whatever path.
  private int instance(String host) throws IOException {
    Server s =
        Server.start(
            Server.Options.at(host, 0),
            r ->
                r.path().endsWith("/v1/models")
                    ? Response.json(200, Json.tree(MODELS.getBytes(ISO_8859_1)))
                    : Response.json(200, Map.of("status", "healthy")));
    open.add(s);
    return s.port();
  }

  private int instance() throws IOException {
    return instance("127.0.0.1");
  }

  private void start(List<String> instances, String... settings) throws Exception {
    Map<String, String> all =
        new HashMap<>(
            Map.of(
                "host", "127.0.0.1",
                "admin_port", "0",
                "access_log", "false",
                "health_interval", "0.5",
                "lame_duck", "0",
                "policy", "round-robin"));
    for (String s : settings) {
      int eq = s.indexOf('=');
      all.put(s.substring(0, eq), s.substring(eq + 1));
    }
    Config config = Config.resolve(PickerProgram.PROGRAM.keys(), all, Map.of(), null);
    Map<String, String> env = Map.of("ONE", "key-of-one", "OTHER", "key-of-other");
    picker = new PickerServer(Choosings.open(config, instances, names, env), 0, 0, FALLBACKS);
    open.add(picker);
    channel = NettyChannelBuilder.forAddress("127.0.0.1", picker.port()).usePlaintext().build();
    open.add(channel::shutdownNow);
    String every = instances.size() + "/" + instances.size();
    await()
        .atMost(Stage.SOON)
        .until(() -> admin("/health").path("healthy_services").asText().equals(every));
  }

  private URI own(String path) {
    return URI.create("http://127.0.0.1:" + picker.adminPort() + path);
  }

  private JsonNode admin(String path) throws Exception {
    return Json.tree(client.get(own(path), Stage.SOON).body());
  }

  private Stage chat() {
    Stage s = Stage.open(channel);
    open.add(s);
    return s.post(CHAT, "authorization", "Bearer a-client's").body(BODY, true);
  }

  /// What a head is set to, or "".
  private static String told(ProcessingResponse r, String field) {
    return r.getRequestHeaders().getResponse().getHeaderMutation().getSetHeadersList().stream()
        .filter(h -> h.getHeader().getKey().equals(field))
        .map(h -> h.getHeader().getRawValue().toStringUtf8())
        .findFirst()
        .orElse("");
  }

  private static List<String> destinations(ProcessingResponse r) {
    return List.of(Stage.destination(r).split(",", -1));
  }

  /// Envoy asks one after the other with one head.
  @Test
  void aKeyAndAPathAreToldForThoseAloneThatTheyAreOf() throws Exception {
    int[] port = {instance(), instance(), instance(), instance(), instance(), instance()};
    start(
        List.of(
            "http://127.0.0.1:" + port[0] + "/base,name=a,api_key_env=ONE",
            "http://127.0.0.1:" + port[1] + "/base,name=like-a,api_key_env=ONE",
            "http://127.0.0.1:" + port[2] + "/base,name=other-key,api_key_env=OTHER",
            "http://127.0.0.1:" + port[3] + ",name=other-path,api_key_env=ONE",
            "http://127.0.0.1:" + port[4] + ",name=no-key",
            "http://127.0.0.1:" + port[5] + "/base,name=no-key-and-path"));
    Set<String> heads = new HashSet<>();
    Map<String, Set<String>> got = new HashMap<>();
    for (int k = 0; k < 3 * port.length; k++) {
      Stage s = chat();
      ProcessingResponse r = s.reply(0);
      String head = told(r, "authorization") + " " + told(r, ":path");
      assertThat(destinations(r)).hasSize(1 + FALLBACKS);
      destinations(r).forEach(d -> got.computeIfAbsent(d, x -> new HashSet<>()).add(head));
      heads.add(head);
      s.resets();
    }
    assertThat(heads).as("each was chosen").hasSize(5);
    String path = "/base" + CHAT;
    List<String> own =
        List.of(
            "Bearer key-of-one " + path,
            "Bearer key-of-one " + path,
            "Bearer key-of-other " + path,
            "Bearer key-of-one ",
            " ",
            " " + path);
    for (int k = 0; k < port.length; k++) {
      assertThat(got.get("127.0.0.1:" + port[k])).as("number %d", k).containsExactly(own.get(k));
    }
  }

  @Test
  void whoIsLikeTheChosenOneIsToldAndNobodyIsPastTheEndOfTheList() throws Exception {
    String a = "127.0.0.1:" + instance();
    String b = "127.0.0.1:" + instance();
    start(
        List.of(
            "http://" + a + "/base,name=a,api_key_env=ONE",
            "http://" + b + "/base,name=b,api_key_env=ONE",
            "http://127.0.0.1:" + instance() + ",name=c,weight=0"));
    List<String> told = destinations(chat().reply(0));
    String first = told.getFirst();
    String second = first.equals(a) ? b : a;
    assertThat(told).containsExactly(first, second, first, second);
  }

  @Test
  void anInstanceIsAskedAtItsOtherAddressBeforeAnother() throws Exception {
    int port = instance("127.0.0.2");
    names.put("two.test", List.of("127.0.0.1", "127.0.0.2"));
    start(List.of("http://two.test:" + port + ",name=two"));
    String dead = "127.0.0.1:" + port;
    String lives = "127.0.0.2:" + port;
    Stage s = chat();
    assertThat(destinations(s.reply(0))).containsExactly(dead, lives, dead, lives);
    s.replies(2).answerOf(lives, 200, "content-type", "application/json").answerBody("{}", true);
    assertThat(s.end().isOk()).isTrue();
    JsonNode d = admin("/decisions?limit=1").path("decisions").get(0);
    assertThat(d.path("instance").asText()).isEqualTo("two");
    assertThat(d.path("attempts").asInt()).isEqualTo(1);
    assertThat(d.path("outcome").asText()).isEqualTo("ok");
    // what one request met is known to the next
    Stage next = chat();
    assertThat(destinations(next.reply(0))).containsExactly(lives, dead, lives, dead);
    next.replies(2).ownAnswer(503, REFUSED);
    next.replies(3);
    assertThat(destinations(chat().reply(0))).as("failed longest ago").startsWith(dead);
  }

  /// An instance has failed when each of its addresses has.
  @ParameterizedTest
  @CsvSource({"3, true", "5, false"})
  void oneOfThePlacesIsAnotherInstances(int addresses, boolean failed) throws Exception {
    int port = instance("127.0.0.2");
    names.put(
        "many.test", IntStream.range(2, 2 + addresses).mapToObj(k -> "127.0.0." + k).toList());
    String b = "127.0.0.1:" + instance();
    start(List.of("http://many.test:" + port + ",name=many", "http://" + b + ",name=b"));
    Stage s = chat();
    if (destinations(s.reply(0)).getFirst().equals(b)) {
      s.resets();
      s = chat();
    }
    assertThat(destinations(s.reply(0)))
        .containsExactly("127.0.0.2:" + port, "127.0.0.3:" + port, "127.0.0.4:" + port, b);
    s.replies(2).answerOf(b, 200, "content-type", "application/json").answerBody("{}", true);
    assertThat(s.end().isOk()).isTrue();
    JsonNode d = admin("/decisions?limit=1").path("decisions").get(0);
    assertThat(d.path("instance").asText()).isEqualTo("b");
    assertThat(d.path("attempts").asInt()).isEqualTo(2);
    assertThat(d.path("failed_instances").size()).isEqualTo(failed ? 1 : 0);
  }

  @Test
  void whoCannotBeToldTakesNobodysPlace() throws Exception {
    Path socket = dir.resolve("s");
    listens(socket);
    String a = "127.0.0.1:" + instance();
    String b = "127.0.0.1:" + instance();
    start(
        List.of(
            "http://" + a + ",name=b1",
            "http://" + b + ",name=b2",
            // the first by name, and with the fewest requests
            "unix:" + socket + ",name=a"));
    int seen = 0;
    for (int k = 0; k < 6; k++) {
      ProcessingResponse r = chat().reply(0);
      if (r.hasRequestHeaders()) {
        seen++;
        assertThat(destinations(r)).contains(a, b);
      }
    }
    assertThat(seen).isPositive();
  }

  /// Answers each request on a unix socket with its models.
  private void listens(Path socket) throws IOException {
    ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
    server.bind(UnixDomainSocketAddress.of(socket));
    open.add(server);
    String answer =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: "
            + MODELS.length()
            + "\r\n\r\n"
            + MODELS;
    Thread.ofVirtual()
        .start(() -> {
          while (true) {
            try (SocketChannel c = server.accept();
                BufferedReader in = new BufferedReader(Channels.newReader(c, ISO_8859_1))) {
              String line = in.readLine();
              while (line != null && !line.isEmpty()) {
                line = in.readLine();
              }
              c.write(ByteBuffer.wrap(answer.getBytes(ISO_8859_1)));
            } catch (IOException closed) {
              return;
            }
          }
        });
  }

  @Test
  void whoLeavesWhileARequestWaitsIsNotToldWithIt() throws Exception {
    String a = "127.0.0.1:" + instance();
    String b = "127.0.0.1:" + instance();
    start(
        List.of(
            "http://" + a + ",name=a,max_concurrency=1",
            "http://" + b + ",name=b,max_concurrency=1"));
    Stage one = chat().replies(2);
    Stage two = chat().replies(2);
    Stage ofA = destinations(one.reply(0)).getFirst().equals(a) ? one : two;
    Stage waits = chat();
    await()
        .atMost(Stage.SOON)
        .until(() ->
            new String(client.get(own("/metrics"), Stage.SOON).body(), ISO_8859_1)
                .contains("infini_router_queue_length 1.0"));
    assertThat(client.post(own("/admin/instances/b/drain"), Map.of(), Stage.SOON).status())
        .isEqualTo(202);
    assertThat(waits.came).isEmpty();
    ofA.answer(200, false).answerBody("{}", true);
    assertThat(destinations(waits.reply(0))).containsOnly(a);
  }

  /// Envoy asks each second whether we are still there (`connection_keepalive`), also while nothing
  /// else passes.
  @Test
  void whoAsksOftenWhetherWeAreThereIsAnswered() throws Exception {
    start(List.of());
    try (Socket s = new Socket("127.0.0.1", picker.port())) {
      s.setSoTimeout((int) Stage.SOON.toMillis());
      OutputStream out = s.getOutputStream();
      out.write(PREFACE);
      DataInputStream in = new DataInputStream(s.getInputStream());
      int answered = 0;
      for (int k = 0; k < 20; k++) {
        out.write(new byte[] {0, 0, 8, PING, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, (byte) k});
        int type = 0;
        while (type != PING) {
          int length = (in.readUnsignedByte() << 16) | in.readUnsignedShort();
          type = in.readUnsignedByte();
          in.skipNBytes(5L + length);
          assertThat(type).as("after %d", answered).isNotEqualTo(GOAWAY);
        }
        answered++;
      }
      assertThat(answered).isEqualTo(20);
    }
  }
}
