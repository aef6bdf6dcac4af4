package org.infinilm.svc.http;

import java.io.IOException;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Causes that end a connection or a task without anyone being told: counted each time, logged the
/// first time of each kind and class. Thread-safe.
public final class Faults {
  private static final Logger LOG = LoggerFactory.getLogger(Faults.class);
  private static final Map<String, AtomicLong> COUNTS = new ConcurrentHashMap<>();

  private Faults() {}

  /// Notes one fault.
  ///
  /// @param kind where it happened, in a few words
  public static void note(String kind, Throwable cause) {
    AtomicLong n =
        COUNTS.computeIfAbsent(
            kind + ": " + cause.getClass().getSimpleName(), k -> new AtomicLong());
    // A peer that resets its connection is an everyday matter.
    if (n.incrementAndGet() == 1 && !(cause instanceof IOException)) {
      LOG.warn("{} (further ones are only counted)", kind, cause);
    }
  }

  /// How often each happened, by kind and class.
  public static Map<String, Long> counts() {
    Map<String, Long> out = new TreeMap<>();
    COUNTS.forEach((k, n) -> out.put(k, n.get()));
    return out;
  }
}
