package org.infinilm.svc.router;

import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// This router's name in Via fields (RFC 9110 section 7.6.3), different for each process, by which
/// it knows a request that it has sent itself.
///
/// @param own the element that is added to a request's Via
record Via(String own) {
  private static final String PROTOCOL = "1.1 ";

  static Via random(RandomGenerator random) {
    return new Via(PROTOCOL + "infini-" + Integer.toHexString(random.nextInt() | 1 << 31));
  }

  /// Whether a request with this Via has been here before.
  boolean loops(@Nullable String via) {
    return via != null && via.contains(own.substring(PROTOCOL.length()));
  }

  /// A list-valued field with one more element.
  static String appended(@Nullable String before, String last) {
    return before == null || before.isBlank() ? last : before + ", " + last;
  }
}
