package org.infinilm.svc.router;

import java.util.List;
import java.util.Map;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.fleet.Instance;
import org.jspecify.annotations.Nullable;

/// What one request routes by: a fleet and how to reach its instances. Immutable.
record RoutingTable(Fleet fleet, Map<Integer, Target> targets) {
  static final RoutingTable EMPTY = new RoutingTable(new Fleet(0, List.of()), Map.of());

  @Nullable Target target(Instance i) {
    return targets.get(i.slot());
  }
}
