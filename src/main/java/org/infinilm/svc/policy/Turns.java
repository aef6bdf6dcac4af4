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
 * A A B A, never A A A B, and a newcomer starts at the lowest pass of the others, so that it gets its
 * share and no burst. A pick is O(n) under a lock that is held for the scan alone.
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
    private boolean[] known = new boolean[8];

    synchronized Instance next(List<Instance> among, Load load) {
      admit(among);
      Instance best = among.getFirst();
      double bestLoad = Double.MAX_VALUE;
      double bestPass = Double.MAX_VALUE;
      for (int k = 0; k < among.size(); k++) {
        Instance i = among.get(k);
        double l = load.inFlight(i.slot()) / (double) Math.max(1, i.weight());
        double p = i.weight() == 0 ? NEVER + pass[i.slot()] : pass[i.slot()];
        if (i.weight() == 0) {
          l += NEVER;
        }
        if (l < bestLoad || (l == bestLoad && p < bestPass)) {
          best = i;
          bestLoad = l;
          bestPass = p;
        }
      }
      pass[best.slot()] += 1.0 / Math.max(1, best.weight());
      return best;
    }

    /// Gives instances seen for the first time the lowest pass of the others.
    private void admit(List<Instance> among) {
      double lowest = Double.MAX_VALUE;
      boolean newcomers = false;
      for (int k = 0; k < among.size(); k++) {
        int slot = among.get(k).slot();
        if (slot < known.length && known[slot]) {
          lowest = Math.min(lowest, pass[slot]);
        } else {
          newcomers = true;
        }
      }
      if (!newcomers) {
        return;
      }
      double start = lowest == Double.MAX_VALUE ? 0 : lowest;
      for (int k = 0; k < among.size(); k++) {
        int slot = among.get(k).slot();
        if (slot >= known.length) {
          int n = Math.max(slot + 1, known.length * 2);
          pass = Arrays.copyOf(pass, n);
          known = Arrays.copyOf(known, n);
        }
        if (!known[slot]) {
          known[slot] = true;
          pass[slot] = start;
        }
      }
    }
  }
}
