package org.infinilm.svc.policy;

import java.util.List;
import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;

/// Each instance in turn, by weight, whatever the request; one counter a model. Who is full loses
/// its turn.
///
/// Inputs: weights, free seats. Tie-break: the earlier name. Cost: O(candidates). The baseline of
/// evaluations.
final class RoundRobin implements Policy {
  private static final Load IDLE = slot -> 0;

  private final Turns turns = new Turns();

  @Override
  public String name() {
    return "round-robin";
  }

  @Override
  public Choice choose(Ask ask, Candidates candidates, Load load, RandomGenerator random) {
    List<Instance> all = candidates.in(Pool.ANY);
    List<Instance> fit = Shortlist.fitting(all, ask.needTokens());
    if (fit.isEmpty()) {
      return Largest.choose(ask.withoutKey(), candidates, load, random);
    }
    Reason why = all.size() == 1 ? Reason.ONLY : Reason.POLICY;
    List<Instance> now = Shortlist.now(fit, load, random);
    return now.isEmpty()
        ? new Choice.Wait(Pool.ANY, why, Shortlist.awaited(fit, load))
        : new Choice.Send(turns.next(candidates, Pool.ANY, now, IDLE), Pool.ANY, why);
  }
}
