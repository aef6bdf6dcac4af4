package org.infinilm.svc.router;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.http.Origin;
import org.infinilm.svc.router.FleetKeeper.View;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Makes the [RoutingTable] and what `/services` shows of a [Roster], and says what changed. What
/// is the same as before stays the same object. Read from any thread; made on the roster's.
final class Publisher {
  private static final Logger LOG = LoggerFactory.getLogger(Publisher.class);
  private static final int MOST_TOLD = 8;
  private static final int MOST_TWINS = 10_000;

  /// What was made of an entry.
  private static final class Made {
    @Nullable View view;
    @Nullable Target target;
    State state = State.ROUTABLE;
    boolean seen;

    /// What was logged of why it is out.
    final Set<String> told = new HashSet<>();
  }

  private final Roster roster;
  private final Addresses addresses;
  private final Seating seating;
  private final Seats seats;
  private final Map<Roster.Entry, Made> made = new HashMap<>();
  private final Set<String> namedTwins = new HashSet<>();
  private volatile RoutingTable table = RoutingTable.EMPTY;
  private volatile List<View> views = List.of();

  Publisher(Roster roster, Addresses addresses, Seating seating, Seats seats) {
    this.roster = roster;
    this.addresses = addresses;
    this.seating = seating;
    this.seats = seats;
  }

  RoutingTable table() {
    return table;
  }

  List<View> views() {
    return views;
  }

  /// Publishes the views, and a new table when routing changed.
  void publish(boolean changed) {
    if (changed) {
      made.keySet().removeIf(e -> !roster.has(e));
      List<Target> targets = new ArrayList<>();
      Map<String, Roster.Entry> servers = new HashMap<>();
      List<Instance> instances = new ArrayList<>();
      int unread = 0;
      for (Roster.Entry e : fixedFirst()) {
        unread += e.unread() ? 1 : 0;
        Made m = made(e);
        List<Origin> last = m.target == null ? List.of() : m.target.origins();
        List<Origin> origins = addresses.origins(e, last);
        e.placed = !origins.isEmpty();
        e.twinOf = twin(e, origins, servers);
        Instance i = e.instance(seating);
        instances.add(i);
        if (!origins.isEmpty()) {
          targets.add(target(m, i, origins, e.known.authorization()));
        }
        say(e, m);
      }
      addresses.forgetOthers();
      Fleet fleet = table.fleet().next(instances);
      table = new RoutingTable(fleet, targets, unread);
      seats.follow(fleet);
    }
    List<View> now = new ArrayList<>(roster.entries().size());
    for (Roster.Entry e : roster.entries()) {
      now.add(view(e, made(e)));
    }
    views = List.copyOf(now);
  }

  /// Entries from the command line before those of the registry: they stand for twins.
  private List<Roster.Entry> fixedFirst() {
    List<Roster.Entry> out = new ArrayList<>(roster.entries());
    out.sort((a, b) -> Boolean.compare(b.known.fixed(), a.known.fixed()));
    return out;
  }

  private View view(Roster.Entry e, Made m) {
    View before = m.view;
    Instance i = e.instance(seating);
    boolean doubted = e.circuit.doubted();
    String why = i.state() == State.ROUTABLE ? "" : e.why();
    if (before != null
        && before.why().equals(why)
        && before.instance().equals(i)
        && before.errors() == e.errors
        && before.probeSeconds() == e.probeSeconds
        && before.suspect() == e.suspect()
        && before.doubted() == doubted
        && before.known().equals(e.known)
        && Objects.equals(before.modelsList(), e.modelsList())) {
      return before;
    }
    View now =
        new View(i, e.errors, e.probeSeconds, e.suspect(), doubted, e.known, e.modelsList(), why);
    if (i.state() == State.EJECTED && m.told.size() < MOST_TOLD && m.told.add(why)) {
      LOG.warn("instance {} is still out of service: {}", e.known.name(), why);
    }
    m.view = now;
    return now;
  }

  private void say(Roster.Entry e, Made m) {
    State s = e.state();
    if (m.seen && s == m.state) {
      return;
    }
    m.told.clear();
    m.told.add(e.why());
    switch (s) {
      case ROUTABLE -> LOG.info("instance {} is in service", e.known.name());
      case EJECTED -> {
        if (m.seen) {
          LOG.warn("instance {} is out of service: {}", e.known.name(), e.why());
        }
      }
      case TRIAL -> LOG.info("instance {} is tried with one request", e.known.name());
      case DRAINING -> LOG.info("instance {} gets nothing new: {}", e.known.name(), e.why());
    }
    m.seen = true;
    m.state = s;
  }

  /// The entry that stands for this one, because it is the same server under another name: the same
  /// address, key and cache type, and all its models; null when there is none.
  private @Nullable String twin(
      Roster.Entry e, List<Origin> origins, Map<String, Roster.Entry> servers) {
    if (origins.isEmpty()) {
      return null;
    }
    String server = origins.getFirst().server();
    Roster.Entry first = servers.putIfAbsent(server, e);
    if (first == null || first == e) {
      return null;
    }
    String name = first.known.name();
    if (namedTwins.size() < MOST_TWINS && namedTwins.add(name + "\n" + e.known.name())) {
      LOG.warn("instances {} and {} are one server: {}", name, e.known.name(), server);
    }
    boolean stands =
        first.state() == State.ROUTABLE
            && first.known.cacheType() == e.known.cacheType()
            && first.models().containsAll(e.models())
            && Objects.equals(first.known.authorization(), e.known.authorization());
    return stands ? name : null;
  }

  /// The target of the last table when nothing of it changed.
  private static Target target(
      Made m, Instance i, List<Origin> origins, @Nullable String authorization) {
    Target before = m.target;
    if (before != null
        && before.instance().equals(i)
        && before.origins().equals(origins)
        && Objects.equals(before.authorization(), authorization)) {
      return before;
    }
    Target now = new Target(i, origins, authorization);
    m.target = now;
    return now;
  }

  private Made made(Roster.Entry e) {
    return made.computeIfAbsent(e, k -> new Made());
  }
}
