package org.infinilm.svc.router;

import java.util.List;
import java.util.Map;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.fleet.Instance;
import org.jspecify.annotations.Nullable;

/// What one request routes by: a fleet and how to reach its instances. Immutable.
///
/// @param unread instances whose models are not known yet
record RoutingTable(Fleet fleet, Map<Integer, Target> targets, int unread) {
  static final RoutingTable EMPTY = new RoutingTable(new Fleet(0, List.of()), Map.of(), 0);

  @Nullable Target target(Instance i) {
    return targets.get(i.slot());
  }
}
