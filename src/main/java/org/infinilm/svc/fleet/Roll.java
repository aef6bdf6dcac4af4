package org.infinilm.svc.fleet;

import java.util.List;

/// What is kept of the candidates of a decision to explain it later: their names, slots, pools and
/// capacities, and nothing of the fleet they were in. Immutable; shared by all decisions among the
/// same candidates.
public final class Roll {
  /// So many are kept, in the order of names; [#total] tells how many there were.
  public static final int MOST = 64;

  public static final Roll NONE = new Roll(List.of());

  private final String[] names;
  private final int[] slots;
  private final Pool[] pools;
  private final long[] capacityTokens;
  private final int total;

  Roll(List<Instance> candidates) {
    int n = Math.min(MOST, candidates.size());
    names = new String[n];
    slots = new int[n];
    pools = new Pool[n];
    capacityTokens = new long[n];
    total = candidates.size();
    for (int k = 0; k < n; k++) {
      Instance i = candidates.get(k);
      names[k] = i.name();
      slots[k] = i.slot();
      pools[k] = Pool.of(i.cacheType());
      capacityTokens[k] = i.capacityTokens();
    }
  }

  /// How many are kept.
  public int size() {
    return names.length;
  }

  /// How many candidates there were.
  public int total() {
    return total;
  }

  public String name(int k) {
    return names[k];
  }

  public int slot(int k) {
    return slots[k];
  }

  public Pool pool(int k) {
    return pools[k];
  }

  public long capacityTokens(int k) {
    return capacityTokens[k];
  }
}
