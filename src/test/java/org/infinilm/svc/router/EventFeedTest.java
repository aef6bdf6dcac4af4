package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.netty.buffer.ByteBuf;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.infinilm.svc.http.Inbound;
import org.infinilm.svc.http.InboundEvents;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;

/// Who listens to `/events`, on a clock of the test's own: each look at it is a second later.
class EventFeedTest {
  private static final Duration SOON = Duration.ofSeconds(30);

  private final AtomicLong seconds = new AtomicLong();
  private final AtomicInteger computed = new AtomicInteger();
  private final AtomicInteger rests = new AtomicInteger();
  private final EventFeed feed =
      new EventFeed(
          new EventFeed.Source() {
            @Override
            public Map<String, Object> snapshot() {
              computed.incrementAndGet();
              return Map.of("whole", true);
            }

            @Override
            public Map<String, Object> tick() {
              computed.incrementAndGet();
              return Map.of("n", computed.get());
            }

            @Override
            public void rest() {
              rests.incrementAndGet();
            }
          },
          new Ticker() {
            @Override
            public long nanos() {
              return seconds.incrementAndGet() * 1_000_000_000L;
            }

            @Override
            public Instant now() {
              return Instant.EPOCH;
            }
          });

  /// A client that reads, or not.
  private static final class Reader {
    final List<String> got = new CopyOnWriteArrayList<>();
    volatile boolean reads = true;
    volatile String end = "";
    volatile boolean refused;
    volatile InboundEvents events;

    final Inbound in =
        (Inbound)
            Proxy.newProxyInstance(
                Inbound.class.getClassLoader(),
                new Class<?>[] {Inbound.class},
                (self, method, a) -> {
                  switch (method.getName()) {
                    case "events" -> events = (InboundEvents) a[0];
                    case "execute" -> {
                      synchronized (this) {
                        ((Runnable) a[0]).run();
                      }
                    }
                    case "relayBody" -> {
                      ByteBuf b = (ByteBuf) a[0];
                      got.add(b.toString(UTF_8).lines().findFirst().orElse(""));
                      b.release();
                    }
                    case "answer" -> refused = true;
                    case "relayEnd", "breakOff" -> end = method.getName();
                    case "isWritable" -> {
                      return reads;
                    }
                    default -> {}
                  }
                  return null;
                });
  }

  private void until(java.util.concurrent.Callable<Boolean> what) {
    await().atMost(SOON).pollInterval(Duration.ofMillis(2)).until(what);
  }

  @Test
  void whoStopsReadingGetsASnapshotWhenItReadsAgain() {
    Reader r = new Reader();
    feed.open(r.in, "id");
    until(() -> r.got.contains("event: tick"));
    assertThat(r.got.getFirst()).isEqualTo("event: snapshot");
    assertThat(r.got.stream().filter("event: snapshot"::equals)).hasSize(1);
    int before;
    synchronized (r) {
      r.reads = false;
      before = computed.get();
    }
    until(() -> computed.get() > before + 2);
    synchronized (r) {
      r.got.clear();
      r.reads = true;
    }
    until(() -> !r.got.isEmpty() || !r.end.isEmpty());
    assertThat(r.end.isEmpty() ? r.got.getFirst() : "event: snapshot").isEqualTo("event: snapshot");
    feed.close();
  }

  @Test
  void whoNeverReadsIsCutAndOthersAreNot() {
    Reader slow = new Reader();
    Reader quick = new Reader();
    slow.reads = false;
    feed.open(slow.in, "slow");
    feed.open(quick.in, "quick");
    until(() -> slow.end.equals("breakOff"));
    assertThat(slow.got).isEmpty();
    int had = quick.got.size();
    until(() -> quick.got.size() > had);
    assertThat(feed.listeners()).isEqualTo(1);
    feed.close();
    assertThat(quick.end).isEqualTo("relayEnd");
  }

  @Test
  void atMostHalfOfTheConnectionsListen() {
    feed.places(6);
    List<Reader> all = new ArrayList<>();
    for (int k = 0; k < 5; k++) {
      Reader r = new Reader();
      all.add(r);
      feed.open(r.in, "id" + k);
    }
    assertThat(feed.listeners()).isEqualTo(3);
    assertThat(all).extracting(r -> r.refused).containsExactly(false, false, false, true, true);
    feed.places(100_000);
    for (int k = 0; k < 40; k++) {
      feed.open(new Reader().in, "more");
    }
    assertThat(feed.listeners()).isEqualTo(EventFeed.MOST_LISTENERS);
    feed.close();
  }

  @Test
  void whenNobodyListensNothingIsComputed() throws Exception {
    Reader r = new Reader();
    feed.open(r.in, "id");
    until(() -> r.got.size() > 3);
    assertThat(rests).hasValue(0);
    r.events.gone();
    until(() -> rests.get() == 1);
    int then = computed.get();
    Reader next = new Reader();
    assertThat(computed).hasValue(then);
    feed.open(next.in, "next");
    until(() -> next.got.size() > 1);
    assertThat(next.got.getFirst()).isEqualTo("event: snapshot");
    feed.close();
    until(() -> rests.get() == 2);
  }
}
