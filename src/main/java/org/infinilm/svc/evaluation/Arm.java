package org.infinilm.svc.evaluation;

import java.util.function.Function;
import org.infinilm.svc.policy.Policy;

/// One of those that are compared.
///
/// @param label what it is
/// @param policy made anew for each run, for the limits of the fleet
/// @param seated whether the router's seats and line stand before the instances
/// @param thresholdBytes of its size rule, or -1 for the fleet's
record Arm(String label, Function<FleetPlan, Policy> policy, boolean seated, long thresholdBytes) {}
