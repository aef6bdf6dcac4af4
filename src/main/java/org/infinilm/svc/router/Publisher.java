package org.infinilm.svc.router;

import java.util.ArrayList;
import java.util.Comparator;
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
  private static final int MOST_LEFT = 1024;

  /// What was made of an entry.
  private static final class Made {
    @Nullable View view;
    @Nullable Target target;
    Addresses.Reach reach = Addresses.Reach.NONE;
    State state = State.ROUTABLE;
    boolean seen;

    /// Metadata whose oddities were logged.
    Map<String, Object> warned = Map.of();

    /// What was logged of why it is out.
    final Set<String> told = new HashSet<>();
  }

  private final Roster roster;
  private final Addresses addresses;
  private Seating seating;
  private final Seats seats;
  private final Happenings happenings;
  private final long graceNanos;
  private final Map<Roster.Entry, Made> made = new HashMap<>();

  /// Models whose last instance has left, and until when it may come back.
  private final Map<String, Long> leftUntilNanos = new HashMap<>();

  private final Set<String> namedTwins = new HashSet<>();
  private volatile RoutingTable table = RoutingTable.EMPTY;
  private volatile List<View> views = List.of();

  /// @param graceNanos how long a model may be without an instance before it counts as unknown
  Publisher(
      Roster roster,
      Addresses addresses,
      Seating seating,
      Seats seats,
      Happenings happenings,
      long graceNanos) {
    this.roster = roster;
    this.addresses = addresses;
    this.seating = seating;
    this.seats = seats;
    this.happenings = happenings;
    this.graceNanos = graceNanos;
  }

  /// Instances have the places of these settings from the next table on.
  void seating(Seating now) {
    seating = now;
  }

  RoutingTable table() {
    return table;
  }

  List<View> views() {
    return views;
  }

  /// Publishes a new table: routing changed.
  ///
  /// @param awaited sources of which no table has come yet
  void publish(List<String> awaited, long now) {
    made.entrySet().removeIf(e -> !roster.has(e.getKey()) && left(e.getKey(), e.getValue()));
    List<Target> targets = new ArrayList<>();
    Servers servers = new Servers();
    List<Instance> instances = new ArrayList<>();
    int unread = 0;
    List<Roster.Entry> entries = standingFirst();
    for (Roster.Entry e : entries) {
      Made m = made(e);
      m.reach = addresses.reach(e, m.reach);
      Servers.At server = m.reach.server();
      if (server != null) {
        servers.add(e, server);
      }
    }
    for (Roster.Entry e : entries) {
      unread += e.unread() ? 1 : 0;
      Made m = made(e);
      Servers.At server = m.reach.server();
      e.placed = server != null;
      e.server = server == null ? null : servers.first(e, server).known.name();
      e.twinOf = server == null ? null : twin(e, m.reach, servers.first(e, server));
      Instance i = e.instance(seating);
      if (server != null) {
        targets.add(target(m, i, m.reach.origins(), e.known.authorization()));
      }
    }
    // by name, as a fleet has them
    roster.entries().forEach(e -> instances.add(e.instance(seating)));
    addresses.forgetOthers();
    Fleet fleet = table.fleet().next(instances);
    noteLeft(table.fleet(), fleet, now);
    RoutingTable next =
        new RoutingTable(
            fleet, targets, unread, new RoutingTable.Awaited(awaited, Map.copyOf(leftUntilNanos)));
    seats.follow(fleet, () -> table = next);
    // a fleet of a thousand takes a tenth of a second to log when a router starts
    for (Roster.Entry e : entries) {
      Made m = made(e);
      say(e, m);
      warn(e, m);
    }
  }

  /// Publishes the views.
  void show() {
    List<View> all = new ArrayList<>(roster.entries().size());
    for (Roster.Entry e : roster.entries()) {
      all.add(view(e, made(e)));
    }
    views = List.copyOf(all);
  }

  private void noteLeft(Fleet before, Fleet after, long now) {
    leftUntilNanos
        .entrySet()
        .removeIf(e -> now - e.getValue() >= 0 || after.forModel(e.getKey()) != null);
    for (String model : before.named()) {
      if (after.forModel(model) == null && leftUntilNanos.size() < MOST_LEFT) {
        leftUntilNanos.put(model, now + graceNanos);
      }
    }
  }

  /// Of one server's entries, that one stands for the others which says most of it: a key first,
  /// then a cache type; and those from the command line before those of the registry.
  private List<Roster.Entry> standingFirst() {
    List<Roster.Entry> out = new ArrayList<>(roster.entries());
    out.sort(Comparator.comparingInt(e -> -says(e.known)));
    return out;
  }

  private static int says(Known k) {
    return (k.authorization() == null ? 0 : 4)
        + (k.cacheType() == null ? 0 : 2)
        + (k.fixed() ? 1 : 0);
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
        && before.silent() == e.silent()
        && before.drained() == e.drained
        && before.known().equals(e.known)
        && Objects.equals(before.modelsList(), e.modelsList())) {
      return before;
    }
    View now =
        new View(
            i,
            e.errors,
            e.probeSeconds,
            e.suspect(),
            doubted,
            e.drained,
            e.known,
            e.modelsList(),
            e.silent(),
            why);
    if (i.state() == State.EJECTED && m.told.size() < MOST_TOLD && m.told.add(why)) {
      LOG.warn("instance {} is still ejected: {}", e.known.name(), why);
    }
    m.view = now;
    return now;
  }

  /// Notes that an entry is no more, unless another has its name.
  private boolean left(Roster.Entry e, Made m) {
    if (m.seen && roster.entry(e.known.name()) == null) {
      happenings.left(e.known.name(), m.state);
    }
    return true;
  }

  private void say(Roster.Entry e, Made m) {
    State s = e.state();
    if (m.seen && s == m.state) {
      return;
    }
    String why = s == State.ROUTABLE ? "" : e.why();
    happenings.changed(e.known.name(), m.seen ? m.state : null, s, why);
    m.told.clear();
    m.told.add(e.why());
    switch (s) {
      case ROUTABLE -> LOG.info("instance {} is routable", e.known.name());
      case EJECTED -> {
        if (m.seen) {
          LOG.warn("instance {} is ejected: {}", e.known.name(), e.why());
        }
      }
      case TRIAL -> LOG.info("instance {} is on trial, with one request", e.known.name());
      case DRAINING -> LOG.info("instance {} is draining: {}", e.known.name(), e.why());
      case ASLEEP -> {
        if (e.known.restsUntil() == null) {
          LOG.info("instance {} is asleep until a request comes", e.known.name());
        } else {
          LOG.warn("instance {} is asleep: {}", e.known.name(), e.why());
        }
      }
      case WAKING -> LOG.info("instance {} is waking: {}", e.known.name(), e.why());
    }
    m.seen = true;
    m.state = s;
  }

  /// Says once what of its metadata cannot be used.
  private static void warn(Roster.Entry e, Made m) {
    if (!e.known.metadata().equals(m.warned)) {
      m.warned = e.known.metadata();
      for (String odd : Metadata.odd(e.known.metadata())) {
        LOG.warn("instance {}: {}; it counts as absent", e.known.name(), odd);
      }
    }
  }

  /// The entry that stands for this one, because it is the same server under another name and has
  /// all that this one has: its models, key and cache type; null when there is none. One without a
  /// key is not asked where another has one, whatever its cache type. One whose circuit is open
  /// stands for it too: the server is out, by whatever name.
  private @Nullable String twin(Roster.Entry e, Addresses.Reach reach, Roster.Entry first) {
    if (first.equals(e)) {
      return null;
    }
    String name = first.known.name();
    if (namedTwins.size() < MOST_TWINS && namedTwins.add(name + "\n" + e.known.name())) {
      String server = reach.origins().getFirst().server();
      LOG.warn("instances {} and {} are one server: {}", name, e.known.name(), server);
    }
    boolean keyless = e.known.authorization() == null && first.known.authorization() != null;
    boolean stands =
        first.stands()
            && first.models().containsAll(e.models())
            && (keyless
                || (covers(first.known.cacheType(), e.known.cacheType())
                    && covers(first.known.authorization(), e.known.authorization())));
    return stands ? name : null;
  }

  private static boolean covers(@Nullable Object has, @Nullable Object wants) {
    return wants == null || wants.equals(has);
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
