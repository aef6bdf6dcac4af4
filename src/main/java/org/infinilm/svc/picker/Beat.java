package org.infinilm.svc.picker;

import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Set;

/// The ticks of one event loop, of which every stream on it hears. Confined to that loop.
final class Beat implements Runnable {
  private final Set<Processing> streams = Collections.newSetFromMap(new IdentityHashMap<>());
  private long now;

  /// Ticks so far.
  long now() {
    return now;
  }

  void add(Processing p) {
    streams.add(p);
  }

  void remove(Processing p) {
    streams.remove(p);
  }

  /// One tick.
  @Override
  public void run() {
    now++;
    for (Processing p : streams.toArray(new Processing[0])) {
      p.tick(now);
    }
  }
}
