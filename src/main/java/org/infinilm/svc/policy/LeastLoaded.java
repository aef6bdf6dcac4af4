package org.infinilm.svc.policy;

import java.util.List;
import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;

/// The instance with the fewest requests in flight per weight, ties in turn.
///
/// Inputs: the router's own in-flight counts, taken before a request is sent. Cost: O(candidates).
final class LeastLoaded implements Policy {
  private final Turns turns = new Turns();

  @Override
  public String name() {
    return "least-loaded";
  }

  @Override
  public Choice choose(Ask ask, Candidates candidates, Load load, RandomGenerator random) {
    List<Instance> all = candidates.in(Pool.ANY);
    List<Instance> fit = CacheTypePolicy.fitting(all, ask.needTokens());
    if (fit.isEmpty()) {
      return Largest.choose(ask, candidates);
    }
    Reason why = all.size() == 1 ? Reason.ONLY : Reason.POLICY;
    return new Choice.Send(turns.next(candidates, Pool.ANY, fit, load), Pool.ANY, why);
  }
}
