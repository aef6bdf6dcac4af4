package org.infinilm.svc.evaluation;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// How far many routers before one fleet are from one that knows all, at one rate.
final class Growth {
  static final int MOST_ROUTERS = 100;

  /// What a policy came to with so many routers.
  ///
  /// @param figures a seed
  /// @param spread the same
  record Row(
      String policy, int routers, Sharing sharing, List<Figures> figures, List<Spread> spread) {
    Row {
      figures = List.copyOf(figures);
      spread = List.copyOf(spread);
    }

    String label() {
      return routers == 1
          ? policy + ", 1 router"
          : policy + ", " + routers + " routers, " + sharing.label();
    }
  }

  private final Traffic traffic;
  private final FleetPlan plan;
  private final double rate;
  private final int seeds;
  private final long from;
  private long runs;
  private long requests;

  /// @param from the first of the seeds
  Growth(Traffic traffic, FleetPlan plan, double rate, int seeds, long from) {
    this.traffic = traffic;
    this.plan = plan;
    this.rate = rate;
    this.seeds = seeds;
    this.from = from;
  }

  /// @throws IllegalArgumentException when one is no number of routers
  static List<Integer> numbers(List<String> words) {
    List<Integer> out = new ArrayList<>();
    for (String w : words) {
      int n = w.matches("\\d{1,3}") ? Integer.parseInt(w) : 0;
      if (n < 1 || n > MOST_ROUTERS) {
        throw new IllegalArgumentException(
            "routers: " + w + " (expected: 1.." + MOST_ROUTERS + ", with commas between)");
      }
      out.add(n);
    }
    if (out.isEmpty()) {
      throw new IllegalArgumentException("routers: none (expected: 1.." + MOST_ROUTERS + ")");
    }
    return out;
  }

  /// Each policy with each number of routers, and each that they may know of each other; one router
  /// has nobody to know of.
  List<Row> run(List<String> arms, List<Integer> routers, List<Sharing> sharing) {
    Map<String, Row> rows = new LinkedHashMap<>();
    for (int k = 0; k < seeds; k++) {
      long seed = from + k;
      Workload w = traffic.at(seed, rate);
      for (String arm : arms) {
        for (int n : routers) {
          for (Sharing s : n == 1 ? List.of(Sharing.NONE) : sharing) {
            Arm a = Arms.of(arm);
            Spread spread = new Spread(a.before(plan), w.spanNanos());
            Outcome o = new FleetRun(plan, w, a, seed, n, s, spread).run();
            runs++;
            requests += w.requests().size();
            Row one = new Row(arm, n, s, List.of(Figures.of(o, plan)), List.of(spread));
            rows.merge(one.label(), one, Growth::joined);
          }
        }
      }
    }
    return List.copyOf(rows.values());
  }

  private static Row joined(Row a, Row b) {
    List<Figures> figures = new ArrayList<>(a.figures());
    figures.addAll(b.figures());
    List<Spread> spread = new ArrayList<>(a.spread());
    spread.addAll(b.spread());
    return new Row(a.policy(), a.routers(), a.sharing(), figures, spread);
  }

  Traffic traffic() {
    return traffic;
  }

  FleetPlan plan() {
    return plan;
  }

  double rate() {
    return rate;
  }

  int seeds() {
    return seeds;
  }

  long runs() {
    return runs;
  }

  long simulated() {
    return requests;
  }
}
