package org.infinilm.svc.fleet;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
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

  /// Each thread has the other's names become old ones all the time.
  @Test
  void threadsThatHaveNamesComeAndGoDisturbNobody() throws Exception {
    PerModel<AtomicInteger> of = new PerModel<>(1, AtomicInteger::new);
    CountDownLatch begin = new CountDownLatch(1);
    try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
      List<Future<?>> all = new ArrayList<>();
      for (int t = 0; t < 4; t++) {
        String own = "name" + t + "-";
        all.add(
            threads.submit(() -> {
              begin.await();
              for (int k = 0; k < 100_000; k++) {
                of.of(own + k % 7).incrementAndGet();
              }
              return null;
            }));
      }
      begin.countDown();
      for (Future<?> f : all) {
        f.get(60, TimeUnit.SECONDS);
      }
    }
    assertThat(of.size()).isPositive();
  }
}
