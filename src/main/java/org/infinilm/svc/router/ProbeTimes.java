package org.infinilm.svc.router;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.random.RandomGenerator;
import org.infinilm.svc.router.FleetKeeper.View;

/// When each instance is probed, and who goes first when not all that are due can be probed at
/// once: the one that has been due longest, so that no number of others starves anybody. Pure but
/// for the jitter; one thread at a time.
final class ProbeTimes {
  private static final double JITTER = 0.1;

  private final long intervalNanos;
  private final long suspectNanos;
  private final RandomGenerator random;
  private final Map<String, Long> dueNanos = new HashMap<>();

  private record Due(View view, long nanos) {}

  /// @param intervalNanos between two probes of an instance that is well
  /// @param suspectNanos the same of a suspect
  ProbeTimes(long intervalNanos, long suspectNanos, RandomGenerator random) {
    this.intervalNanos = intervalNanos;
    this.suspectNanos = Math.min(intervalNanos, suspectNanos);
    this.random = random;
  }

  /// Those whose time has come, in the order in which it came. Who is new is due at once; who has
  /// become a suspect no later than a suspect's interval from now.
  List<View> due(List<View> views, long now) {
    List<Due> out = List.of();
    for (View v : views) {
      String name = v.instance().name();
      Long due = dueNanos.get(name);
      if (due == null || (v.suspect() && due - now > suspectNanos)) {
        due = due == null ? now : now + suspectNanos;
        dueNanos.put(name, due);
      }
      if (due - now <= 0) {
        if (out.isEmpty()) {
          out = new ArrayList<>();
        }
        out.add(new Due(v, due));
      }
    }
    if (out.isEmpty()) {
      return List.of();
    }
    out.sort(Comparator.comparingLong(d -> d.nanos() - now));
    return out.stream().map(Due::view).toList();
  }

  /// There is something to ask of an instance that should not wait for its time.
  void now(String name, long now) {
    dueNanos.computeIfPresent(name, (n, due) -> due - now > 0 ? Long.valueOf(now) : due);
  }

  /// A probe of it has begun.
  void started(View v, long now) {
    double jitter = 1 + JITTER * (2 * random.nextDouble() - 1);
    long after = v.suspect() ? suspectNanos : intervalNanos;
    dueNanos.put(v.instance().name(), now + (long) (after * jitter));
  }

  int size() {
    return dueNanos.size();
  }

  void keepOnly(Set<String> names) {
    dueNanos.keySet().retainAll(names);
  }
}
