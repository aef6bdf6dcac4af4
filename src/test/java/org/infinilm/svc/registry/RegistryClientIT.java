package org.infinilm.svc.registry;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Headers;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A client of several registries that answer the same.
@Timeout(60)
class RegistryClientIT {
  private final Client http = Client.create();
  private final AtomicInteger asked = new AtomicInteger();

  @AfterEach
  void end() {
    http.close();
  }

  private Server server(int status) throws IOException {
    return Server.start(
        Server.Options.at("127.0.0.1", 0),
        _ -> {
          asked.incrementAndGet();
          return Response.json(status, Map.of("error", "status " + status));
        });
  }

  private RegistryClient client(Server... servers) {
    return new RegistryClient(
        http,
        new RegistryClient.Urls(
            List.of(servers).stream()
                .map(s -> URI.create("http://127.0.0.1:" + s.port()))
                .toList()),
        null);
  }

  @Test
  void theNextIsAskedWhenOneDoesNotAnswerAndKeptThen() throws Exception {
    Server gone = server(200);
    gone.close();
    try (Server there = server(200)) {
      RegistryClient c = client(gone, there);
      assertThat(c.heartbeat("x", null)).isTrue();
      assertThat(c.heartbeat("x", null)).isTrue();
      assertThat(asked).hasValue(2);
    }
  }

  @Test
  void oneThatCannotNowIsLeftForTheNextAndAnErrorIsAnAnswer() throws Exception {
    try (Server cannot = server(503);
        Server knowsNot = server(404)) {
      RegistryClient c = client(cannot, knowsNot);
      assertThat(c.heartbeat("x", null)).as("404").isFalse();
      assertThat(asked).hasValue(2);
      assertThat(c.heartbeat("x", null)).isFalse();
      assertThat(asked).as("asked first now").hasValue(3);
    }
  }

  @Test
  void eachIsAskedOnceAndTheLastFailureTold() throws Exception {
    try (Server a = server(503);
        Server b = server(503)) {
      assertThatThrownBy(() -> client(a, b).heartbeat("x", null))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("status 503");
      assertThat(asked).hasValue(2);
    }
  }

  /// Its stream stays while other calls go to the next one.
  @Test
  void theRegistryWhoseStreamEndsIsNamedWhoeverIsAskedMeanwhile() throws Exception {
    CountDownLatch follows = new CountDownLatch(1);
    CountDownLatch ends = new CountDownLatch(1);
    Map<String, Object> table = Map.of("version", "v-1", "services", List.of());
    try (Server first =
            Server.start(
                Server.Options.at("127.0.0.1", 0),
                r -> {
                  if (!r.path().equals("/watch")) {
                    return Response.json(503, Map.of());
                  }
                  if (r.query("since").isEmpty()) {
                    return Response.json(200, table);
                  }
                  return Response.stream(
                      200,
                      Headers.of("content-type", "text/event-stream"),
                      _ -> {
                        follows.countDown();
                        ends.await();
                        throw new IOException("ends");
                      });
                });
        Server second = server(200)) {
      RegistryClient c = client(first, second);
      Watch w = c.watch(null, Duration.ZERO);
      assertThat(c.watch(w.version(), Duration.ZERO)).isEqualTo(w);
      follows.await();
      assertThat(c.heartbeat("x", null)).as("at the second").isTrue();
      ends.countDown();
      assertThatThrownBy(() -> c.watch(w.version(), Duration.ofSeconds(30)))
          .hasMessageContaining("registry http://127.0.0.1:" + first.port() + ": ");
    }
  }

  /// It is not given the time that a caller waits for news.
  @Test
  void theFirstThatHangsCostsAFirstTableLittleAndIsNamedOnce() throws Exception {
    CountDownLatch over = new CountDownLatch(1);
    AtomicInteger waits = new AtomicInteger();
    try (Server hangs =
            Server.start(
                Server.Options.at("127.0.0.1", 0),
                _ -> {
                  over.await();
                  return Response.empty(200);
                });
        Server there =
            Server.start(
                Server.Options.at("127.0.0.1", 0),
                r -> {
                  waits.addAndGet(Integer.parseInt(String.valueOf(r.query("wait").getFirst())));
                  return Response.json(200, Map.of("version", "v-1", "services", List.of()));
                })) {
      String first = "registry http://127.0.0.1:" + hangs.port() + ": ";
      PrintStream stderr = System.err;
      ByteArrayOutputStream said = new ByteArrayOutputStream();
      System.setErr(new PrintStream(said, true, UTF_8));
      try {
        RegistryClient c = client(hangs, hangs, there);
        assertThat(c.watch(null, Duration.ofHours(1)).version()).isEqualTo("v-1");
      } finally {
        System.setErr(stderr);
        over.countDown();
      }
      assertThat(said.toString(UTF_8)).containsOnlyOnce(first);
      assertThat(waits).as("without a version there is nothing to wait for").hasValue(0);
    }
  }

  /// A large table may take its time.
  @Test
  void whereNoneAnswersSoonTheFirstTableIsWaitedFor() throws Exception {
    AtomicInteger calls = new AtomicInteger();
    CountDownLatch over = new CountDownLatch(1);
    try (Server slow =
        Server.start(
            Server.Options.at("127.0.0.1", 0),
            _ -> {
              if (calls.incrementAndGet() <= 2) {
                over.await();
              }
              return Response.json(200, Map.of("version", "v-1", "services", List.of()));
            })) {
      RegistryClient c = client(slow, slow);
      assertThat(c.watch(null, Duration.ZERO).version()).isEqualTo("v-1");
      assertThat(calls).hasValue(3);
    } finally {
      over.countDown();
    }
  }

  @Test
  void addressesStandWithCommasBetween() {
    assertThat(RegistryClient.Urls.parse("http://a:1, https://b:2"))
        .isEqualTo(
            new RegistryClient.Urls(List.of(URI.create("http://a:1"), URI.create("https://b:2"))))
        .hasToString("http://a:1,https://b:2");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "a:1", "http://a:1,", "http://a:1,b", "http://a:1 http://b:1"})
  void whatIsNoAddressIsNone(String text) {
    assertThat(RegistryClient.Urls.parse(text)).isNull();
  }
}
