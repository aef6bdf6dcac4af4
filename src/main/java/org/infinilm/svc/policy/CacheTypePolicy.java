package org.infinilm.svc.policy;

import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Pool;
import org.jspecify.annotations.Nullable;

/// The size rule between cache designs: small requests to paged instances, large ones to static
/// instances.
///
/// Inputs: size and threshold (`size <= threshold` is small), estimated need in tokens, affinity
/// key, in-flight counts, free seats. Order: the rule's pool, if one of it can hold the request;
/// else whoever can, of the other pool or without a cache type (`fit`, or `empty-pool` when the
/// rule's pool has no instance); inside a pool the home of the key (`affinity`, moved by `spill`
/// when the home is full or over 1.25 of the mean load), else least in-flight per weight, ties in
/// turn. When all of the pool that fit are full it waits for them, or, where that is allowed or all
/// of them are left alone or asked last, takes a free one outside (`spill`) or waits for whichever
/// is free first. Refused only when even the fewest tokens that the body can have fit nowhere.
/// Cost: O(candidates), O(1) from 64 instances on for requests without a key. Source: the
/// deployment case's own rule.
final class CacheTypePolicy implements Policy {
  private final Picker picker = new Picker();
  private final boolean spill;

  /// @param spill whether a full pool passes requests on to instances outside of it
  CacheTypePolicy(boolean spill) {
    this.spill = spill;
  }

  @Override
  public String name() {
    return "cache-type";
  }

  @Override
  public Choice choose(Ask ask, Candidates candidates, Load load, RandomGenerator random) {
    Choice c = byRule(ask, candidates, load, random);
    return c != null ? c : Largest.choose(ask, candidates, load, random);
  }

  /// Null when the estimate fits nobody.
  private @Nullable Choice byRule(
      Ask ask, Candidates candidates, Load load, RandomGenerator random) {
    if (candidates.in(Pool.PAGED).isEmpty() && candidates.in(Pool.STATIC).isEmpty()) {
      Reason why = candidates.in(Pool.ANY).size() == 1 ? Reason.ONLY : Reason.POLICY;
      return picker.pick(ask, candidates, Pool.ANY, why, load, random);
    }
    Pool wanted = ask.size() <= ask.threshold() ? Pool.PAGED : Pool.STATIC;
    Choice rule = picker.pick(ask, candidates, wanted, Reason.SIZE, load, random);
    if (rule == null) {
      Reason why = candidates.in(wanted).isEmpty() ? Reason.EMPTY_POOL : Reason.FIT;
      return pooled(picker.pick(ask, candidates, Pool.ANY, why, load, random));
    }
    return (spill && reluctant(rule, load)) || leftAlone(rule, load)
        ? spilt(picker.pick(ask, candidates, Pool.ANY, Reason.SPILL, load, random), wanted)
        : rule;
  }

  private static boolean reluctant(Choice c, Load load) {
    return c instanceof Choice.Wait
        || (c instanceof Choice.Send s && load.othersFirst(s.instance().slot()));
  }

  /// Whether others are to be asked before all of the pool that could take it: they are out for so
  /// long, not full.
  private static boolean leftAlone(Choice c, Load load) {
    return switch (c) {
      case Choice.Send s -> load.othersFirst(s.instance().slot());
      case Choice.Wait w -> w.accepted().stream().allMatch(i -> load.othersFirst(i.slot()));
      case Choice.Refuse r -> false;
    };
  }

  /// A choice among all, each by its own pool.
  private static @Nullable Choice pooled(@Nullable Choice c) {
    return switch (c) {
      case Choice.Send s -> in(s, s.why());
      case Choice.Wait w -> w.by(w.ways().stream().map(s -> in(s, s.why())).toList());
      case null, default -> c;
    };
  }

  /// A choice among all, some of which are outside of the wanted pool.
  private static @Nullable Choice spilt(@Nullable Choice c, Pool wanted) {
    return switch (c) {
      case Choice.Send s -> spilt(s, wanted);
      case Choice.Wait w -> w.by(w.ways().stream().map(s -> spilt(s, wanted)).toList());
      case null, default -> c;
    };
  }

  private static Choice.Send spilt(Choice.Send s, Pool wanted) {
    boolean outside = Pool.of(s.instance().cacheType()) != wanted;
    return in(s, outside ? Reason.SPILL : Reason.SIZE);
  }

  private static Choice.Send in(Choice.Send s, Reason why) {
    return new Choice.Send(s.instance(), Pool.of(s.instance().cacheType()), why);
  }
}
