package org.infinilm.svc.policy;

import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Pool;

/// The instance with the fewest requests in flight per weight, ties in turn.
///
/// Inputs: the router's own in-flight counts, taken before a request is sent; free seats. Waits
/// when all that fit are full. Cost: O(candidates), O(1) from 64 instances on.
final class LeastLoaded implements Policy {
  private final Picker picker = new Picker();

  @Override
  public String name() {
    return "least-loaded";
  }

  @Override
  public Choice choose(Ask ask, Candidates candidates, Load load, RandomGenerator random) {
    Reason why = candidates.in(Pool.ANY).size() == 1 ? Reason.ONLY : Reason.POLICY;
    Choice c = picker.pick(ask.withoutKey(), candidates, Pool.ANY, why, load, random);
    return c != null ? c : Largest.choose(ask.withoutKey(), candidates, load, random);
  }
}
