package org.infinilm.svc.trace;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.infinilm.svc.telemetry.Ticker;
import org.junit.jupiter.api.Test;

class TracesTest {
  private long nanos = 5;

  private Traces<String> traces() {
    Ticker ticker =
        new Ticker() {
          @Override
          public long nanos() {
            return nanos;
          }

          @Override
          public Instant now() {
            return Instant.EPOCH;
          }
        };
    URI nowhere = URI.create("http://127.0.0.1:1/v1/traces");
    return new Traces<>(new TraceSettings(nowhere, "s", 1), of -> List.of(), ticker);
  }

  @Test
  void whatFindsTheQueueFullIsDroppedAndCounted() {
    Traces<String> t = traces();
    for (int k = 0; k < Traces.QUEUE + 3; k++) {
      t.offer("x");
    }
    assertThat(t.counts()).isEqualTo(new Traces.Counts(0, 3, 0));
  }

  @Test
  void aReceiverThatIsDownIsSaidOnceAndThenRarelyAlsoWhenItComesAndGoes() {
    Traces<String> t = traces();
    assertThat(t.up()).isTrue();
    assertThat(t.tell("refused")).isTrue();
    assertThat(t.up()).isFalse();
    assertThat(t.tell("refused")).isFalse();
    assertThat(t.tell(null)).isFalse();
    assertThat(t.up()).isTrue();
    nanos += Duration.ofMinutes(9).toNanos();
    assertThat(t.tell("refused")).isFalse();
    assertThat(t.up()).isFalse();
    nanos += Duration.ofMinutes(1).toNanos();
    assertThat(t.tell("refused")).isTrue();
  }
}
