package org.infinilm.svc.evaluation;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.BooleanSupplier;
import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.policy.Ask;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Facts;
import org.infinilm.svc.policy.Load;
import org.infinilm.svc.policy.Policies;
import org.infinilm.svc.policy.Policy;
import org.infinilm.svc.simulator.CostProfile;
import org.infinilm.svc.simulator.LeapSettings;

/// What other thresholds of the size rule would have come to, over requests that a router
/// remembers: the model of `infini replay`, with each instance's speed fitted to where the requests
/// went. Some 15 to 25 runs of at most [#MOST] requests, tenths of a second of one core. Stateless.
///
/// Instances are modelled as InfiniLM's engines of the measured 9b shape ([FleetPlan]'s defaults),
/// many times slower or faster as the fit finds; how wrong that is for the engines at hand is what
/// [Fit] tells, of the requests that it was fitted to.
public final class WhatIf {
  /// Requests of which it says anything.
  public static final int LEAST = 20;

  /// Requests that are looked at, the last ones.
  public static final int MOST = 2000;

  private static final int MOST_NODES = 64;
  private static final double[] PARTS = {0.1, 0.25, 0.5, 0.75, 0.9, 0.95};

  /// As a share of the larger one: two thresholds that say the same.
  private static final double NEAR = 0.08;

  private static final String PROFILE = "9b";
  private static final int DYNAMIC_BATCH = 8;
  private static final int MOST_BATCH = 512;

  private WhatIf() {}

  /// One answered request as it was.
  ///
  /// @param seconds when it came, from any beginning
  /// @param size by which the rule decides, in its unit
  /// @param instance that answered
  /// @param firstSeconds from its coming to its first token, line included; 0 of an answer that
  ///   came whole
  /// @param wholeSeconds from its coming to the end of the answer
  public record Past(
      double seconds,
      long size,
      int bodyBytes,
      int promptTokens,
      int outputTokens,
      int cachedTokens,
      String instance,
      double firstSeconds,
      double wholeSeconds) {}

  /// Half of the times are up to the first, 95 % up to the second; both NaN where there are none.
  public record Times(int requests, double p50Seconds, double p95Seconds) {
    static Times of(List<Double> seconds) {
      double[] s = seconds.stream().mapToDouble(d -> d).sorted().toArray();
      return s.length == 0
          ? new Times(0, Double.NaN, Double.NaN)
          : new Times(s.length, s[rank(0.5, s.length)], s[rank(0.95, s.length)]);
    }
  }

  /// How well the model tells what was.
  ///
  /// @param requests that it is of; 0 when there were none
  /// @param errorSeconds mean distance of a request's time from the recorded one
  /// @param errorShare the same as a share of the mean recorded time
  public record Fit(
      int requests,
      double recordedP50Seconds,
      double simulatedP50Seconds,
      double errorSeconds,
      double errorShare) {}

  /// What was found of an instance.
  ///
  /// @param slowness how many times as long its steps take as the profile says
  /// @param requests that it answered
  public record Speed(String instance, CacheType type, double slowness, int requests) {}

  /// What a pool would have had to do.
  ///
  /// @param atOnce its requests at the same time, on average over the time of the recording
  public record Share(CacheType type, int requests, Times first, double atOnce) {}

  /// Another threshold.
  ///
  /// @param notHeld requests that would have been refused or cut off
  public record Cut(long threshold, Times first, Times whole, List<Share> pools, int notHeld) {}

  /// All of it.
  ///
  /// @param leftOut requests of instances that are gone or have no cache type
  /// @param first of the recorded requests, as the cuts have it
  public record Answer(
      int requests,
      int leftOut,
      Times first,
      Times whole,
      Fit firstFit,
      Fit wholeFit,
      List<Speed> speeds,
      List<Cut> cuts) {}

  /// @param instances of one model, those of both cache types among them
  /// @param past their requests in any order; the last [#MOST] count
  /// @param thresholds to look at, beside those that part the requests at a few shares
  /// @param spill as the router's setting
  /// @param goOn asked before each threshold; those that are left when it is false are left out
  /// @throws IllegalArgumentException when there is too little to say anything; the message says
  ///   what was expected
  public static Answer of(
      List<Instance> instances,
      List<Past> past,
      List<Long> thresholds,
      boolean spill,
      BooleanSupplier goOn) {
    FleetPlan plan = plan(instances);
    Map<String, CacheType> types = new HashMap<>();
    plan.nodes().forEach(n -> types.put(n.name(), n.engine().kind().cacheType()));
    List<Past> known = new ArrayList<>(past);
    known.removeIf(p -> !types.containsKey(p.instance()));
    known.sort(Comparator.comparingDouble(Past::seconds));
    int leftOut = past.size() - known.size();
    if (known.size() < LEAST) {
      throw new IllegalArgumentException(
          known.size() + " answered requests with token counts (expected: " + LEAST + " or more)");
    }
    List<Past> rows = known.subList(Math.max(0, known.size() - MOST), known.size());
    DecisionTrace trace = trace(rows, types);
    Fitting fitting = new Fitting(trace, plan, true);
    Workload work = trace.at(1, trace.rate());
    List<Cut> cuts = new ArrayList<>();
    for (long t : cuts(rows, thresholds)) {
      if (goOn.getAsBoolean()) {
        cuts.add(cut(fitting.plan(), work, rows, t, spill));
      }
    }
    return new Answer(
        rows.size(),
        leftOut,
        Times.of(rows.stream().map(Past::firstSeconds).filter(s -> s > 0).toList()),
        Times.of(rows.stream().map(Past::wholeSeconds).toList()),
        fitting.first(),
        fitting.whole(),
        speeds(fitting.plan(), rows),
        cuts);
  }

  private static FleetPlan plan(List<Instance> instances) {
    List<Node> nodes = new ArrayList<>();
    for (Instance i : instances) {
      CacheType type = i.cacheType();
      if (type != null) {
        nodes.add(node(i, type));
      }
    }
    nodes.sort(Comparator.comparing(Node::name));
    for (CacheType t : CacheType.values()) {
      if (nodes.stream().noneMatch(n -> n.engine().kind().cacheType() == t)) {
        throw new IllegalArgumentException(
            "no "
                + t.label()
                + " instance of the model (expected: paged and static ones, between which a threshold chooses)");
      }
    }
    if (nodes.size() > MOST_NODES) {
      throw new IllegalArgumentException(
          nodes.size() + " instances (expected: at most " + MOST_NODES + ")");
    }
    return new FleetPlan("now", nodes, 2e9, 2e7, 0);
  }

  private static Node node(Instance i, CacheType type) {
    CostProfile cost = CostProfile.of(PROFILE, type);
    LeapSettings usual =
        type == CacheType.STATIC ? LeapSettings.ofStatic(cost, 16_384) : LeapSettings.paged(cost);
    int batch =
        type == CacheType.STATIC
            ? 1
            : i.seats() == 0 ? DYNAMIC_BATCH : Math.min(MOST_BATCH, i.seats());
    int tokens =
        i.capacityTokens() == Instance.UNKNOWN
            ? usual.capacityTokens()
            : Math.clamp(i.capacityTokens(), usual.blockTokens(), 1 << 26);
    LeapSettings engine =
        new LeapSettings(
            usual.kind(),
            cost,
            batch,
            tokens / usual.blockTokens(),
            usual.blockTokens(),
            usual.stepTokens(),
            usual.keepsAnswers());
    return new Node(i.name(), engine, i.seats());
  }

  private static DecisionTrace trace(List<Past> rows, Map<String, CacheType> types) {
    List<DecisionTrace.Row> out = new ArrayList<>(rows.size());
    for (Past p : rows) {
      CacheType type = types.get(p.instance());
      out.add(
          new DecisionTrace.Row(
              p.seconds(),
              Math.max(1, p.bodyBytes()),
              p.promptTokens(),
              p.outputTokens(),
              0,
              Math.min(p.promptTokens() - 1, p.cachedTokens()),
              0,
              Text.ENGLISH,
              p.instance(),
              type == null ? "" : type.label(),
              p.firstSeconds() > 0,
              p.firstSeconds() > 0 ? p.firstSeconds() : p.wholeSeconds(),
              p.wholeSeconds(),
              -1));
    }
    return DecisionTrace.of("now", out);
  }

  /// Those that were asked for, and those that part the requests.
  private static List<Long> cuts(List<Past> rows, List<Long> asked) {
    long[] sizes = rows.stream().mapToLong(Past::size).sorted().toArray();
    TreeSet<Long> out = new TreeSet<>(asked);
    for (double part : PARTS) {
      long size = sizes[rank(part, sizes.length)];
      if (asked.stream().noneMatch(a -> Math.abs(a - size) < NEAR * Math.max(a, size))) {
        out.add(size);
      }
    }
    out.add(sizes[sizes.length - 1]);
    return List.copyOf(out);
  }

  private static int rank(double part, int n) {
    return Math.max(0, (int) Math.ceil(part * n) - 1);
  }

  /// The size rule by the sizes that were recorded, in whatever unit.
  private static final class Sized implements Policy, Told {
    private final Policy rule;
    private final List<Past> rows;
    private int asked;

    Sized(Policy rule, List<Past> rows) {
      this.rule = rule;
      this.rows = rows;
    }

    @Override
    public void asks(Request r) {
      asked = r.id();
    }

    @Override
    public String name() {
      return rule.name();
    }

    @Override
    public Choice choose(Ask a, Candidates candidates, Load load, RandomGenerator random) {
      Ask sized =
          new Ask(
              rows.get(asked).size(),
              a.threshold(),
              a.needTokens(),
              a.leastTokens(),
              0,
              a.promptTokens(),
              a.maxTokens());
      return rule.choose(sized, candidates, load, random);
    }

    @Override
    public void settled(Facts facts) {
      rule.settled(facts);
    }
  }

  private static Cut cut(
      FleetPlan plan, Workload work, List<Past> rows, long threshold, boolean spill) {
    Policies.Options options = new Policies.Options(spill);
    Arm arm =
        new Arm(
            "cut", p -> new Sized(Policies.create("cache-type", options), rows), true, threshold);
    Outcome o = new FleetRun(plan, work, arm, 1).run();
    int notHeld = 0;
    List<Double> first = new ArrayList<>();
    List<Double> whole = new ArrayList<>();
    Map<CacheType, List<Double>> firsts = new EnumMap<>(CacheType.class);
    Map<CacheType, Double> held = new EnumMap<>(CacheType.class);
    for (int k = 0; k < o.last.length; k++) {
      if (o.last[k] <= 0 || o.cut[k] || o.tokens[k] == 0) {
        notHeld++;
        continue;
      }
      CacheType type = plan.nodes().get(o.node[k]).engine().kind().cacheType();
      first.add(o.ttft(k) / 1e9);
      whole.add(o.whole(k) / 1e9);
      firsts.computeIfAbsent(type, t -> new ArrayList<>()).add(o.ttft(k) / 1e9);
      held.merge(type, o.whole(k), Double::sum);
    }
    List<Share> pools = new ArrayList<>();
    for (CacheType t : CacheType.values()) {
      List<Double> of = firsts.getOrDefault(t, List.of());
      pools.add(
          new Share(
              t,
              of.size(),
              Times.of(of),
              held.getOrDefault(t, 0.0) / Math.max(1, work.spanNanos())));
    }
    return new Cut(threshold, Times.of(first), Times.of(whole), pools, notHeld);
  }

  private static List<Speed> speeds(FleetPlan plan, List<Past> rows) {
    List<Speed> out = new ArrayList<>();
    for (Node n : plan.nodes()) {
      int requests = (int) rows.stream().filter(p -> p.instance().equals(n.name())).count();
      out.add(new Speed(n.name(), n.engine().kind().cacheType(), n.slowFactor(), requests));
    }
    return out;
  }

  /// Of times that were recorded and their like in the model, both in seconds.
  static Fit fit(double[] made, double[] seen, int n) {
    if (n == 0) {
      return new Fit(0, Double.NaN, Double.NaN, Double.NaN, Double.NaN);
    }
    double error = 0;
    double sum = 0;
    for (int k = 0; k < n; k++) {
      error += Math.abs(made[k] - seen[k]);
      sum += seen[k];
    }
    return new Fit(n, median(seen, n), median(made, n), error / n, error / sum);
  }

  private static double median(double[] of, int n) {
    double[] sorted = Arrays.copyOf(of, n);
    Arrays.sort(sorted);
    return sorted[n / 2];
  }
}
