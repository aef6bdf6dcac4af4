package org.infinilm.svc.fleet;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// The instances that may get a request for one model, split by cache type and tier once when the
/// fleet changes. Immutable; lists are in the order of names.
public final class Candidates {
  /// So many instances that would have to load a model are asked one after the other, and the rest
  /// together.
  private static final int MOST_HOMES = 3;

  private final String model;
  private final long version;
  private final boolean panic;
  private final boolean lowered;
  private final boolean evenWeights;
  private final List<Instance> all;
  private final List<Instance> paged;
  private final List<Instance> statics;
  private final List<Instance> trials;
  private final List<Instance> asleep;
  private final List<Candidates> tiers;
  private volatile @Nullable Roll roll;
  private final Map<Pool, Weights> weights = new ConcurrentHashMap<>();
  private volatile @Nullable Span capacity;

  /// Tokens that the smallest and the largest of some instances hold.
  private record Span(long least, long most) {}

  /// @param version of the fleet in which they changed last
  /// @param lowered whether a tier above all of these exists and is out
  /// @param trials those that are tried one request at a time; not among `all`
  /// @param asleep those that run on demand and do not run now; not among `all`
  Candidates(
      String model,
      long version,
      boolean panic,
      boolean lowered,
      List<Instance> all,
      List<Instance> trials,
      List<Instance> asleep) {
    this(model, version, panic, lowered, all, trials, asleep, true);
  }

  private Candidates(
      String model,
      long version,
      boolean panic,
      boolean lowered,
      List<Instance> all,
      List<Instance> trials,
      List<Instance> asleep,
      boolean split) {
    this.model = model;
    this.version = version;
    this.panic = panic;
    this.lowered = lowered;
    this.all = List.copyOf(all);
    this.trials = List.copyOf(trials);
    this.asleep = List.copyOf(asleep);
    this.paged = ofType(this.all, CacheType.PAGED);
    this.statics = ofType(this.all, CacheType.STATIC);
    boolean even = true;
    boolean oneTier = true;
    for (Instance i : this.all) {
      even &= i.weight() == this.all.getFirst().weight();
      oneTier &= i.tier() == this.all.getFirst().tier() && i.modelState(model) == ModelState.LOADED;
    }
    this.evenWeights = even;
    this.tiers = oneTier || !split ? List.of() : tiers(this.all);
  }

  private static List<Instance> ofType(List<Instance> all, CacheType type) {
    List<Instance> out = new ArrayList<>();
    for (Instance i : all) {
      if (i.cacheType() == type) {
        out.add(i);
      }
    }
    return out.size() == all.size() ? all : List.copyOf(out);
  }

  /// By tier, and within one by whether they have the model: those that have it come first.
  private List<Candidates> tiers(List<Instance> of) {
    TreeMap<Integer, Map<ModelState, List<Instance>>> ranks = new TreeMap<>();
    for (Instance i : of) {
      ranks
          .computeIfAbsent(i.tier(), t -> new EnumMap<>(ModelState.class))
          .computeIfAbsent(i.modelState(model), s -> new ArrayList<>())
          .add(i);
    }
    List<Candidates> out = new ArrayList<>();
    for (Map<ModelState, List<Instance>> tier : ranks.values()) {
      tier.forEach((state, members) -> {
        boolean loads = state == ModelState.UNLOADED || state == ModelState.FAILED;
        (loads ? homes(members) : List.of(members)).forEach(m -> out.add(tier(m)));
      });
    }
    return List.copyOf(out);
  }

  private Candidates tier(List<Instance> members) {
    return new Candidates(model, version, panic, lowered, members, List.of(), List.of(), false);
  }

  /// Who is asked to load the model: one instance, the same at every router, and another only when
  /// that one is out or full. In turn, each of them would load it.
  private List<List<Instance>> homes(List<Instance> members) {
    long of = Hash.of(model);
    List<Instance> order = new ArrayList<>(members);
    order.sort(
        Comparator.comparing((Instance i) -> i.weight() == 0)
            .thenComparing(i -> Hash.mix(of ^ i.nameHash()), Long::compareUnsigned));
    int homes = Math.min(MOST_HOMES, order.size());
    List<List<Instance>> out = new ArrayList<>();
    for (Instance home : order.subList(0, homes)) {
      out.add(List.of(home));
    }
    List<Instance> rest = new ArrayList<>(members);
    rest.removeAll(order.subList(0, homes));
    if (!rest.isEmpty()) {
      out.add(rest);
    }
    return out;
  }

  /// Candidates of one model for tests and tools.
  public static Candidates of(String model, List<Instance> instances) {
    return new Candidates(model, 0, false, false, instances, List.of(), List.of());
  }

  /// The model, or an empty text when the request named none.
  public String model() {
    return model;
  }

  /// The version of the fleet in which they changed last.
  public long version() {
    return version;
  }

  /// Whether these are instances that health checks have ejected, there being no others.
  public boolean panic() {
    return panic;
  }

  /// Whether a tier above all of these exists and is out of service.
  public boolean lowered() {
    return lowered;
  }

  /// Whether all have the same weight.
  public boolean evenWeights() {
    return evenWeights;
  }

  /// Draws among those of a pool by weight; made once.
  public Weights weights(Pool pool) {
    return weights.computeIfAbsent(pool, p -> new Weights(in(p)));
  }

  public List<Instance> in(Pool pool) {
    return switch (pool) {
      case PAGED -> paged;
      case STATIC -> statics;
      case ANY -> all;
    };
  }

  /// Those that were out of service and are tried one request at a time. Not among the others.
  public List<Instance> trials() {
    return trials;
  }

  /// Those that run on demand and do not run now. Not among the others.
  public List<Instance> asleep() {
    return asleep;
  }

  /// Candidates of each tier, the first tier first: of each tier of the instances those that have
  /// the model in memory, those that are loading it, and those that can load it, one by one. Empty
  /// when there is one tier and all have it.
  public List<Candidates> tiers() {
    return tiers;
  }

  public boolean isEmpty() {
    return all.isEmpty();
  }

  /// Those left when some have failed for this request already; who sleeps is a new process when it
  /// is awake.
  public Candidates without(Predicate<Instance> failed) {
    return new Candidates(
        model,
        version,
        panic,
        lowered,
        all.stream().filter(failed.negate()).toList(),
        trials.stream().filter(failed.negate()).toList(),
        asleep);
  }

  /// Others for the same model in the same fleet.
  public Candidates instead(List<Instance> others) {
    return new Candidates(model, version, panic, lowered, others, List.of(), asleep);
  }

  /// One of these and one that is tried, as if it were in service.
  public Candidates pair(Instance one, Instance trial) {
    boolean first = one.name().compareTo(trial.name()) < 0;
    List<Instance> two = first ? List.of(one, trial) : List.of(trial, one);
    boolean below = lowered && trial.tier() >= one.tier();
    return new Candidates(model, version, panic, below, two, List.of(), List.of());
  }

  /// What a decision among these keeps of them.
  public Roll roll() {
    Roll r = roll;
    if (r == null) {
      r = new Roll(all);
      roll = r;
    }
    return r;
  }

  /// The fewest tokens that one of them, or of those that are tried, holds; [Long#MAX_VALUE] when
  /// none says how many.
  public long leastCapacityTokens() {
    return capacity().least();
  }

  /// The most tokens likewise; [Long#MAX_VALUE] when one does not say, or there is none.
  public long mostCapacityTokens() {
    return capacity().most();
  }

  private Span capacity() {
    Span s = capacity;
    if (s == null) {
      long least = Long.MAX_VALUE;
      long most = all.isEmpty() && trials.isEmpty() ? Long.MAX_VALUE : 0;
      for (List<Instance> some : List.of(all, trials)) {
        for (Instance i : some) {
          long holds = i.capacityTokens() == Instance.UNKNOWN ? Long.MAX_VALUE : i.capacityTokens();
          least = Math.min(least, holds);
          most = Math.max(most, holds);
        }
      }
      s = new Span(least, most);
      capacity = s;
    }
    return s;
  }

  /// Whether the same instances are here and there, in the same roles.
  boolean sameAs(Candidates o) {
    return panic == o.panic
        && lowered == o.lowered
        && same(all, o.all)
        && same(trials, o.trials)
        && same(asleep, o.asleep)
        && model.equals(o.model);
  }

  private static boolean same(List<Instance> a, List<Instance> b) {
    if (a.size() != b.size()) {
      return false;
    }
    for (int k = 0; k < a.size(); k++) {
      if (!a.get(k).equals(b.get(k))) {
        return false;
      }
    }
    return true;
  }
}
