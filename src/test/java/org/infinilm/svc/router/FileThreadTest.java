package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class FileThreadTest {
  private static final Duration SOON = Duration.ofSeconds(30);

  @Test
  void whatIsHandedOverIsWrittenInOrderBeforeTheEnd() throws Exception {
    FileThread files = new FileThread("files");
    List<Integer> written = new ArrayList<>();
    for (int k = 0; k < 1000; k++) {
      int n = k;
      files.offer("f", () -> written.add(n));
    }
    files.start();
    files.end(SOON);
    assertThat(written).isEqualTo(IntStream.range(0, 1000).boxed().toList());
    assertThat(files.lost()).isZero();
  }

  /// A pipe that nobody reads: whoever hands over goes on, and so does the end.
  @Test
  void aWriteThatDoesNotReturnHoldsNobodyUp() throws Exception {
    FileThread files = new FileThread("files");
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch never = new CountDownLatch(1);
    files.start();
    files.offer(
        "f",
        () -> {
          begun.countDown();
          try {
            never.await();
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
        });
    assertThat(begun.await(30, TimeUnit.SECONDS)).isTrue();
    for (int k = 0; k < 5000; k++) {
      files.offer("f", () -> {});
    }
    assertThat(files.lost()).isBetween(900L, 905L);
    files.end(Duration.ofMillis(20));
    never.countDown();
  }

  @Test
  void aWriteThatFailsEndsNoOther() throws Exception {
    FileThread files = new FileThread("files");
    List<String> written = new ArrayList<>();
    files.offer(
        "f",
        () -> {
          throw new IllegalStateException("for the test");
        });
    files.offer("f", () -> written.add("next"));
    files.start();
    files.end(SOON);
    assertThat(written).containsExactly("next");
  }
}
