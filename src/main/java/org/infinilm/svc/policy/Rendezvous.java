package org.infinilm.svc.policy;

import java.util.List;
import org.infinilm.svc.fleet.Hash;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;

/// Highest random weight hashing (Thaler and Ravishankar, 1998), weighted by the logarithmic
/// method, with bounded load (Mirrokni, Thorup and Zadimoghaddam, 2018). Pure: every router gives a
/// key the same home, and adding or removing one of n instances moves about 1/n of the keys.
/*
 * One pass finds the home, the runner-up and the load that bounds both; only when neither is free and
 * within the bound, a second one looks for the best-ranked that is. With equal weights the rank is the
 * hash itself: the logarithm grows with it and changes no order.
 */
final class Rendezvous {
  private static final double BOUND = 1.25;

  private Rendezvous() {}

  /// The place of `key`: its home among `fit`, or the best-ranked of `now` whose load is within the
  /// bound.
  ///
  /// @param fit all that can hold the request, two or more
  /// @param now those of them that take one now, at least one
  static Choice.Send place(
      long key, Pool pool, List<Instance> fit, List<Instance> now, boolean even, Load load) {
    Instance home = fit.getFirst();
    Instance second = home;
    double homeRank = Double.NEGATIVE_INFINITY;
    double secondRank = Double.NEGATIVE_INFINITY;
    long total = 1;
    long weights = 0;
    for (int k = 0; k < fit.size(); k++) {
      Instance i = fit.get(k);
      total += load.inFlight(i.slot());
      weights += Math.max(1, i.weight());
      double rank = rank(key, i, even);
      if (rank > homeRank) {
        second = home;
        secondRank = homeRank;
        home = i;
        homeRank = rank;
      } else if (rank > secondRank) {
        second = i;
        secondRank = rank;
      }
    }
    double mean = (double) total / weights;
    double perWeight = BOUND * mean + (load.routers() > 1 ? Math.sqrt(mean) : 0);
    boolean all = now.size() == fit.size();
    if (within(home, perWeight, load) && (all || now.contains(home))) {
      return new Choice.Send(home, pool, Reason.AFFINITY);
    }
    if (secondRank > Double.NEGATIVE_INFINITY
        && within(second, perWeight, load)
        && (all || now.contains(second))) {
      return new Choice.Send(second, pool, Reason.SPILL);
    }
    return new Choice.Send(best(key, now, perWeight, even, load), pool, Reason.SPILL);
  }

  /// The home of `key` among some, whatever their load.
  static Instance home(long key, List<Instance> among, boolean even) {
    Instance home = among.getFirst();
    double most = Double.NEGATIVE_INFINITY;
    for (int k = 0; k < among.size(); k++) {
      double rank = rank(key, among.get(k), even);
      if (rank > most) {
        home = among.get(k);
        most = rank;
      }
    }
    return home;
  }

  /// The best-ranked within the bound; when none is, the best-ranked.
  private static Instance best(
      long key, List<Instance> now, double perWeight, boolean even, Load load) {
    Instance best = now.getFirst();
    double bestRank = Double.NEGATIVE_INFINITY;
    boolean bestWithin = false;
    for (int k = 0; k < now.size(); k++) {
      Instance i = now.get(k);
      double rank = rank(key, i, even);
      boolean within = within(i, perWeight, load);
      if (within == bestWithin ? rank > bestRank : within) {
        best = i;
        bestRank = rank;
        bestWithin = within;
      }
    }
    return best;
  }

  private static boolean within(Instance i, double perWeight, Load load) {
    return load.inFlight(i.slot()) < Math.ceil(perWeight * Math.max(1, i.weight()));
  }

  private static double rank(long key, Instance i, boolean even) {
    double unit = ((Hash.mix(key ^ i.nameHash()) >>> 11) + 0.5) * 0x1.0p-53;
    return even ? unit : Math.max(i.weight(), 1e-9) / -Math.log(unit);
  }
}
