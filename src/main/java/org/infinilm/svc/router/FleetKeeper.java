package org.infinilm.svc.router;

import java.net.InetAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.Fleet;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.http.Origin;
import org.infinilm.svc.router.Circuit.Event;
import org.infinilm.svc.router.Outliers.Sample;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Owns the [Roster]: one thread takes what the registry, probes and exchanges report, and
/// publishes a new [RoutingTable] when routing changes. Reading the table never waits.
final class FleetKeeper implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(FleetKeeper.class);
  private static final long TICK_MILLIS = 200;
  private static final int MOST_TOLD = 8;
  private static final long WINDOW_NANOS = Duration.ofSeconds(10).toNanos();

  /// How long a window stays open for instances that get few requests.
  private static final long MOST_WINDOW_NANOS = Duration.ofMinutes(5).toNanos();

  private static final int MOST_TWINS = 10_000;

  /// How long a trial may go without a word before another is let through.
  private static final long TRIAL_NANOS = Duration.ofSeconds(20).toNanos();

  /// Time in which a request that took a trial is counted in.
  private static final long LEAST_TRIAL_NANOS = Duration.ofSeconds(1).toNanos();

  /// What others tell the keeper.
  sealed interface Report {
    record Fixed(List<Known> entries) implements Report {}

    record Table(List<Known> entries, List<String> deleted) implements Report {}

    /// @param connected whether a connection to the instance itself stood; null when none was tried
    record Up(String name, double probeSeconds, @Nullable Boolean connected) implements Report {}

    /// @param said whether something answered and said so
    record Down(String name, String why, boolean said, @Nullable Boolean connected)
        implements Report {}

    record Models(String name, List<String> ids, List<Map<String, Object>> list)
        implements Report {}

    record Seen(String name, int slot, Sight sight) implements Report {}

    record Resolved(String host) implements Report {}

    /// There is something to watch as time passes.
    record Wake() implements Report {}
  }

  /// One instance as `/services` shows it.
  ///
  /// @param doubted whether its own port must show that it answers
  /// @param why what keeps it out of service, or an empty text
  record View(
      Instance instance,
      long errors,
      double probeSeconds,
      boolean suspect,
      boolean doubted,
      Known known,
      @Nullable List<Map<String, Object>> modelsList,
      String why) {}

  /// What the keeper has made of an entry.
  private static final class Made {
    @Nullable View view;
    @Nullable Target target;
    State state = State.ROUTABLE;
    boolean seen;
    boolean unknownHost;
    long trialNanos;
    long goodBefore;
    long badBefore;
    Outliers.Pace paceBefore = Outliers.Pace.NONE;
    boolean late;
    boolean wasLate;

    /// What was logged of why it is out.
    final Set<String> told = new HashSet<>();
  }

  private final LinkedBlockingQueue<Report> reports = new LinkedBlockingQueue<>(100_000);
  private final Roster roster;
  private final Seating seating;
  private final Slots slots;
  private final Seats seats;
  private final Resolver resolver;
  private final Ticker ticker;
  private final RandomGenerator random;
  private final Thread thread;
  private final Map<Roster.Entry, Made> made = new HashMap<>();
  private final Map<String, Known> eachAddress = new HashMap<>();
  private final Set<String> namedTwins = new HashSet<>();
  private volatile RoutingTable table = RoutingTable.EMPTY;
  private volatile List<View> views = List.of();
  private volatile boolean mayHaveOutliers;
  private boolean windowOpen;
  private long windowNanos;

  FleetKeeper(
      RouterConfig config,
      Slots slots,
      Seats seats,
      Resolver.Lookup lookup,
      Ticker ticker,
      RandomGenerator random) {
    this.roster = new Roster(config.maxErrors(), config.grace().toNanos());
    this.seating = config.seating();
    this.slots = slots;
    this.seats = seats;
    this.resolver = new Resolver(lookup, ticker, host -> tell(new Report.Resolved(host)));
    this.ticker = ticker;
    this.random = random;
    this.thread = Thread.ofPlatform().daemon().name("fleet").unstarted(this::run);
  }

  void start() {
    thread.start();
  }

  RoutingTable table() {
    return table;
  }

  List<View> views() {
    return views;
  }

  Resolver resolver() {
    return resolver;
  }

  void tell(Report r) {
    if (!reports.offer(r)) {
      LOG.warn("fleet reports are piling up; one was dropped");
    }
  }

  void saw(Instance i, Sight sight) {
    tell(new Report.Seen(i.name(), i.slot(), sight));
  }

  /// Notes that requests failed, so that instances are compared with their peers.
  void mayHaveOutliers() {
    if (!mayHaveOutliers) {
      mayHaveOutliers = true;
      tell(new Report.Wake());
    }
  }

  private void run() {
    try {
      while (true) {
        Report first =
            watchesTime() ? reports.poll(TICK_MILLIS, TimeUnit.MILLISECONDS) : reports.take();
        follow(first);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private boolean watchesTime() {
    if (mayHaveOutliers) {
      return true;
    }
    for (Roster.Entry e : roster.entries()) {
      if (e.circuit.waitsForTime()) {
        return true;
      }
    }
    return false;
  }

  /// Takes over `first` and what else has come; a fault costs these reports, not the thread.
  private void follow(@Nullable Report first) {
    try {
      boolean changed = tick();
      for (Report r = first; r != null; r = reports.poll()) {
        changed |= apply(r);
      }
      mirror();
      publish(changed);
      roster.reclaim(slots);
    } catch (RuntimeException e) {
      LOG.error("the fleet could not be brought up to date", e);
    }
  }

  private boolean apply(Report report) {
    long now = ticker.nanos();
    double jitter = random.nextDouble();
    return switch (report) {
      case Report.Fixed f -> {
        f.entries().forEach(this::fixed);
        yield true;
      }
      case Report.Table t -> roster.table(t.entries(), t.deleted(), now);
      case Report.Up u -> roster.up(u.name(), u.probeSeconds(), u.connected(), now, jitter);
      case Report.Down d -> roster.down(d.name(), d.why(), d.said(), d.connected(), now, jitter);
      case Report.Models m -> roster.models(m.name(), m.ids(), m.list());
      case Report.Seen s -> seen(s, now, jitter);
      case Report.Resolved r -> resolved(r.host());
      case Report.Wake w -> false;
    };
  }

  private boolean seen(Report.Seen s, long now, double jitter) {
    Roster.Entry e = roster.entry(s.name());
    if (e == null || e.slot != s.slot()) {
      return false;
    }
    Event event =
        switch (s.sight()) {
          case ANSWERED, DECLINED -> Event.ANSWERED;
          case DISPROVED -> Event.STRIKE;
          case REFUSED, UNREACHABLE -> Event.REFUSED;
          case CLOSED, BAD_ANSWER, SERVER_ERROR ->
              // on trial nobody else may be asked to disprove it
              e.circuit.phase() == Circuit.Phase.HALF_OPEN ? Event.STRIKE : Event.TIME;
          case BUSY -> Event.TIME;
        };
    switch (s.sight()) {
      case DISPROVED -> e.lastFailure = "it failed requests that others answered";
      case REFUSED, UNREACHABLE -> {
        e.lastFailure = "connections failed";
        BaseUrl url = BaseUrl.parse(e.known.url());
        if (url != null) {
          resolver.refresh(url.host());
        }
      }
      case CLOSED, BAD_ANSWER, SERVER_ERROR, ANSWERED, DECLINED, BUSY -> {}
    }
    return roster.saw(s.name(), s.slot(), event, now, jitter);
  }

  /// What time alone changes.
  private boolean tick() {
    long now = ticker.nanos();
    boolean changed = false;
    for (Roster.Entry e : roster.entries()) {
      if (e.circuit.waitsForTime()) {
        changed |= roster.saw(e.known.name(), e.slot, passed(e, now), now, 0);
      }
    }
    if (mayHaveOutliers) {
      changed |= outliers(now);
    }
    return changed;
  }

  /// What has passed for an instance: time, or time in which its trial was offered and not taken.
  private Event passed(Roster.Entry e, long now) {
    long since = made(e).trialNanos;
    boolean unasked =
        e.circuit.phase() == Circuit.Phase.HALF_OPEN
            && since != 0
            && slots.at(e.slot).trialOffered()
            && now - since >= roster.rules().unaskedNanos();
    return unasked ? Event.UNASKED : Event.TIME;
  }

  /// Takes out who serves far worse than its peers in this window. A window begins with the first
  /// failure or late first byte, and another follows as long as there are some.
  private boolean outliers(long now) {
    if (!windowOpen) {
      beginWindow(now);
    }
    boolean changed = false;
    boolean failures = false;
    List<Sample> window = new ArrayList<>();
    for (Roster.Entry e : roster.entries()) {
      if (e.state() == State.ROUTABLE) {
        Slot s = slots.at(e.slot);
        Made m = made(e);
        Sample sample =
            new Sample(
                e.known.name(),
                e.known.cacheType() + "/" + Seating.tier(e.known.metadata()),
                e.models(),
                s.goodOnes() - m.goodBefore,
                s.badOnes() - m.badBefore,
                pace(s).since(m.paceBefore),
                m.wasLate);
        m.late = sample.pace().late();
        failures |= sample.bad() > 0 || m.late;
        window.add(sample);
      }
    }
    for (String name : Outliers.of(window)) {
      Roster.Entry e = roster.entry(name);
      if (e != null) {
        e.lastFailure = "it serves far worse than its peers";
        changed |= roster.saw(name, e.slot, Event.OUTLIER, now, random.nextDouble());
      }
    }
    long age = now - windowNanos;
    if (age >= MOST_WINDOW_NANOS || (age >= WINDOW_NANOS && Outliers.decided(window))) {
      for (Roster.Entry e : roster.entries()) {
        Made m = made(e);
        m.badBefore = slots.at(e.slot).badOnes();
        m.wasLate = m.late;
      }
      windowOpen = false;
      mayHaveOutliers = failures;
    }
    return changed;
  }

  /// What failed since the last window counts in this one: it is why this one begins.
  private void beginWindow(long now) {
    windowOpen = true;
    windowNanos = now;
    for (Roster.Entry e : roster.entries()) {
      Made m = made(e);
      m.goodBefore = slots.at(e.slot).goodOnes();
      m.paceBefore = pace(slots.at(e.slot));
    }
  }

  private static Outliers.Pace pace(Slot s) {
    return new Outliers.Pace(s.streams(), s.firstByteNanos(), s.streamWork());
  }

  private Made made(Roster.Entry e) {
    return made.computeIfAbsent(e, k -> new Made());
  }

  /// Writes what event loops read of each instance.
  private void mirror() {
    long now = ticker.nanos();
    for (Roster.Entry e : roster.entries()) {
      Slot s = slots.at(e.slot);
      boolean doubted = e.doubted();
      if (s.doubted != doubted) {
        s.doubted = doubted;
      }
      float share = (float) e.circuit.share(now, roster.rules());
      if (s.comeback != share) {
        s.comeback = share;
      }
      Made m = made(e);
      if (e.state() != State.TRIAL) {
        m.trialNanos = 0;
        if (s.trialOffered()) {
          s.offerTrial(false);
        }
      } else if (m.trialNanos == 0 || (!s.trialOffered() && trialIsOver(s, m, now))) {
        m.trialNanos = now == 0 ? 1 : now;
        s.offerTrial(true);
      }
    }
  }

  /// Whether a trial that was taken has ended without deciding anything, or goes on for too long.
  private static boolean trialIsOver(Slot s, Made m, long now) {
    long age = now - m.trialNanos;
    return age >= TRIAL_NANOS || (age >= LEAST_TRIAL_NANOS && s.inFlight() == 0);
  }

  private void fixed(Known k) {
    BaseUrl url = BaseUrl.parse(k.url());
    if (k.eachAddress() && url != null && Resolver.literal(url.host()) == null) {
      eachAddress.put(k.name(), k);
      spread(k, url);
    } else {
      roster.fixed(k);
    }
  }

  private boolean resolved(String host) {
    for (Known k : eachAddress.values()) {
      BaseUrl url = BaseUrl.parse(k.url());
      if (url != null && url.host().equals(host)) {
        spread(k, url);
      }
    }
    return true;
  }

  /// Makes each address of a host an instance, and removes those of addresses that it has no more.
  private void spread(Known k, BaseUrl url) {
    List<InetAddress> addresses = resolver.addresses(url.host());
    if (addresses.isEmpty()) {
      String failure = resolver.failure(url.host());
      if (failure != null) {
        LOG.warn("instances {}@...: {}", k.name(), failure);
      }
      return;
    }
    Set<String> now = new HashSet<>();
    for (InetAddress a : addresses) {
      String literal = BaseUrl.bracketed(a.getHostAddress());
      String at = k.url().replace("//" + url.host() + ":", "//" + literal + ":");
      Known one = k.one(a.getHostAddress(), at, url);
      now.add(one.name());
      roster.fixed(one);
    }
    for (Roster.Entry e : List.copyOf(roster.entries())) {
      String name = e.known.name();
      if (name.startsWith(k.name() + "@") && e.known.authority() != null && !now.contains(name)) {
        roster.leave(name);
      }
    }
  }

  private void publish(boolean changed) {
    if (changed) {
      made.keySet().retainAll(roster.entries());
      List<Target> targets = new ArrayList<>();
      Map<String, Roster.Entry> servers = new HashMap<>();
      Set<String> hosts = new HashSet<>();
      List<Instance> instances = new ArrayList<>();
      int unread = 0;
      for (Roster.Entry e : fixedFirst()) {
        unread += e.unread() ? 1 : 0;
        List<Origin> origins = origins(e, hosts);
        e.placed = !origins.isEmpty();
        e.twinOf = twin(e, origins, servers);
        Instance i = e.instance(seating);
        instances.add(i);
        if (!origins.isEmpty()) {
          targets.add(target(made(e), i, origins, e.known.authorization()));
        }
        say(e, made(e));
      }
      eachAddress
          .values()
          .forEach(k -> {
            BaseUrl url = BaseUrl.parse(k.url());
            hosts.add(url == null ? k.host() : url.host());
          });
      resolver.keepOnly(hosts);
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

  /// Where it is reached, one for each address of its host; the last known ones while its name
  /// cannot be looked up.
  private List<Origin> origins(Roster.Entry e, Set<String> hosts) {
    Known k = e.known;
    String socket = k.socket();
    if (socket != null) {
      return List.of(Origin.unix(socket));
    }
    BaseUrl url = BaseUrl.parse(k.url());
    if (url == null) {
      LOG.warn("instance {}: url {} (expected: http://host:port)", k.name(), k.url());
      return List.of();
    }
    hosts.add(url.host());
    hosts.add(BaseUrl.bracketed(k.host()));
    BaseUrl health = k.healthUrl() == null ? null : BaseUrl.parse(k.healthUrl());
    if (health != null) {
      hosts.add(health.host());
    }
    List<InetAddress> addresses = resolver.addresses(url.host());
    if (addresses.isEmpty()) {
      String failure = resolver.failure(url.host());
      if (failure != null && !made(e).unknownHost) {
        made(e).unknownHost = true;
        LOG.warn("instance {}: {}", k.name(), failure);
      }
      Target last = made(e).target;
      return last == null ? List.of() : last.origins();
    }
    made(e).unknownHost = false;
    List<Origin> out = new ArrayList<>(addresses.size());
    for (InetAddress a : addresses) {
      Origin o = Origin.of(url, a, k.tls());
      String authority = k.authority();
      out.add(authority == null ? o : new Origin(o.address(), authority, o.prefix(), o.tls()));
    }
    return out;
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

  @Override
  public void close() {
    thread.interrupt();
    resolver.close();
  }
}
