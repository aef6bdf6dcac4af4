package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/// When it is found out whether blocks are faster.
class BlockWarmingTest {
  /// Each look takes longer than all of its time.
  private final AtomicLong looks = new AtomicLong();

  private final BlockWarming warming =
      new BlockWarming(() -> looks.incrementAndGet() * BlockWarming.MOST_BUSY_NANOS);

  @Test
  void anIdleProgramSpendsNothing() {
    for (long bytes = 0; bytes + 1000 <= BlockWarming.FIRST_BYTES; bytes += 1000) {
      warming.seen(1000);
    }
    assertThat(warming.hasStarted()).isFalse();
    assertThat(looks).hasValue(0);
  }

  /// What takes as long as words is not faster, and is not tried for ever.
  @Test
  void itEndsWhenItsTimeIsOverAndWordsStay() {
    warming.seen(Integer.MAX_VALUE);
    warming.seen(Integer.MAX_VALUE);
    assertThat(warming.hasStarted()).isTrue();
    await().until(warming::isOver);
    assertThat(Blocks.fast).isFalse();
    assertThat(looks.get()).isLessThan(100);
  }
}
