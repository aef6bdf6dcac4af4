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
 * O(n) under a lock of the model and pool that is held for the scan alone; nothing is allocated.
 */
final class Turns {
  /// Divisible by every weight up to 16, so that their turns repeat exactly.
  private static final long STRIDE = 72_072_000;

  private static final long NEVER_PASS = 1L << 61;

  private final ConcurrentHashMap<String, Pools> models = new ConcurrentHashMap<>();

  /// The next of `among`, least loaded first when `load` is given.
  Instance next(Candidates of, Pool pool, List<Instance> among, Load load) {
    if (among.size() == 1) {
      return among.getFirst();
    }
    Pools pools = models.get(of.model());
    if (pools == null) {
      pools = models.computeIfAbsent(of.model(), m -> new Pools());
    }
    return pools.of(pool).next(among, load);
  }

  private static final class Pools {
    private final Passes paged = new Passes();
    private final Passes statics = new Passes();
    private final Passes any = new Passes();

    Passes of(Pool pool) {
      return switch (pool) {
        case PAGED -> paged;
        case STATIC -> statics;
        case ANY -> any;
      };
    }
  }

  private static final class Passes {
    private long[] pass = new long[8];
    private long now;

    synchronized Instance next(List<Instance> among, Load load) {
      Instance best = among.getFirst();
      double bestLoad = Double.MAX_VALUE;
      long bestPass = Long.MAX_VALUE;
      long bestTurn = 0;
      for (int k = 0; k < among.size(); k++) {
        Instance i = among.get(k);
        boolean last = i.weight() == 0;
        long turn = Math.max(passOf(i.slot()), now);
        double l = Shortlist.load(i, load);
        long p = turn + (last ? NEVER_PASS : 0);
        if (l < bestLoad || (l == bestLoad && p < bestPass)) {
          best = i;
          bestLoad = l;
          bestPass = p;
          bestTurn = turn;
        }
      }
      now = bestTurn;
      pass[best.slot()] = bestTurn + STRIDE / Math.max(1, best.weight());
      if (now > NEVER_PASS / 2) {
        startAnew();
      }
      return best;
    }

    private long passOf(int slot) {
      if (slot >= pass.length) {
        pass = Arrays.copyOf(pass, Math.max(slot + 1, pass.length * 2));
      }
      return pass[slot];
    }

    private void startAnew() {
      for (int k = 0; k < pass.length; k++) {
        pass[k] = Math.max(0, pass[k] - now);
      }
      now = 0;
    }
  }
}
