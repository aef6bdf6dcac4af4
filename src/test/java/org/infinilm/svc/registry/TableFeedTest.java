package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import org.infinilm.svc.http.Headers;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class TableFeedTest {
  private static final Duration LONG = Duration.ofSeconds(30);
  private static final Headers EVENTS = Headers.of("content-type", "text/event-stream");
  private static final String END = "the end";

  private final LinkedBlockingQueue<String> sent = new LinkedBlockingQueue<>();

  private TableFeed feed(Headers headers) {
    return feed(headers, null);
  }

  /// @param trouble of what was read before the stream
  private TableFeed feed(Headers headers, @Nullable String trouble) {
    return TableFeed.start(
        (since, listener) -> {
          assertThat(since).isEqualTo("b-1");
          listener.head(200, headers);
          for (String s = sent.take(); !s.equals(END); s = sent.take()) {
            listener.piece(s.getBytes(StandardCharsets.UTF_8));
          }
        },
        new Watch("b-1", List.of(), List.of("gone"), trouble));
  }

  /// What a reader had last.
  private static Watch at(String version, @Nullable String trouble) {
    return new Watch(version, List.of(), List.of(), trouble);
  }

  private static String troubled(String json) {
    return "event: trouble\nid: b-1\ndata: " + json + "\n\n";
  }

  private static String put(String name) {
    return "event: put\ndata: {\"host\":\"h\",\"name\":\"" + name + "\",\"port\":1}\n\n";
  }

  private static List<String> names(Watch w) {
    return w.services().stream().map(Service::name).toList();
  }

  @Test
  void aChangeIsSeenWholeHoweverItIsCut() throws Exception {
    TableFeed feed = feed(EVENTS);
    String change =
        put("ü")
            + put("gone").replace("event: put", "event: put\nid: b-2")
            + "event: later\ndata: {}\n\n";
    for (byte b : change.getBytes(StandardCharsets.ISO_8859_1)) {
      sent.add(new String(new byte[] {b}, StandardCharsets.ISO_8859_1));
    }
    Watch w = feed.await(at("b-1", null), LONG);
    assertThat(w.version()).isEqualTo("b-2");
    assertThat(names(w)).contains("gone").hasSize(2);
    assertThat(w.deleted()).isEmpty();
    assertThat(feed.await(at("b-1", null), LONG)).as("known already").isEqualTo(w);
    assertThat(feed.await(at("b-2", null), Duration.ZERO)).as("nothing new").isEqualTo(w);
    sent.add(
        """
        event: delete
        data: {"name":"gone","unregistered":true}

        event: delete
        id: b-3
        data: {"name":"ü","unregistered":false}

        """);
    Watch left = feed.await(at("b-2", null), LONG);
    assertThat(left.deleted()).containsExactly("gone");
    sent.add(
        "event: snapshot\nid: c-9\ndata: {\"deleted\":[\"d\"],\"services\":[{\"host\":\"h\",\"name\":\"s\",\"port\":2}]}\n\n");
    Watch fresh = feed.await(at("b-3", null), LONG);
    assertThat(names(fresh)).containsExactly("s");
    assertThat(fresh.deleted()).containsExactly("d");
    sent.add(END);
  }

  @Test
  void halfAChangeIsNotShown() throws Exception {
    TableFeed feed = feed(EVENTS);
    sent.add(put("a"));
    assertThat(feed.await(at("b-1", null), Duration.ofMillis(50)).services()).isEmpty();
    sent.add(put("b").replace("event: put", "event: put\nid: b-2"));
    assertThat(names(feed.await(at("b-1", null), LONG))).containsExactly("a", "b");
    sent.add(END);
  }

  /// The table stays as it is, and everyone who waits hears of it, of its end too.
  @Test
  void aTroubleIsNewsToAllThatWait() throws Exception {
    TableFeed feed = feed(EVENTS);
    for (String now : Arrays.asList("t", "u", null)) {
      Watch before = feed.await(at("none", null), LONG);
      List<CompletableFuture<Watch>> readers = new ArrayList<>();
      for (int k = 0; k < 3; k++) {
        CompletableFuture<Watch> f = new CompletableFuture<>();
        readers.add(f);
        Thread.ofVirtual()
            .start(() -> {
              try {
                f.complete(feed.await(before, LONG.multipliedBy(10)));
              } catch (IOException | InterruptedException e) {
                f.completeExceptionally(e);
              }
            });
      }
      sent.add(troubled(now == null ? "{}" : "{\"trouble\":\"" + now + "\"}"));
      for (CompletableFuture<Watch> f : readers) {
        assertThat(f.get()).isEqualTo(new Watch("b-1", List.of(), List.of("gone"), now));
      }
    }
    sent.add(END);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        ":\n\n",
        "event: put\nid: b-2\ndata: {\"host\":\"h\",\"name\":\"a\",\"port\":1}\n\n",
        "event: snapshot\nid: c-9\ndata: {\"deleted\":[],\"services\":[]}\n\n",
        "event: trouble\nid: b-1\ndata: {\"trouble\":\"another\"}\n\n",
        "event: trouble\nid: b-1\ndata: {\"trouble\":7}\n\n"
      })
  void aTroubleOfBeforeTheStreamLastsUntilItsFirstWord(String first) throws Exception {
    TableFeed feed = feed(EVENTS, "before");
    assertThat(feed.await(at("b-1", "before"), Duration.ZERO).trouble()).isEqualTo("before");
    sent.add(first);
    assertThat(feed.await(at("b-1", "before"), LONG).trouble())
        .isEqualTo(first.contains("another") ? "another" : null);
    sent.add(END);
  }

  @Test
  void aTroubleThatStaysIsKeptThroughChangesAndSnapshots() throws Exception {
    TableFeed feed = feed(EVENTS, "t");
    sent.add(troubled("{\"trouble\":\"t\"}"));
    sent.add(put("a").replace("event: put", "event: put\nid: b-2"));
    Watch changed = feed.await(at("b-1", "t"), LONG);
    assertThat(changed.version()).isEqualTo("b-2");
    assertThat(changed.trouble()).isEqualTo("t");
    sent.add(
        "event: snapshot\nid: c-9\ndata: {\"services\":[],\"trouble\":\""
            + "t".repeat(5000)
            + "\"}\n\n");
    Watch gap = feed.await(changed, LONG);
    assertThat(gap.services()).isEmpty();
    assertThat(gap.trouble()).as("no more than a line").isEqualTo("t".repeat(1000));
    sent.add(END);
  }

  @Test
  void theEndOfTheStreamIsSaid() throws Exception {
    TableFeed feed = feed(EVENTS);
    sent.add(END);
    assertThatThrownBy(() -> feed.await(at("b-1", null), LONG))
        .hasMessageContaining("ended its stream");
  }

  @Test
  void aRegistryWithoutTheStreamIsKnownByItsAnswer() throws Exception {
    TableFeed feed = feed(Headers.of("content-type", "application/json"));
    sent.add("{}");
    assertThatThrownBy(() -> feed.await(at("b-1", null), LONG))
        .isInstanceOf(TableFeed.NoStream.class);
  }

  @Test
  void aFeedThatNobodyAsksEndsItself() throws Exception {
    CountDownLatch ended = new CountDownLatch(1);
    TableFeed.start(
        (since, listener) -> {
          try {
            listener.head(200, EVENTS);
            while (true) {
              listener.piece(":\n\n".getBytes(StandardCharsets.UTF_8));
            }
          } catch (IOException e) {
            ended.countDown();
            throw e;
          }
        },
        new Watch("b-1", List.of(), List.of()));
    ended.await();
  }
}
