package org.infinilm.svc.evaluation;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.infinilm.svc.simulator.LeapSettings;

/// How well a simulated fleet explains a recording: each instance's speed is fitted to it, and what
/// is left of the difference is said.
/*
 * The recorded requests run where they ran, before the fleet that was, whatever the wanted one is. The speed of a node is the middle of recorded over simulated
 * times to the whole answer. A slower node also queues longer, near its limit without bounds, so what a
 * round says is a bound for the next one, and what lies between two bounds is tried. Of each node the speed
 * counts whose times were nearest, and of all rounds the one whose times are: the mean of the logarithms of
 * their ratios, without the tenth that is furthest off, so that one odd answer moves nothing. A node that answered too
 * few, or none, is as fast as the median of those of its kind that answered enough; where there are none
 * of its kind, as that of all. So is one of the wanted fleet that was not there; the others keep their speed.
 */
final class Fitting {
  /// Speeds beside the profile's are looked for between these.
  private static final double LEAST = 0.01;

  private static final double MOST = 1000;

  private static final int ROUNDS = 12;

  /// As a logarithm: recorded and simulated times that are alike.
  private static final double ALIKE = 0.02;

  /// Of the way between two bounds nothing is tried nearer than this to either.
  private static final double NEAREST = 0.1;

  private static final int ENOUGH = 5;

  /// So much of all is left out of a fit's error.
  private static final double TRIMMED = 0.1;

  /// As a multiple of the time in which requests come: what is left then is as slow.
  private static final double ALWAYS = 1e6;

  private static final int MOST_NAMED = 20;

  private final DecisionTrace trace;
  private final FleetPlan wanted;
  private FleetPlan plan;
  private double[] factors;
  private final boolean[] heard;
  private final boolean fitted;
  private final Bounds[] bounds;
  private Outcome last;

  /// What is known of one node's speed, as logarithms: a speed with which it is simulated too fast
  /// and one with which too slow, by how much, and the nearest one.
  private static final class Bounds {
    private double fast = Double.NEGATIVE_INFINITY;
    private double fastBy;
    private double slow = Double.POSITIVE_INFINITY;
    private double slowBy;
    private double nearest;
    private double nearestBy = Double.POSITIVE_INFINITY;

    /// With this speed it is too fast by so much, or below 0 too slow.
    ///
    /// @return what to try next
    double after(double speed, double by) {
      if (Math.abs(by) < nearestBy) {
        nearest = speed;
        nearestBy = Math.abs(by);
      }
      if (by > 0 && speed > fast) {
        fast = speed;
        fastBy = by;
      } else if (by <= 0 && speed < slow) {
        slow = speed;
        slowBy = by;
      }
      if (!(fast < slow) || Double.isInfinite(fast) || Double.isInfinite(slow)) {
        return speed + by;
      }
      double part = Math.clamp(fastBy / (fastBy - slowBy), NEAREST, 1 - NEAREST);
      return fast + part * (slow - fast);
    }
  }

  /// @param wanted whose instances are to have the speeds; those that it has by the names of the
  ///   log are taken for those
  Fitting(DecisionTrace trace, FleetPlan wanted, boolean speeds) {
    this.trace = trace;
    this.wanted = wanted;
    this.plan = Recorded.fleet(trace, wanted);
    this.factors = new double[plan.nodes().size()];
    this.heard = new boolean[factors.length];
    Arrays.fill(factors, 1);
    this.fitted = speeds;
    this.bounds = new Bounds[factors.length];
    Arrays.setAll(bounds, n -> new Bounds());
    this.last = run();
    double least = off();
    Outcome best = last;
    FleetPlan bestPlan = plan;
    double[] bestFactors = factors.clone();
    boolean more = speeds;
    for (int k = 0; more && k < ROUNDS; k++) {
      more = adjust() && k < ROUNDS - 1;
      if (!more) {
        nearest();
      }
      last = run();
      double now = off();
      if (now < least) {
        least = now;
        best = last;
        bestPlan = this.plan;
        bestFactors = factors.clone();
      }
    }
    this.last = best;
    this.plan = bestPlan;
    this.factors = bestFactors;
  }

  /// How far simulated times are from recorded ones, those that are furthest off left out.
  private double off() {
    double[] logs =
        IntStream.range(0, trace.size())
            .filter(k -> trace.counts(k) && last.last[k] > 0)
            .mapToDouble(k -> Math.abs(Math.log(ratio(k))))
            .sorted()
            .toArray();
    int n = logs.length - (int) Math.ceil(TRIMMED * logs.length);
    return n < 1 ? Double.POSITIVE_INFINITY : Arrays.stream(logs, 0, n).average().orElse(0);
  }

  /// Recorded over simulated time to the whole answer.
  private double ratio(int k) {
    return Math.max(1, trace.row(k).answerSeconds() * 1e9) / Math.max(1, last.whole(k));
  }

  /// The wanted fleet with the speeds that were found.
  FleetPlan plan() {
    if (!fitted) {
      return wanted;
    }
    return wanted.with(
        wanted.nodes().stream()
            .map(w -> {
              int was = was(w);
              double f = was >= 0 && heard[was] ? factors[was] : usual(w.engine().kind());
              return w.slow(f, 0, ALWAYS);
            })
            .toList());
  }

  /// Which of the recorded instances it is; below 0 for none.
  private int was(Node of) {
    for (int k = 0; k < factors.length; k++) {
      Node n = plan.nodes().get(k);
      if (n.name().equals(of.name())
          && n.engine().kind().cacheType() == of.engine().kind().cacheType()) {
        return k;
      }
    }
    return -1;
  }

  private Outcome run() {
    Arm arm = new Arm("recorded", p -> new Recorded(trace), false, -1);
    return new FleetRun(plan, trace.at(1, trace.rate()), arm, 1).run();
  }

  /// @return whether some node's times are not alike yet
  private boolean adjust() {
    boolean more = false;
    for (int n = 0; n < factors.length; n++) {
      double[] ratios = ratios(n);
      heard[n] = ratios.length >= ENOUGH;
      if (heard[n]) {
        double by = middle(ratios);
        factors[n] = Math.clamp(Math.exp(bounds[n].after(Math.log(factors[n]), by)), LEAST, MOST);
        more |= Math.abs(by) > ALIKE;
      }
    }
    become();
    return more;
  }

  private void nearest() {
    for (int n = 0; n < factors.length; n++) {
      factors[n] = heard[n] ? Math.exp(bounds[n].nearest) : factors[n];
    }
    become();
  }

  private void become() {
    List<Node> nodes = new ArrayList<>();
    for (int n = 0; n < factors.length; n++) {
      factors[n] = heard[n] ? factors[n] : usual(plan.nodes().get(n).engine().kind());
      nodes.add(plan.nodes().get(n).slow(factors[n], 0, ALWAYS));
    }
    plan = plan.with(nodes);
  }

  /// The mean of the middle half of their logarithms: of a few that lie apart the median would jump
  /// from one to the other.
  private static double middle(double[] sorted) {
    int from = sorted.length / 4;
    int to = sorted.length - from;
    return Arrays.stream(sorted, from, to).map(Math::log).average().orElse(0);
  }

  private double usual(LeapSettings.Kind kind) {
    double[] alike =
        IntStream.range(0, factors.length)
            .filter(n -> heard[n] && plan.nodes().get(n).engine().kind() == kind)
            .mapToDouble(n -> factors[n])
            .sorted()
            .toArray();
    double[] all =
        IntStream.range(0, factors.length)
            .filter(n -> heard[n])
            .mapToDouble(n -> factors[n])
            .sorted()
            .toArray();
    double[] of = alike.length > 0 ? alike : all;
    return of.length == 0 ? 1 : of[of.length / 2];
  }

  private double[] ratios(int node) {
    double[] out = new double[trace.size()];
    int n = 0;
    for (int k = 0; k < out.length; k++) {
      if (last.node[k] == node && trace.counts(k) && last.last[k] > 0) {
        out[n++] = ratio(k);
      }
    }
    double[] sorted = Arrays.copyOf(out, n);
    Arrays.sort(sorted);
    return sorted;
  }

  /// What to believe of times to the first token of streamed answers.
  WhatIf.Fit first() {
    double[] made = new double[trace.size()];
    double[] seen = new double[trace.size()];
    int n = 0;
    for (int k = 0; k < trace.size(); k++) {
      DecisionTrace.Row r = trace.row(k);
      if (trace.counts(k) && last.last[k] > 0 && r.streamed() && r.firstSeconds() > 0) {
        made[n] = last.ttft(k) / 1e9;
        seen[n++] = r.firstSeconds();
      }
    }
    return WhatIf.fit(made, seen, n);
  }

  /// What to believe of times to the end of the answer.
  WhatIf.Fit whole() {
    double[] made = new double[trace.size()];
    double[] seen = new double[trace.size()];
    int n = 0;
    for (int k = 0; k < trace.size(); k++) {
      if (trace.counts(k) && last.last[k] > 0) {
        made[n] = last.whole(k) / 1e9;
        seen[n++] = trace.row(k).answerSeconds();
      }
    }
    return WhatIf.fit(made, seen, n);
  }

  /// What to believe: medians and mean errors.
  String report() {
    StringBuilder b = new StringBuilder();
    b.append("fit of the cost model to the recorded part, every request where it went:\n");
    line(b, "time to first token", first());
    line(b, "time to whole answer", whole());
    for (Node w : plan().nodes()) {
      int was = was(w);
      boolean known = was >= 0 && heard[was];
      double f = fitted || w.slowFrom() <= 0 ? w.slowFactor() : 1;
      b.append(
          String.format(
              Locale.ROOT,
              "  %s: %.2f times the profile's step times%s%n",
              w.name(),
              f,
              !known && fitted
                  ? " (too little recorded: as the others of its kind)"
                  : fitted && (f <= LEAST || f >= MOST)
                      ? " (as far as is tried: the recorded times are of another kind of engine, or none)"
                      : ""));
    }
    return b.append(gone()).toString();
  }

  /// Those that the wanted fleet does not have, in a line; empty where there are none.
  private String gone() {
    List<String> names = new ArrayList<>();
    Set<Integer> there = wanted.nodes().stream().map(this::was).collect(Collectors.toSet());
    for (int k = 0; k < factors.length; k++) {
      Node n = plan.nodes().get(k);
      if (!there.contains(k)) {
        names.add(
            heard[k]
                ? String.format(Locale.ROOT, "%s (%.2f times)", n.name(), factors[k])
                : n.name());
      }
    }
    int more = names.size() - MOST_NAMED;
    return names.isEmpty()
        ? ""
        : "  recorded, and not in the fleet: "
            + String.join(", ", names.subList(0, Math.min(MOST_NAMED, names.size())))
            + (more > 0 ? " and " + more + " more" : "")
            + "\n";
  }

  private static void line(StringBuilder b, String what, WhatIf.Fit f) {
    if (f.requests() == 0) {
      b.append("  ").append(what).append(": nothing recorded\n");
      return;
    }
    b.append(
        String.format(
            Locale.ROOT,
            "  %s: recorded median %.3g s, simulated %.3g s; mean error %.3g s, %.0f %% of the mean (%d requests)%n",
            what,
            f.recordedP50Seconds(),
            f.simulatedP50Seconds(),
            f.errorSeconds(),
            100 * f.errorShare(),
            f.requests()));
  }
}
