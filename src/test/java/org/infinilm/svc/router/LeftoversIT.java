package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.infinilm.svc.router.Programs.Running;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// After 10,000 requests, of which every tenth goes wrong on one side or the other, a router
/// process holds what it held before: no buffer, connection, ledger entry, seat or thread more.
@Timeout(300)
@SuppressWarnings("StringConcatToTextBlock") // line ends are CR LF
class LeftoversIT {
  private static final int CLIENTS = 16;
  private static final int EACH = 625;
  private static final String CHUNKED =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
  private static final String SSE =
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
          + "9\r\ndata: a\n\n\r\n";

  @TempDir private Path folder;
  private final AtomicInteger answered = new AtomicInteger();

  /// What an instance does with its n-th request.
  private static void serve(ScriptedInstance self, Talk t) throws Exception {
    while (true) {
      self.take(t);
      switch (self.seen.size() % 40) {
        case 7 -> {
          t.say("HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 4\r\n\r\nbusy");
        }
        case 17 -> {
          t.say(CHUNKED);
          t.reset();
          return;
        }
        case 27 -> {
          t.close();
          return;
        }
        case 37 -> {
          t.say(SSE);
          t.close();
          return;
        }
        case 1, 11, 21 -> t.say(CHUNKED + "0\r\n\r\n");
        case 2, 12 -> t.say(SSE + "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n");
        default -> t.say(Rig.OK);
      }
    }
  }

  /// What a client does with its n-th request; every twentieth goes away in the middle.
  private void ask(Rig rig, SplittableRandom random) throws IOException {
    for (int k = 0; k < EACH; ) {
      try (Socket s = rig.connect()) {
        InputStream in = new BufferedInputStream(s.getInputStream());
        for (int n = random.nextInt(1, 30); n > 0 && k < EACH; n--, k++) {
          String body =
              "{\"model\":\"m\",\"user\":\""
                  + "u".repeat(random.nextInt(3000))
                  + "\",\"messages\":[]}";
          s.getOutputStream().write(Rig.post(Rig.CHAT, "", body).getBytes(ISO_8859_1));
          if (random.nextInt(20) == 0) {
            k++;
            s.setSoLinger(random.nextBoolean(), 0);
            break;
          }
          Said said = Said.read(in);
          answered.incrementAndGet();
          if (!said.ok()) {
            k++;
            break;
          }
        }
      }
    }
  }

  @Test
  void nothingIsLeftOfTenThousandRequests() throws Exception {
    try (Programs programs = new Programs(folder);
        Rig rig = new Rig()) {
      for (int k = 0; k < 3; k++) {
        rig.instance("instance-" + k, LeftoversIT::serve);
      }
      Running router =
          programs.router(
              Programs.PLAINLY,
              List.of(
                  "-Dio.netty.leakDetection.level=paranoid",
                  "-Dio.netty.leakDetection.targetRecords=20"),
              "--registry-url",
              rig.registry.url().toString(),
              "--health-interval",
              "0.5",
              "--access-log",
              "--threads",
              "2");
      rig.follow(router);
      load(rig, 2);
      settled(rig, router, Long.MAX_VALUE);
      long sockets = Descriptors.sockets(router.pid());
      long threads = Descriptors.threads(router.pid());
      load(rig, CLIENTS);
      assertThat(answered.get()).isGreaterThan(CLIENTS * EACH / 2);
      settled(rig, router, sockets + 3);
      assertThat(Descriptors.threads(router.pid())).isLessThanOrEqualTo(threads + 4);
      assertThat(rig.chat().status()).isIn(200, 503, 502);
      router.end();
      assertThat(router.process().exitValue()).isZero();
      assertThat(router.said())
          .doesNotContain("LEAK")
          .doesNotContain("Exception")
          .doesNotContain("ERROR");
    }
  }

  private void load(Rig rig, int clients) throws Exception {
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<?>> all = new ArrayList<>();
      for (int c = 0; c < clients; c++) {
        SplittableRandom random = new SplittableRandom(c);
        all.add(
            threads.submit(() -> {
              ask(rig, random);
              return null;
            }));
      }
      for (Future<?> f : all) {
        f.get();
      }
    }
  }

  /// Waits until nothing is in flight and no more sockets are open than these.
  private static void settled(Rig rig, Running router, long sockets) {
    rig.quiet();
    await()
        .atMost(Rig.SOON)
        .untilAsserted(() -> {
          for (ScriptedInstance i : rig.instances) {
            assertThat(i.open()).as("connections kept for nobody").isLessThanOrEqualTo(1);
          }
          assertThat(Descriptors.sockets(router.pid())).isLessThanOrEqualTo(sockets);
          JsonNode services = rig.get("/services").path("services");
          assertThat(services.size()).isEqualTo(3);
          rig.text("/metrics")
              .lines()
              .filter(l -> l.startsWith("infini_router_inflight{"))
              .forEach(l -> assertThat(l).endsWith(" 0.0"));
        });
  }
}
