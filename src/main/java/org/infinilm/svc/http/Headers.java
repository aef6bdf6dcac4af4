package org.infinilm.svc.http;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// An ordered list of header fields; immutable; look-ups ignore case. For control planes, not for
/// the proxy path.
public record Headers(List<Header> fields) {
  public static final Headers NONE = new Headers(List.of());

  public Headers {
    fields = List.copyOf(fields);
  }

  /// `Authorization: Bearer TOKEN` (RFC 6750 section 2.1), or none without a token.
  public static Headers bearer(@Nullable String token) {
    return token == null || token.isEmpty() ? NONE : of("authorization", "Bearer " + token);
  }

  public static Headers of(String name, String value) {
    return new Headers(List.of(new Header(name, value)));
  }

  public Headers with(String name, String value) {
    List<Header> f = new ArrayList<>(fields);
    f.add(new Header(name, value));
    return new Headers(f);
  }

  /// The media type that a field's value names, in lower case since case says nothing in it,
  /// without its parameters (RFC 9110 section 8.3.1); empty for null.
  public static String mediaType(@Nullable String value) {
    return value == null ? "" : value.split(";", 2)[0].strip().toLowerCase(Locale.ROOT);
  }

  /// The first value of `name`, or null.
  public @Nullable String get(String name) {
    for (Header h : fields) {
      if (h.name().equalsIgnoreCase(name)) {
        return h.value();
      }
    }
    return null;
  }
}
