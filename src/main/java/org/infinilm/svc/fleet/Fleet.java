package org.infinilm.svc.fleet;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.infinilm.svc.fleet.Instance.State;
import org.jspecify.annotations.Nullable;

/// All instances at one moment, with the candidates of every model computed. Immutable; a change
/// makes a new one, in one pass over the instances and their models. Candidates that did not change
/// are the same objects as before.
public final class Fleet {
  private final long version;
  private final List<Instance> instances;
  private final Map<String, Candidates> byModel;
  private final Candidates any;
  private final List<String> models;
  private final long routable;
  private final long asleep;

  public Fleet(long version, List<Instance> instances) {
    this(version, instances, null);
  }

  private Fleet(long version, List<Instance> instances, @Nullable Fleet before) {
    this.version = version;
    List<Instance> sorted = new ArrayList<>(instances);
    sorted.sort(Comparator.comparing(Instance::name));
    this.instances = List.copyOf(sorted);
    Map<String, Serving> serving = new HashMap<>();
    Serving everybody = new Serving();
    TreeSet<String> offered = new TreeSet<>();
    for (Instance i : this.instances) {
      everybody.add(i);
      for (String m : i.models()) {
        serving.computeIfAbsent(m, k -> new Serving()).add(i);
        if (i.state() == State.ROUTABLE || i.state().sleeps()) {
          offered.add(m);
        }
      }
    }
    byModel = HashMap.newHashMap(serving.size());
    serving.forEach((m, s) ->
        byModel.put(m, s.candidates(m, version, before == null ? null : before.byModel.get(m))));
    any = everybody.candidates("", version, before == null ? null : before.any);
    models = List.copyOf(offered);
    routable = this.instances.stream().filter(i -> i.state() == State.ROUTABLE).count();
    asleep = this.instances.stream().filter(i -> i.state().sleeps()).count();
  }

  /// The fleet after this one.
  public Fleet next(List<Instance> now) {
    return new Fleet(version + 1, now, this);
  }

  /// Who serves one model, while a fleet is made.
  private static final class Serving {
    private final List<Instance> routable = new ArrayList<>();
    private final List<Instance> trials = new ArrayList<>();
    private final List<Instance> out = new ArrayList<>();
    private final List<Instance> asleep = new ArrayList<>();
    private int firstTier = Integer.MAX_VALUE;
    private @Nullable Instance last;

    /// Adds an instance once, however often it names the model.
    void add(Instance i) {
      if (i.twin() || i.equals(last)) {
        return;
      }
      last = i;
      switch (i.state()) {
        case ROUTABLE -> routable.add(i);
        case TRIAL -> trials.add(i);
        case EJECTED -> out.add(i);
        case ASLEEP, WAKING -> asleep.add(i);
        case DRAINING -> {
          return;
        }
      }
      firstTier = Math.min(firstTier, i.tier());
    }

    Candidates candidates(String model, long version, @Nullable Candidates before) {
      boolean panic = routable.isEmpty();
      List<Instance> all = routable;
      if (panic) {
        all = new ArrayList<>(out);
        all.addAll(trials);
        all.sort(Comparator.comparing(Instance::name));
      }
      boolean lowered = !all.isEmpty();
      for (Instance i : all) {
        lowered &= i.tier() > firstTier;
      }
      Candidates now =
          new Candidates(model, version, panic, lowered, all, panic ? List.of() : trials, asleep);
      return before != null && before.sameAs(now) ? before : now;
    }
  }

  public long version() {
    return version;
  }

  /// Every instance, by name.
  public List<Instance> instances() {
    return instances;
  }

  /// Candidates for a model, or null when no instance names it now, in service or not.
  public @Nullable Candidates forModel(String model) {
    return byModel.get(model);
  }

  /// Candidates for a request that names no model.
  public Candidates any() {
    return any;
  }

  /// Models that instances name, in service or not.
  public Set<String> named() {
    return Collections.unmodifiableSet(byModel.keySet());
  }

  /// Models on offer by routable instances, and by those that are started for a request, sorted.
  public List<String> models() {
    return models;
  }

  public long routable() {
    return routable;
  }

  /// Instances that are started for a request, or are being started.
  public long asleep() {
    return asleep;
  }
}
