package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.Closeable;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A host with several addresses, of which some refuse connections, on real sockets.
class AddressesIT {
  private static final int MANY = 6;

  private final List<FakeEngine> engines = new ArrayList<>();
  private Rig rig;

  @BeforeEach
  void open() throws IOException {
    rig = new Rig();
    rig.names = AddressesIT::look;
  }

  @AfterEach
  void close() throws IOException {
    rig.close();
    engines.forEach(FakeEngine::close);
  }

  private static InetAddress[] look(String host) throws UnknownHostException {
    if (host.equals("many.test")) {
      InetAddress[] all = new InetAddress[MANY];
      for (int k = 0; k < MANY; k++) {
        all[k] = InetAddress.ofLiteral("127.0.0." + (k + 1));
      }
      return all;
    }
    if (!host.equals("several.test")) {
      throw new UnknownHostException(host);
    }
    return new InetAddress[] {
      InetAddress.ofLiteral("127.0.0.1"),
      InetAddress.ofLiteral("127.0.0.2"),
      InetAddress.ofLiteral("127.0.0.3")
    };
  }

  private FakeEngine engine(String address, int port) throws IOException {
    FakeEngine e = new FakeEngine("a", address, port).lists("somebody", "m", "");
    engines.add(e);
    return e;
  }

  /// Chats; how many attempts they took.
  private int attempts(int chats) throws IOException {
    int attempts = 0;
    for (int k = 0; k < chats; k++) {
      Said said = rig.chat();
      assertThat(said.status()).as(said.toString()).isEqualTo(200);
      attempts += Integer.parseInt(said.field("x-infini-attempts"));
    }
    return attempts;
  }

  /// With one of three, whichever that is, it was out of service: the probe knew one address.
  @ParameterizedTest
  @ValueSource(strings = {"127.0.0.1", "127.0.0.2", "127.0.0.3"})
  void whereOneAddressAnswersEveryRequestIsAnswered(String address) throws Exception {
    FakeEngine e = engine(address, 0);
    rig.start(Ticker.SYSTEM, List.of(e.known("several.test", null)), "health_interval=0.1");
    assertThat(attempts(40)).as("each dead address is tried once").isBetween(40, 42);
    assertThat(e.times(Rig.CHAT)).isEqualTo(40);
    assertThat(rig.health()).isEqualTo("1/1");
  }

  @Test
  void whatRefusesWhileAnotherAnswersIsLeftOutAndAllOutIsOut() throws Exception {
    FakeEngine first = engine("127.0.0.1", 0);
    int port = first.port();
    FakeEngine second = engine("127.0.0.2", port);
    FakeEngine third = engine("127.0.0.3", port);
    rig.start(Ticker.SYSTEM, List.of(first.known("several.test", null)), "health_interval=0.1");
    attempts(30);
    assertThat(engines).allMatch(e -> e.times(Rig.CHAT) == 10);
    first.close();
    third.close();
    assertThat(attempts(30)).isBetween(30, 34);
    second.close();
    await().atMost(Rig.SOON).until(() -> rig.health().equals("0/1"));
    engine("127.0.0.3", port);
    await().atMost(Rig.SOON).until(() -> rig.health().equals("1/1"));
    attempts(20);
  }

  /// It takes connections and answers nothing, or answers that it cannot: not the other's fault.
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void oneAddressThatIsBrokenCostsAFewRequestsAtMost(boolean answers) throws Exception {
    try (ScriptedInstance broken =
        new ScriptedInstance(
            "x",
            answers
                ? ScriptedInstance.answering((r, n) -> Rig.answer(503, "", "no"))
                : ScriptedInstance.CLOSES)) {
      int port = broken.port();
      engine("127.0.0.2", port);
      String at = "several.test:" + port;
      String health = "http://127.0.0.2:" + port + "/health";
      Known both =
          new Known(
              "a",
              "several.test",
              port,
              "http://" + at,
              List.of("m"),
              null,
              Map.of(),
              1,
              true,
              true,
              true,
              health,
              null,
              null,
              null,
              false,
              null);
      rig.start(Ticker.SYSTEM, List.of(both), "health_interval=60");
      int lost = 0;
      for (int k = 0; k < 30; k++) {
        lost += rig.chat().ok() ? 0 : 1;
      }
      assertThat(lost).isLessThanOrEqualTo(answers ? 1 : 0);
      assertThat(broken.seen).hasSizeLessThan(5);
    }
  }

  /// Each address had a limit of its own: eight of them took 18 s of the 5.
  @Test
  void theConnectionsOfARequestToAllAddressesOfAHostShareOneLimit() throws Exception {
    List<Closeable> open = new ArrayList<>();
    try {
      int port = blackHole("127.0.0.1", 0, open);
      blackHole("127.0.0.2", port, open);
      blackHole("127.0.0.3", port, open);
      FakeEngine good = engine("127.0.0.1", 0);
      rig.start(
          Ticker.SYSTEM,
          List.of(fixed("holes", "several.test", port, 1), fixed("z", "127.0.0.1", good.port(), 2)),
          "connect_timeout=0.5",
          "max_errors=1000");
      Said said = rig.chat();
      assertThat(said.field("x-infini-instance")).isEqualTo("z");
      assertThat(said.field("x-infini-attempts")).as("one address, then the other").isEqualTo("2");
    } finally {
      for (Closeable c : open) {
        c.close();
      }
    }
  }

  private static Known fixed(String name, String host, int port, int tier) {
    return new Known(
        name,
        host,
        port,
        "http://" + host + ":" + port,
        List.of("m"),
        null,
        Map.of("tier", tier),
        1,
        true,
        true,
        true,
        null,
        null);
  }

  /// A port at which connections neither stand nor fail: its queue is full.
  private static int blackHole(String address, int port, List<Closeable> open) throws IOException {
    ServerSocket s = new ServerSocket(port, 1, InetAddress.ofLiteral(address));
    open.add(s);
    for (int k = 0; k < 64; k++) {
      Socket filler = new Socket();
      open.add(filler);
      try {
        filler.connect(s.getLocalSocketAddress(), 300);
      } catch (IOException full) {
        return s.getLocalPort();
      }
    }
    throw new IOException("the queue of " + s + " does not fill");
  }

  /// A request that ends an engine must not end one behind each address.
  @Test
  void aRequestThatEveryAddressFailsOnIsSentThreeTimes() throws Exception {
    List<Closeable> open = new ArrayList<>();
    AtomicInteger sent = new AtomicInteger();
    try {
      int port = 0;
      for (int k = 1; k <= MANY; k++) {
        ServerSocket s = new ServerSocket(port, 50, InetAddress.ofLiteral("127.0.0." + k));
        port = s.getLocalPort();
        open.add(s);
        Thread.ofVirtual().start(() -> takesAndCloses(s, sent));
      }
      rig.start(Ticker.SYSTEM, List.of(fixed("a", "many.test", port, 1)), "health_interval=60");
      Said said = rig.chat();
      assertThat(said.status()).isEqualTo(502);
      assertThat(sent.get()).isEqualTo(3);
      assertThat(rig.decision().path("attempts").asInt()).isEqualTo(3);
    } finally {
      for (Closeable c : open) {
        c.close();
      }
    }
  }

  private static void takesAndCloses(ServerSocket at, AtomicInteger sent) {
    try {
      while (true) {
        try (Socket s = at.accept()) {
          Talk t = new Talk(s);
          String head = t.anyHead();
          if (head.startsWith("POST ")) {
            sent.incrementAndGet();
          } else {
            t.say(Rig.answer(200, "", "{\"status\":\"healthy\"}"));
          }
        }
      }
    } catch (IOException end) {
      // the test is over
    }
  }
}
