package org.infinilm.svc.policy;

import java.util.List;
import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.fleet.Weights;
import org.jspecify.annotations.Nullable;

/// The less loaded of two drawn at random by weight (Mitzenmacher, "The power of two choices in
/// randomized load balancing", 2001). Pure but for the draw; the cost hardly grows with the number
/// of instances.
final class Sample {
  private static final int DRAWS = 16;

  private Sample() {}

  /// The less loaded of two different ones that fit and want a request; the one that was found when
  /// so many draws did not find another, and null when they found none.
  static @Nullable Instance lesser(
      Candidates of, Pool pool, long tokens, Load load, RandomGenerator random) {
    List<Instance> among = of.in(pool);
    Weights weights = of.evenWeights() ? null : of.weights(pool);
    Instance first = null;
    int firstAt = -1;
    for (int k = 0; k < DRAWS; k++) {
      int at = weights == null ? random.nextInt(among.size()) : weights.draw(random);
      Instance i = among.get(at);
      if (at == firstAt
          || i.weight() == 0
          || !i.fits(tokens)
          || !Shortlist.wants(i, load, random)) {
        continue;
      }
      if (first != null) {
        return Shortlist.load(i, load) < Shortlist.load(first, load) ? i : first;
      }
      first = i;
      firstAt = at;
    }
    return first;
  }
}
