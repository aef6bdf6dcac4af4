package org.infinilm.svc.router;

import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// This router's name in Via fields (RFC 9110 section 7.6.3), different for each process, by which
/// it knows a request that it has sent itself.
///
/// @param name the received-by part
/// @param of11 the element that is added to the Via of a request that came in HTTP/1.1
/// @param of10 the same of one that came in HTTP/1.0
record Via(String name, String of11, String of10) {
  static Via random(RandomGenerator random) {
    String name = "infini-" + Integer.toHexString(random.nextInt() | 1 << 31);
    return new Via(name, "1.1 " + name, "1.0 " + name);
  }

  /// Whether a request with this Via has been here before.
  boolean loops(@Nullable String via) {
    return via != null && via.contains(name);
  }

  /// A list-valued field with one more element.
  static String appended(@Nullable String before, String last) {
    return before == null || before.isBlank() ? last : before + ", " + last;
  }
}
