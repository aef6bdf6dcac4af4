package org.infinilm.svc.policy;

import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;

/// Whose turn it is: weighted round robin, one counter a model and pool. Thread-safe.
/*
 * Stride scheduling (Waldspurger and Weihl, 1995): each instance has a pass value that grows by
 * 1/weight when it is picked; the lowest pass goes next, the earlier name on a tie. Weights 3:1 give
 * A B A A, never A A A B. A pass below that of the last pick counts as that one: who is new, was away
 * or has a slot that was another's gets its share from now on and no burst for the past. A pick is
 * O(n) under a lock that is held for the scan alone.
 */
final class Turns {
  private static final double NEVER = 1e12;

  private record Key(String model, Pool pool) {}

  private final ConcurrentHashMap<Key, Passes> pools = new ConcurrentHashMap<>();

  /// The next of `among`, least loaded first when `load` is given.
  Instance next(Candidates of, Pool pool, List<Instance> among, Load load) {
    if (among.size() == 1) {
      return among.getFirst();
    }
    return pools.computeIfAbsent(new Key(of.model(), pool), k -> new Passes()).next(among, load);
  }

  private static final class Passes {
    private double[] pass = new double[8];
    private double now;

    synchronized Instance next(List<Instance> among, Load load) {
      Instance best = among.getFirst();
      double bestLoad = Double.MAX_VALUE;
      double bestPass = Double.MAX_VALUE;
      double bestTurn = 0;
      for (int k = 0; k < among.size(); k++) {
        Instance i = among.get(k);
        double turn = Math.max(passOf(i.slot()), now);
        double last = i.weight() == 0 ? NEVER : 0;
        double l = load.inFlight(i.slot()) / (double) Math.max(1, i.weight()) + last;
        double p = turn + last;
        if (l < bestLoad || (l == bestLoad && p < bestPass)) {
          best = i;
          bestLoad = l;
          bestPass = p;
          bestTurn = turn;
        }
      }
      now = bestTurn;
      pass[best.slot()] = bestTurn + 1.0 / Math.max(1, best.weight());
      return best;
    }

    private double passOf(int slot) {
      if (slot >= pass.length) {
        pass = Arrays.copyOf(pass, Math.max(slot + 1, pass.length * 2));
      }
      return pass[slot];
    }
  }
}
