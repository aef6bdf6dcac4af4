package org.infinilm.svc.fleet;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class PerModelTest {
  @Test
  void whoIsAskedForStaysAndNamesThatComeAndGoDoNotPileUp() {
    PerModel<AtomicInteger> of = new PerModel<>(100, AtomicInteger::new);
    for (int k = 0; k < 10_000; k++) {
      of.of("name" + k).incrementAndGet();
      if (k % 50 == 0) {
        of.of("m").incrementAndGet();
      }
      assertThat(of.size()).isLessThanOrEqualTo(200);
    }
    assertThat(of.of("m").get()).isEqualTo(200);
    assertThat(of.of("name9999").get()).isEqualTo(1);
    assertThat(of.of("name1").get()).isZero();
  }
}
