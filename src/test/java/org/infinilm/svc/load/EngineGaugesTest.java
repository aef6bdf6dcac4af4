package org.infinilm.svc.load;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class EngineGaugesTest {
  @Test
  void whenItHasEndedNothingIsReadAnyMore() throws InterruptedException {
    Thread caller = Thread.currentThread();
    CountDownLatch asked = new CountDownLatch(1);
    AtomicBoolean left = new AtomicBoolean();
    EngineGauges.Source slow =
        () -> {
          asked.countDown();
          try {
            new CountDownLatch(1).await();
          } catch (InterruptedException ends) {
            // an answer that was on its way comes once nobody but the end waits for it
            while (caller.getState() == Thread.State.RUNNABLE) {
              Thread.onSpinWait();
            }
          }
          left.set(true);
          return "vllm:num_requests_running 1\n";
        };
    try (EngineGauges gauges =
        new EngineGauges(
            Map.of("one", slow), Duration.ofSeconds(1), Duration.ZERO, Ticker.SYSTEM)) {
      asked.await();
      gauges.end();
      assertThat(left).isTrue();
      assertThat(gauges.isEmpty()).isTrue();
    }
  }
}
