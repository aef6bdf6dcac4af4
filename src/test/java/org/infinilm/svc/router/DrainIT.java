package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.SequenceInputStream;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// The end of a router: who is still served, who is told to go, and how long it takes.
@Timeout(120)
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
class DrainIT {
  private static final String ID = "GET /g HTTP/1.1\r\nHost: x\r\n\r\n";

  private final CountDownLatch goOn = new CountDownLatch(1);
  private Rig rig;
  private Thread drain;

  @BeforeEach
  void begin() throws Exception {
    rig = new Rig();
    rig.instance(
        "a",
        (self, t) -> {
          while (true) {
            String request = self.take(t);
            if (request.contains("/stream")) {
              t.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
              goOn.await();
              t.say("1\r\nb\r\n0\r\n\r\n");
            } else {
              if (request.contains("/slow")) {
                goOn.await();
              }
              t.say(Rig.OK);
            }
          }
        });
  }

  @AfterEach
  void end() throws Exception {
    goOn.countDown();
    if (drain != null) {
      drain.join();
    }
    rig.close();
  }

  private void drain() {
    Router r = rig.router();
    drain =
        Thread.ofPlatform()
            .start(() -> {
              try {
                r.drain();
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            });
  }

  private static void write(Socket s, String text) throws IOException {
    s.getOutputStream().write(text.getBytes(ISO_8859_1));
    s.getOutputStream().flush();
  }

  private void awaitDeaf() {
    await()
        .atMost(Rig.SOON)
        .untilAsserted(
            () -> assertThatThrownBy(() -> rig.connect().close()).isInstanceOf(IOException.class));
  }

  @Test
  void balancersSeeItWhileItStillListensAndEveryAnswerSaysGoodbye() throws Exception {
    rig.start("lame_duck=60");
    try (Socket kept = rig.connect()) {
      write(kept, ID);
      assertThat(Said.read(kept.getInputStream()).field("connection")).isEmpty();
      drain();
      await()
          .atMost(Rig.SOON)
          .until(() -> rig.send("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").status() == 503);
      write(kept, ID);
      Said last = Said.read(kept.getInputStream());
      assertThat(last.ok()).as(last.toString()).isTrue();
      assertThat(last.field("connection")).isEqualTo("close");
      assertThat(kept.getInputStream().read()).isEqualTo(-1);
      assertThat(rig.send(ID).ok()).as("new connections are served").isTrue();
    }
    drain.interrupt();
  }

  /// Its head went out before, and promised that.
  @Test
  void anAnswerThatEndsInTheLameDuckMayBeFollowedByAnother() throws Exception {
    rig.start("lame_duck=60");
    try (Socket kept = rig.connect()) {
      write(kept, ID.replace("/g", "/stream"));
      await().atMost(Rig.SOON).until(() -> rig.instances.getFirst().seen.size() == 1);
      assertThat(kept.getInputStream().read()).isEqualTo('H');
      drain();
      await()
          .atMost(Rig.SOON)
          .until(() -> rig.send("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").status() == 503);
      goOn.countDown();
      Said stream =
          Said.read(
              new SequenceInputStream(
                  new ByteArrayInputStream(new byte[] {'H'}), kept.getInputStream()));
      assertThat(stream.body()).isEqualTo("ab");
      assertThat(stream.field("connection")).isEmpty();
      write(kept, ID);
      Said next = Said.read(kept.getInputStream());
      assertThat(next.ok()).as(next.toString()).isTrue();
      assertThat(next.field("connection")).isEqualTo("close");
      assertThat(kept.getInputStream().read()).isEqualTo(-1);
    }
    drain.interrupt();
  }

  @Test
  void whatIsUnderWayEndsAndIdleConnectionsAreClosed() throws Exception {
    rig.start("lame_duck=0", "drain_timeout=60");
    try (Socket stream = rig.connect();
        Socket slow = rig.connect();
        Socket body = rig.connect();
        Socket head = rig.connect();
        Socket idle = rig.connect()) {
      write(stream, ID.replace("/g", "/stream"));
      write(slow, ID.replace("/g", "/slow"));
      write(body, "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab");
      write(head, "GET /g HTTP/1.1\r\nHo");
      write(idle, ID);
      assertThat(Said.read(idle.getInputStream()).ok()).isTrue();
      await().atMost(Rig.SOON).until(() -> rig.instances.getFirst().seen.size() == 3);
      drain();
      awaitDeaf();
      assertThat(idle.getInputStream().read()).isEqualTo(-1);
      write(body, "cd");
      write(head, "st: x\r\n\r\n");
      for (Socket s : new Socket[] {body, head}) {
        Said said = Said.read(s.getInputStream());
        assertThat(said.ok()).isTrue();
        assertThat(said.field("connection")).isEqualTo("close");
      }
      assertThat(drain.isAlive()).isTrue();
      goOn.countDown();
      Said late = Said.read(slow.getInputStream());
      assertThat(late.ok()).isTrue();
      assertThat(late.field("connection")).as("the request came before").isEqualTo("close");
      assertThat(Said.read(stream.getInputStream()).body()).isEqualTo("ab");
      assertThat(stream.getInputStream().read()).isEqualTo(-1);
      drain.join();
    }
  }

  @Test
  void whoReadsNothingDoesNotHoldTheEndUp() throws Exception {
    rig.close();
    rig = new Rig();
    rig.answering(
        "a",
        (r, n) -> "HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n" + "a".repeat(8_000_000));
    rig.start("lame_duck=0", "drain_timeout=100", "client_stall=1");
    try (Socket c = rig.connect()) {
      write(c, ID);
      await().atMost(Rig.SOON).until(() -> rig.instances.getFirst().seen.size() == 1);
      drain();
      drain.join(Rig.SOON.toMillis());
      assertThat(drain.isAlive()).isFalse();
    }
  }

  /// What is still under way at the end of the drain time is told, not cut in silence.
  @Test
  void whatIsCutAtTheEndIsToldSo() throws Exception {
    rig.start("drain_timeout=0.3", "lame_duck=0");
    try (Socket slow = rig.connect();
        Socket stream = rig.connect();
        Socket body = rig.connect();
        Socket head = rig.connect()) {
      write(body, "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab");
      write(head, "GET /g HTTP/1.1\r\nHo");
      write(slow, ID.replace("/g", "/slow"));
      write(stream, ID.replace("/g", "/stream"));
      await().atMost(Rig.SOON).until(() -> rig.instances.getFirst().seen.size() == 2);
      drain();
      Said told = Said.read(slow.getInputStream());
      assertThat(told.status()).isEqualTo(503);
      assertThat(told.body()).contains("shutting_down");
      assertThat(told.head())
          .containsIgnoringCase("retry-after: ")
          .containsIgnoringCase("connection: close");
      for (Socket s : new Socket[] {body, head}) {
        Said late = Said.read(s.getInputStream());
        assertThat(late.status()).isEqualTo(503);
        assertThat(late.body()).contains("shutting_down");
        assertThat(late.field("connection")).isEqualTo("close");
      }
      assertThat(new String(stream.getInputStream().readAllBytes(), ISO_8859_1))
          .contains("\r\n1\r\na\r\n")
          .doesNotContain("\r\n0\r\n\r\n");
      drain.join();
    }
  }

  /// A refused connection can be tried elsewhere; a request that was sent cannot.
  @Test
  void whoHasConnectedWhenTheListenerClosesIsAnswered() throws Exception {
    rig.start("lame_duck=0", "drain_timeout=60");
    Queue<String> lost = new ConcurrentLinkedQueue<>();
    AtomicInteger answered = new AtomicInteger();
    List<Thread> clients = new ArrayList<>();
    for (int k = 0; k < 8; k++) {
      clients.add(Thread.ofVirtual().start(() -> untilRefused(answered, lost)));
    }
    await().atMost(Rig.SOON).until(() -> answered.get() > 50);
    drain();
    for (Thread c : clients) {
      c.join();
    }
    assertThat(lost).isEmpty();
  }

  private void untilRefused(AtomicInteger answered, Queue<String> lost) {
    while (true) {
      Socket s;
      try {
        s = rig.connect();
      } catch (IOException refused) {
        return;
      }
      try (s) {
        write(s, Rig.post(Rig.CHAT, "", Rig.BODY));
        Said said = Said.read(s.getInputStream());
        if (said.ok()) {
          answered.incrementAndGet();
        } else {
          lost.add(said.status() + " " + said.end() + " " + said.body());
        }
      } catch (IOException e) {
        lost.add(e.toString());
      }
    }
  }
}
