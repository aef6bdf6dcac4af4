package org.infinilm.svc.router;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.fleet.Instance;
import org.jspecify.annotations.Nullable;

/// What one request routes by: a fleet and how to reach its instances. Immutable.
final class RoutingTable {
  static final RoutingTable EMPTY = new RoutingTable(new Fleet(0, List.of()), List.of(), 0);

  private final Fleet fleet;
  private final @Nullable Target[] targets;
  private final int unread;
  private final Awaited awaited;

  /// What may be heard of models that nobody offers now.
  ///
  /// @param sources those of which no table has come yet
  /// @param leftUntilNanos models whose last instance has left, and until when it may come back
  record Awaited(List<String> sources, Map<String, Long> leftUntilNanos) {
    static final Awaited NOTHING = new Awaited(List.of(), Map.of());
  }

  /// @param unread instances whose models are not known yet
  RoutingTable(Fleet fleet, Collection<Target> targets, int unread) {
    this(fleet, targets, unread, Awaited.NOTHING);
  }

  RoutingTable(Fleet fleet, Collection<Target> targets, int unread, Awaited awaited) {
    this.fleet = fleet;
    this.unread = unread;
    this.awaited = awaited;
    int slots = 0;
    for (Target t : targets) {
      slots = Math.max(slots, t.instance().slot() + 1);
    }
    this.targets = new @Nullable Target[slots];
    for (Target t : targets) {
      this.targets[t.instance().slot()] = t;
    }
  }

  Fleet fleet() {
    return fleet;
  }

  int unread() {
    return unread;
  }

  /// Sources that have listed nothing yet.
  List<String> awaited() {
    return awaited.sources();
  }

  /// Whether the last instance of a model has left so lately that it may be restarting.
  boolean leftLately(String model, long nowNanos) {
    Long until = awaited.leftUntilNanos().get(model);
    return until != null && nowNanos - until < 0;
  }

  /// How to reach an instance of this or an earlier fleet, or null when it is there no more.
  @Nullable Target target(Instance i) {
    Target t = i.slot() < targets.length ? targets[i.slot()] : null;
    return t != null && t.instance().name().equals(i.name()) && t.instance().url().equals(i.url())
        ? t
        : null;
  }
}
