package org.infinilm.svc.router;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.router.Circuit.Event;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Owns the [Roster]: one thread takes what the registry and other sources, probes and exchanges
/// report, and publishes a new [RoutingTable] when routing changes. Reading the table never waits.
final class FleetKeeper implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(FleetKeeper.class);
  private static final long TICK_MILLIS = 200;

  /// What changes for people alone, and for who is probed when, is shown so often at most: a fleet
  /// of a thousand that is down reports hundreds of probes a second.
  private static final long SHOWN_MILLIS = 50;

  /// No source has said something new.
  private static final String NOBODY = "";

  /// How often names are looked at whose addresses are instances.
  private static final long NAMES_MILLIS = 1000;

  /// How long a trial may go without a word before another is let through.
  private static final long TRIAL_NANOS = Duration.ofSeconds(20).toNanos();

  /// Time in which a request that took a trial is counted in.
  private static final long LEAST_TRIAL_NANOS = Duration.ofSeconds(1).toNanos();

  private static final long PLAIN_TRIAL_NANOS = 2_000_000_000L;

  /// How long one waits at most until what it told is to be seen.
  private static final long SETTLED_MILLIS = 2000;

  /// How long after its start a router waits for the first word of each source.
  private static final long FIRST_TABLES_NANOS = Duration.ofSeconds(5).toNanos();

  /// What others tell the keeper.
  sealed interface Report {
    /// All instances that are there for good; those of the last time that are not among them go.
    record Fixed(List<Known> entries) implements Report {}

    record Seats(Seating seating) implements Report {}

    /// What a source lists now, in place of what it listed before.
    ///
    /// @param source as [Known#source]
    /// @param deleted names that it removed on purpose; those that another source than the registry
    ///   lists no more are removed so too
    record Table(String source, List<Known> entries, List<String> deleted) implements Report {
      Table(List<Known> entries, List<String> deleted) {
        this(Known.REGISTRY, entries, deleted);
      }
    }

    /// @param connected whether a connection to the instance itself stood; null when none was tried
    record Up(String name, double probeSeconds, @Nullable Boolean connected) implements Report {}

    /// @param said whether something answered and said so
    record Down(String name, String why, boolean said, @Nullable Boolean connected)
        implements Report {}

    record Models(String name, List<String> ids, List<Map<String, Object>> list)
        implements Report {}

    /// @param why its model list could not be read
    record Unlisted(String name, String why) implements Report {}

    record Seen(String name, int slot, Sight sight) implements Report {}

    record Resolved(String host) implements Report {}

    record Drain(String name, boolean on) implements Report {}

    /// @param weight null for its own
    record Weight(String name, @Nullable Integer weight) implements Report {}

    /// The babysitter of one that sleeps says that it serves now.
    record Awake(String name) implements Report {}

    /// The babysitter of one that sleeps did not answer when it was to wake it.
    ///
    /// @param why in words; empty when it answers again
    record Silent(String name, String why) implements Report {}

    /// There is something to watch as time passes.
    record Wake() implements Report {}

    /// Somebody waits until what was told before is to be seen.
    record Told(CountDownLatch seen) implements Report {}
  }

  /// One instance as `/services` shows it.
  ///
  /// @param doubted whether its own port must show that it answers
  /// @param drained whether it was taken out of service at this router
  /// @param silent whether it sleeps and its babysitter did not answer when it was to be woken
  /// @param why what keeps it out of service, or an empty text
  record View(
      Instance instance,
      long errors,
      double probeSeconds,
      boolean suspect,
      boolean doubted,
      boolean drained,
      Known known,
      @Nullable List<Map<String, Object>> modelsList,
      boolean silent,
      String why) {}

  private final LinkedBlockingQueue<Report> reports = new LinkedBlockingQueue<>(100_000);
  private final Roster roster;
  private final Slots slots;
  private final Resolver resolver;
  private final Addresses addresses;
  private final OutlierWatch outliers;
  private final Happenings happenings;
  private final Publisher publisher;
  private final Ticker ticker;
  private final RandomGenerator random;
  private final Thread thread;

  private final Tables tables;
  private final long startNanos;

  /// What all sources listed last.
  private volatile List<Known> lastTable = List.of();

  private final SourceBoard sources;

  /// Whether something is not published yet.
  private boolean changed;

  /// Whether the circuit of one of them changes as time passes.
  private boolean timed = true;

  /// Whether any of them may not be as it was last mirrored, and else which may not.
  private boolean anyTouched = true;

  private final Set<String> touched = new HashSet<>();

  /// Whether something is not shown yet that changes nothing for routing, and when views were made.
  private boolean unshown;

  private long shownNanos;

  /// Since when the trial of an instance has been on offer, or taken.
  private final Map<Roster.Entry, Long> trialNanos = new HashMap<>();

  /// Who waits until this round is published.
  private final List<CountDownLatch> waiting = new ArrayList<>();

  FleetKeeper(
      RouterConfig config,
      Slots slots,
      Seats seats,
      Resolver.Lookup lookup,
      Ticker ticker,
      RandomGenerator random) {
    this.roster = new Roster(config.maxErrors(), config.grace().toNanos());
    this.slots = slots;
    this.resolver = new Resolver(lookup, ticker, host -> tell(new Report.Resolved(host)));
    this.addresses = new Addresses(roster, resolver);
    this.outliers = new OutlierWatch(roster, slots, random);
    this.happenings = new Happenings(ticker);
    this.sources = new SourceBoard(happenings, ticker);
    this.publisher =
        new Publisher(
            roster, addresses, config.seating(), seats, happenings, config.grace().toNanos());
    this.tables = new Tables(config.sources());
    this.startNanos = ticker.nanos();
    this.ticker = ticker;
    this.random = random;
    this.thread = Thread.ofPlatform().daemon().name("fleet").unstarted(this::run);
  }

  void start() {
    thread.start();
  }

  RoutingTable table() {
    return publisher.table();
  }

  List<View> views() {
    return publisher.views();
  }

  /// How it stands with the sources; those that list tell it.
  SourceBoard sources() {
    return sources;
  }

  /// The same with the instances of the settings; on any thread.
  List<SourceBoard.Status> allSources() {
    return sources.statuses(views().stream().map(v -> v.known().sourceKind()).toList());
  }

  /// What changed, with its cause.
  Happenings happenings() {
    return happenings;
  }

  Resolver resolver() {
    return resolver;
  }

  /// The kind of source that listed one of this name last, or null. On any thread.
  @Nullable String listedBy(String name) {
    return lastTable.stream()
        .filter(k -> k.name().equals(name))
        .map(Known::sourceKind)
        .findFirst()
        .orElse(null);
  }

  /// Sources that a router which is not ready yet waits for: those that have listed nothing, as
  /// long as the start is not far behind. On any thread.
  List<String> awaited() {
    return ticker.nanos() - startNanos < FIRST_TABLES_NANOS ? table().awaited() : List.of();
  }

  void tell(Report r) {
    if (!reports.offer(r)) {
      LOG.warn("fleet reports are piling up; one was dropped");
    }
  }

  /// Waits until what this thread told before is in the table and in the views, so that whoever is
  /// answered finds it there; two seconds at most. On threads that may block.
  void settle() throws InterruptedException {
    CountDownLatch seen = new CountDownLatch(1);
    tell(new Report.Told(seen));
    if (!seen.await(SETTLED_MILLIS, TimeUnit.MILLISECONDS)) {
      LOG.warn("the fleet takes long over what it was told");
    }
  }

  void saw(Instance i, Sight sight) {
    tell(new Report.Seen(i.name(), i.slot(), sight));
  }

  /// Notes that requests failed, so that instances are compared with their peers.
  void mayHaveOutliers() {
    if (outliers.wake()) {
      tell(new Report.Wake());
    }
  }

  private void run() {
    try {
      while (true) {
        if (!Endless.step("the fleet", () -> follow(next()))) {
          Thread.sleep(TICK_MILLIS);
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// The next report; null when there is something to look at before one comes.
  private @Nullable Report next() throws InterruptedException {
    if (unshown) {
      return reports.poll(SHOWN_MILLIS, TimeUnit.MILLISECONDS);
    }
    if (watchesTime()) {
      return reports.poll(TICK_MILLIS, TimeUnit.MILLISECONDS);
    }
    return addresses.follows() ? reports.poll(NAMES_MILLIS, TimeUnit.MILLISECONDS) : reports.take();
  }

  private boolean watchesTime() {
    return changed || timed || outliers.awake() || addresses.waitsForTime();
  }

  /// Takes over `first` and what else has come; a fault costs one report, or leaves the publishing
  /// to the next time.
  private void follow(@Nullable Report first) throws InterruptedException {
    Endless.step(
        "what time changes in the fleet",
        () -> {
          addresses.follow();
          anyTouched |= outliers.awake();
          changed |= tick();
        });
    for (Report r = first; r != null; r = reports.poll()) {
      Report report = r;
      touch(report);
      if (!Endless.step("a report of the fleet", () -> changed |= apply(report))) {
        changed = true;
      }
    }
    Endless.step(
        "publishing the fleet",
        () -> {
          mirror();
          if (changed) {
            publisher.publish(tables.awaited(), ticker.nanos());
          }
          show(first == null);
          changed = false;
          roster.reclaim(slots);
        });
    waiting.forEach(CountDownLatch::countDown);
    waiting.clear();
  }

  /// Makes the views, where somebody is to find something in them now or has not for long.
  ///
  /// @param quiet whether nothing was reported for a while
  private void show(boolean quiet) {
    long now = ticker.nanos();
    unshown = !quiet;
    if (changed
        || quiet
        || !waiting.isEmpty()
        || now - shownNanos >= TimeUnit.MILLISECONDS.toNanos(SHOWN_MILLIS)) {
      publisher.show();
      shownNanos = now;
      unshown = false;
    }
  }

  private boolean apply(Report report) {
    long now = ticker.nanos();
    double jitter = random.nextDouble();
    return switch (report) {
      case Report.Fixed f -> {
        addresses.fixed(f.entries(), now);
        // a source may list one that a file listed until now
        roster.table(NOBODY, lastTable, List.of(), now);
        yield true;
      }
      case Report.Seats s -> {
        publisher.seating(s.seating());
        yield true;
      }
      case Report.Table t -> {
        boolean first = tables.awaited().contains(t.source());
        List<String> gone = tables.take(t);
        lastTable = tables.merged();
        yield roster.table(t.source(), lastTable, gone, now) || first;
      }
      case Report.Up u -> roster.up(u.name(), u.probeSeconds(), u.connected(), now, jitter);
      case Report.Down d -> roster.down(d.name(), d.why(), d.said(), d.connected(), now, jitter);
      case Report.Models m -> roster.models(m.name(), m.ids(), m.list());
      case Report.Unlisted u -> roster.unlisted(u.name(), u.why());
      case Report.Seen s -> seen(s, now, jitter);
      case Report.Resolved r -> addresses.resolved(r.host());
      case Report.Drain d -> roster.drain(d.name(), d.on());
      case Report.Weight w -> roster.weight(w.name(), w.weight());
      case Report.Awake a -> roster.awake(a.name());
      case Report.Silent s -> roster.silent(s.name(), s.why());
      case Report.Wake w -> false;
      case Report.Told t -> {
        waiting.add(t.seen());
        yield false;
      }
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
          case DISPROVED, HUNG -> Event.STRIKE;
          case REFUSED, UNREACHABLE -> Event.REFUSED;
          case CLOSED, BROKE, BAD_ANSWER, SERVER_ERROR -> Event.FAILED;
          case SHARED -> Event.TAKEN_BACK;
          case FAILED_AGAIN, BUSY -> Event.TIME;
        };
    if (event == Event.REFUSED) {
      addresses.doubt(e.known);
    }
    return roster.saw(s.name(), s.slot(), event, now, jitter);
  }

  /// Lets entries leave whose time has come; a source may list one of their name.
  private boolean leave(long now) {
    boolean left = addresses.part(now);
    if (left) {
      roster.table(NOBODY, lastTable, List.of(), now);
    }
    return left;
  }

  /// What time alone changes.
  private boolean tick() {
    long now = ticker.nanos();
    boolean news = leave(now);
    for (Roster.Entry e : timed ? roster.entries() : List.<Roster.Entry>of()) {
      if (e.circuit.waitsForTime()) {
        news |= roster.saw(e.known.name(), e.slot, passed(e, now), now, 0);
      }
    }
    if (outliers.awake()) {
      news |= outliers.look(now);
    }
    return news;
  }

  /// What has passed for an instance: time, or time in which its trial was offered and not taken.
  private Event passed(Roster.Entry e, long now) {
    long since = trialNanos.getOrDefault(e, 0L);
    boolean unasked =
        e.circuit.phase() == Circuit.Phase.HALF_OPEN
            && since != 0
            && slots.at(e.slot).trialOffered()
            && now - since >= roster.rules().unaskedNanos();
    return unasked ? Event.UNASKED : Event.TIME;
  }

  /// Notes whom a report may change.
  private void touch(Report report) {
    switch (report) {
      case Report.Up r -> touched.add(r.name());
      case Report.Down r -> touched.add(r.name());
      case Report.Models r -> touched.add(r.name());
      case Report.Unlisted r -> touched.add(r.name());
      case Report.Seen r -> touched.add(r.name());
      case Report.Drain r -> touched.add(r.name());
      case Report.Weight r -> touched.add(r.name());
      case Report.Awake r -> touched.add(r.name());
      case Report.Silent r -> touched.add(r.name());
      case Report.Fixed _, Report.Seats _, Report.Table _, Report.Resolved _ -> anyTouched = true;
      case Report.Wake _, Report.Told _ -> {
        // of nobody
      }
    }
  }

  /// Those that may not be as they were last mirrored.
  private Collection<Roster.Entry> unmirrored() {
    if (anyTouched || timed || changed) {
      return roster.entries();
    }
    List<Roster.Entry> out = new ArrayList<>(touched.size());
    for (String name : touched) {
      Roster.Entry e = roster.entry(name);
      if (e != null) {
        out.add(e);
      }
    }
    return out;
  }

  /// Writes what event loops read of each instance.
  private void mirror() {
    long now = ticker.nanos();
    Collection<Roster.Entry> some = unmirrored();
    boolean waits = false;
    timed = true;
    trialNanos.keySet().removeIf(e -> !roster.has(e));
    for (Roster.Entry e : some) {
      waits |= e.circuit.waitsForTime();
      Slot s = slots.at(e.slot);
      if (s.life != e.life) {
        s.life = e.life;
      }
      boolean doubted = e.doubted();
      if (s.doubted != doubted) {
        s.doubted = doubted;
      }
      float share = (float) e.circuit.share(now, roster.rules());
      if (s.comeback != share) {
        s.comeback = share;
      }
      long since = trialNanos.getOrDefault(e, 0L);
      if (e.state() != State.TRIAL) {
        trialNanos.remove(e);
        if (s.trialOffered()) {
          s.endTrial();
        }
      } else if (since == 0 || (!s.trialOffered() && trialIsOver(s, now - since))) {
        trialNanos.put(e, now == 0 ? 1 : now);
        s.offerTrial(forAnyOne(e, now));
      } else if (forAnyOne(e, now)) {
        s.widenTrial();
      }
    }
    timed = waits;
    touched.clear();
    // who stands for whom is known once a table is published
    anyTouched = changed;
  }

  /// Whether a trial may be a request's with a session's key: no other has come for some time.
  private static boolean forAnyOne(Roster.Entry e, long now) {
    return now - e.circuit.sinceNanos() >= PLAIN_TRIAL_NANOS;
  }

  /// Whether a trial that was taken has ended without deciding anything, or goes on for too long.
  private static boolean trialIsOver(Slot s, long age) {
    return age >= TRIAL_NANOS || (age >= LEAST_TRIAL_NANOS && s.inFlight() == 0);
  }

  @Override
  public void close() {
    thread.interrupt();
    resolver.close();
  }
}
