package org.infinilm.svc.router;

import java.util.function.Supplier;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.telemetry.Ticker;

/// What every exchange of one router shares; each part is thread-safe.
///
/// @param table the routing table of this moment
/// @param instances hears what exchanges see of instances
/// @param admission who gets a request
/// @param seats how many requests an instance has at once, and who waits
/// @param learner takes facts of finished exchanges and knows bytes per token
record Plane(
    RouterConfig config,
    Supplier<RoutingTable> table,
    Admission admission,
    Seats seats,
    RetryBudgets retryBudgets,
    RouterMetrics metrics,
    Decisions decisions,
    InstanceWatch instances,
    Learner learner,
    RequestIds ids,
    Via via,
    Ticker ticker) {

  /// Hears what exchanges see of instances; called on event loops, never blocks.
  interface InstanceWatch {
    void saw(Instance instance, Sight sight);

    /// Failures in a row of which the request might have been the cause, and nothing else seen
    /// between them.
    int failuresInARow(Instance instance);

    /// The first byte of a stream came so long after a request of so many bytes was sent.
    void firstByte(Instance instance, long nanos, long bytes);

    /// It asked to be left alone for so long; it is passed over while others can take requests.
    void busy(Instance instance, long nanos);
  }
}
