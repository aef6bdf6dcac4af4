package org.infinilm.svc.evaluation;

import java.util.ArrayList;
import java.util.List;

/// The share of requests within the limits by their number from a beginning on, over the seeds: how
/// long it takes until a policy is as good as it gets.
///
/// @param what began: the run, or that an instance is slow
/// @param windows share of each [#WINDOW] requests
record Course(String label, What what, List<Double> windows) {
  /// What began with its first request.
  enum What {
    /// The policy knows nothing.
    RUN("cold"),
    /// An instance is slow from now on.
    SLOW("slow");

    private final String label;

    What(String label) {
      this.label = label;
    }

    String label() {
      return label;
    }
  }

  static final int WINDOW = 25;

  /// As good as this part of the final share.
  private static final double NEAR = 0.95;

  Course {
    windows = List.copyOf(windows);
  }

  /// That of the run, to the first time that an instance is slow, and from there on as long as it
  /// is.
  static List<Course> of(String label, List<Outcome> runs, List<Double> spans, FleetPlan plan) {
    double from = 1;
    double to = 1;
    for (Node n : plan.nodes()) {
      if (n.slowFactor() > 1 && n.slowFrom() > 0 && n.slowFrom() < from) {
        from = n.slowFrom();
        to = n.slowTo();
      }
    }
    List<boolean[]> cold = new ArrayList<>();
    List<boolean[]> slow = new ArrayList<>();
    for (int k = 0; k < runs.size(); k++) {
      cold.add(part(runs.get(k), plan, 0, from < 1 ? from * spans.get(k) : Double.MAX_VALUE));
      slow.add(part(runs.get(k), plan, from * spans.get(k), to * spans.get(k)));
    }
    List<Course> out = new ArrayList<>();
    out.add(new Course(label, What.RUN, windows(cold)));
    if (from < 1) {
      out.add(new Course(label, What.SLOW, windows(slow)));
    }
    return out;
  }

  /// Which of the requests that came in that time were within the limits, in the order in which
  /// they came.
  private static boolean[] part(Outcome o, FleetPlan plan, double from, double to) {
    List<Integer> ids = new ArrayList<>();
    for (int k = 0; k < o.arrival.length; k++) {
      if (o.arrival[k] >= from && o.arrival[k] < to) {
        ids.add(k);
      }
    }
    ids.sort((a, b) -> Double.compare(o.arrival[a], o.arrival[b]));
    boolean[] good = new boolean[ids.size()];
    for (int k = 0; k < good.length; k++) {
      good[k] = o.good(ids.get(k), plan);
    }
    return good;
  }

  private static List<Double> windows(List<boolean[]> runs) {
    int least = runs.stream().mapToInt(r -> r.length).min().orElse(0) / WINDOW;
    List<Double> out = new ArrayList<>();
    for (int w = 0; w < least; w++) {
      int good = 0;
      for (boolean[] r : runs) {
        for (int k = w * WINDOW; k < (w + 1) * WINDOW; k++) {
          good += r[k] ? 1 : 0;
        }
      }
      out.add((double) good / (WINDOW * runs.size()));
    }
    return out;
  }

  /// The share of the second half.
  double last() {
    return windows.subList(windows.size() / 2, windows.size()).stream()
        .mapToDouble(d -> d)
        .average()
        .orElse(Double.NaN);
  }

  /// After so many requests it stays within 5 % of [#last] for what is left of the first half; -1
  /// when it does not.
  int settledAfter() {
    int half = windows.size() / 2;
    int after = half;
    while (after > 0 && windows.get(after - 1) >= NEAR * last()) {
      after--;
    }
    return after == half ? -1 : after * WINDOW;
  }
}
