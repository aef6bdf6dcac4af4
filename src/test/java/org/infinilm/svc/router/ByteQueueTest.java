package org.infinilm.svc.router;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class ByteQueueTest {
  private final AtomicInteger woken = new AtomicInteger();
  private final ByteQueue queue = new ByteQueue(64, 256, woken::incrementAndGet);
  private final ByteArrayOutputStream got = new ByteArrayOutputStream();

  private boolean put(String text) {
    return queue.append(text.getBytes(ISO_8859_1), text.length());
  }

  private String taken() {
    got.reset();
    queue.drain(got::write);
    return got.toString(ISO_8859_1);
  }

  @Test
  void whatIsPutComesInOrderAlsoAroundTheEnd() {
    assertThat(queue.drain(got::write)).isFalse();
    for (int k = 0; k < 100; k++) {
      String text = Integer.toString(k).repeat(40).substring(0, 20 + k % 15);
      assertThat(put(text)).isTrue();
      assertThat(put("|")).isTrue();
      assertThat(taken()).isEqualTo(text + "|");
    }
  }

  @Test
  void itGrowsWhileNobodyTakesAndThenRefusesWhole() {
    StringBuilder all = new StringBuilder();
    int n = 0;
    while (put("%09d\n".formatted(n))) {
      all.append("%09d\n".formatted(n++));
    }
    assertThat(n).isBetween(25, 50);
    assertThat(taken()).isEqualTo(all.toString());
    assertThat(put("again")).isTrue();
    assertThat(taken()).isEqualTo("again");
    assertThat(put("x".repeat(257))).isFalse();
    assertThat(put("y".repeat(256))).isTrue();
    assertThat(taken()).isEqualTo("y".repeat(256));
  }

  @Test
  void oneThatIsLargerThanAllIsTakenWhereItMayGrow() {
    assertThat(put("a")).isTrue();
    assertThat(put("x".repeat(200))).isTrue();
    assertThat(taken()).isEqualTo("a" + "x".repeat(200));
  }

  @Test
  void whoTakesIsWokenOnceMoreThanHalfWaits() {
    put("x".repeat(32));
    assertThat(woken).hasValue(0);
    put("x".repeat(8));
    assertThat(woken).hasValue(1);
    put("x");
    assertThat(woken).hasValue(1);
    taken();
    put("x".repeat(16));
    assertThat(woken).hasValue(1);
  }

  @Test
  void whatASinkFailsOnIsNotGivenAgain() {
    put("lost");
    assertThatThrownBy(() ->
            queue.drain((b, from, n) -> {
              throw new IllegalStateException("a test's");
            }))
        .hasMessage("a test's");
    put("next");
    assertThat(taken()).isEqualTo("next");
  }

  /// Two threads, with rings so small that they turn and grow all the time.
  @Test
  void nothingIsTornOrLostBetweenTwoThreads() throws Exception {
    int texts = 50_000;
    StringBuilder all = new StringBuilder();
    SplittableRandom random = new SplittableRandom(7);
    List<String> each =
        IntStream.range(0, texts).mapToObj(k -> k + "x".repeat(random.nextInt(90)) + "\n").toList();
    Thread putting =
        Thread.ofPlatform()
            .start(() -> {
              for (String text : each) {
                while (!put(text)) {
                  Thread.yield();
                }
              }
            });
    String expected = String.join("", each);
    while (all.length() < expected.length()) {
      String some = taken();
      assertThat(some.isEmpty() || some.endsWith("\n")).isTrue();
      all.append(some);
    }
    assertThat(all.toString().equals(expected)).isTrue();
    putting.join();
    assertThat(taken()).isEmpty();
  }
}
