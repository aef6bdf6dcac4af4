package org.infinilm.svc.router;

import java.util.Locale;

/// What the size rule measures.
enum SizeMetric {
  /// Bytes of the HTTP request body, its Content-Encoding undone.
  BODY,
  /// UTF-8 bytes of the decoded text in messages or prompt, or in the route's own keys.
  TEXT,
  /// Estimated prompt tokens.
  TOKENS;

  String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  static SizeMetric of(String label) {
    return valueOf(label.toUpperCase(Locale.ROOT));
  }
}
