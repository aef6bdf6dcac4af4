package org.infinilm.svc.router;

import java.util.function.Supplier;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.telemetry.Ticker;
import org.infinilm.svc.trace.Traces;
import org.jspecify.annotations.Nullable;

/// What every exchange of one router shares; each part is thread-safe.
///
/// @param config the settings that were in force when a request came: it sees no others
/// @param keys who may ask
/// @param table the routing table of this moment
/// @param instances hears what exchanges see of instances
/// @param admission who gets a request
/// @param seats how many requests an instance has at once, and who waits
/// @param traces takes those that have ended, or null where there are none
/// @param wakes has instances woken that sleep
/// @param learner takes facts of finished exchanges and knows bytes per token
record Plane(
    RouterConfig config,
    KeyRing keys,
    Supplier<RoutingTable> table,
    Admission admission,
    Seats seats,
    RetryBudgets retryBudgets,
    RouterMetrics metrics,
    Decisions decisions,
    Flights flights,
    InstanceWatch instances,
    Wakes wakes,
    Learner learner,
    @Nullable Traces<Trace> traces,
    RequestIds ids,
    Via via,
    Ticker ticker) {

  /// The same under other settings.
  Plane with(RouterConfig now) {
    return new Plane(
        now,
        keys,
        table,
        admission,
        seats,
        retryBudgets,
        metrics,
        decisions,
        flights,
        instances,
        wakes,
        learner,
        traces,
        ids,
        via,
        ticker);
  }

  /// Hears what exchanges see of instances; called on event loops, never blocks.
  interface InstanceWatch {
    void saw(Instance instance, Sight sight, Part part);

    /// A request goes there.
    void goes(Instance instance, Part part, boolean repeatable);

    /// An answer that was taken for a good one breaks.
    void takesBack(Instance instance, Part part);

    /// It has not the route.
    void lacksRoute(Instance instance, Part part);

    /// An answer below 400 came to its end.
    void answeredWhole(Instance instance, Part part);

    /// Failures in a row of which the request might have been the cause, and nothing else seen
    /// between them: of all its requests, or of those of this part.
    int failuresInARow(Instance instance, Part part);

    /// Who may be asked for a request of this part.
    ///
    /// @param repeatable whether it may be sent again when it fails
    Offer offer(Part part, boolean repeatable);

    /// The first byte of a stream came so long after a request of so many bytes was sent.
    void firstByte(Instance instance, long nanos, long bytes, Part part);

    /// It has not a model of its list.
    void lacksModel(Instance instance);

    /// It asked to be left alone for so long; it is passed over while others can take requests,
    /// where it serves several models for this one.
    void busy(Instance instance, long nanos, Part part);
  }
}
