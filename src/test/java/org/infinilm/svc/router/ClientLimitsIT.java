package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Clients that are slow, silent, greedy or many: whatever state their connection is in, a limit
/// ends it, and the others are served.
@Timeout(120)
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
class ClientLimitsIT {
  private static final int LARGE = 8 << 20;

  private Rig rig;

  @AfterEach
  void end() throws Exception {
    rig.quiet();
    await().atMost(Rig.SOON).until(() -> rig.router().server().bufferedBytes() == 0);
    rig.close();
  }

  private void start(ScriptedInstance.Reply reply, String... settings) throws Exception {
    rig = new Rig();
    rig.answering("a", reply);
    rig.start(settings);
  }

  private static String answer(int length, int sent) {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + length + "\r\n\r\n" + "a".repeat(sent);
  }

  /// A client whose kernel holds little for it.
  private Socket smallClient() throws IOException {
    Socket s = new Socket();
    s.setReceiveBufferSize(4096);
    s.connect(new InetSocketAddress("127.0.0.1", rig.router().port()));
    s.setSoTimeout((int) Rig.SOON.toMillis());
    return s;
  }

  private static void write(Socket s, String text) throws IOException {
    s.getOutputStream().write(text.getBytes(ISO_8859_1));
    s.getOutputStream().flush();
  }

  private static String chat(String fields) {
    return Rig.post(Rig.CHAT, fields, Rig.BODY);
  }

  /// Each answer came whole in one read, so that no mark held any of them back, and each next
  /// request was computed: 190 MB for one client that reads nothing.
  @ParameterizedTest
  @ValueSource(strings = {"auto", "codec"})
  void whatWasSentAheadWaitsWhileAnswersAreNotTaken(String framing) throws Exception {
    int requests = 300;
    int bytes = 60_000;
    AtomicInteger asked = new AtomicInteger();
    start(
        (r, n) -> {
          asked.addAndGet(r.startsWith("POST") ? 1 : 0);
          return answer(bytes, bytes);
        },
        "framing=" + framing);
    try (Socket client = smallClient()) {
      Thread writer =
          Thread.ofVirtual()
              .start(() -> {
                try {
                  write(client, chat("").repeat(requests));
                } catch (IOException e) {
                  throw new IllegalStateException(e);
                }
              });
      AtomicInteger before = new AtomicInteger(-1);
      await()
          .atMost(Rig.SOON)
          .pollInterval(Duration.ofMillis(500))
          .until(() -> {
            int now = asked.get();
            return before.getAndSet(now) == now && now > 1;
          });
      assertThat(asked).hasValueLessThan(requests / 2);
      assertThat(rig.router().server().bufferedBytes()).isLessThan(1 << 20);
      InputStream in = client.getInputStream();
      long all = 0;
      byte[] some = new byte[1 << 16];
      while (all < (long) requests * bytes) {
        int n = in.read(some);
        assertThat(n).as("after %d bytes", all).isPositive();
        for (int k = 0; k < n; k++) {
          all += some[k] == 'a' ? 1 : 0;
        }
      }
      writer.join();
      assertThat(asked).hasValueGreaterThanOrEqualTo(requests);
    }
  }

  private void awaitStalled(int clients) {
    await().atMost(Rig.SOON).until(() -> rig.router().server().stalledClients() >= clients);
    await().atMost(Rig.SOON).until(() -> rig.router().server().connections() <= 1);
  }

  /// Answers of all sizes around what the kernel holds: some are relayed whole and wait here for a
  /// client that never reads, with nothing left to do but to close.
  @Test
  void aClientThatAskedForTheEndAndReadsNothingIsClosed() throws Exception {
    start((r, n) -> answer(n << 17, n << 17), "client_stall=1");
    List<Socket> clients = new ArrayList<>();
    for (int k = 0; k < 36; k++) {
      Socket c = smallClient();
      clients.add(c);
      write(c, chat("Connection: close\r\n"));
    }
    await().atMost(Rig.SOON).until(() -> rig.instances.getFirst().seen.size() == 36);
    awaitStalled(2);
    for (Socket c : clients) {
      c.close();
    }
  }

  @Test
  void aClientOfABrokenAnswerWhoReadsNothingIsClosed() throws Exception {
    rig = new Rig();
    rig.instance(
        "a",
        (self, t) -> {
          self.take(t);
          t.say(answer(2 * LARGE, LARGE));
          t.close();
        });
    rig.start("client_stall=1");
    try (Socket c = smallClient()) {
      write(c, chat(""));
      awaitStalled(1);
      assertThat(c.isConnected()).isTrue();
    }
  }

  @Test
  void aClientThatDripsItsAnswerIsClosed() throws Exception {
    // it keeps its window moving, so that the kernel always has something to send
    start((r, n) -> answer(LARGE, LARGE), "client_stall=1", "min_client_rate=1000000");
    try (Socket c = smallClient()) {
      write(c, chat(""));
      InputStream in = c.getInputStream();
      byte[] piece = new byte[2000];
      Thread reader =
          Thread.ofVirtual()
              .start(() -> {
                try {
                  while (in.read(piece) >= 0) {
                    Thread.sleep(200);
                  }
                } catch (IOException | InterruptedException e) {
                  // closed
                }
              });
      awaitStalled(1);
      reader.interrupt();
    }
  }

  @Test
  void aSlowClientAtItsRateGetsEveryByte() throws Exception {
    start((r, n) -> answer(LARGE, LARGE), "client_stall=1", "min_client_rate=1000");
    try (Socket c = rig.connect()) {
      write(c, chat("Connection: close\r\n"));
      InputStream in = c.getInputStream();
      byte[] piece = new byte[LARGE / 30];
      long all = 0;
      for (int n = in.read(piece); n >= 0; n = in.readNBytes(piece, 0, piece.length)) {
        all += n;
        if (n == 0) {
          break;
        }
        Thread.sleep(100);
      }
      assertThat(all).isGreaterThan(LARGE);
    }
    assertThat(rig.router().server().stalledClients()).isZero();
  }

  @Test
  void aBodyThatDripsIsRefused() throws Exception {
    start((r, n) -> Rig.OK, "body_timeout=1");
    try (Socket c = rig.connect()) {
      write(c, "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
      drip(c, "a".repeat(900));
      Said said = Said.read(c.getInputStream());
      assertThat(said.status()).isEqualTo(408);
      assertThat(said.body()).contains("at least 240 bytes a second");
    }
  }

  @Test
  void aHeadThatDripsIsRefusedEvenBehindAnotherRequest() throws Exception {
    start((r, n) -> Rig.OK, "head_timeout=1", "idle_connection=60");
    try (Socket c = rig.connect()) {
      write(c, chat("") + "GET /x HTT");
      assertThat(Said.read(c.getInputStream()).ok()).isTrue();
      Said said = Said.read(c.getInputStream());
      assertThat(said.status()).isEqualTo(408);
      assertThat(said.body()).contains("head not complete after 1 s");
    }
    try (Socket c = rig.connect()) {
      drip(c, chat("X-A: " + "a".repeat(1000) + "\r\n"));
      assertThat(Said.read(c.getInputStream()).status()).isEqualTo(408);
    }
  }

  /// One byte every tenth of a second, until the other side has enough.
  private static void drip(Socket c, String text) {
    Thread.ofVirtual()
        .start(() -> {
          try {
            OutputStream out = c.getOutputStream();
            for (int k = 0; k < text.length(); k++) {
              out.write(text.charAt(k));
              Thread.sleep(100);
            }
          } catch (IOException | InterruptedException e) {
            // refused
          }
        });
  }

  @Test
  void anAnswerBeforeTheBodyIsReadWhole() throws Exception {
    start((r, n) -> Rig.OK, "max_body_bytes=1000");
    for (int k = 0; k < 5; k++) {
      try (Socket c = rig.connect()) {
        write(c, "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n");
        write(c, "a".repeat(5_000_000));
        Said said = Said.read(c.getInputStream());
        assertThat(said.status()).isEqualTo(413);
        assertThat(said.end()).isEqualTo(Said.End.WHOLE);
        assertThat(c.getInputStream().read()).isEqualTo(-1);
      }
    }
  }

  @Test
  void whatIsSentBehindTheLastRequestDoesNotResetItsAnswer() throws Exception {
    start((r, n) -> answer(100_000, 100_000));
    for (int k = 0; k < 5; k++) {
      try (Socket c = rig.connect()) {
        write(c, chat("Connection: close\r\n") + chat("").repeat(2000));
        Said said = Said.read(c.getInputStream());
        assertThat(said.ok()).isTrue();
        assertThat(said.body()).hasSize(100_000);
        assertThat(c.getInputStream().read()).isEqualTo(-1);
      }
    }
  }

  @Test
  void anAnswerThatEndsWithItsConnectionIsResetWhenItBreaks() throws Exception {
    rig = new Rig();
    rig.instance(
        "a",
        (self, t) -> {
          self.take(t);
          t.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n");
          t.reset();
        });
    rig.start();
    try (Socket c = rig.connect()) {
      write(c, "GET /g HTTP/1.0\r\n\r\n");
      Said said = Said.read(c.getInputStream());
      assertThat(said.status()).isIn(0, 200);
      assertThat(said.end()).isEqualTo(Said.End.RESET);
    }
  }

  @Test
  void overTheLimitOfConnectionsHealthChecksAreAnsweredAndTheRestIsTold() throws Exception {
    start((r, n) -> Rig.OK, "max_connections=3");
    await().atMost(Rig.SOON).until(() -> rig.router().server().connections() <= 1);
    List<Socket> idle = new ArrayList<>();
    for (int k = 0; k < 3; k++) {
      idle.add(rig.connect());
    }
    await().atMost(Rig.SOON).until(() -> rig.router().server().connections() >= 3);
    Said said = rig.chat();
    assertThat(said.status()).isEqualTo(503);
    assertThat(said.body()).contains("too many connections (expected: at most 3)");
    assertThat(said.field("retry-after")).isEqualTo("1");
    for (String check : List.of("/livez", "/health?probe=lb", "/status")) {
      assertThat(rig.send("GET " + check + " HTTP/1.1\r\nHost: x\r\n\r\n").status()).isEqualTo(200);
    }
    assertThat(rig.router().server().connectionsTurnedAway()).isGreaterThanOrEqualTo(2);
    for (Socket s : idle) {
      s.close();
    }
    await().atMost(Rig.SOON).until(() -> rig.chat().ok());
  }

  /// Connections that only stay open held the places that are kept for health checks for 75 s.
  @ParameterizedTest
  @ValueSource(
      strings = {"", "GET /liv", "GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"})
  void whoDoesNothingOverTheLimitDoesNotKeepHealthChecksOut(String begun) throws Exception {
    start((r, n) -> Rig.OK, "max_connections=3");
    await().atMost(Rig.SOON).until(() -> rig.router().server().connections() <= 1);
    List<Socket> many = new ArrayList<>();
    for (int k = 0; k < 3 + 64; k++) {
      many.add(rig.connect());
      write(many.getLast(), begun);
    }
    await().atMost(Rig.SOON).until(() -> rig.router().server().connectionsTurnedAway() >= 64);
    await()
        .atMost(Rig.SOON)
        .ignoreExceptions()
        .until(() -> rig.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").status() == 200);
    for (Socket s : many) {
      s.close();
    }
  }

  /// It was 503 with Retry-After, for ever.
  @Test
  void aBodyThatTheBudgetCanNeverHoldIsTooLarge() throws Exception {
    start((r, n) -> Rig.OK, "max_buffered_bytes=1000000");
    Said said = rig.send("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 1000001\r\n\r\n");
    assertThat(said.status()).isEqualTo(413);
    assertThat(said.body()).contains("at most 1000000 bytes");
  }

  @Test
  void theLargestAndSlowestBodyIsGivenUpAndNotTheNextOne() throws Exception {
    start((r, n) -> Rig.OK, "max_buffered_bytes=4000000");
    try (Socket slow = rig.connect()) {
      write(slow, "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2dc6c0\r\n");
      write(slow, "a".repeat(2_500_000));
      await().atMost(Rig.SOON).until(() -> rig.router().server().bufferedBytes() >= 2_500_000);
      for (int k = 0; k < 3; k++) {
        String body = "{\"model\":\"m\",\"x\":\"" + "b".repeat(1_900_000) + "\"}";
        assertThat(rig.send(Rig.post(Rig.CHAT, "Transfer-Encoding: chunked\r\n", "")).status())
            .as("two framings")
            .isEqualTo(400);
        String chunked =
            "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                + Integer.toHexString(body.length())
                + "\r\n"
                + body
                + "\r\n0\r\n\r\n";
        assertThat(rig.send(chunked).ok()).isTrue();
      }
      Said said = Said.read(slow.getInputStream());
      assertThat(said.status()).isEqualTo(503);
      assertThat(said.body()).contains("in memory (expected: at most 4000000)");
      assertThat(said.field("retry-after")).isEqualTo("1");
    }
    assertThat(rig.router().server().givenUpForMemory()).isEqualTo(1);
  }

  @Test
  void answersThatNobodyReadsShareTheBudgetToo() throws Exception {
    start((r, n) -> answer(LARGE, LARGE), "max_buffered_bytes=1000000", "client_stall=100");
    List<Socket> clients = new ArrayList<>();
    for (int k = 0; k < 40; k++) {
      Socket c = smallClient();
      clients.add(c);
      write(c, chat(""));
    }
    await()
        .atMost(Rig.SOON)
        .until(() ->
            rig.instances.getFirst().seen.size() == 40
                && rig.router().server().givenUpForMemory() > 0
                && rig.router().server().bufferedBytes() <= 1_200_000);
    for (Socket c : clients) {
      c.close();
    }
  }

  @Test
  void aFloodOfRequestsSentAheadIsHeldBack() throws Exception {
    start((r, n) -> Rig.OK);
    byte[] flood = chat("").repeat(1000).getBytes(ISO_8859_1);
    try (Socket c = rig.connect()) {
      Thread writer =
          Thread.ofVirtual()
              .start(() -> {
                try {
                  while (true) {
                    c.getOutputStream().write(flood);
                  }
                } catch (IOException closed) {
                  // the end of the test
                }
              });
      InputStream in = c.getInputStream();
      for (int k = 0; k < 1500; k++) {
        assertThat(Said.read(in).ok()).isTrue();
        assertThat(rig.router().server().bufferedBytes()).isLessThan(1 << 20);
      }
      assertThat(writer.isAlive()).isTrue();
    }
  }

  @Test
  void thousandsSentAheadWaitUndecoded() throws Exception {
    start((r, n) -> Rig.OK);
    int many = 2000;
    try (Socket c = rig.connect()) {
      Thread.ofVirtual()
          .start(() -> {
            try {
              write(c, chat("").repeat(many));
            } catch (IOException e) {
              // the assertion below tells
            }
          });
      InputStream in = c.getInputStream();
      for (int k = 0; k < many; k++) {
        assertThat(Said.read(in).ok()).isTrue();
      }
    } catch (SocketException e) {
      throw new AssertionError(e);
    }
  }
}
