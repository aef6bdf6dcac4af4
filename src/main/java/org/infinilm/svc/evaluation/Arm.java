package org.infinilm.svc.evaluation;

import java.util.function.Function;
import org.infinilm.svc.policy.Policies;
import org.infinilm.svc.policy.Policy;

/// One of those that are compared.
///
/// @param label what it is
/// @param policy made anew for each run, for the limits of the fleet
/// @param seated whether the router's seats and line stand before the instances
/// @param staticSeats of a static instance that names none
/// @param thresholdBytes of its size rule, or -1 for the fleet's
record Arm(
    String label,
    Function<FleetPlan, Policy> policy,
    boolean seated,
    int staticSeats,
    long thresholdBytes) {
  /// One with the seats that the router gives under the rule.
  Arm(String label, Function<FleetPlan, Policy> policy, boolean seated, long thresholdBytes) {
    this(label, policy, seated, Policies.staticSeats("cache-type"), thresholdBytes);
  }

  /// The fleet as it stands before the router: all seats said.
  FleetPlan before(FleetPlan plan) {
    FleetPlan p = thresholdBytes < 0 ? plan : plan.withThreshold(thresholdBytes);
    return p.with(p.nodes().stream().map(n -> n.seated(staticSeats)).toList());
  }
}
