package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import org.infinilm.svc.http.Client;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.http.Response;
import org.infinilm.svc.http.Server;
import org.infinilm.svc.telemetry.Ticker;
import org.infinilm.svc.tls.TlsSettings;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// What readers of the table hear of a journal that cannot be written.
@Timeout(60)
class RegistryTroubleIT {
  private static final Duration LONG = Duration.ofSeconds(30);
  private static final String WORDS = "the registry's journal cannot be written";

  @TempDir Path dir;
  private final Client http = Client.create();
  private RegistryServer registry;
  private RegistryClient client;

  /// @param data folder of the journal
  /// @param cleanup when a journal is tried again
  private static RegistryServer.Options options(Path data, Duration cleanup) {
    return new RegistryServer.Options(
        "127.0.0.1",
        0,
        LONG,
        LONG,
        cleanup,
        Duration.ofMinutes(2),
        data,
        null,
        Tokens.NONE,
        "",
        null,
        TlsSettings.NONE);
  }

  @BeforeEach
  void begin() throws Exception {
    registry =
        RegistryServer.start(options(dir, Duration.ofMillis(100)), Ticker.SYSTEM, new Random(1));
    client = new RegistryClient(http, base(), null);
  }

  @AfterEach
  void end() throws Exception {
    registry.close();
    http.close();
  }

  private URI base() {
    return URI.create("http://127.0.0.1:" + registry.port());
  }

  private static Path obstacle(Path data) {
    return data.resolve("journal.jsonl.new/in-the-way");
  }

  private void breaks() throws Exception {
    breaks(dir);
  }

  /// As by a full disk: the file is not the journal any more, and another cannot be written.
  private static void breaks(Path data) throws Exception {
    Files.createDirectories(obstacle(data));
    Files.delete(data.resolve("journal.jsonl"));
  }

  private void heals() throws Exception {
    heals(dir);
  }

  /// The journal takes the empty folder away itself.
  private static void heals(Path data) throws Exception {
    Files.delete(obstacle(data));
  }

  private static Registration registration(String name) {
    return new Registration(
        name, "127.0.0.1", 1, "h", "http://127.0.0.1:1", "running", Map.of(), 1);
  }

  private JsonNode asked(String target) throws Exception {
    Client.Reply r = http.get(URI.create(base() + target), LONG.plusSeconds(10));
    assertThat(r.status()).isEqualTo(200);
    return Json.tree(r.body());
  }

  /// The next table of a reader, which a single change would not end.
  private static CompletableFuture<Watch> next(RegistryClient reader, @Nullable Watch before) {
    CompletableFuture<Watch> f = new CompletableFuture<>();
    Thread.ofVirtual()
        .start(() -> {
          try {
            f.complete(reader.watch(before == null ? null : before.version(), LONG));
          } catch (Exception e) {
            f.completeExceptionally(e);
          }
        });
    return f;
  }

  @Test
  void aReaderOfTheStreamHearsWhenItBeginsAndWhenItEnds() throws Exception {
    client.register(registration("a"));
    Watch first = next(client, null).get();
    assertThat(first.trouble()).isNull();
    CompletableFuture<Watch> waiting = next(client, first);
    breaks();
    Watch troubled = waiting.get();
    assertThat(troubled.trouble()).startsWith(WORDS);
    assertThat(troubled.version()).as("the table is the same").isEqualTo(first.version());
    assertThat(asked("/stats").path("journal").asText()).isEqualTo("failing");
    Watch late = next(new RegistryClient(http, base(), null), null).get();
    assertThat(late.trouble()).startsWith(WORDS);
    client.register(registration("b"));
    Watch changed = next(client, troubled).get();
    assertThat(changed.services()).hasSize(2);
    assertThat(changed.trouble()).startsWith(WORDS);
    waiting = next(client, changed);
    heals();
    Watch over = waiting.get();
    assertThat(over.trouble()).isNull();
    assertThat(over.version()).isEqualTo(changed.version());
    await().until(() -> asked("/stats").path("journal").asText().equals("on"));
    assertThat(Files.readString(dir.resolve("journal.jsonl"), StandardCharsets.UTF_8))
        .contains("\"a\"", "\"b\"");
  }

  @Test
  void aLongPollIsAnsweredWhenItBeginsAndWaitsWhileItLasts() throws Exception {
    client.register(registration("a"));
    JsonNode before = asked("/watch");
    assertThat(before.has("trouble")).isFalse();
    String version = before.path("version").asText();
    String poll = "/watch?wait=30&version=" + version;
    CompletableFuture<JsonNode> waiting = new CompletableFuture<>();
    Thread.ofVirtual()
        .start(() -> {
          try {
            waiting.complete(asked(poll));
          } catch (Exception | AssertionError e) {
            waiting.completeExceptionally(e);
          }
        });
    breaks();
    JsonNode troubled = waiting.get();
    assertThat(troubled.path("trouble").asText()).startsWith(WORDS);
    assertThat(troubled.path("version").asText()).isEqualTo(version);
    assertThat(troubled.path("services")).hasSize(1);
    long asked = System.nanoTime();
    JsonNode still = asked("/watch?wait=1&version=" + version);
    assertThat(still.path("trouble").asText()).startsWith(WORDS);
    assertThat(System.nanoTime() - asked)
        .as("what is known is no news")
        .isGreaterThan(Duration.ofMillis(900).toNanos());
  }

  /// A client of both, which does not wait for long.
  private RegistryClient ofBoth(RegistryServer other) {
    return ofBoth(other.port());
  }

  private RegistryClient ofBoth(int other) {
    URI second = URI.create("http://127.0.0.1:" + other);
    return new RegistryClient(
        http,
        new RegistryClient.Urls(List.of(base(), second)),
        null,
        null,
        Ticker.SYSTEM,
        Duration.ofMillis(50));
  }

  /// Follows until the table is the one of that entry alone.
  private static Watch until(RegistryClient reader, @Nullable Watch before, String only)
      throws Exception {
    Watch w = before;
    do {
      w = next(reader, w).get();
    } while (!w.services().stream().map(Service::name).toList().equals(List.of(only)));
    return w;
  }

  /// Their tables differ here, as they do where one of them does not hear what the other does.
  @Test
  void ofTwoTheOneWithoutTroubleIsFollowed(@TempDir Path second) throws Exception {
    try (RegistryServer other =
        RegistryServer.start(
            options(second, Duration.ofMillis(100)), Ticker.SYSTEM, new Random(2))) {
      client.register(registration("a"));
      URI there = URI.create("http://127.0.0.1:" + other.port());
      new RegistryClient(http, there, null).register(registration("b"));
      RegistryClient reader = ofBoth(other);
      Watch w = until(reader, null, "a");
      breaks();
      w = until(reader, w, "b");
      assertThat(w.trouble()).isNull();
      assertThat(ofBoth(other).services()).extracting(Service::name).containsExactly("b");
      assertThat(next(ofBoth(other), null).get().services())
          .as("the first table of all")
          .extracting(Service::name)
          .containsExactly("b");
      heals();
      await().until(() -> asked("/stats").path("journal").asText().equals("on"));
      breaks(second);
      w = until(reader, w, "a");
      assertThat(w.trouble()).isNull();
    }
  }

  /// The other says nothing until the news of the first one are here; it is gone to then, by the
  /// same look.
  @Test
  void newsComeWhileTheOtherIsLookedAt() throws Exception {
    List<String> asked = new CopyOnWriteArrayList<>();
    CountDownLatch heard = new CountDownLatch(1);
    try (Server other =
        Server.start(
            Server.Options.at("127.0.0.1", 0),
            r -> {
              asked.add(r.path());
              if (r.path().equals("/stats")) {
                heard.await();
                return Response.json(200, Map.of("journal", "on"));
              }
              Map<String, Object> b = Map.of("name", "b", "host", "127.0.0.1", "port", 1);
              return Response.json(200, Map.of("version", "7", "services", List.of(b)));
            })) {
      client.register(registration("a"));
      RegistryClient reader = ofBoth(other.port());
      Watch w = until(reader, null, "a");
      breaks();
      Watch troubled = next(reader, w).get();
      assertThat(troubled.trouble()).startsWith(WORDS);
      CompletableFuture<Watch> waiting = next(reader, troubled);
      await().until(() -> !asked.isEmpty());
      client.register(registration("c"));
      w = waiting.get();
      assertThat(w.services()).extracting(Service::name).containsExactly("a", "c");
      heard.countDown();
      until(reader, w, "b");
      assertThat(asked).as("no second look").containsOnlyOnce("/stats").startsWith("/stats");
    }
  }

  @Test
  void whereAllAreInTroubleTheSameIsFollowed(@TempDir Path second) throws Exception {
    try (RegistryServer other =
        RegistryServer.start(
            options(second, Duration.ofMillis(100)), Ticker.SYSTEM, new Random(2))) {
      client.register(registration("a"));
      RegistryClient reader = ofBoth(other);
      breaks(second);
      RegistryClient late =
          new RegistryClient(http, URI.create("http://127.0.0.1:" + other.port()), null);
      await().until(() -> next(late, null).get().trouble() != null);
      Watch w = until(reader, null, "a");
      breaks();
      Watch troubled = next(reader, w).get();
      assertThat(troubled.trouble()).startsWith(WORDS);
      // several looks for another are due within it
      Watch still = reader.watch(troubled.version(), Duration.ofSeconds(1));
      assertThat(still).isEqualTo(troubled);
      assertThat(ofBoth(other).services()).extracting(Service::name).containsExactly("a");
      CompletableFuture<Watch> waiting = next(reader, still);
      heals();
      assertThat(waiting.get().trouble()).isNull();
    }
  }
}
