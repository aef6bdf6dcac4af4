package org.infinilm.svc.policy;

import java.util.List;
import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.Instance;
import org.jspecify.annotations.Nullable;

/// The less loaded of two drawn at random (Mitzenmacher, "The power of two choices in randomized
/// load balancing", 2001). Pure but for the draw; the cost does not grow with the number of
/// instances.
final class Sample {
  private static final int DRAWS = 16;

  private Sample() {}

  /// The less loaded of two different ones that fit and want a request; null when so many draws did
  /// not find two.
  static @Nullable Instance lesser(
      List<Instance> among, long tokens, Load load, RandomGenerator random) {
    Instance first = null;
    int firstAt = -1;
    for (int k = 0; k < DRAWS; k++) {
      int at = random.nextInt(among.size());
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
    return null;
  }
}
