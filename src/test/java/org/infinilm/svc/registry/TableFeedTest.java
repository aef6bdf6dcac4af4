package org.infinilm.svc.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import org.infinilm.svc.http.Headers;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class TableFeedTest {
  private static final Duration LONG = Duration.ofSeconds(30);
  private static final Headers EVENTS = Headers.of("content-type", "text/event-stream");
  private static final String END = "the end";

  private final LinkedBlockingQueue<String> sent = new LinkedBlockingQueue<>();

  private TableFeed feed(Headers headers) {
    return TableFeed.start(
        (since, listener) -> {
          assertThat(since).isEqualTo("b-1");
          listener.head(200, headers);
          for (String s = sent.take(); !s.equals(END); s = sent.take()) {
            listener.piece(s.getBytes(StandardCharsets.UTF_8));
          }
        },
        new Watch("b-1", List.of(), List.of("gone")));
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
    Watch w = feed.await("b-1", LONG);
    assertThat(w.version()).isEqualTo("b-2");
    assertThat(names(w)).contains("gone").hasSize(2);
    assertThat(w.deleted()).isEmpty();
    assertThat(feed.await("b-1", LONG)).as("known already").isEqualTo(w);
    assertThat(feed.await("b-2", Duration.ZERO)).as("nothing new").isEqualTo(w);
    sent.add(
        """
        event: delete
        data: {"name":"gone","unregistered":true}

        event: delete
        id: b-3
        data: {"name":"ü","unregistered":false}

        """);
    Watch left = feed.await("b-2", LONG);
    assertThat(left.deleted()).containsExactly("gone");
    sent.add(
        "event: snapshot\nid: c-9\ndata: {\"deleted\":[\"d\"],\"services\":[{\"host\":\"h\",\"name\":\"s\",\"port\":2}]}\n\n");
    Watch fresh = feed.await("b-3", LONG);
    assertThat(names(fresh)).containsExactly("s");
    assertThat(fresh.deleted()).containsExactly("d");
    sent.add(END);
  }

  @Test
  void halfAChangeIsNotShown() throws Exception {
    TableFeed feed = feed(EVENTS);
    sent.add(put("a"));
    assertThat(feed.await("b-1", Duration.ofMillis(50)).services()).isEmpty();
    sent.add(put("b").replace("event: put", "event: put\nid: b-2"));
    assertThat(names(feed.await("b-1", LONG))).containsExactly("a", "b");
    sent.add(END);
  }

  @Test
  void theEndOfTheStreamIsSaid() throws Exception {
    TableFeed feed = feed(EVENTS);
    sent.add(END);
    assertThatThrownBy(() -> feed.await("b-1", LONG)).hasMessageContaining("ended its stream");
  }

  @Test
  void aRegistryWithoutTheStreamIsKnownByItsAnswer() throws Exception {
    TableFeed feed = feed(Headers.of("content-type", "application/json"));
    sent.add("{}");
    assertThatThrownBy(() -> feed.await("b-1", LONG)).isInstanceOf(TableFeed.NoStream.class);
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
