package org.infinilm.svc.evaluation;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.evaluation.Figures.Interval;

/*
 * Capacity is found for each seed by itself, by bisection of the logarithm of the rate over the same
 * requests; so arms are compared by pairs, as the mean of log ratios over the seeds with Student's
 * interval. Then every arm runs at one common rate, for the other figures.
 */

/// Arms on one traffic before one fleet.
final class Study {
  /// Bisections after the bracket is found: rates to within 3 %.
  private static final int HALVINGS = 5;

  private static final double STEP = 1.6;
  static final double LEAST_RATE = 1e-3;

  /// Where the search for a capacity ends.
  static final double MOST_RATE = 1e5;

  /// What an arm came to.
  ///
  /// @param capacity requests a second at which the target share is still within the limits, a seed
  /// @param atRate figures at the common rate, a seed
  record Result(String label, List<Double> capacity, List<Figures> atRate) {
    Result {
      capacity = List.copyOf(capacity);
      atRate = List.copyOf(atRate);
    }

    double meanCapacity() {
      return Math.exp(capacity.stream().mapToDouble(Math::log).average().orElse(Double.NaN));
    }

    /// Whether a seed's capacity is that or more: it was not looked for beyond.
    boolean isOpen() {
      return capacity.stream().anyMatch(c -> c >= MOST_RATE);
    }

    /// The ratio of this one's capacity to another's: its logarithm's mean and interval. NaN where
    /// either bears no rate, or any.
    Interval over(Result o) {
      List<Double> logs = new ArrayList<>();
      if (isOpen() || o.isOpen()) {
        return new Interval(Double.NaN, Double.NaN);
      }
      for (int k = 0; k < capacity.size(); k++) {
        if (!(capacity.get(k) > 0 && o.capacity.get(k) > 0)) {
          return new Interval(Double.NaN, Double.NaN);
        }
        logs.add(Math.log(capacity.get(k) / o.capacity.get(k)));
      }
      return Interval.of(logs);
    }
  }

  private final Traffic traffic;
  private final FleetPlan plan;
  private final double target;
  private final long from;
  private long requests;
  private long runs;

  /// @param target share of requests within the limits that makes a rate bearable
  Study(Traffic traffic, FleetPlan plan, double target) {
    this(traffic, plan, target, 1);
  }

  /// @param from the first seed
  Study(Traffic traffic, FleetPlan plan, double target, long from) {
    this.from = from;
    this.traffic = traffic;
    this.plan = plan;
    this.target = target;
  }

  /// @param rate the common one, or 0 for nine tenths of the best arm's capacity
  List<Result> run(List<String> arms, int seeds, double rate) {
    Map<String, List<Double>> capacities = new LinkedHashMap<>();
    Map<String, Arm> chosen = new LinkedHashMap<>();
    double guess = rate > 0 ? rate : 2;
    for (String name : arms) {
      Arm arm = name.equals(Arms.BEST_CUT) ? bestCut(seeds, guess, rate) : Arms.of(name);
      chosen.put(name, arm);
      List<Double> c = new ArrayList<>();
      for (int seed = 1; seed <= seeds && rate <= 0; seed++) {
        double found = capacity(arm, seed, guess);
        guess = found > 0 ? found : guess;
        c.add(found);
      }
      capacities.put(name, c);
    }
    double common = rate;
    if (rate <= 0) {
      for (List<Double> c : capacities.values()) {
        common =
            Math.max(common, 0.9 * Math.exp(c.stream().mapToDouble(Math::log).average().orElse(0)));
      }
      common = common > 0 ? common : LEAST_RATE;
    }
    List<Result> out = new ArrayList<>();
    for (Map.Entry<String, Arm> a : chosen.entrySet()) {
      List<Figures> f = new ArrayList<>();
      for (int seed = 1; seed <= seeds; seed++) {
        f.add(once(a.getValue(), seed, common));
      }
      String label =
          a.getKey().equals(Arms.BEST_CUT) ? "best-cut (" + a.getValue().label() + ")" : a.getKey();
      out.add(new Result(label, capacities.getOrDefault(a.getKey(), List.of()), f));
    }
    this.common = common;
    return out;
  }

  private double common;

  double commonRate() {
    return common;
  }

  /// The cut whose capacity is best over the seeds, of those of the sweep: chosen in hindsight.
  private Arm bestCut(int seeds, double guess, double rate) {
    Arm best = Arms.cut(plan.thresholdBytes());
    double most = -1;
    for (long bytes : Arms.CUTS) {
      Arm arm = Arms.cut(bytes);
      double sum = 0;
      for (int seed = 1; seed <= Math.min(3, seeds); seed++) {
        sum +=
            rate > 0
                ? once(arm, seed, rate).goodput()
                : Math.log(Math.max(LEAST_RATE / 2, capacity(arm, seed, guess))) + 100;
      }
      if (sum > most) {
        most = sum;
        best = arm;
      }
    }
    return best;
  }

  /// 0 where not even [#LEAST_RATE] is bearable, [#MOST_RATE] where that is.
  double capacity(Arm arm, long seed, double guess) {
    boolean first = bearable(arm, seed, guess);
    double good = guess;
    double bad = guess;
    while (good == bad) {
      double next = first ? Math.min(MOST_RATE, good * STEP) : good / STEP;
      if (next <= good && first) {
        return MOST_RATE;
      }
      if (next < LEAST_RATE) {
        return 0;
      }
      if (bearable(arm, seed, next) == first) {
        good = next;
        bad = next;
      } else if (first) {
        bad = next;
      } else {
        good = next;
      }
    }
    for (int k = 0; k < HALVINGS; k++) {
      double middle = Math.sqrt(good * bad);
      if (bearable(arm, seed, middle)) {
        good = middle;
      } else {
        bad = middle;
      }
    }
    return good;
  }

  private boolean bearable(Arm arm, long seed, double rate) {
    return once(arm, seed, rate).goodput() >= target;
  }

  Figures once(Arm arm, long nth, double rate) {
    return Figures.of(outcome(arm, nth, rate, new ArrayList<>()), plan, traffic::counts);
  }

  private Outcome outcome(Arm arm, long nth, double rate, List<Double> spans) {
    long seed = from + nth - 1;
    Workload w = traffic.at(seed, rate);
    requests += w.requests().size();
    runs++;
    spans.add(w.spanNanos());
    return new FleetRun(plan, w, arm, seed).run();
  }

  /// How each of them fares from the beginning on, at one rate.
  ///
  /// @param arms names, but for the best cut
  List<Course> courses(List<String> arms, int seeds, double rate) {
    List<Course> out = new ArrayList<>();
    for (String name : arms) {
      List<Outcome> outcomes = new ArrayList<>();
      List<Double> spans = new ArrayList<>();
      for (int seed = 1; seed <= seeds; seed++) {
        outcomes.add(outcome(Arms.of(name), seed, rate, spans));
      }
      out.addAll(Course.of(name, outcomes, spans, plan));
    }
    return out;
  }

  /// Requests that were simulated in all.
  long simulated() {
    return requests;
  }

  long runs() {
    return runs;
  }
}
