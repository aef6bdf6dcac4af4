package org.infinilm.svc.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class HttpDateTest {
  private static final DateTimeFormatter FORM =
      DateTimeFormatter.ofPattern("EEE, dd MMM yyyy HH:mm:ss 'GMT'", Locale.US)
          .withZone(ZoneOffset.UTC);

  @Test
  void theTimeIsWordedAsTheRfcHasItAndGoesOn() {
    AtomicReference<Instant> now = new AtomicReference<>(Instant.parse("1994-11-06T08:49:37.9Z"));
    HttpDate date = new HttpDate(now::get);
    assertThat(date.now()).isEqualTo("Sun, 06 Nov 1994 08:49:37 GMT");
    now.set(Instant.parse("1994-11-06T08:49:38Z"));
    assertThat(date.now()).isEqualTo("Sun, 06 Nov 1994 08:49:38 GMT");
  }

  /// Each day of a leap year and of the one after it, at all times of the day, and some ends.
  static LongStream seconds() {
    long first = Instant.parse("2028-01-01T00:00:00Z").getEpochSecond();
    return LongStream.concat(
        LongStream.range(0, 731).map(d -> first + d * 86_400 + d * 3_540 % 86_400),
        LongStream.of(0, -1, 951_782_399, Instant.parse("9999-12-31T23:59:59Z").getEpochSecond()));
  }

  @ParameterizedTest
  @MethodSource("seconds")
  void anyDayIsWordedAsTheJdkWordsIt(long second) {
    Instant now = Instant.ofEpochSecond(second);

    assertThat(new HttpDate(() -> now).now()).isEqualTo(FORM.format(now));
  }
}
