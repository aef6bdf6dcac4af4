package org.infinilm.svc.policy;

import java.util.List;
import org.infinilm.svc.fleet.Instance;
import org.jspecify.annotations.Nullable;

/// Highest random weight hashing (Thaler and Ravishankar, 1998), weighted by the logarithmic
/// method, with bounded load (Mirrokni, Thorup and Zadimoghaddam, 2018). Pure: every router gives a
/// key the same home, and adding or removing one of n instances moves about 1/n of the keys.
final class Rendezvous {
  private static final double BOUND = 1.25;

  private Rendezvous() {}

  /// The home of `key` among `among`.
  static Instance home(long key, List<Instance> among) {
    Instance best = among.getFirst();
    double bestScore = Double.NEGATIVE_INFINITY;
    for (int k = 0; k < among.size(); k++) {
      Instance i = among.get(k);
      double s = score(key, i);
      if (s > bestScore) {
        best = i;
        bestScore = s;
      }
    }
    return best;
  }

  /// The best-ranked instance whose load is within the bound, or null when the home itself is.
  static @Nullable Instance spill(long key, Instance home, List<Instance> among, Load load) {
    long total = 1;
    long weights = 0;
    for (int k = 0; k < among.size(); k++) {
      total += load.inFlight(among.get(k).slot());
      weights += Math.max(1, among.get(k).weight());
    }
    double perWeight = BOUND * total / weights;
    if (within(home, perWeight, load)) {
      return null;
    }
    Instance best = null;
    double bestScore = Double.NEGATIVE_INFINITY;
    for (int k = 0; k < among.size(); k++) {
      Instance i = among.get(k);
      double s = score(key, i);
      if (s > bestScore && within(i, perWeight, load)) {
        best = i;
        bestScore = s;
      }
    }
    return best;
  }

  private static boolean within(Instance i, double perWeight, Load load) {
    return load.inFlight(i.slot()) < Math.ceil(perWeight * Math.max(1, i.weight()));
  }

  private static double score(long key, Instance i) {
    long h = mix(key ^ mix(hash(i.name())));
    double unit = ((h >>> 11) + 0.5) * 0x1.0p-53;
    return Math.max(i.weight(), 1e-9) / -Math.log(unit);
  }

  /// FNV-1a over the UTF-16 units of a text, finished by [#mix]; never 0.
  static long hash(CharSequence s) {
    long h = 0xcbf29ce484222325L;
    for (int k = 0; k < s.length(); k++) {
      h = (h ^ s.charAt(k)) * 0x100000001b3L;
    }
    long m = mix(h);
    return m == 0 ? 1 : m;
  }

  /// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
  private static long mix(long z) {
    long a = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    long b = (a ^ (a >>> 27)) * 0x94d049bb133111ebL;
    return b ^ (b >>> 31);
  }
}
