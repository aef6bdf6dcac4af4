package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.netty.pkitesting.CertificateBuilder;
import io.netty.pkitesting.X509Bundle;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.LongAdder;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Connections that are kept for the next call, and a server that ends them in each nasty moment.
@Timeout(120)
class KeptConnectionsIT {
  private static final Duration LONG = Duration.ofSeconds(60);

  @TempDir private Path dir;
  private final Client client = Client.create().keeping();

  @AfterEach
  void end() {
    client.close();
  }

  private static String send(Client by, ScriptedServer to, String path, Duration limit)
      throws IOException, InterruptedException {
    URI uri = URI.create("http://" + to.address() + path);
    return new String(
        by.send("POST", uri, Headers.NONE, new byte[10], limit).body(), StandardCharsets.UTF_8);
  }

  private String send(ScriptedServer to, String path) throws IOException, InterruptedException {
    return send(client, to, path, LONG);
  }

  private static void awaitOpen(ScriptedServer s, int n) {
    await().atMost(LONG).until(() -> s.open() == n);
  }

  @Test
  void callsOneAfterTheOtherShareOne() throws Exception {
    try (ScriptedServer s = new ScriptedServer((n, link) -> link.serve("x"))) {
      for (int k = 0; k < 50; k++) {
        assertThat(send(s, "/")).isEqualTo("x");
      }
      assertThat(s.links()).hasSize(1);
    }
  }

  @Test
  void aClientThatKeepsNoneHasOneACall() throws Exception {
    try (ScriptedServer s = new ScriptedServer((n, link) -> link.serve("x"));
        Client plain = Client.create()) {
      send(plain, s, "/", LONG);
      send(plain, s, "/", LONG);
      assertThat(s.links()).hasSize(2);
      awaitOpen(s, 0);
    }
  }

  /// The end lies in the kernel already, whether the loop has read it or not.
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void oneThatWasEndedWhileIdleIsNotUsed(boolean reset) throws Exception {
    Semaphore close = new Semaphore(0);
    Semaphore closed = new Semaphore(0);
    ScriptedServer.Script once =
        (n, link) -> {
          link.request();
          link.answer("n" + n);
          close.acquire();
          if (reset) {
            link.reset();
          }
          link.close();
          closed.release();
        };
    try (ScriptedServer s = new ScriptedServer(once)) {
      for (int k = 0; k < 300; k++) {
        assertThat(send(s, "/")).isEqualTo("n" + k);
        close.release();
        closed.acquire();
        s.links().get(k).awaitEnded(s.port());
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "HTTP/1.1 200 OK\r\ncontent-le"})
  void oneThatEndsUnderACallSaysSoAndTheNextIsNew(String begun) throws Exception {
    ScriptedServer.Script second =
        (n, link) -> {
          if (n == 0) {
            link.request();
            link.answer("x");
            link.request();
            link.write(begun);
          } else {
            link.serve("y");
          }
        };
    try (ScriptedServer s = new ScriptedServer(second)) {
      assertThat(send(s, "/")).isEqualTo("x");
      assertThatThrownBy(() -> send(s, "/")).isInstanceOf(Client.Lost.class);
      assertThat(send(s, "/")).isEqualTo("y");
      assertThat(s.links()).hasSize(2);
    }
  }

  /// Nobody may take it for one that a server closed while it was idle.
  @Test
  void aNewOneThatEndsUnderItsCallIsNoneThatWasKept() throws Exception {
    try (ScriptedServer s = new ScriptedServer((n, link) -> link.request())) {
      assertThatThrownBy(() -> send(s, "/"))
          .isInstanceOf(IOException.class)
          .isNotInstanceOf(Client.Lost.class)
          .hasMessageContaining("closed the connection before the answer ended");
    }
  }

  @Test
  void oneThatEndsWithinAnAnswerIsNotLost() throws Exception {
    ScriptedServer.Script half =
        (n, link) -> {
          link.request();
          link.answer("x");
          link.request();
          link.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
        };
    try (ScriptedServer s = new ScriptedServer(half)) {
      send(s, "/");
      assertThatThrownBy(() -> send(s, "/"))
          .isInstanceOf(IOException.class)
          .isNotInstanceOf(Client.Lost.class);
    }
  }

  /// Some servers say 408 before they close an idle connection: that is no answer to the next call.
  @Test
  void whatCameUnaskedIsNoAnswer() throws Exception {
    Semaphore idle = new Semaphore(0);
    Semaphore said = new Semaphore(0);
    ScriptedServer.Script more =
        (n, link) -> {
          link.request();
          link.answer("n" + n);
          idle.acquire();
          link.write("HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n");
          said.release();
          link.awaitEnd();
        };
    try (ScriptedServer s = new ScriptedServer(more)) {
      for (int k = 0; k < 100; k++) {
        assertThat(send(s, "/")).isEqualTo("n" + k);
        idle.release();
        said.acquire();
        s.links().get(k).awaitDelivered();
      }
      awaitOpen(s, 0);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx",
        "HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx"
      })
  void oneThatTheServerWillCloseIsNotKept(String answer) throws Exception {
    ScriptedServer.Script closing =
        (n, link) -> {
          link.request();
          link.write(answer);
          link.awaitEnd();
        };
    try (ScriptedServer s = new ScriptedServer(closing)) {
      assertThat(send(s, "/")).isEqualTo("x");
      assertThat(send(s, "/")).isEqualTo("x");
      awaitOpen(s, 0);
    }
  }

  /// A server that hangs: the others that were made to it hang as well.
  @Test
  void whereOneGetsNoAnswerAllAreClosed() throws Exception {
    CyclicBarrier together = new CyclicBarrier(4);
    ScriptedServer.Script hanging =
        (n, link) -> {
          for (String path = link.request(); path != null; path = link.request()) {
            if (path.equals("/hang")) {
              link.awaitEnd();
            } else {
              together.await();
              link.answer("x");
            }
          }
        };
    try (ScriptedServer s = new ScriptedServer(hanging)) {
      List<Thread> calls = new ArrayList<>();
      for (int k = 0; k < 4; k++) {
        calls.add(Thread.ofVirtual().start(() -> quietly(s)));
      }
      for (Thread t : calls) {
        t.join();
      }
      assertThat(s.open()).isEqualTo(4);
      assertThatThrownBy(() -> send(client, s, "/hang", Duration.ofMillis(300)))
          .isInstanceOf(IOException.class)
          .isNotInstanceOf(Client.Lost.class)
          .hasMessageContaining("300 ms");
      awaitOpen(s, 0);
    }
  }

  private void quietly(ScriptedServer s) {
    try {
      send(s, "/");
    } catch (IOException | InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void aCallerThatLeavesClosesItsOwn() throws Exception {
    CountDownLatch asked = new CountDownLatch(1);
    ScriptedServer.Script hanging =
        (n, link) -> {
          link.request();
          asked.countDown();
          link.awaitEnd();
        };
    try (ScriptedServer s = new ScriptedServer(hanging)) {
      AtomicReference<Exception> how = new AtomicReference<>();
      Thread t =
          Thread.ofVirtual()
              .start(() -> {
                try {
                  send(s, "/");
                } catch (IOException | InterruptedException e) {
                  how.set(e);
                }
              });
      asked.await();
      t.interrupt();
      t.join();
      assertThat(how.get()).isInstanceOf(InterruptedException.class);
      awaitOpen(s, 0);
    }
  }

  @Test
  void anAnswerThatIsTooLongClosesItsOwn() throws Exception {
    try (ScriptedServer s = new ScriptedServer((n, link) -> link.serve("x".repeat(5000)))) {
      URI uri = URI.create("http://" + s.address() + "/");
      assertThatThrownBy(() -> client.send("GET", uri, Headers.NONE, new byte[0], LONG, 100))
          .hasMessageContaining("larger than 100");
      client.close();
      awaitOpen(s, 0);
    }
  }

  @Test
  void onlySoManyAreKept() throws Exception {
    int many = KeptConnections.MOST_IDLE + 8;
    CyclicBarrier together = new CyclicBarrier(many);
    ScriptedServer.Script atOnce =
        (n, link) -> {
          link.request();
          together.await();
          link.answer("x");
          link.awaitEnd();
        };
    try (ScriptedServer s = new ScriptedServer(atOnce)) {
      List<Thread> calls = new ArrayList<>();
      for (int k = 0; k < many; k++) {
        calls.add(Thread.ofVirtual().start(() -> quietly(s)));
      }
      for (Thread t : calls) {
        t.join();
      }
      awaitOpen(s, KeptConnections.MOST_IDLE);
      client.close();
      awaitOpen(s, 0);
    }
  }

  @Test
  void oneThatIsIdleForLongIsClosed() throws Exception {
    try (ScriptedServer s = new ScriptedServer((n, link) -> link.serve("x"));
        Client brief = Client.create().keeping(Duration.ofMillis(100))) {
      assertThat(send(brief, s, "/", LONG)).isEqualTo("x");
      awaitOpen(s, 0);
      assertThat(send(brief, s, "/", LONG)).isEqualTo("x");
      assertThat(s.links()).hasSize(2);
    }
  }

  /// What is closed keeps nothing any more, a call that was under way included.
  @Test
  void aClientThatIsClosedKeepsNone() throws Exception {
    CountDownLatch asked = new CountDownLatch(1);
    CountDownLatch go = new CountDownLatch(1);
    ScriptedServer.Script waiting =
        (n, link) -> {
          link.request();
          asked.countDown();
          go.await();
          link.answer("x");
          link.awaitEnd();
        };
    try (ScriptedServer s = new ScriptedServer(waiting)) {
      Thread t = Thread.ofVirtual().start(() -> quietly(s));
      asked.await();
      client.close();
      go.countDown();
      t.join();
      awaitOpen(s, 0);
    }
  }

  /// Many callers over a server that ends a connection whenever it likes: each answer is that of
  /// its own call, and nothing stays open.
  @Test
  void noCallGetsTheAnswerOfAnother() throws Exception {
    LongAdder lost = new LongAdder();
    LongAdder wrong = new LongAdder();
    LongAdder right = new LongAdder();
    ScriptedServer.Script moody =
        (n, link) -> {
          int calls = n % 7;
          for (String p = link.request(); p != null; p = link.request()) {
            if (calls-- == 0) {
              return;
            }
            link.answer(p);
          }
        };
    try (ScriptedServer s = new ScriptedServer(moody)) {
      List<Thread> calls = new ArrayList<>();
      for (int k = 0; k < 24; k++) {
        int who = k;
        calls.add(
            Thread.ofVirtual()
                .start(() -> {
                  for (int c = 0; c < 100; c++) {
                    String path = "/" + who + "/" + c;
                    try {
                      (send(s, path).equals(path) ? right : wrong).increment();
                    } catch (IOException e) {
                      lost.increment();
                    } catch (InterruptedException e) {
                      return;
                    }
                  }
                }));
      }
      for (Thread t : calls) {
        t.join();
      }
      assertThat(wrong.sum()).isZero();
      assertThat(right.sum() + lost.sum()).isEqualTo(2400);
      assertThat(right.sum()).isGreaterThan(1000);
      client.close();
      awaitOpen(s, 0);
    }
  }

  @Test
  void filesThatWereReadAnewTakeNewConnections() throws Exception {
    Instant now = Instant.now();
    CertificateBuilder made =
        new CertificateBuilder()
            .subject("CN=127.0.0.1")
            .addSanIpAddress("127.0.0.1")
            .setIsCertificateAuthority(true)
            .notBefore(now.minus(Duration.ofDays(1)))
            .notAfter(now.plus(Duration.ofDays(1)))
            .ecp256();
    X509Bundle pair = made.buildSelfSigned();
    Path cert = Files.writeString(dir.resolve("cert.pem"), pair.getCertificatePEM());
    Path key = Files.writeString(dir.resolve("key.pem"), pair.getPrivateKeyPEM());
    Path ca = Files.writeString(dir.resolve("ca.pem"), pair.getCertificatePEM());
    try (Tls.Listener shown = Tls.Listener.open(cert, key, null, false, InstantSource.system());
        Server s =
            Server.start(
                Server.Options.at("127.0.0.1", 0).tls(shown), r -> Response.json(200, "x"));
        Client secure = client.with(Tls.of(ca, null))) {
      URI uri = URI.create("https://127.0.0.1:" + s.port() + "/");
      for (int k = 0; k < 20; k++) {
        assertThat(secure.get(uri, LONG).ok()).isTrue();
      }
      assertThat(handshakes(shown)).isEqualTo(1);
      // the same certificate alone would be no news
      String both = pair.getCertificatePEM() + "\n" + made.buildSelfSigned().getCertificatePEM();
      Path next = Files.writeString(dir.resolve("next.pem"), both);
      Files.move(next, ca, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      await().atMost(LONG).until(() -> secure.get(uri, LONG).ok() && handshakes(shown) == 2);
    }
  }

  private static long handshakes(Tls.Listener shown) {
    return shown.endings().values().stream().mapToLong(n -> n).sum();
  }
}
