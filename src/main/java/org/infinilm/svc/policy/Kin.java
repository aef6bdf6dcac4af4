package org.infinilm.svc.policy;

import java.util.concurrent.ConcurrentHashMap;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;
import org.jspecify.annotations.Nullable;

/// What several models cost that the same instances serve, taken together: adapters of one model
/// (LoRA) run on its weights, so what one of them has not shown yet the others have. Written by one
/// thread, read by any.
/*
 * Instances are together that answered for the same model. Of models that cost unlike things (small and large
 * ones of one server that loads what is asked for) what is learned together is off for each, and nobody is
 * told (Costs#isAlike).
 */
final class Kin {
  private final ConcurrentHashMap<String, Adaptive.Model> byInstance = new ConcurrentHashMap<>();
  private final ConcurrentHashMap<String, Adaptive.Model> byModel = new ConcurrentHashMap<>();

  /// What is known together at the first of them that any is known of.
  Adaptive.@Nullable Model of(Candidates candidates) {
    if (byInstance.isEmpty()) {
      return null;
    }
    for (Instance i : candidates.in(Pool.ANY)) {
      Adaptive.Model m = byInstance.get(i.name());
      if (m != null) {
        return m;
      }
    }
    return null;
  }

  Adaptive.@Nullable Model of(Instance i) {
    return byInstance.get(i.name());
  }

  /// Whether it is one of several that the same instances serve.
  boolean has(String model) {
    return byModel.containsKey(model);
  }

  /// Where an answer of this model teaches, also that of an instance that serves it alone.
  Adaptive.Model at(Instance i, String model) {
    Adaptive.Model here = byInstance.get(i.name());
    Adaptive.Model there = byModel.get(model);
    Adaptive.Model m = more(here, there);
    if (m == null) {
      m = new Adaptive.Model("", new Prefixes.Homes());
    }
    if (m != here) {
      Costs.bound(byInstance, i.name());
      byInstance.put(i.name(), m);
    }
    if (m != there) {
      Costs.bound(byModel, model);
      byModel.put(model, m);
    }
    return m;
  }

  private static Adaptive.@Nullable Model more(
      Adaptive.@Nullable Model a, Adaptive.@Nullable Model b) {
    return a == null || (b != null && b.seen() > a.seen()) ? b : a;
  }
}
