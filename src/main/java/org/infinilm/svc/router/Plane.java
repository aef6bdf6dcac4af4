package org.infinilm.svc.router;

import java.util.function.Supplier;
import org.infinilm.svc.policy.Policy;
import org.infinilm.svc.telemetry.Ticker;

/// What every exchange of one router shares; each part is thread-safe.
///
/// @param table the routing table of this moment
/// @param instances hears what exchanges see of instances
/// @param learner takes facts of finished exchanges and knows bytes per token
record Plane(
    RouterConfig config,
    Supplier<RoutingTable> table,
    Policy policy,
    Ledger ledger,
    RetryBudget retryBudget,
    RouterMetrics metrics,
    Decisions decisions,
    InstanceWatch instances,
    Learner learner,
    RequestIds ids,
    Ticker ticker) {

  /// What exchanges report about instances; called on event loops, must not block.
  interface InstanceWatch {
    /// A connection to it failed.
    void unreachable(String name);

    /// It answered.
    void answered(String name);
  }
}
