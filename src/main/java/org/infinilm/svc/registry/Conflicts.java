package org.infinilm.svc.registry;

import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Names that two registrants claimed lately. Thread-safe, bounded.
final class Conflicts {
  private static final Duration KEPT = Duration.ofMinutes(5);
  private static final int MAX = 1000;

  private final Map<String, Long> seen = new LinkedHashMap<>();

  synchronized void note(String name, Now now) {
    seen.remove(name);
    seen.put(name, now.nanos());
    if (seen.size() > MAX) {
      seen.remove(seen.keySet().iterator().next());
    }
  }

  /// Sorted.
  synchronized List<String> names(Now now) {
    seen.values().removeIf(at -> now.nanos() - at > KEPT.toNanos());
    List<String> out = new ArrayList<>(seen.keySet());
    out.sort(null);
    return out;
  }
}
