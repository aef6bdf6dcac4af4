package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.WritableByteChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.policy.Reason;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class AccessLogTest {
  private final ByteArrayOutputStream written = new ByteArrayOutputStream();
  private final AccessLog log = new AccessLog(Channels.newChannel(written));

  private void put(long millis, String model, long ttftNanos) {
    put(millis, model, ttftNanos, null);
  }

  private void put(long millis, String model, long ttftNanos, @Nullable String key) {
    put(log, millis, model, ttftNanos, key);
  }

  private static void put(
      AccessLog log, long millis, String model, long ttftNanos, @Nullable String key) {
    SampleDecision d = new SampleDecision();
    d.requestId = "id-1";
    d.epochMillis = millis;
    d.path = "/v1/chat/completions";
    d.model = model;
    d.size = 1234;
    d.threshold = 51200;
    d.pool = ttftNanos == 0 ? null : Pool.PAGED;
    d.instance = ttftNanos == 0 ? null : "a-server";
    d.reason = ttftNanos == 0 ? null : Reason.RETRY;
    d.attempts = 2;
    d.ttftNanos = ttftNanos;
    d.totalNanos = 1_234_567_890L;
    d.responseBytes = 9_876_543_210L;
    d.key = key;
    log.add(d.make());
  }

  private List<String> lines() {
    log.start();
    log.close();
    return written.toString(UTF_8).lines().toList();
  }

  @Test
  void aLineNamesTheKeyWhereThereAreKeys() {
    put(1_764_332_461_000L, "m", 0, "team-a");
    put(1_764_332_461_000L, "m", 0);
    List<String> lines = lines();
    assertThat(lines.getFirst()).endsWith(" out=9876543210 key=team-a");
    assertThat(lines.getLast()).endsWith(" out=9876543210");
  }

  @Test
  void aLineSaysWhatARequestCameTo() {
    put(1_764_332_461_007L, "m", 12_345_678);
    put(1_764_332_461_000L, "", 0);
    put(1_764_332_461_950L, "模型-ü", 0);
    String rest = " status=200 attempts=2 ttft_ms=%s total_ms=1234.5 in=0 out=9876543210";
    String none = " pool=- instance=- reason=- outcome=ok" + rest.formatted("0.0");
    assertThat(lines())
        .containsExactly(
            "2025-11-28T12:21:01.007Z id-1 POST /v1/chat/completions model=m size=1234"
                + " threshold=51200 pool=paged instance=a-server reason=retry outcome=ok"
                + rest.formatted("12.3"),
            "2025-11-28T12:21:01Z id-1 POST /v1/chat/completions model=- size=1234 threshold=51200"
                + none,
            "2025-11-28T12:21:01.950Z id-1 POST /v1/chat/completions model=模型-ü size=1234"
                + " threshold=51200"
                + none);
  }

  @Test
  void aFullMinuteHasSecondsToo() {
    put(1_764_332_460_000L, "m", 1);
    put(1_764_332_400_005L, "m", 1);
    assertThat(lines())
        .satisfiesExactly(
            l -> assertThat(l).startsWith("2025-11-28T12:21:00Z id-1 "),
            l -> assertThat(l).startsWith("2025-11-28T12:20:00.005Z id-1 "));
  }

  /// B38: an Error ended the log for good, and nobody was told.
  @Test
  void anErrorCostsItsLinesAndNotTheLog() {
    AtomicBoolean full = new AtomicBoolean(true);
    AccessLog failing =
        new AccessLog(
            channel(b -> {
              if (full.get()) {
                full.set(false);
                throw new OutOfMemoryError("a test's");
              }
              return takeAll(b);
            }));
    put(failing, 1_764_332_461_000L, "lost", 1, null);
    failing.start();
    await().atMost(Duration.ofSeconds(20)).until(() -> !full.get());
    put(failing, 1_764_332_461_000L, "m", 1, null);
    await()
        .atMost(Duration.ofSeconds(20))
        .until(() -> written.toString(UTF_8).contains(" model=m "));
    failing.close();
    assertThat(written.toString(UTF_8).lines()).hasSize(1);
  }

  /// What a channel does with what it is given.
  private interface Writing {
    int write(ByteBuffer b) throws IOException;
  }

  private static WritableByteChannel channel(Writing of) {
    return new WritableByteChannel() {
      @Override
      public int write(ByteBuffer b) throws IOException {
        return of.write(b);
      }

      @Override
      public boolean isOpen() {
        return true;
      }

      @Override
      public void close() {
        // nothing is held
      }
    };
  }

  private int take(ByteBuffer b, int most) {
    byte[] some = new byte[Math.min(most, b.remaining())];
    b.get(some);
    written.writeBytes(some);
    return some.length;
  }

  private int takeAll(ByteBuffer b) {
    return take(b, b.remaining());
  }

  @Test
  void whatADiskHasNoRoomForIsCountedAndNothingIsGluedToHalfALine() {
    int[] room = {1000};
    AccessLog full =
        new AccessLog(
            channel(b -> {
              if (room[0] == 0) {
                throw new IOException("No space left on device");
              }
              int n = take(b, room[0]);
              room[0] -= n;
              return n;
            }));
    for (int k = 0; k < 50; k++) {
      put(full, 1_764_332_461_000L, "m", 1, null);
    }
    full.start();
    await().atMost(Duration.ofSeconds(20)).until(() -> room[0] == 0 && written.size() == 1000);
    await()
        .atMost(Duration.ofSeconds(20))
        .until(() -> {
          // some room comes back
          room[0] = 1_000_000;
          return written.toString(UTF_8).contains(" lines lost");
        });
    put(full, 1_764_332_461_000L, "after", 1, null);
    full.close();
    List<String> lines = written.toString(UTF_8).lines().toList();
    List<String> whole =
        lines.stream().filter(l -> l.startsWith("2025-") && l.endsWith(" out=9876543210")).toList();
    assertThat(whole.getLast()).contains(" model=after ");
    assertThat(lines).contains("access log: " + (51 - whole.size()) + " lines lost");
    assertThat(lines).as("whole ones, a half one, what was lost").hasSize(whole.size() + 2);
  }

  @Test
  void aPipeThatTakesNothingForNowLosesNothing() {
    int[] times = {0};
    AccessLog slow = new AccessLog(channel(b -> times[0]++ % 3 == 0 ? take(b, 100) : 0));
    for (int k = 0; k < 50; k++) {
      put(slow, 1_764_332_461_000L, "m" + k, 1, null);
    }
    slow.start();
    await()
        .atMost(Duration.ofSeconds(20))
        .until(() ->
            written.toString(UTF_8).contains(" model=m49 ")
                && written.toString(UTF_8).endsWith("\n"));
    slow.close();
    assertThat(written.toString(UTF_8).lines())
        .hasSize(50)
        .allMatch(l -> l.startsWith("2025-") && l.endsWith(" out=9876543210"));
  }

  /// More than the buffer holds between two writes.
  @Test
  void noLineIsLostInABurst() {
    for (int k = 0; k < 1000; k++) {
      put(1_764_332_461_000L + k, "m".repeat(k), 1);
    }
    List<String> lines = lines();
    assertThat(lines).hasSize(1000).allMatch(l -> l.endsWith(" in=0 out=9876543210"));
    assertThat(lines.get(999)).contains("12:21:01.999Z").contains("model=" + "m".repeat(999) + " ");
  }

  @Test
  void linesOfManyThreadsAreWholeAndThoseOfOneInOrder() throws Exception {
    log.start();
    List<Thread> threads = new ArrayList<>();
    for (int t = 0; t < 4; t++) {
      String name = "thread-" + t;
      Thread.Builder of = t % 2 == 0 ? Thread.ofPlatform() : Thread.ofVirtual();
      threads.add(
          of.start(() -> {
            for (int k = 0; k < 500; k++) {
              put(1_764_332_461_000L, name + "-" + k, 1);
            }
          }));
    }
    for (Thread t : threads) {
      t.join();
    }
    log.close();
    List<String> models =
        written
            .toString(UTF_8)
            .lines()
            .peek(l -> assertThat(l).startsWith("2025-").endsWith(" out=9876543210"))
            .map(l -> l.replaceAll(".* model=(\\S+) .*", "$1"))
            .toList();
    assertThat(models).hasSize(2000);
    for (int t = 0; t < 4; t++) {
      String name = "thread-" + t + "-";
      assertThat(models.stream().filter(m -> m.startsWith(name)))
          .containsExactlyElementsOf(IntStream.range(0, 500).mapToObj(k -> name + k).toList());
    }
  }

  @Test
  void aLogThatCannotKeepUpSaysHowManyLinesItLost() {
    int all = 10_000;
    for (int k = 0; k < all; k++) {
      put(1_764_332_461_000L, "m".repeat(300), 1);
    }
    List<String> lines = lines();
    assertThat(lines.size()).isBetween(1000, all - 1);
    assertThat(lines.getLast())
        .isEqualTo("access log: " + (all - lines.size() + 1) + " lines lost");
    assertThat(lines.subList(0, lines.size() - 1)).allMatch(l -> l.endsWith(" out=9876543210"));
  }
}
