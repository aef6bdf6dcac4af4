package org.infinilm.svc.evaluation;

import java.util.function.Supplier;
import org.infinilm.svc.policy.Policy;

/// One of those that are compared.
///
/// @param label what it is
/// @param policy made anew for each run
/// @param seated whether the router's seats and line stand before the instances
/// @param thresholdBytes of its size rule, or -1 for the fleet's
record Arm(String label, Supplier<Policy> policy, boolean seated, long thresholdBytes) {}
