package org.infinilm.svc.bench;

import java.util.IdentityHashMap;
import java.util.List;

/// Request bodies made before a run begins.
final class Bodies {
  private Bodies() {}

  /// Bytes of text that a workload may have in this process.
  static long mostText() {
    return Runtime.getRuntime().maxMemory() / 4;
  }

  /// The end of a message about more than that.
  static String tooMuch() {
    return " are more text than this process holds (expected: at most "
        + (mostText() >> 20)
        + " MiB; INFINI_JAVA_OPTS=-Xmx8g gives more)";
  }

  /// The bodies of requests whose text is known, as far as a third of the heap holds them; the rest
  /// is made when it is sent.
  static IdentityHashMap<LoadItem, byte[]> ahead(RequestBody bodies, List<LoadItem> items) {
    long room = Runtime.getRuntime().maxMemory() / 3;
    IdentityHashMap<LoadItem, byte[]> out = new IdentityHashMap<>();
    for (LoadItem i : items) {
      if (i.conversation() >= 0 || out.containsKey(i)) {
        continue;
      }
      byte[] b = bodies.of(i, List.of());
      room -= b.length;
      if (room < 0) {
        return out;
      }
      out.put(i, b);
    }
    return out;
  }
}
