package org.infinilm.svc.router;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.Proxy;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.infinilm.svc.http.Inbound;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;

class QuietStreamTest {
  private static final Duration PAUSE = Duration.ofSeconds(2);

  private long nowMillis = 1_000;
  private long dueMillis;
  private Runnable timer;
  private final List<Long> comments = new ArrayList<>();

  private final Ticker ticker =
      new Ticker() {
        @Override
        public long nanos() {
          return nowMillis * 1_000_000;
        }

        @Override
        public Instant now() {
          return Instant.ofEpochMilli(nowMillis);
        }
      };

  private final Inbound in =
      (Inbound)
          Proxy.newProxyInstance(
              Inbound.class.getClassLoader(),
              new Class<?>[] {Inbound.class},
              (self, called, arguments) -> {
                switch (called.getName()) {
                  case "later" -> {
                    dueMillis = nowMillis + ((Duration) arguments[0]).toMillis();
                    timer = (Runnable) arguments[1];
                    return (Runnable) () -> {};
                  }
                  case "relayBody" -> comments.add(nowMillis);
                  case "isWritable", "takesOurs" -> {
                    return true;
                  }
                  case "startStream", "flush" -> {}
                  default -> throw new UnsupportedOperationException(called.getName());
                }
                return null;
              });

  private void until(long millis) {
    while (dueMillis <= millis) {
      nowMillis = dueMillis;
      dueMillis = Long.MAX_VALUE;
      timer.run();
    }
    nowMillis = millis;
  }

  @Test
  void silenceIsCountedFromTheLastByte() {
    QuietStream q = new QuietStream(in, "id", PAUSE, ticker);
    until(2_900);
    q.heard();
    until(4_899);
    assertThat(comments).isEmpty();
    until(4_900);
    assertThat(comments).containsExactly(4_900L);
    until(9_500);
    assertThat(comments).containsExactly(4_900L, 6_900L, 8_900L);
    q.end();
    until(20_000);
    assertThat(comments).hasSize(3);
  }
}
