package org.infinilm.svc.policy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Hash;
import org.infinilm.svc.fleet.Instance;
import org.jspecify.annotations.Nullable;

/// Where the text of a key was computed last, and how much of it an instance may hold. Written by
/// the learner's thread, read by event loops without a lock.
/*
 * A static instance holds the last request that was sent to it, answered or not, and nothing else: known
 * exactly, but for how much of one was computed whose client left. Of a paged one
 * the last place of a key is kept; how far it can be relied on is learned from the cached tokens that
 * answers report, or, where none ever does, from the time that first tokens took. What prompts find
 * where their text never was is common to all of them: a system prompt.
 *
 * Homes are kept in two generations: when the young one is full it becomes the old one, and what is
 * answered anew moves to the young one. So at most 2 x MOST are known, of all models together, and reading changes nothing.
 */
final class Prefixes {
  private static final double STEP = 0.05;

  /// What prompts have in common most of them find: one that finds less counts for more.
  private static final double LESS_STEP = 0.2;

  /// Of the places where a key's text was computed so many are kept, the last one first.
  private static final int PLACES = 4;

  /// One place of a key's text.
  record Place(int slot, String instance, double tokens) {}

  private record Home(List<Place> places) {
    /// After it was computed there.
    Home at(Place p) {
      List<Place> next = new ArrayList<>(PLACES);
      next.add(p);
      for (Place o : places) {
        if (o.slot() != p.slot() && next.size() < PLACES) {
          next.add(o);
        }
      }
      return new Home(List.copyOf(next));
    }
  }

  private record Generations(
      ConcurrentHashMap<Long, Home> young, ConcurrentHashMap<Long, Home> old) {
    @Nullable Home of(long key) {
      Home h = young.get(key);
      return h != null ? h : old.get(key);
    }
  }

  /// The places of the keys of all models together. Written by one thread, read by any.
  static final class Homes {
    /// Of one generation.
    static final int MOST = 65_536;

    private volatile Generations generations =
        new Generations(new ConcurrentHashMap<>(), new ConcurrentHashMap<>());

    private @Nullable Home of(long key) {
      return generations.of(key);
    }

    private void put(long key, Home home) {
      Generations g = generations;
      if (g.young().size() >= MOST) {
        g = new Generations(new ConcurrentHashMap<>(), g.young());
        generations = g;
      }
      g.young().put(key, home);
    }

    /// Keys that are known.
    int size() {
      Generations g = generations;
      return g.young().size() + g.old().size();
    }
  }

  private final Homes homes;

  /// Tells keys of this model from others' equal ones.
  private final long salt;

  /// By slot, the key of the last request that has ended there.
  private volatile long[] last = new long[0];

  private volatile double reliable = 0.8;
  private volatile boolean reported;
  private volatile double elsewhere;
  private volatile double[] common = new double[0];

  /// @param homes of all models
  Prefixes(Homes homes, String model) {
    this.homes = homes;
    this.salt = Hash.of(model);
  }

  private long own(long key) {
    return Hash.mix(key ^ salt);
  }

  /// What one key's requests may find.
  ///
  /// @param places of its text, the last one first
  /// @param reliable share of it that is still there, as experience says
  /// @param common by slot, what requests found there whose text had not been there
  /// @param lastOf by slot, the key of the last request that has ended there
  record Hit(long key, List<Place> places, double reliable, double[] common, long[] lastOf) {
    /// Tokens of a prompt that the instance should have.
    double at(Instance i, long promptTokens) {
      return at(i, promptTokens, false);
    }

    /// @param displaced whether a request of another key will have been there before
    double at(Instance i, long promptTokens, boolean displaced) {
      double own = 0;
      for (int k = 0; k < places.size() && !displaced; k++) {
        Place p = places.get(k);
        if (p.slot() == i.slot() && p.instance().equals(i.name()) && holds(i)) {
          own = p.tokens() * reliable;
        }
      }
      double usual = i.slot() < common.length ? common[i.slot()] : 0;
      return Math.min(Math.max(own, usual), (double) Math.max(0, promptTokens - 1));
    }

    private boolean holds(Instance i) {
      return i.cacheType() != CacheType.STATIC
          || (i.slot() < lastOf.length && lastOf[i.slot()] == key);
    }

    /// Whether its text was computed there.
    boolean isPlace(Instance i) {
      return isAmong(places, i);
    }
  }

  Hit of(long key) {
    Home h = key == 0 ? null : homes.of(own(key));
    return new Hit(key, h == null ? List.of() : h.places(), reliable, common, last);
  }

  /// Whether an answer has ever told of tokens out of a cache.
  boolean reported() {
    return reported;
  }

  /// The share of the prompts of keys without a known place that their homes held all the same:
  /// other routers had sent their text there.
  double elsewhere() {
    return elsewhere;
  }

  /// The share of a home's text that was found there, as far as times tell.
  void found(double share) {
    double before = reliable;
    reliable = before + STEP * (Math.clamp(share, 0.0, 1.0) - before);
  }

  /// An answer has ended.
  ///
  /// @param cached tokens that the cache had
  /// @param ownText whether other routers may have left its text there
  void settled(
      long key, Instance i, long promptTokens, long outputTokens, long cached, boolean ownText) {
    reported |= cached > 0;
    Home h = key == 0 ? null : homes.of(own(key));
    if (h == null && key != 0 && ownText) {
      double before = elsewhere;
      elsewhere = before + STEP * ((double) cached / Math.max(1, promptTokens) - before);
    }
    List<Place> known = h == null ? List.of() : h.places();
    if (key == 0 || (!ownText && !isAmong(known, i))) {
      inCommon(i, cached);
    }
    if (key != 0) {
      for (Place p : known) {
        if (reported && p.slot() == i.slot() && p.tokens() > 64) {
          found(cached / Math.min(p.tokens(), (double) promptTokens));
        }
      }
      Place p = new Place(i.slot(), i.name(), (double) (promptTokens + outputTokens));
      homes.put(own(key), (h == null ? new Home(List.of()) : h).at(p));
    }
    last(key, i);
  }

  private static boolean isAmong(List<Place> places, Instance i) {
    for (int k = 0; k < places.size(); k++) {
      if (places.get(k).slot() == i.slot()) {
        return true;
      }
    }
    return false;
  }

  /// A prompt found so much where its text had not been.
  private void inCommon(Instance i, long cached) {
    double[] c = Arrays.copyOf(common, Math.max(common.length, i.slot() + 1));
    double off = cached - c[i.slot()];
    c[i.slot()] += (off < 0 ? LESS_STEP : STEP) * off;
    common = c;
  }

  /// A request has ended without its answer: what it left in the cache of a static instance is its
  /// own text, as far as that was computed.
  void left(long key, Instance i) {
    if (i.cacheType() == CacheType.STATIC) {
      last(key, i);
    }
  }

  private void last(long key, Instance i) {
    long[] l = Arrays.copyOf(last, Math.max(last.length, i.slot() + 1));
    l[i.slot()] = key;
    last = l;
  }
}
