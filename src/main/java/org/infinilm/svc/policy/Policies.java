package org.infinilm.svc.policy;

import java.util.List;
import java.util.function.Function;
import org.infinilm.svc.fleet.Hash;

/// The catalogue: every policy by name. A new one is a file beside this and a line here (and in
/// docs/policies.md).
public final class Policies {
  private static final List<Function<Options, Policy>> ALL =
      List.of(
          o -> new CacheTypePolicy(o.spill()),
          o -> new RoundRobin(),
          o -> new LeastLoaded(),
          o -> new PowerOfTwo(),
          o -> new Session());

  /// What settings change in policies.
  ///
  /// @param spill whether a full pool passes requests on to the other one
  public record Options(boolean spill) {
    public static final Options DEFAULT = new Options(false);
  }

  private Policies() {}

  /// Names, the default first.
  public static List<String> names() {
    return ALL.stream().map(s -> s.apply(Options.DEFAULT).name()).toList();
  }

  /// A new policy of that name, with the default options.
  public static Policy create(String name) {
    return create(name, Options.DEFAULT);
  }

  /// A new policy of that name.
  public static Policy create(String name, Options options) {
    return ALL.stream()
        .map(s -> s.apply(options))
        .filter(p -> p.name().equals(name))
        .findFirst()
        .<Policy>map(Tiered::new)
        .orElseThrow(() ->
            new IllegalArgumentException(
                "policy: " + name + " (expected: one of " + String.join(", ", names()) + ")"));
  }

  /// A new learned policy. Not in the catalogue: it needs the lengths in [Ask], [Load#flights] and
  /// what [Facts] say of the forecast, which evaluations give and the router does not yet.
  public static Policy adaptive(Objective objective) {
    return new Tiered(new Adaptive(objective));
  }

  /// The hash of an affinity key, as [Ask#affinity] wants it; never 0.
  public static long affinity(String key) {
    return Hash.of(key);
  }
}
