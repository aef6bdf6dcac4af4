package org.infinilm.svc.router;

import java.util.random.RandomGenerator;
import org.infinilm.svc.http.Header;
import org.jspecify.annotations.Nullable;

/// This router's name in Via fields (RFC 9110 section 7.6.3), different for each process, by which
/// it knows a request that it has sent itself.
///
/// @param name the received-by part
/// @param of11 the field of a request that came in HTTP/1.1 without a Via
/// @param of10 the same of one that came in HTTP/1.0
record Via(String name, Header of11, Header of10) {
  private static final String FIELD = "via";

  static Via random(RandomGenerator random) {
    String name = "infini-" + Integer.toHexString(random.nextInt() | 1 << 31);
    return new Via(
        name, Header.prepared(FIELD, "1.1 " + name), Header.prepared(FIELD, "1.0 " + name));
  }

  /// The field to send.
  ///
  /// @param before what the request came with, or null
  Header after(@Nullable String before, boolean http10) {
    Header own = http10 ? of10 : of11;
    String all = appended(before, own.value());
    return all.equals(own.value()) ? own : new Header(FIELD, all);
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
