package org.infinilm.svc.policy;

import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.Instance;

/// Which of some instances come into question. Pure; the list itself is returned, not a copy, where
/// nobody drops out.
final class Shortlist {
  /// Added to the load of an instance of weight 0: it is asked only when there is no other.
  private static final double NEVER = 1e12;

  private static final int ASKED_LAST = 1;
  private static final int LEFT_ALONE = 2;

  private Shortlist() {}

  /// Those that hold so many tokens.
  static List<Instance> fitting(List<Instance> among, long tokens) {
    for (int k = 0; k < among.size(); k++) {
      if (!among.get(k).fits(tokens)) {
        List<Instance> fit = new ArrayList<>(among);
        fit.removeIf(i -> !i.fits(tokens));
        return fit;
      }
    }
    return among;
  }

  /// Those that take a request now and want one. Who comes back into service wants its share of
  /// them, by lot. When nobody wants one: those that take it all the same, first who lost that lot,
  /// then who is asked last; empty when all are full, or when those that are not left alone.
  static List<Instance> now(List<Instance> among, Load load, RandomGenerator random) {
    int k = 0;
    while (k < among.size() && wants(among.get(k), load, random)) {
      k++;
    }
    if (k == among.size()) {
      return among;
    }
    List<Instance> wanting = new ArrayList<>(among.subList(0, k));
    List<Instance> free = new ArrayList<>(wanting);
    if (load.free(among.get(k).slot())) {
      free.add(among.get(k));
    }
    for (k++; k < among.size(); k++) {
      Instance i = among.get(k);
      if (load.free(i.slot())) {
        free.add(i);
        if (wants(i, load, random)) {
          wanting.add(i);
        }
      }
    }
    if (!wanting.isEmpty()) {
      return wanting;
    }
    int best = reluctance(free, load);
    if (best == LEFT_ALONE && reluctance(among, load) < LEFT_ALONE) {
      return List.of();
    }
    free.removeIf(i -> reluctance(i, load) > best);
    return free;
  }

  /// Whom to wait for: not those that are left alone, while there are others.
  static List<Instance> awaited(List<Instance> fit, Load load) {
    List<Instance> out = new ArrayList<>(fit);
    out.removeIf(i -> load.passedOver(i.slot()));
    return out.isEmpty() ? List.copyOf(fit) : List.copyOf(out);
  }

  private static int reluctance(Instance i, Load load) {
    return load.passedOver(i.slot()) ? LEFT_ALONE : load.askedLast(i.slot()) ? ASKED_LAST : 0;
  }

  /// The least of some.
  private static int reluctance(List<Instance> among, Load load) {
    int least = LEFT_ALONE;
    for (int k = 0; k < among.size() && least > 0; k++) {
      least = Math.min(least, reluctance(among.get(k), load));
    }
    return least;
  }

  static boolean wants(Instance i, Load load, RandomGenerator random) {
    int slot = i.slot();
    if (!load.free(slot) || load.othersFirst(slot)) {
      return false;
    }
    double odds = load.odds(slot);
    return odds >= 1 || random.nextDouble() < odds;
  }

  /// Requests in flight per weight that counts.
  static double load(Instance i, Load load) {
    double l = load.inFlight(i.slot()) / (Math.max(1, i.weight()) * load.share(i.slot()));
    return i.weight() == 0 ? l + NEVER : l;
  }
}
