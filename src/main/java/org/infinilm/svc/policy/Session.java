package org.infinilm.svc.policy;

import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Pool;

/// The home of the request's key among all instances of the model, whatever their cache type;
/// without a key the least loaded.
///
/// Inputs: affinity key, names, weights, in-flight counts, free seats. Rendezvous hashing with
/// bounded load: a home that is full or over 1.25 of the mean load passes the request to the next
/// in the key's own order (`spill`). Every router gives a key the same home; a spill may differ,
/// for load is local. Cost: O(candidates). Source: [Rendezvous].
final class Session implements Policy {
  private final Picker picker = new Picker();

  @Override
  public String name() {
    return "session";
  }

  @Override
  public Choice choose(Ask ask, Candidates candidates, Load load, RandomGenerator random) {
    Reason why = candidates.in(Pool.ANY).size() == 1 ? Reason.ONLY : Reason.POLICY;
    Choice c = picker.pick(ask, candidates, Pool.ANY, why, load, random);
    return c != null ? c : Largest.choose(ask, candidates, load, random);
  }
}
