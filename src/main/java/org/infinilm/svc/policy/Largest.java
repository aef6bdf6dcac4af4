package org.infinilm.svc.policy;

import java.util.Comparator;
import java.util.List;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;

/// The last resort when the estimate fits nobody: the largest instance, which the estimate may
/// wrong, or a refusal when even the fewest tokens that the body can have do not fit it.
final class Largest {
  private Largest() {}

  static Choice choose(Ask ask, Candidates candidates, Load load) {
    Instance largest =
        candidates.in(Pool.ANY).stream()
            .max(Comparator.comparingLong(Instance::capacityTokens))
            .orElseThrow();
    if (!largest.fits(ask.leastTokens())) {
      return new Choice.Refuse(ask.leastTokens(), largest.capacityTokens());
    }
    Pool pool = Pool.of(largest.cacheType());
    return load.free(largest.slot())
        ? new Choice.Send(largest, pool, Reason.FIT)
        : new Choice.Wait(pool, Reason.FIT, List.of(largest));
  }
}
