package org.infinilm.svc.policy;

import java.util.List;
import java.util.function.Supplier;

/// The catalogue: every policy by name. A new one is a file beside this and a line here (and in
/// docs/policies.md).
public final class Policies {
  private static final List<Supplier<Policy>> ALL =
      List.of(CacheTypePolicy::new, RoundRobin::new, LeastLoaded::new);

  private Policies() {}

  /// Names, the default first.
  public static List<String> names() {
    return ALL.stream().map(s -> s.get().name()).toList();
  }

  /// A new policy of that name.
  public static Policy create(String name) {
    return ALL.stream()
        .map(Supplier::get)
        .filter(p -> p.name().equals(name))
        .findFirst()
        .orElseThrow(() ->
            new IllegalArgumentException(
                "policy: " + name + " (expected: one of " + String.join(", ", names()) + ")"));
  }

  /// The hash of an affinity key, as [Ask#affinity] wants it; never 0.
  public static long affinity(String key) {
    return Rendezvous.hash(key);
  }
}
