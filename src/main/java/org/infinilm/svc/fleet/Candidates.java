package org.infinilm.svc.fleet;

import java.util.List;
import java.util.function.Predicate;

/// The instances that may get a request for one model, split by cache type once when the fleet
/// changes. Immutable; lists are in the order of names.
public final class Candidates {
  private final String model;
  private final boolean panic;
  private final List<Instance> all;
  private final List<Instance> paged;
  private final List<Instance> statics;

  Candidates(String model, boolean panic, List<Instance> all) {
    this.model = model;
    this.panic = panic;
    this.all = List.copyOf(all);
    this.paged = this.all.stream().filter(i -> i.cacheType() == CacheType.PAGED).toList();
    this.statics = this.all.stream().filter(i -> i.cacheType() == CacheType.STATIC).toList();
  }

  /// Candidates of one model for tests and tools.
  public static Candidates of(String model, List<Instance> instances) {
    return new Candidates(model, false, instances);
  }

  /// The model, or an empty text when the request named none.
  public String model() {
    return model;
  }

  /// Whether these are instances that health checks have ejected, there being no others.
  public boolean panic() {
    return panic;
  }

  public List<Instance> in(Pool pool) {
    return switch (pool) {
      case PAGED -> paged;
      case STATIC -> statics;
      case ANY -> all;
    };
  }

  public boolean isEmpty() {
    return all.isEmpty();
  }

  /// Those left when some have failed for this request already.
  public Candidates without(Predicate<Instance> failed) {
    return new Candidates(model, panic, all.stream().filter(failed.negate()).toList());
  }
}
