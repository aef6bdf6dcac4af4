package org.infinilm.svc.policy;

import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;

/// The last resort when the estimate fits nobody: the largest instances, which the estimate may
/// wrong, or a refusal when even the fewest tokens that the body can have do not fit them.
///
/// Of several that are equally large it is the home of the key, else the least loaded, ties by lot;
/// when all of them are full they are waited for together.
final class Largest {
  private Largest() {}

  static Choice choose(Ask ask, Candidates candidates, Load load, RandomGenerator random) {
    List<Instance> largest = largest(candidates.in(Pool.ANY));
    Instance one = largest.getFirst();
    if (!one.fits(ask.leastTokens())) {
      return new Choice.Refuse(ask.leastTokens(), one.capacityTokens());
    }
    List<Instance> now = Shortlist.now(largest, load, random);
    if (now.isEmpty()) {
      return new Choice.Wait(Shortlist.awaited(largest, load).stream().map(Largest::send).toList());
    }
    return send(
        ask.affinity() != 0 && largest.size() > 1
            ? Rendezvous.place(ask.affinity(), Pool.ANY, largest, now, false, load).instance()
            : leastLoaded(now, load, random));
  }

  private static Choice.Send send(Instance i) {
    return new Choice.Send(i, Pool.of(i.cacheType()), Reason.FIT);
  }

  private static List<Instance> largest(List<Instance> of) {
    List<Instance> out = new ArrayList<>(of.size());
    for (Instance i : of) {
      if (!out.isEmpty() && i.capacityTokens() > out.getFirst().capacityTokens()) {
        out.clear();
      }
      if (out.isEmpty() || i.capacityTokens() == out.getFirst().capacityTokens()) {
        out.add(i);
      }
    }
    return out;
  }

  private static Instance leastLoaded(List<Instance> of, Load load, RandomGenerator random) {
    int first = of.size() == 1 ? 0 : random.nextInt(of.size());
    Instance best = of.get(first);
    for (int k = 1; k < of.size(); k++) {
      Instance i = of.get((first + k) % of.size());
      best = Shortlist.load(i, load) < Shortlist.load(best, load) ? i : best;
    }
    return best;
  }
}
