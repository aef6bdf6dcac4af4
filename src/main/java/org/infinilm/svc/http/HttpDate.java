package org.infinilm.svc.http;

import java.time.Instant;
import java.time.InstantSource;
import java.time.LocalDateTime;
import java.time.ZoneOffset;

/// The time as a Date field has it (RFC 9110 section 5.6.7), worded once a second. Thread-safe.
///
/// Not by a formatter of the JDK: what runs once a second on an event loop is never compiled, and a
/// formatter then takes milliseconds in which the loop serves nobody.
final class HttpDate {
  private static final String DAYS = "MonTueWedThuFriSatSun";
  private static final String MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec";

  private record Worded(long second, String text) {}

  private final InstantSource clock;
  private volatile Worded last = new Worded(Long.MIN_VALUE, "");

  HttpDate(InstantSource clock) {
    this.clock = clock;
  }

  String now() {
    Instant now = clock.instant();
    Worded w = last;
    if (w.second() != now.getEpochSecond()) {
      w = new Worded(now.getEpochSecond(), text(now.getEpochSecond()));
      last = w;
    }
    return w.text();
  }

  private static String text(long epochSecond) {
    // with a fraction, without which seconds of 0 are left out
    LocalDateTime t = LocalDateTime.ofEpochSecond(epochSecond, 1_000_000, ZoneOffset.UTC);
    String iso = t.toString();
    int day = 3 * (t.getDayOfWeek().getValue() - 1);
    int month = 3 * (t.getMonthValue() - 1);
    return new StringBuilder(29)
        .append(DAYS, day, day + 3)
        .append(", ")
        .append(iso, 8, 10)
        .append(' ')
        .append(MONTHS, month, month + 3)
        .append(' ')
        .append(iso, 0, 4)
        .append(' ')
        .append(iso, 11, 19)
        .append(" GMT")
        .toString();
  }
}
