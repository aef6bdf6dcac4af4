package org.infinilm.svc.policy;

import java.util.Arrays;
import java.util.concurrent.ConcurrentHashMap;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Instance;
import org.jspecify.annotations.Nullable;

/// Where the text of a key was computed last, and how much of it an instance may hold. Written by
/// the learner's thread, read by event loops without a lock.
/*
 * A static instance holds the last request it answered, and nothing else: known exactly. Of a paged one
 * the last place of a key is kept; how far it can be relied on is learned from the cached tokens that
 * answers report, or, where none ever does, from the time that first tokens took.
 *
 * Homes are kept in two generations: when the young one is full it becomes the old one, and what is
 * answered anew moves to the young one. So at most 2 x MOST are known, and reading changes nothing.
 */
final class Prefixes {
  private static final int MOST = 32_768;
  private static final double STEP = 0.05;

  private record Home(int slot, String instance, double tokens) {}

  private record Homes(ConcurrentHashMap<Long, Home> young, ConcurrentHashMap<Long, Home> old) {
    @Nullable Home of(long key) {
      Home h = young.get(key);
      return h != null ? h : old.get(key);
    }
  }

  private volatile Homes homes = new Homes(new ConcurrentHashMap<>(), new ConcurrentHashMap<>());

  /// By slot, the key of the last request that was answered there.
  private volatile long[] last = new long[0];

  private volatile double reliable = 0.8;
  private volatile boolean reported;
  private volatile double[] common = new double[0];

  /// What one key's requests may find.
  ///
  /// @param slot of its home, -1 for none
  /// @param instance its name, so that another one in its slot is not taken for it
  /// @param common by slot, what requests without a key of their own found there
  record Hit(int slot, String instance, double tokens, double[] common, boolean staticHolds) {
    /// Tokens of a prompt that the instance should have.
    double at(Instance i, long promptTokens) {
      double own =
          slot == i.slot()
                  && (i.cacheType() != CacheType.STATIC || staticHolds)
                  && instance.equals(i.name())
              ? tokens
              : 0;
      double usual = i.slot() < common.length ? common[i.slot()] : 0;
      return Math.min(Math.max(own, usual), (double) Math.max(0, promptTokens - 1));
    }
  }

  Hit of(long key) {
    Home h = key == 0 ? null : homes.of(key);
    if (h == null) {
      return new Hit(-1, "", 0, common, false);
    }
    long[] l = last;
    boolean holds = h.slot() < l.length && l[h.slot()] == key;
    return new Hit(h.slot(), h.instance(), h.tokens() * reliable, common, holds);
  }

  /// Whether an answer has ever told of tokens out of a cache.
  boolean reported() {
    return reported;
  }

  /// The share of a home's text that was found there, as far as times tell.
  void found(double share) {
    double before = reliable;
    reliable = before + STEP * (Math.clamp(share, 0.0, 1.0) - before);
  }

  /// An answer has ended.
  ///
  /// @param cached tokens that the cache had
  void settled(long key, Instance i, long promptTokens, long outputTokens, long cached) {
    reported |= cached > 0;
    if (key != 0) {
      Home h = homes.of(key);
      if (reported && h != null && h.slot() == i.slot() && h.tokens() > 64) {
        found(cached / Math.min(h.tokens(), (double) promptTokens));
      }
      if (homes.young().size() >= MOST) {
        homes = new Homes(new ConcurrentHashMap<>(), homes.young());
      }
      homes.young().put(key, new Home(i.slot(), i.name(), (double) (promptTokens + outputTokens)));
    } else {
      double[] c = Arrays.copyOf(common, Math.max(common.length, i.slot() + 1));
      c[i.slot()] += STEP * (cached - c[i.slot()]);
      common = c;
    }
    long[] l = Arrays.copyOf(last, Math.max(last.length, i.slot() + 1));
    l[i.slot()] = key;
    last = l;
  }
}
