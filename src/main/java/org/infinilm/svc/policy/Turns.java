package org.infinilm.svc.policy;

import java.util.List;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.PerModel;
import org.infinilm.svc.fleet.Pool;

/// Whose turn it is: weighted round robin, one counter a model and pool. Thread-safe.
/*
 * Stride scheduling (Waldspurger and Weihl, 1995): each instance has a pass value that grows by
 * 1/weight when it is picked; the lowest pass goes next, the earlier name on a tie. Weights 3:1 give
 * A B A A, never A A A B. A pass below that of the last pick counts as that one: who is new, was away
 * or has a slot that was another's gets its share from now on and no burst for the past. A pick is
 * O(n) under a lock of the model and pool that is held for the scan alone; nothing is allocated, but
 * when one is picked for the first time. What is kept grows with those that were picked lately, not
 * with the fleet.
 */
final class Turns {
  /// Divisible by every weight up to 16, so that their turns repeat exactly.
  private static final long STRIDE = 72_072_000;

  private static final long NEVER_PASS = 1L << 61;

  private static final int MOST_MODELS = 10_000;

  private final PerModel<Pools> models = new PerModel<>(MOST_MODELS, Pools::new);

  /// The next of `among`, least loaded first when `load` is given.
  Instance next(Candidates of, Pool pool, List<Instance> among, Load load) {
    if (among.size() == 1) {
      return among.getFirst();
    }
    return models.of(of.model()).of(pool).next(among, load);
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

  /// Passes by slot: a hash table with open addressing (linear probing, at most half full).
  private static final class Passes {
    private static final int LEAST = 8;
    private static final int SPREAD = 0x9e3779b9;

    /// Slot + 1, 0 where there is none.
    private int[] keys = new int[LEAST];

    private long[] pass = new long[LEAST];
    private int used;
    private long now;

    synchronized Instance next(List<Instance> among, Load load) {
      Instance best = among.getFirst();
      double bestLoad = Double.MAX_VALUE;
      long bestPass = Long.MAX_VALUE;
      long bestTurn = 0;
      for (int k = 0; k < among.size(); k++) {
        Instance i = among.get(k);
        boolean last = i.weight() == 0;
        long turn = Math.max(pass[at(i.slot())], now);
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
      note(best.slot(), bestTurn + STRIDE / Math.max(1, best.weight()));
      if (now > NEVER_PASS / 2) {
        startAnew();
      }
      return best;
    }

    /// Where a slot's pass stands, or the free place (with a pass of 0) where it would.
    private int at(int slot) {
      int at = ((slot * SPREAD) >>> 16) & (keys.length - 1);
      while (keys[at] != 0 && keys[at] != slot + 1) {
        at = (at + 1) & (keys.length - 1);
      }
      return at;
    }

    private void note(int slot, long its) {
      int at = at(slot);
      if (keys[at] == 0) {
        if (2 * (used + 1) > keys.length) {
          keepAhead();
          at = at(slot);
        }
        keys[at] = slot + 1;
        used++;
      }
      pass[at] = its;
    }

    /// A new table of those whose pass is ahead of the last pick: the others count as if they had
    /// none.
    private void keepAhead() {
      int[] slots = keys;
      long[] passes = pass;
      int ahead = 0;
      for (int k = 0; k < slots.length; k++) {
        ahead += slots[k] != 0 && passes[k] > now ? 1 : 0;
      }
      int size = Math.max(LEAST, Integer.highestOneBit(ahead + 1) << 3);
      keys = new int[size];
      pass = new long[size];
      used = 0;
      for (int k = 0; k < slots.length; k++) {
        if (slots[k] != 0 && passes[k] > now) {
          int at = at(slots[k] - 1);
          keys[at] = slots[k];
          pass[at] = passes[k];
          used++;
        }
      }
    }

    private void startAnew() {
      for (int k = 0; k < pass.length; k++) {
        pass[k] = Math.max(0, pass[k] - now);
      }
      now = 0;
    }
  }
}
