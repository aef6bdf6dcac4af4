package org.infinilm.svc.router;

import java.util.concurrent.atomic.AtomicLong;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// Request ids: the client's when it is sane, else one of ours. Thread-safe.
final class RequestIds {
  private static final int LONGEST = 128;

  private final String prefix;
  private final AtomicLong next = new AtomicLong();

  RequestIds(RandomGenerator random) {
    prefix = "req-" + Long.toHexString(random.nextLong() | 1L << 63) + "-";
  }

  String of(@Nullable String clients) {
    return clients != null && sane(clients) ? clients : prefix + next.incrementAndGet();
  }

  private static boolean sane(String id) {
    if (id.isEmpty() || id.length() > LONGEST) {
      return false;
    }
    for (int k = 0; k < id.length(); k++) {
      char c = id.charAt(k);
      if (c <= ' ' || c > '~' || c == '"' || c == '\\') {
        return false;
      }
    }
    return true;
  }
}
