package org.infinilm.svc.evaluation;

import java.util.List;
import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.policy.Ask;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Load;
import org.infinilm.svc.policy.Policy;
import org.infinilm.svc.policy.Reason;
import org.jspecify.annotations.Nullable;

/// Sends each request where it went when it was recorded: the instance of that name, else the least
/// loaded of that cache type, else of all.
final class Recorded implements Policy, Told {
  private final DecisionTrace trace;
  private int asked;

  Recorded(DecisionTrace trace) {
    this.trace = trace;
  }

  @Override
  public void asks(Request r) {
    asked = r.id();
  }

  @Override
  public String name() {
    return "recorded";
  }

  @Override
  public Choice choose(Ask ask, Candidates candidates, Load load, RandomGenerator random) {
    DecisionTrace.Row row = trace.row(asked);
    @Nullable Instance best = null;
    int rank = 0;
    List<Instance> all = candidates.in(Pool.ANY);
    for (Instance i : all) {
      CacheType type = i.cacheType();
      boolean kind = type != null && type.label().equals(row.cacheType());
      int r = i.name().equals(row.instance()) ? 3 : kind ? 2 : 1;
      if (best == null
          || r > rank
          || (r == rank && load.inFlight(i.slot()) < load.inFlight(best.slot()))) {
        best = i;
        rank = r;
      }
    }
    return new Choice.Send(best == null ? all.getFirst() : best, Pool.ANY, Reason.POLICY);
  }
}
