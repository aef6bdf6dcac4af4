package org.infinilm.svc.policy;

import java.util.List;
import java.util.Set;
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
          o -> new Session(),
          o -> new Adaptive(o.objectives(), o.spill(), false),
          o -> new Adaptive(o.objectives(), o.spill(), true));

  /// What settings change in policies.
  ///
  /// @param spill whether a full pool passes requests on to the other one
  /// @param objectives what a learned policy strives for
  public record Options(boolean spill, Objectives objectives) {
    public static final Options DEFAULT = new Options(false);

    public Options(boolean spill) {
      this(spill, Objectives.DEFAULT);
    }
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

  /// Requests that a static instance should have at once under a policy of that name, where nobody
  /// says: one running and one ready, so that it never waits for the router; one where the policy
  /// decides better the later it does.
  public static int staticSeats(String name) {
    return name.equals("adaptive") ? 1 : 2;
  }

  /// A new learned policy.
  public static Policy adaptive(Objective objective) {
    return create("adaptive", new Options(false, Objectives.of(objective)));
  }

  /// The learned policy without a part, to see what that is worth.
  public static Policy adaptiveWithout(Objective objective, Part part) {
    return new Tiered(new Adaptive(Objectives.of(objective), false, false, Set.of(part)));
  }

  /// The hash of an affinity key, as [Ask#affinity] wants it; never 0.
  public static long affinity(String key) {
    return Hash.of(key);
  }
}
