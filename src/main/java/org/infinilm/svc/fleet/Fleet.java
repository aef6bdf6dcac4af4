package org.infinilm.svc.fleet;

import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.infinilm.svc.fleet.Instance.State;
import org.jspecify.annotations.Nullable;

/// All instances at one moment, with the candidates of every model computed. Immutable; a change
/// makes a new one.
public final class Fleet {
  private final long version;
  private final List<Instance> instances;
  private final Map<String, Candidates> byModel = new HashMap<>();
  private final Candidates any;
  private final List<String> models;

  public Fleet(long version, List<Instance> instances) {
    this.version = version;
    this.instances = instances.stream().sorted(Comparator.comparing(Instance::name)).toList();
    TreeSet<String> names = new TreeSet<>();
    TreeSet<String> offered = new TreeSet<>();
    for (Instance i : this.instances) {
      names.addAll(i.models());
      if (i.state() == State.ROUTABLE) {
        offered.addAll(i.models());
      }
    }
    for (String m : names) {
      byModel.put(m, candidates(m, this.instances.stream().filter(i -> i.serves(m)).toList()));
    }
    any = candidates("", this.instances);
    models = List.copyOf(offered);
  }

  private static Candidates candidates(String model, List<Instance> serving) {
    List<Instance> routable = serving.stream().filter(i -> i.state() == State.ROUTABLE).toList();
    if (!routable.isEmpty()) {
      return new Candidates(model, false, routable);
    }
    return new Candidates(
        model, true, serving.stream().filter(i -> i.state() == State.EJECTED).toList());
  }

  public long version() {
    return version;
  }

  /// Every instance, by name.
  public List<Instance> instances() {
    return instances;
  }

  /// Candidates for a model, or null when no instance ever offered it.
  public @Nullable Candidates forModel(String model) {
    return byModel.get(model);
  }

  /// Candidates for a request that names no model.
  public Candidates any() {
    return any;
  }

  /// Models on offer by routable instances, sorted.
  public List<String> models() {
    return models;
  }

  public long routable() {
    return instances.stream().filter(i -> i.state() == State.ROUTABLE).count();
  }
}
