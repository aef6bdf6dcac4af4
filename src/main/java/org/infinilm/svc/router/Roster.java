package org.infinilm.svc.router;

import static java.lang.Boolean.FALSE;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.infinilm.svc.router.Circuit.Event;
import org.jspecify.annotations.Nullable;

/// Who is in the fleet and in which state: from tables of the registry and of other sources, fixed
/// entries, and what was seen here: our own probes, and what exchanges saw. Pure state and
/// decisions: time and chance come in, nothing goes out. One thread at a time.
/*
 * The registry adds knowledge and never takes away what was seen here: an instance whose probes fail stays ejected
 * however healthy its lease is; one whose probes succeed stays in service while the registry is away. Absence from the
 * table is followed after the grace period (of tables, not of time: a registry that is away says nothing), a DELETE at once, a status other than "running" at once.
 *
 * Probes and the data path are judged apart: a verdict from probes, a Circuit from requests and connections.
 * Whoever answers at a babysitter's port says nothing about the port of the instance, so a probe closes no
 * circuit; a connection to the instance itself does.
 */
final class Roster {
  private static final int UNPROBED = 0;
  private static final int UP = 1;
  private static final int DOWN = 2;

  /// Instances of which something stays said while they are away.
  private static final int MOST_SAID = 10_000;

  /// One instance and what was seen of it.
  static final class Entry {
    Known known;
    final int slot;
    boolean absent;
    long absentSinceNanos;
    int verdict = UNPROBED;
    boolean refusedService;
    Circuit circuit = Circuit.NEW;
    int failuresInARow;

    /// As [Slot#life].
    long life;

    long errors;
    double probeSeconds;
    @Nullable List<String> ownModels;
    @Nullable List<Map<String, Object>> ownModelsList;

    /// Whether its host name has an address.
    boolean placed = true;

    /// The name of the first entry of its server; null when it is not known where it is reached.
    @Nullable String server;

    /// The name of the same server under another entry that stands for it, or null.
    @Nullable String twinOf;

    /// Why its last probe failed, why its circuit opened, why its model list could not be read.
    private String probeFailure = "";

    private String circuitFailure = "";
    private String listFailure = "";

    /// Why its babysitter was silent when it was last asked to wake it, as far as the registry has
    /// had no news of it since; else empty.
    private String silence = "";

    /// Whether its babysitter has said that it serves, of which the registry does not know yet.
    private boolean awake;

    /// Whether it was taken out of service at this router.
    boolean drained;

    /// The weight that it was given at this router, or null.
    @Nullable Integer weight;

    private @Nullable Instance made;
    private @Nullable Known madeOf;
    private @Nullable Seating madeBy;
    private @Nullable Integer madeWeight;
    private @Nullable List<Map<String, Object>> madeWith;

    Entry(Known known, int slot) {
      this.known = known;
      this.slot = slot;
    }

    List<String> models() {
      List<String> m = known.models();
      return m != null ? m : ownModels != null ? ownModels : List.of();
    }

    /// What was read of it here, if anything, is newer than what it registered.
    @Nullable List<Map<String, Object>> modelsList() {
      List<Map<String, Object>> own = ownModelsList;
      return known.modelsList() == null || (own != null && !own.isEmpty())
          ? own
          : known.modelsList();
    }

    State state() {
      if (drained) {
        return State.DRAINING;
      }
      if (!running()) {
        return asItSleeps();
      }
      if (twinOf != null || !stands()) {
        return State.EJECTED;
      }
      return switch (circuit.phase()) {
        case CLOSED, SLOW_START -> State.ROUTABLE;
        case OPEN -> State.EJECTED;
        case HALF_OPEN -> State.TRIAL;
      };
    }

    private boolean running() {
      return known.running() || awake;
    }

    /// Its state by its own word, which is not "running".
    private State asItSleeps() {
      Known.Demand d = known.demand();
      return d == null ? State.DRAINING : d.state();
    }

    /// Another process serves from now on, or will: what was seen of the last one says nothing.
    private void renewed(long nextLife) {
      life = nextLife;
      circuit = Circuit.NEW;
      verdict = UNPROBED;
      failuresInARow = 0;
      refusedService = false;
    }

    /// Whether it would be in service but for its circuit, whose verdict is about the server under
    /// every name that it has.
    boolean stands() {
      return running() && !drained && !unread() && placed && up();
    }

    private boolean up() {
      return switch (verdict) {
        case UP -> true;
        case DOWN -> false;
        default -> known.registryHealthy();
      };
    }

    /// The server that it is: the same for all entries of one.
    private String server() {
      return server == null ? known.name() : server;
    }

    /// What keeps it out of service now, or an empty text.
    String why() {
      if (drained) {
        return "it was drained at this router";
      }
      if (!running()) {
        Known.Demand d = known.demand();
        StartFailure f = d == null ? null : d.failure();
        String more = f == null ? "" : "; " + f.words();
        if (absent) {
          more = "; the registry lists it no more" + more;
        }
        return switch (asItSleeps()) {
          case ASLEEP ->
              silent()
                  ? "it sleeps, and its babysitter did not answer when a request came: "
                      + silence
                      + more
                  : f == null || f.until() == null
                      ? "it sleeps until a request comes" + more
                      : f.words();
          case WAKING -> "its own status is " + (d == null ? "" : d.status()) + more;
          default -> "its own status is not running";
        };
      }
      if (unread()) {
        String probe = failuresInARow > 0 ? probeFailure : "";
        return Stream.of("its models are not known yet", listFailure, probe)
            .filter(w -> !w.isEmpty())
            .collect(Collectors.joining("; "));
      }
      if (!placed) {
        return "its host name has no address";
      }
      if (twinOf != null) {
        return "it is " + twinOf + " under another name";
      }
      if (!up()) {
        return probeFailure.isEmpty() ? "the registry calls it unhealthy" : probeFailure;
      }
      return circuit.inService() ? "" : circuitFailure;
    }

    /// Whether it sleeps and its babysitter did not answer when it was last to be woken.
    boolean silent() {
      return !silence.isEmpty() && state() == State.ASLEEP;
    }

    /// Whether it registered no models and its own list was not read yet.
    boolean unread() {
      return known.models() == null && ownModels == null;
    }

    /// Whether it should be probed more often than usual.
    boolean suspect() {
      return failuresInARow > 0
          || verdict == DOWN
          || unread()
          || circuit.doubted()
          || (verdict == UNPROBED && !known.registryHealthy());
    }

    /// Whether answers of it are news.
    boolean doubted() {
      return suspect() || circuit.strikes() > 0 || !circuit.inService();
    }

    /// It as routing sees it; the same object as long as nothing of it changes.
    @SuppressWarnings("ReferenceEquality") // what did not change is the same object
    Instance instance(Seating seating) {
      Instance before = made;
      State state = state();
      if (before != null
          && before.state() == state
          && before.twin() == (twinOf != null)
          && madeOf == known
          && madeBy == seating
          && Objects.equals(madeWeight, weight)
          && madeWith == ownModelsList) {
        return before;
      }
      Instance now =
          new Instance(
              known.name(),
              known.host(),
              known.port(),
              known.url(),
              models(),
              known.cacheType(),
              Metadata.capacityTokens(known.metadata(), modelsList()),
              weight == null ? known.weight() : weight,
              state,
              slot,
              known.metadata(),
              Seating.tier(known.metadata()),
              seating.seats(known.metadata(), known.cacheType(), modelsList()),
              Metadata.notLoaded(modelsList()));
      if (twinOf != null) {
        now = now.asTwin();
      }
      madeOf = known;
      madeBy = seating;
      madeWeight = weight;
      madeWith = ownModelsList;
      if (before != null && before.equals(now)) {
        return before;
      }
      made = now;
      return now;
    }
  }

  /// @param url of the instance, by which it is known again
  /// @param drained whether it was taken out of service
  /// @param weight that it was given, or null
  private record Said(String url, boolean drained, @Nullable Integer weight) {}

  private final int maxErrors;
  private final long graceNanos;
  private final Circuit.Rules rules;
  private final Map<String, Entry> entries = new TreeMap<>();
  private final BitSet usedSlots = new BitSet();

  /// Slots of removed instances; they come back once nothing is in flight on them.
  private final BitSet retired = new BitSet();

  /// What was said here of an instance, by its name; of nobody else who has that name later.
  private final Map<String, Said> said = new HashMap<>();

  /// Names of entries that were removed on purpose since the last table.
  private final Set<String> dismissed = new HashSet<>();

  private long lives;

  Roster(int maxErrors, long graceNanos) {
    this.maxErrors = maxErrors;
    this.graceNanos = graceNanos;
    this.rules = Circuit.Rules.of(maxErrors);
  }

  Collection<Entry> entries() {
    return entries.values();
  }

  @Nullable Entry entry(String name) {
    return entries.get(name);
  }

  /// Whether this very entry is still there.
  @SuppressWarnings("ReferenceEquality") // another of the same name is another
  boolean has(Entry e) {
    return entries.get(e.known.name()) == e;
  }

  Circuit.Rules rules() {
    return rules;
  }

  /// Adds an entry that is there for good.
  void fixed(Known k) {
    put(k);
  }

  /// Takes an instance out of service, or back, until it is said otherwise or the instance is
  /// removed: one that comes back at its URL is the same.
  boolean drain(String name, boolean on) {
    Entry e = entries.get(name);
    return e != null && says(e, on, e.weight);
  }

  /// Gives an instance another weight than its own, or its own back for null, for as long.
  boolean weight(String name, @Nullable Integer weight) {
    Entry e = entries.get(name);
    return e != null && says(e, e.drained, weight);
  }

  private boolean says(Entry e, boolean drained, @Nullable Integer weight) {
    if (drained || weight != null) {
      said.put(e.known.name(), new Said(e.known.url(), drained, weight));
      if (said.size() > MOST_SAID) {
        said.keySet().retainAll(entries.keySet());
      }
    } else {
      said.remove(e.known.name());
    }
    boolean changed = e.drained != drained || !Objects.equals(e.weight, weight);
    e.drained = drained;
    e.weight = weight;
    return changed;
  }

  /// Removes an entry whose address is gone.
  boolean leave(String name) {
    Entry e = entries.get(name);
    return e != null && remove(e);
  }

  /// Removes an entry that is wanted no more, with what was said of it, unless the next table puts
  /// it there again.
  boolean dismiss(String name) {
    dismissed.add(name);
    return leave(name);
  }

  /// The same of a table of all that there is.
  boolean table(List<Known> table, List<String> deleted, long now) {
    return table(null, table, deleted, now);
  }

  /// Takes over what all sources list.
  ///
  /// @param source the one whose table is new, null for all: entries of others are as absent as
  ///   they were
  /// @param deleted names that the source removed on purpose
  /// @return whether anything that routing sees may have changed
  boolean table(@Nullable String source, List<Known> table, List<String> deleted, long now) {
    boolean changed = false;
    Set<String> listed = new HashSet<>();
    for (Known k : table) {
      listed.add(k.name());
      changed |= put(k);
    }
    for (String name : deleted) {
      Entry e = entries.get(name);
      if (e != null && !e.known.fixed() && isOf(e, source) && !listed.contains(name)) {
        changed |= remove(e);
      }
    }
    for (Entry e : new ArrayList<>(entries.values())) {
      if (isOf(e, source) && !listed.contains(e.known.name())) {
        changed |= absent(e, now);
      }
    }
    dismissed.removeAll(entries.keySet());
    said.keySet().removeAll(dismissed);
    dismissed.clear();
    return changed;
  }

  private static boolean isOf(Entry e, @Nullable String source) {
    return source == null || e.known.source().equals(source);
  }

  /// Removes an entry that tables have not listed for the grace period. Time without a table does
  /// not count: the registry may be away.
  private boolean absent(Entry e, long now) {
    boolean keeps = e.known.fixed() || Boolean.TRUE.equals(e.known.metadata().get("static"));
    if (!e.absent) {
      e.absent = true;
      e.absentSinceNanos = now;
    }
    return !keeps && now - e.absentSinceNanos >= graceNanos && remove(e);
  }

  private boolean put(Known k) {
    Entry e = entries.get(k.name());
    if (e == null || (!e.known.sameIncarnation(k) && (k.fixed() || !e.known.fixed()))) {
      if (e != null) {
        remove(e);
      }
      int slot = usedSlots.nextClearBit(0);
      usedSlots.set(slot);
      Entry made = new Entry(k, slot);
      made.life = ++lives;
      Said of = said.get(k.name());
      if (of != null && of.url().equals(k.url())) {
        made.drained = of.drained();
        made.weight = of.weight();
      } else {
        said.remove(k.name());
      }
      entries.put(k.name(), made);
      return true;
    }
    if (e.known.fixed() && !k.fixed()) {
      return false;
    }
    if (e.absent) {
      e.absent = false;
      e.silence = "";
    }
    if (e.known.equals(k)) {
      return false;
    }
    e.silence = "";
    if (e.running() != k.running() && k.demand() != null) {
      e.renewed(++lives);
    }
    e.known = k;
    e.awake = false;
    return true;
  }

  /// The babysitter of one that sleeps by the last table says that it serves.
  boolean awake(String name) {
    Entry e = entries.get(name);
    if (e == null || e.running() || !e.asItSleeps().sleeps()) {
      return false;
    }
    e.renewed(++lives);
    e.awake = true;
    e.verdict = UP;
    return true;
  }

  /// The babysitter of one that sleeps does not answer, or does again for an empty text.
  boolean silent(String name, String why) {
    Entry e = entries.get(name);
    if (e != null) {
      e.silence = why;
    }
    return false;
  }

  private boolean remove(Entry e) {
    entries.remove(e.known.name());
    retired.set(e.slot);
    return true;
  }

  /// Frees the slots of removed instances on which nothing is in flight and for which nobody waits.
  void reclaim(Slots slots) {
    for (int s = retired.nextSetBit(0); s >= 0; s = retired.nextSetBit(s + 1)) {
      Slot slot = slots.at(s);
      if (slot.inFlight() == 0 && slot.waiting() == 0) {
        retired.clear(s);
        usedSlots.clear(s);
        slot.reuse();
      }
    }
  }

  /// A probe that succeeded.
  ///
  /// @param connected whether a connection to the instance itself stood; null when none was tried
  boolean up(String name, double seconds, @Nullable Boolean connected, long now, double jitter) {
    Entry e = entries.get(name);
    if (e == null) {
      return false;
    }
    State before = e.state();
    boolean stood = e.stands();
    e.probeSeconds = seconds;
    if (e.failuresInARow > 0 && !e.refusedService && !FALSE.equals(connected)) {
      e.life = ++lives;
      e.circuit = e.circuit.next(Event.RESTARTED, false, now, jitter, rules);
    }
    e.failuresInARow = 0;
    e.refusedService = false;
    e.verdict = UP;
    connected(e, connected, now, jitter);
    if (!e.circuit.doubted()) {
      e.errors = 0;
    }
    return before != e.state() || stood != e.stands();
  }

  /// A probe that failed.
  ///
  /// @param said whether something answered and said so, as against no answer
  boolean down(
      String name, String why, boolean said, @Nullable Boolean connected, long now, double jitter) {
    Entry e = entries.get(name);
    if (e == null) {
      return false;
    }
    State before = e.state();
    if (said && e.awake) {
      // its babysitter has taken back what it said; the registry may have called it asleep all
      // along
      e.awake = false;
      e.renewed(++lives);
      return before != e.state();
    }
    boolean stood = e.stands();
    e.errors++;
    e.probeFailure = why;
    e.failuresInARow++;
    e.refusedService = said;
    if (e.failuresInARow >= maxErrors) {
      e.verdict = DOWN;
    }
    connected(e, connected, now, jitter);
    return before != e.state() || stood != e.stands();
  }

  private void connected(Entry e, @Nullable Boolean connected, long now, double jitter) {
    if (connected != null) {
      Event seen = connected ? Event.CONNECTED : Event.REFUSED;
      next(e, seen, false, now, jitter);
    }
  }

  private void next(Entry e, Event event, boolean mayLeave, long now, double jitter) {
    if (event == Event.REFUSED) {
      e.life = ++lives;
    }
    Circuit before = e.circuit;
    e.circuit = before.next(event, mayLeave, now, jitter, rules);
    if (e.circuit.phase() == Circuit.Phase.OPEN && before.phase() != Circuit.Phase.OPEN) {
      e.circuitFailure =
          switch (event) {
            case STRIKE -> "it failed requests that others answered";
            case FAILED -> "it failed its trial";
            case OUTLIER -> "it serves far worse than its peers";
            default -> "connections failed";
          };
    }
  }

  /// Its model list could not be read.
  boolean unlisted(String name, String why) {
    Entry e = entries.get(name);
    if (e != null) {
      e.listFailure = why;
    }
    return false;
  }

  /// What was seen on the data path, or that time has passed.
  ///
  /// @return whether its state changed
  boolean saw(String name, int slot, Event event, long now, double jitter) {
    Entry e = entries.get(name);
    if (e == null || e.slot != slot) {
      return false;
    }
    State before = e.state();
    boolean stood = e.stands();
    boolean soft = event == Event.STRIKE || event == Event.OUTLIER;
    next(e, event, soft && mayLeave(e), now, jitter);
    switch (event) {
      case ANSWERED -> {
        e.errors = 0;
        if (!e.refusedService) {
          e.failuresInARow = 0;
          e.verdict = UP;
        }
      }
      case STRIKE, REFUSED -> e.errors++;
      case FAILED, TAKEN_BACK, CONNECTED, RESTARTED, OUTLIER, UNASKED, TIME -> {}
    }
    return before != e.state() || stood != e.stands();
  }

  /// Whether soft evidence may take one more out: at most half of the servers that serve a model
  /// are out by it, and never the last one that is in service or is started for a request. Several
  /// names of a server count once.
  private boolean mayLeave(Entry e) {
    List<String> models = e.models();
    if (models.isEmpty()) {
      return mayLeave(e, null);
    }
    for (String m : models) {
      if (!mayLeave(e, m)) {
        return false;
      }
    }
    return true;
  }

  private boolean mayLeave(Entry e, @Nullable String model) {
    Set<String> all = new HashSet<>();
    Set<String> softlyOut = new HashSet<>();
    boolean another = false;
    for (Entry o : entries.values()) {
      if (model != null && !o.models().contains(model)) {
        continue;
      }
      boolean serves = o.state() == State.ROUTABLE || o.state().sleeps();
      if (o.circuit.softlyOut()) {
        all.add(o.server());
        softlyOut.add(o.server());
      } else if (serves) {
        all.add(o.server());
      }
      another |= serves && !o.server().equals(e.server());
    }
    // a server that is out under another name takes no further share
    return another && (softlyOut.contains(e.server()) || 2 * (softlyOut.size() + 1) <= all.size());
  }

  /// What the instance's own model list says; of one that registered its models, what it says of
  /// those.
  boolean models(String name, List<String> ids, List<Map<String, Object>> all) {
    Entry e = entries.get(name);
    if (e == null) {
      return false;
    }
    List<String> served = e.known.models();
    List<Map<String, Object>> list =
        served == null
            ? all
            : all.stream().filter(m -> served.contains(String.valueOf(m.get("id")))).toList();
    if ((ids.equals(e.ownModels) && Metadata.same(list, e.ownModelsList))) {
      return false;
    }
    e.ownModels = List.copyOf(ids);
    e.ownModelsList = List.copyOf(list);
    return true;
  }
}
