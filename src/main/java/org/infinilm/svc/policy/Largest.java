package org.infinilm.svc.policy;

import java.util.Comparator;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;

/// The last resort when the estimate fits nobody: the largest instance, which the estimate may
/// wrong, or a refusal when even the fewest tokens that the body can have do not fit it.
final class Largest {
  private Largest() {}

  static Choice choose(Ask ask, Candidates candidates) {
    Instance largest =
        candidates.in(Pool.ANY).stream()
            .max(Comparator.comparingLong(Instance::capacityTokens))
            .orElseThrow();
    return largest.fits(ask.leastTokens())
        ? new Choice.Send(largest, Pool.of(largest.cacheType()), Reason.FIT)
        : new Choice.Refuse(ask.leastTokens(), largest.capacityTokens());
  }
}
