package org.infinilm.svc.policy;

import java.util.List;
import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;

/// The less loaded of two instances drawn at random: for very large fleets, and where several
/// routers share one and must not all see the same least loaded instance.
///
/// Inputs: in-flight counts, weights, free seats. Of two candidates both are looked at and ties go
/// in turn. Waits when all that fit are full. Cost: O(1), O(candidates) when most are full. Source:
/// [Sample].
final class PowerOfTwo implements Policy {
  private final Picker picker = new Picker();

  @Override
  public String name() {
    return "power-of-two";
  }

  @Override
  public Choice choose(Ask ask, Candidates candidates, Load load, RandomGenerator random) {
    List<Instance> all = candidates.in(Pool.ANY);
    if (all.size() > 2) {
      Instance drawn = Sample.lesser(candidates, Pool.ANY, ask.needTokens(), load, random);
      if (drawn != null) {
        return new Choice.Send(drawn, Pool.ANY, Reason.POLICY);
      }
    }
    Reason why = all.size() == 1 ? Reason.ONLY : Reason.POLICY;
    Choice c = picker.pick(ask.withoutKey(), candidates, Pool.ANY, why, load, random);
    return c != null ? c : Largest.choose(ask.withoutKey(), candidates, load, random);
  }
}
