package org.infinilm.svc.http;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/// Instances whose last answer was one of HTTP/1.0: they may not know chunks (RFC 9112 section
/// 6.1). Thread-safe.
final class OldServers {
  private static final int MOST = 1024;
  private final Set<Origin> origins = ConcurrentHashMap.newKeySet();

  boolean has(Origin o) {
    return !origins.isEmpty() && origins.contains(o);
  }

  /// Notes the version of an answer.
  void answered(Origin o, boolean http10) {
    if (http10) {
      if (origins.size() < MOST) {
        origins.add(o);
      }
    } else if (!origins.isEmpty()) {
      origins.remove(o);
    }
  }
}
