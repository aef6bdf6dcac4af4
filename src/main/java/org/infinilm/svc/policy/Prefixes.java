package org.infinilm.svc.policy;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Instance;

/// Where the text of a key was computed last, and how much of it an instance may hold. Thread-safe.
/*
 * A static instance holds the last request it answered, and nothing else: known exactly. Of a paged one
 * the last place of a key is kept; how far it can be relied on is learned from the cached tokens that
 * answers report.
 */
final class Prefixes {
  private static final int MOST = 65_536;
  private static final double STEP = 0.05;

  private record Home(int slot, double tokens) {}

  private final Map<Long, Home> homes =
      new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Long, Home> e) {
          return size() > MOST;
        }
      };

  private final Map<Integer, Long> last = new LinkedHashMap<>();
  private double reliable = 0.8;
  private volatile double[] common = new double[0];

  /// What one key's requests may find.
  ///
  /// @param slot of its home, -1 for none
  /// @param common by slot, what requests without a key of their own found there
  record Hit(int slot, double tokens, double[] common, boolean staticHolds) {
    /// Tokens of a prompt that the instance should have.
    double at(Instance i, long promptTokens) {
      double own =
          slot == i.slot() && (i.cacheType() != CacheType.STATIC || staticHolds) ? tokens : 0;
      double usual = i.slot() < common.length ? common[i.slot()] : 0;
      return Math.min(Math.max(own, usual), (double) Math.max(0, promptTokens - 1));
    }
  }

  synchronized Hit of(long key) {
    Home h = key == 0 ? null : homes.get(key);
    if (h == null) {
      return new Hit(-1, 0, common, false);
    }
    Long l = last.get(h.slot());
    return new Hit(h.slot(), h.tokens() * reliable, common, l != null && l == key);
  }

  /// An answer has ended.
  ///
  /// @param cached tokens that the cache had
  synchronized void settled(
      long key, Instance i, long promptTokens, long outputTokens, long cached) {
    if (key != 0) {
      Home h = homes.get(key);
      if (h != null && h.slot() == i.slot() && h.tokens() > 64) {
        double share = Math.clamp(cached / Math.min(h.tokens(), (double) promptTokens), 0.0, 1.0);
        reliable += STEP * (share - reliable);
      }
      homes.put(key, new Home(i.slot(), (double) (promptTokens + outputTokens)));
    } else {
      double[] c = Arrays.copyOf(common, Math.max(common.length, i.slot() + 1));
      c[i.slot()] += STEP * (cached - c[i.slot()]);
      common = c;
    }
    last.put(i.slot(), key);
  }
}
