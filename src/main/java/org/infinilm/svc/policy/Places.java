package org.infinilm.svc.policy;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.infinilm.svc.fleet.Instance;

/// How many answers instances of one model and cache type compute at once that do not say so: each
/// as it was seen ([Batch]), and one that has shown nothing else as all of them together were.
/// Written by one thread, read by any.
final class Places {
  private static final String ALL = "";

  private final ConcurrentHashMap<String, Batch> batches = new ConcurrentHashMap<>();

  /// What streams of any of them showed: where one has more than others, it says nothing.
  private final Batch all = new Batch();

  /// What was seen of an instance; for the learner's thread.
  Batch seen(Instance i) {
    Costs.bound(batches, i.name());
    return batches.computeIfAbsent(i.name(), n -> new Batch());
  }

  /// A stream began.
  ///
  /// @param before and what follows: as [Batch#stream] takes them
  void stream(Instance i, int before, int beside, boolean afterEnd) {
    seen(i).stream(before, beside, afterEnd);
    if (i.seats() == 0) {
      all.stream(before, beside, afterEnd);
    }
  }

  /// Sequences at once: as many as it says or as were seen there. One that could do more gets one
  /// more now and then, and shows it.
  int most(Instance i) {
    if (i.seats() > 0) {
      return i.seats();
    }
    Batch b = batches.get(i.name());
    int together = all.told();
    if (b == null) {
      return together > 0 ? together : Batch.USUAL;
    }
    return together > 0 && !b.isKnown() && !b.isBeyond(together) ? together : b.most();
  }

  /// For a file: what streams have shown, of all under no name.
  Map<String, Object> remembered() {
    Map<String, Object> out = new HashMap<>();
    if (all.told() > 0) {
      out.put(ALL, all.told());
    }
    batches.forEach((name, b) -> {
      if (b.told() > 0) {
        out.put(name, b.told());
      }
    });
    return out;
  }

  /// What a file says, by instance.
  void recall(Map<String, Integer> known) {
    known.forEach((name, n) ->
        (name.equals(ALL) ? all : batches.computeIfAbsent(name, x -> new Batch())).assume(n));
  }

  /// What a file says of at most so many instances.
  ///
  /// @throws IllegalArgumentException where a number is none of places
  static Map<String, Integer> read(Recalled from, List<String> names) {
    Map<String, Integer> out = new HashMap<>();
    for (String name : names) {
      double n = from.number(name);
      if (!(n >= 1 && n <= Integer.MAX_VALUE)) {
        throw new IllegalArgumentException(
            "places of " + name + ": " + n + " (expected: a number of answers, 1 or more)");
      }
      out.put(name, (int) n);
    }
    return out;
  }
}
