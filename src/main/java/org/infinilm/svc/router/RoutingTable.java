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

  /// How to reach an instance of this or an earlier fleet, or null when it is there no more.
  @Nullable Target target(Instance i) {
    Target t = targets.get(i.slot());
    return t != null && t.instance().name().equals(i.name()) && t.instance().url().equals(i.url())
        ? t
        : null;
  }
}
