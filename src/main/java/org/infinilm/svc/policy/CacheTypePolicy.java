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
/// else the other pool (`fit`, or `empty-pool` when the rule's pool has no instance); inside a pool
/// the home of the key (`affinity`, moved by `spill` when the home is full or over 1.25 of the mean
/// load), else least in-flight per weight, ties in turn. When all of the pool that fit are full it
/// waits, or takes a free one of the other pool (`spill`) where that is allowed. Refused only when
/// even the fewest tokens that the body can have fit nowhere. Cost: O(candidates), O(1) from 64
/// instances on for requests without a key. Source: the deployment case's own rule.
final class CacheTypePolicy implements Policy {
  private final Picker picker = new Picker();
  private final boolean spill;

  /// @param spill whether a full pool passes requests on to the other
  CacheTypePolicy(boolean spill) {
    this.spill = spill;
  }

  @Override
  public String name() {
    return "cache-type";
  }

  @Override
  public Choice choose(Ask ask, Candidates candidates, Load load, RandomGenerator random) {
    if (candidates.in(Pool.PAGED).isEmpty() && candidates.in(Pool.STATIC).isEmpty()) {
      Reason why = candidates.in(Pool.ANY).size() == 1 ? Reason.ONLY : Reason.POLICY;
      return orLargest(
          picker.pick(ask, candidates, Pool.ANY, why, load, random), ask, candidates, load);
    }
    Pool wanted = ask.size() <= ask.threshold() ? Pool.PAGED : Pool.STATIC;
    Pool other = wanted == Pool.PAGED ? Pool.STATIC : Pool.PAGED;
    Choice rule = picker.pick(ask, candidates, wanted, Reason.SIZE, load, random);
    if (rule != null) {
      return rule instanceof Choice.Wait && spill
          ? orWait(picker.pick(ask, candidates, other, Reason.SPILL, load, random), rule)
          : rule;
    }
    Reason why = candidates.in(wanted).isEmpty() ? Reason.EMPTY_POOL : Reason.FIT;
    Choice second = picker.pick(ask, candidates, other, why, load, random);
    if (second == null) {
      second = picker.pick(ask, candidates, Pool.ANY, why, load, random);
    }
    return orLargest(second, ask, candidates, load);
  }

  private static Choice orWait(@Nullable Choice other, Choice wait) {
    return other instanceof Choice.Send s
        ? new Choice.Send(s.instance(), s.pool(), Reason.SPILL)
        : wait;
  }

  private static Choice orLargest(@Nullable Choice c, Ask ask, Candidates among, Load load) {
    return c != null ? c : Largest.choose(ask, among, load);
  }
}
