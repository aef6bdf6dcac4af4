package org.infinilm.svc.simulator;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The faults in force and how often each has struck; deterministic for a seed and an order of
/// requests. Thread-safe.
final class FaultBox {
  private static final class Armed {
    final String spec;
    final Fault fault;
    int seen;
    int struck;

    Armed(String spec) {
      this.spec = spec;
      this.fault = Fault.parse(spec);
    }
  }

  private final long seed;
  private List<Armed> armed = List.of();
  private long draws;

  FaultBox(long seed) {
    this.seed = seed;
  }

  /// Replaces all faults.
  ///
  /// @throws IllegalArgumentException when one cannot be read; nothing changes then
  synchronized List<Fault> set(List<String> specs) {
    List<Armed> next = new ArrayList<>();
    specs.forEach(s -> next.add(new Armed(s)));
    armed = next;
    return next.stream().map(a -> a.fault).toList();
  }

  synchronized List<String> specs() {
    return armed.stream().map(a -> a.spec).toList();
  }

  /// Whether this `/health` request is to fail.
  boolean unhealthy() {
    return strike(true) != null;
  }

  /// The fault that strikes this generation request, or null.
  @Nullable Fault next() {
    return strike(false);
  }

  private synchronized @Nullable Fault strike(boolean health) {
    for (Armed a : armed) {
      Fault f = a.fault;
      if (f.kind() == Fault.Kind.REFUSE || (f.kind() == Fault.Kind.UNHEALTHY) != health) {
        continue;
      }
      a.seen++;
      if (a.seen % f.every() == 0
          && a.struck < f.count()
          && (f.probability() == 1 || Seeds.unitAt(seed, draws++) < f.probability())) {
        a.struck++;
        return f;
      }
    }
    return null;
  }
}
