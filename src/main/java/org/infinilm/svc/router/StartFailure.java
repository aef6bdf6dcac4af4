package org.infinilm.svc.router;

import java.time.DateTimeException;
import java.time.Instant;
import java.util.Map;
import org.infinilm.svc.registry.Registration;
import org.jspecify.annotations.Nullable;

/// Why an instance on demand could not be started the last time, by its babysitter's word.
/// Immutable.
///
/// @param cause in words that are for everybody
/// @param until when it may be woken again, by its babysitter's clock; null when that is now
record StartFailure(String cause, @Nullable Instant until) {
  private static final int MOST_SAID = 200;

  /// Of an entry's metadata; null when it tells of none.
  static @Nullable StartFailure of(Map<String, Object> metadata) {
    return metadata.get(Registration.START_FAILED) instanceof Map<?, ?> m
        ? new StartFailure(cause(m.get(Registration.CAUSE)), time(m.get(Registration.UNTIL)))
        : null;
  }

  private static String cause(@Nullable Object said) {
    return said instanceof String s && !s.isBlank() ? oneLine(s) : "it did not say why";
  }

  /// Of what another program says, one line of a bounded length.
  static String oneLine(String said) {
    String one = said.replaceAll("\\p{Cc}+", " ");
    return one.length() > MOST_SAID ? one.substring(0, MOST_SAID) + "..." : one;
  }

  private static @Nullable Instant time(@Nullable Object said) {
    try {
      return said instanceof String s ? Instant.parse(s) : null;
    } catch (DateTimeException e) {
      return null;
    }
  }

  /// In one line.
  String words() {
    Instant u = until;
    return "its last start failed: "
        + cause
        + (u == null ? "" : "; it is not started again before " + u);
  }
}
