package org.infinilm.svc.evaluation;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.CacheType;
import org.infinilm.svc.fleet.Candidates;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Pool;
import org.infinilm.svc.policy.Ask;
import org.infinilm.svc.policy.Choice;
import org.infinilm.svc.policy.Load;
import org.infinilm.svc.policy.Policy;
import org.infinilm.svc.policy.Reason;
import org.jspecify.annotations.Nullable;

/// Sends each request where it went when it was recorded: the instance of that name, else the least
/// loaded of that cache type, else of all.
final class Recorded implements Policy, Told {
  private final DecisionTrace trace;
  private int asked;

  /// The fleet that was: the instances that the log names, each of the cache type that it names
  /// last. One that a plan has by its name is as the plan says, another is as the plan's first one
  /// of that cache type, else as the usual one. Where the log names none, the plan itself.
  static FleetPlan fleet(DecisionTrace trace, FleetPlan plan) {
    Map<String, String> types = new TreeMap<>();
    for (int k = 0; k < trace.size(); k++) {
      DecisionTrace.Row r = trace.row(k);
      if (!r.instance().isEmpty()
          && (types.containsKey(r.instance()) || types.size() < FleetPlan.MOST_NODES)) {
        types.put(r.instance(), r.cacheType());
      }
    }
    List<Node> nodes = new ArrayList<>();
    types.forEach((name, label) -> {
      Node n = node(plan, name, label);
      if (n != null) {
        nodes.add(n);
      }
    });
    return nodes.isEmpty() ? plan : plan.with(nodes);
  }

  /// Null where nothing is known of it.
  private static @Nullable Node node(FleetPlan plan, String name, String label) {
    for (Node n : plan.nodes()) {
      if (n.name().equals(name) && (label.isEmpty() || label.equals(type(n).label()))) {
        return n;
      }
    }
    for (Node n : plan.nodes()) {
      if (label.equals(type(n).label())) {
        return new Node(name, n.engine(), n.seats());
      }
    }
    for (CacheType t : CacheType.values()) {
      if (label.equals(t.label())) {
        return FleetPlan.usual(name, t);
      }
    }
    return null;
  }

  private static CacheType type(Node n) {
    return n.engine().kind().cacheType();
  }

  Recorded(DecisionTrace trace) {
    this.trace = trace;
  }

  @Override
  public void asks(Request r) {
    asked = r.id();
  }

  @Override
  public String name() {
    return "recorded";
  }

  @Override
  public Choice choose(Ask ask, Candidates candidates, Load load, RandomGenerator random) {
    DecisionTrace.Row row = trace.row(asked);
    @Nullable Instance best = null;
    int rank = 0;
    List<Instance> all = candidates.in(Pool.ANY);
    for (Instance i : all) {
      CacheType type = i.cacheType();
      boolean kind = type != null && type.label().equals(row.cacheType());
      int r = i.name().equals(row.instance()) ? 3 : kind ? 2 : 1;
      if (best == null
          || r > rank
          || (r == rank && load.inFlight(i.slot()) < load.inFlight(best.slot()))) {
        best = i;
        rank = r;
      }
    }
    return new Choice.Send(best == null ? all.getFirst() : best, Pool.ANY, Reason.POLICY);
  }
}
