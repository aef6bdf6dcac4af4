package org.infinilm.svc.http;

import java.time.Instant;
import java.time.InstantSource;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Locale;

/// The time as a Date field has it (RFC 9110 section 5.6.7), worded once a second. Thread-safe.
final class HttpDate {
  private static final DateTimeFormatter FORM =
      DateTimeFormatter.ofPattern("EEE, dd MMM yyyy HH:mm:ss 'GMT'", Locale.US)
          .withZone(ZoneOffset.UTC);

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
      w = new Worded(now.getEpochSecond(), FORM.format(now));
      last = w;
    }
    return w.text();
  }
}
