package org.infinilm.svc.trace;

import static org.assertj.core.api.Assertions.assertThat;

import io.opentelemetry.proto.collector.trace.v1.ExportTracePartialSuccess;
import io.opentelemetry.proto.collector.trace.v1.ExportTraceServiceResponse;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
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
    return new Traces<>(TraceSettings.to(nowhere), of -> List.of(), ticker);
  }

  @Test
  void whatFindsTheQueueFullIsDroppedAndCounted() {
    Traces<String> t = traces();
    for (int k = 0; k < Traces.QUEUE + 3; k++) {
      t.offer("x");
    }
    assertThat(t.counts()).isEqualTo(new Traces.Counts(0, 3, 0, 0));
  }

  @Test
  void whatAReceiverRejectsOfWhatItTookIsSaidOnceAndThenRarely() {
    Traces<String> t = traces();
    assertThat(t.tellRejected(Taken.ALL)).isFalse();
    assertThat(t.tellRejected(new Taken(3, "too old"))).isTrue();
    assertThat(t.tellRejected(new Taken(3, "too old"))).isFalse();
    assertThat(t.up()).as("it takes them").isTrue();
    nanos += Duration.ofMinutes(10).toNanos();
    assertThat(t.tellRejected(new Taken(0, "a field of old"))).isTrue();
  }

  @Test
  void anAnswerIsReadAsThePublishedProtobuf() {
    byte[] partial =
        ExportTraceServiceResponse.newBuilder()
            .setPartialSuccess(
                ExportTracePartialSuccess.newBuilder()
                    .setRejectedSpans(300)
                    .setErrorMessage("too old"))
            .build()
            .toByteArray();
    assertThat(Taken.of(partial)).isEqualTo(new Taken(300, "too old"));
    assertThat(Taken.of(ExportTraceServiceResponse.getDefaultInstance().toByteArray()))
        .isEqualTo(Taken.ALL);
    byte[] unknown = {0x7a, 1, 5, 0x41, 1, 2, 3, 4, 5, 6, 7, 8, 0x45, 1, 2, 3, 4, 0x48, 1};
    byte[] both = Arrays.copyOf(unknown, unknown.length + partial.length);
    System.arraycopy(partial, 0, both, unknown.length, partial.length);
    assertThat(Taken.of(both)).isEqualTo(new Taken(300, "too old"));
    for (int k = 0; k < partial.length; k++) {
      assertThat(Taken.of(Arrays.copyOf(partial, k))).isEqualTo(Taken.ALL);
    }
    assertThat(Taken.of("{\"partialSuccess\":{}}".getBytes(StandardCharsets.UTF_8)))
        .isEqualTo(Taken.ALL);
    assertThat(Taken.of(null)).isEqualTo(Taken.ALL);
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
