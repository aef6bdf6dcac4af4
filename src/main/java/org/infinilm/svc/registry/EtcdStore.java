package org.infinilm.svc.registry;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.infinilm.svc.etcd.BackOff;
import org.infinilm.svc.etcd.Etcd;
import org.infinilm.svc.etcd.Etcd.Op;
import org.infinilm.svc.etcd.EtcdFailure;
import org.infinilm.svc.etcd.EtcdFailure.Kind;
import org.infinilm.svc.etcd.KeyValue;
import org.infinilm.svc.http.Json;
import org.infinilm.svc.registry.EtcdKeys.Stored;
import org.infinilm.svc.registry.EtcdView.Known;
import org.infinilm.svc.telemetry.Ticker;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Leases of etcd: what one registry confirms every other one answers. Each decides by the rules of
/// [Table] over what it knows, writes only if the key is still as it knew it, and hears of the
/// others by a watch.
final class EtcdStore extends LeaseStore {
  /* How it works: docs/registry.md, "On etcd", and decision 121. An entry is bound to an etcd lease of 2.5
   * times --lease, which each heartbeat keeps alive; how old a heartbeat is, each registry counts by its own
   * clock from when it got it or heard of it (registries/RUN, every second). Own changes go into the table when
   * etcd has confirmed them, without waiting for the watch; EtcdView keeps them in order. */

  private static final Logger log = LoggerFactory.getLogger(EtcdStore.class);

  /// How long a client waits at most.
  private static final Duration PATIENCE = Duration.ofSeconds(5);

  private static final Duration KEEP_PATIENCE = Duration.ofSeconds(3);
  private static final Duration READ_PATIENCE = Duration.ofSeconds(1);

  /// Own pulses come back by the watch; three that do not are too many.
  private static final Duration SILENCE = Duration.ofSeconds(3);

  private static final Duration AGAIN = Duration.ofMillis(250);

  private static final int TRIES = 16;
  private static final int FORGOTTEN_AT_ONCE = 1000;

  private static final Duration BETWEEN_WARNINGS = Duration.ofSeconds(5);

  private final Etcd etcd;
  private final EtcdKeys keys;
  private final EtcdView view;
  private final RandomGenerator random;
  private final KeepAlives keepAlives;
  private final EtcdNotes notes;
  private final EtcdSettings settings;

  /// Whether it only reads: a router's, which no instance speaks to.
  private final boolean follows;

  private final EtcdRoom room;

  /// None of one that only reads.
  private final @Nullable EtcdPulse pulse;

  /// Whose leases ended since the last clean-up.
  private final Set<String> removed = ConcurrentHashMap.newKeySet();

  private final List<Thread> loops = new ArrayList<>();
  private final AtomicLong toldNanos;

  /// Whether it was said that routers' notes are not written.
  private final AtomicBoolean noteTold = new AtomicBoolean();

  /// Whether the watch is followed.
  private volatile boolean current;

  /// Whether it is heard who lives: the watch is followed, and etcd takes signs of life. Set by
  /// [#runOrHold] alone.
  private volatile boolean hears;

  /// Whom a follower hears.
  private final EtcdRegistries registries;

  /// Whether no registry speaks, which would keep leases alive.
  private volatile boolean alone;

  /// When a watch that was refused is asked for again.
  private final BackOff refusals;

  /// Of what was listed last.
  private volatile String cluster = "";

  /// What was last said of etcd in the log.
  private @Nullable Kind told;

  private EtcdStore(
      Etcd etcd,
      Ticker ticker,
      Duration lease,
      String boot,
      RandomGenerator random,
      boolean follows) {
    super(ticker, lease, boot);
    this.follows = follows;
    this.etcd = etcd;
    this.random = random;
    this.toldNanos = new AtomicLong(ticker.nanos() - BETWEEN_WARNINGS.toNanos());
    this.keys = new EtcdKeys(etcd.address().prefix());
    this.view = new EtcdView(keys, boot);
    this.notes = new EtcdNotes(etcd, keys, boot, ticker);
    this.settings = new EtcdSettings(etcd, keys, lease, ticker);
    this.refusals = new BackOff(AGAIN, BackOff.MOST_BETWEEN_REFUSALS, ticker);
    this.registries = new EtcdRegistries(keys, ticker);
    this.room = new EtcdRoom(etcd.address(), follows, this::runOrHold);
    this.pulse = follows ? null : new EtcdPulse(etcd, keys, boot, lease, ticker, room);
    this.keepAlives = new KeepAlives(leases -> etcd.keepAlive(leases, KEEP_PATIENCE));
  }

  private EtcdPulse pulse() {
    EtcdPulse p = pulse;
    if (p == null) {
      throw new IllegalStateException("who only reads confirms nothing");
    }
    return p;
  }

  /// Reads the table and follows it.
  ///
  /// @param random for the names of registrations
  /// @throws IOException when etcd does not answer, refuses, or the prefix is another deployment's
  static LeaseStore open(
      Etcd etcd, Ticker ticker, Duration lease, String boot, RandomGenerator random)
      throws IOException {
    EtcdStore store = new EtcdStore(etcd, ticker, lease, boot, random, false);
    try {
      store.settings.agree();
      store.list();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("etcd: interrupted", e);
    }
    store.followed(true);
    store.loop("watch", store::follow);
    store.loop("settings", store.settings::run);
    store.loop("heartbeats", store.keepAlives::run);
    store.loop("pulse", store.pulse()::run);
    store.loop("members", new EtcdMembers(etcd)::run);
    return store;
  }

  /// Reads the table that registries keep there, and follows it: whoever reads it so confirms
  /// nothing, and writes its own notes alone.
  ///
  /// @throws IOException when etcd does not answer, refuses, or no registry has been there
  static EtcdStore follow(Etcd etcd, Ticker ticker, String boot, RandomGenerator random)
      throws IOException, InterruptedException {
    Duration lease = EtcdSettings.lease(etcd, new EtcdKeys(etcd.address().prefix()));
    EtcdStore store = new EtcdStore(etcd, ticker, lease, boot, random, true);
    store.list();
    store.followed(true);
    store.loop("watch", store::follow);
    store.loop("pulse", store::ownPulse);
    store.loop("members", new EtcdMembers(etcd)::run);
    return store;
  }

  private void list() throws EtcdFailure, InterruptedException {
    EtcdListing.All read = EtcdListing.read(etcd, keys);
    List<KeyValue> all = read.keys();
    notes.listed(all);
    Map<String, Duration> ages =
        new EtcdSigns(etcd, keys, lease(), EtcdPulse.window(lease())).ages(all, this::age);
    decideLocked(() ->
        view.listed(
            read.revision(),
            all,
            table(),
            k -> ages.getOrDefault(k.stored().entry().name(), kept())));
    cluster = read.cluster();
  }

  /// By our own clock; null where it is not known.
  private @Nullable Duration age(String name) {
    Lease known = table().leases().get(name);
    return known == null ? null : known.age(now());
  }

  private Duration kept() {
    return lease().multipliedBy(5).dividedBy(2);
  }

  @Override
  Table.Step apply(Event event) throws Refused, InterruptedException {
    String name = name(event);
    long endNanos = ticker().nanos() + PATIENCE.toNanos();
    try {
      boolean asked = false;
      for (int tries = 0; tries < TRIES; tries++) {
        Decided d = decided(event, name, endNanos);
        if (d.step().records().isEmpty()) {
          // Nobody of that name, or another's: etcd may know better.
          if (asked) {
            return d.step();
          }
          asked = true;
          look(name, left(d));
        } else {
          Table.Step done = write(event, name, d);
          if (done != null) {
            return done;
          }
        }
      }
      throw new EtcdFailure(Kind.AWAY, "etcd: " + name + " changes all the time");
    } catch (EtcdFailure e) {
      throw refused(name, e);
    }
  }

  /// What an event comes to by what is known now.
  ///
  /// @param revision that its key has to have still
  /// @param endNanos until when its client waits
  private record Decided(
      Table.Step step, Table before, @Nullable Known known, long revision, long endNanos) {}

  private Decided decided(Event event, String name, long endNanos) {
    return supplied(() -> {
      Table before = table();
      return new Decided(
          before.apply(event, now()), before, view.known(name), view.expected(name), endNanos);
    });
  }

  private Duration left(Decided d) {
    return Duration.ofNanos(Math.max(0, d.endNanos() - ticker().nanos()));
  }

  private <T> T supplied(Supplier<T> body) {
    AtomicReference<@Nullable T> out = new AtomicReference<>();
    locked(() -> out.set(body.get()));
    T value = out.get();
    if (value == null) {
      throw new IllegalStateException();
    }
    return value;
  }

  /// @return null when etcd has it otherwise; it is known by then
  private Table.@Nullable Step write(Event event, String name, Decided d)
      throws EtcdFailure, InterruptedException {
    return switch (d.step().records().getFirst()) {
      case JournalRecord.Beat _ -> beat(event, name, d);
      case JournalRecord.Put put -> put(event, name, put.stored(), d);
      case JournalRecord.Deleted dead -> delete(name, dead, d);
      default -> throw new IllegalStateException(event.toString());
    };
  }

  private Table.@Nullable Step beat(Event event, String name, Decided d)
      throws EtcdFailure, InterruptedException {
    Known known = d.known();
    try {
      if (known != null && keepAlives.alive(known.lease(), left(d))) {
        pulse().heard(name);
        return decide(event, _ -> {});
      }
    } catch (EtcdFailure e) {
      // It lives, whatever can be said of it to others.
      decide(new Event.Heard(Set.of(name)), _ -> {});
      throw e;
    }
    look(name, left(d));
    return null;
  }

  private Table.@Nullable Step put(Event event, String name, Event.Stored s, Decided d)
      throws EtcdFailure, InterruptedException {
    Known known = d.known();
    String registration =
        known == null || event instanceof Event.Register ? registration() : known.registration();
    boolean fresh = known == null;
    long lease = known == null ? grant(d) : known.lease();
    Future<Boolean> lives = fresh ? CompletableFuture.completedFuture(true) : keptAlive(lease);
    Stored stored = new Stored(s.entry(), s.registeredAt(), registration);
    List<Op> ops = new ArrayList<>();
    ops.add(new Op.Put(keys.entry(name), stored.json(), lease));
    if (d.before().deleted().containsKey(name)) {
      ops.add(new Op.Delete(keys.gone(name)));
    }
    Etcd.Written w;
    try {
      w = etcd.change(keys.entry(name), d.revision(), ops, left(d));
    } catch (EtcdFailure e) {
      if (e.kind() == Kind.NO_SUCH_LEASE) {
        look(name, left(d));
        return null;
      }
      if (fresh) {
        letGoUnused(lease, e);
      }
      throw e;
    }
    KeyValue there = w.present();
    boolean ours =
        there != null && there.lease() == lease && Arrays.equals(there.value(), stored.json());
    if (!w.done() && !ours) {
      found(name, there, w.revision());
      if (fresh) {
        letGo(lease);
      }
      return null;
    }
    // Where the first try was made and not answered for, it stands there.
    long revision = w.done() || there == null ? w.revision() : there.revision();
    decideLocked(() -> view.wrote(name, revision, lease, stored));
    pulse().registered(name);
    if (!answer(lives)) {
      look(name, left(d));
      return null;
    }
    Lease now = table().leases().get(name);
    return now == null ? d.step() : new Table.Step(table(), now, List.of(), List.of());
  }

  /// A sign of life beside a change, which does not wait for others to go along as heartbeats do.
  private Future<Boolean> keptAlive(long lease) {
    FutureTask<Boolean> ask =
        new FutureTask<>(() -> !etcd.keepAlive(List.of(lease), KEEP_PATIENCE).isEmpty());
    Thread.ofVirtual().name("etcd-lease").start(ask);
    return ask;
  }

  private static boolean answer(Future<Boolean> lives) throws EtcdFailure, InterruptedException {
    try {
      return lives.get();
    } catch (ExecutionException e) {
      throw e.getCause() instanceof EtcdFailure f
          ? f
          : new EtcdFailure(Kind.OTHER, "etcd: " + e.getCause());
    }
  }

  private Table.@Nullable Step delete(String name, JournalRecord.Deleted dead, Decided d)
      throws EtcdFailure, InterruptedException {
    Known known = d.known();
    if (known == null) {
      look(name, left(d));
      return null;
    }
    long lease = etcd.grant(Table.TOMBSTONE_KEPT, left(d));
    List<Op> ops =
        List.of(
            new Op.Delete(keys.entry(name)),
            new Op.Put(keys.gone(name), EtcdKeys.grave(dead.at()), lease));
    Etcd.Written w;
    try {
      w = etcd.change(keys.entry(name), d.revision(), ops, left(d));
    } catch (EtcdFailure e) {
      letGoUnused(lease, e);
      throw e;
    }
    if (!w.done() && w.present() != null) {
      found(name, w.present(), w.revision());
      letGo(lease);
      return null;
    }
    // Gone already: by another, or by a first try that was not answered for.
    decideLocked(() -> view.removed(name, w.revision(), new Event.Buried(name, dead.at())));
    letGo(known.lease());
    forget(d);
    return d.step();
  }

  /// Of too many tombstones the oldest go, here as there.
  private void forget(Decided d) {
    List<String> tooMany = new ArrayList<>(d.before().deleted().keySet());
    tooMany.removeAll(d.step().next().deleted().keySet());
    try {
      for (String name : tooMany.subList(0, Math.min(tooMany.size(), FORGOTTEN_AT_ONCE))) {
        etcd.delete(keys.gone(name), READ_PATIENCE);
      }
    } catch (EtcdFailure e) {
      log.debug("tombstones stay until their leases end: {}", e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// After a change that was refused for good; what was not answered for may have been made.
  private void letGoUnused(long lease, EtcdFailure why) throws InterruptedException {
    switch (why.kind()) {
      case TOO_LARGE, FULL, CREDENTIALS, DENIED -> letGo(lease);
      default -> log.debug("lease {} may be in use: {}", lease, why.getMessage());
    }
  }

  private void letGo(long lease) throws InterruptedException {
    try {
      etcd.revoke(lease, READ_PATIENCE);
    } catch (EtcdFailure e) {
      log.debug("a lease ends by itself: {}", e.getMessage());
    }
  }

  private long grant(Decided d) throws EtcdFailure, InterruptedException {
    return etcd.grant(kept(), left(d));
  }

  private String registration() {
    synchronized (random) {
      return String.format("%016x", random.nextLong());
    }
  }

  @Override
  @Nullable Lease find(String name) throws InterruptedException {
    Lease here = table().leases().get(name);
    if (here == null && current && !follows) {
      try {
        look(name, READ_PATIENCE);
        here = table().leases().get(name);
      } catch (EtcdFailure e) {
        log.debug("etcd is not asked for {}: {}", name, e.getMessage());
      }
    }
    return here;
  }

  /// Reads one entry anew.
  private void look(String name, Duration patience) throws EtcdFailure, InterruptedException {
    String key = keys.entry(name);
    Etcd.Page page =
        etcd.list(key, key.getBytes(UTF_8), 0, 1, EtcdListing.MOST_VALUE_BYTES, patience);
    KeyValue kv = page.keys().isEmpty() ? null : page.keys().getFirst();
    found(name, kv != null && kv.key().equals(key) ? kv : null, page.revision());
  }

  private void found(String name, @Nullable KeyValue kv, long revision) {
    decideLocked(() -> view.found(name, kv, revision));
  }

  private void decideLocked(Supplier<Event> event) {
    locked(() -> decide(event.get(), _ -> {}));
  }

  private Refused refused(String name, EtcdFailure e) {
    long now = ticker().nanos();
    long last = toldNanos.get();
    if (now - last > BETWEEN_WARNINGS.toNanos() && toldNanos.compareAndSet(last, now)) {
      log.warn("{} is not written: {}", name, e.getMessage());
    }
    return Refused.of(e);
  }

  private static String name(Event event) {
    return switch (event) {
      case Event.Register e -> e.entry().name();
      case Event.Update e -> e.name();
      case Event.Heartbeat e -> e.name();
      case Event.Delete e -> e.name();
      default -> throw new IllegalArgumentException(event.toString());
    };
  }

  /// Entries go with their leases, at etcd.
  @Override
  List<String> cleanUp() {
    note(new Event.Aged());
    List<String> out = removed.stream().sorted().toList();
    removed.removeAll(out);
    return out;
  }

  @Override
  String journal() {
    return hears ? "on" : "failing";
  }

  @Override
  @Nullable String ails() {
    if (room.takesNone()) {
      return room.ails();
    }
    if (!current) {
      String said = room.said();
      return etcd.address()
          + ": nothing is heard from it; "
          + (said == null ? "the log says why" : said);
    }
    return alone ? etcd.address() + ": no registry speaks there" : null;
  }

  /// Follows the watch; a leader that is lost, a member that hangs, a compaction end one and begin
  /// another.
  private void follow() throws InterruptedException {
    boolean whole = false;
    boolean ended = false;
    while (true) {
      try {
        if (ended && !whole) {
          requireSameHistory();
        }
        if (whole) {
          list();
          if (!follows) {
            settings.look();
          }
          whole = false;
        }
        etcd.watch(cluster, view.watched() + 1, SILENCE, this::heard);
      } catch (EtcdFailure e) {
        if (e.kind() == Kind.COMPACTED && !whole) {
          log.info("{}; the table is read anew", e.getMessage());
          whole = true;
        } else if (!room.takesNone() && (current || e.kind() != told)) {
          log.warn("{}; the table stays as it is, and no lease runs meanwhile", e.getMessage());
          told = e.kind();
        }
        ended = true;
        followed(false);
        Thread.sleep(e.isRefusal() ? refusals.refused() : AGAIN);
      }
    }
  }

  /// An etcd that was restored in place is the same cluster, and may have come further meanwhile
  /// than it was: nothing in a watch tells that its history is another.
  private void requireSameHistory() throws EtcdFailure, InterruptedException {
    EtcdView.Seen seen = view.seen();
    if (seen == null) {
      return;
    }
    KeyValue then = etcd.get(seen.key(), seen.revision(), PATIENCE);
    if (then == null || then.revision() != seen.revision()) {
      locked(view::another);
      throw new EtcdFailure(
          Kind.COMPACTED,
          etcd.address() + ": " + seen.key() + " was not written at revision " + seen.revision());
    }
  }

  private void heard(long revision, List<Etcd.Change> changes) {
    if (revision > 0) {
      refusals.taken();
    }
    notes.heard(changes);
    settings.heard(changes);
    registries.heard(changes);
    AtomicReference<List<String>> lost = new AtomicReference<>(List.of());
    locked(() -> lost.set(decide(view.heard(revision, changes), _ -> {}).removed()));
    if (!follows) {
      lost.get().stream().filter(n -> !table().deleted().containsKey(n)).forEach(removed::add);
    }
    if (!current && revision > 0) {
      if (!room.takesNone()) {
        log.info("{} is followed again", etcd.address());
      }
      followed(true);
    }
  }

  private void followed(boolean now) {
    current = now;
    runOrHold();
  }

  /// While it cannot be heard who lives, no lease runs.
  private synchronized void runOrHold() {
    boolean now = current && !room.takesNone();
    if (now && !hears) {
      registries.grace();
    }
    hears = now;
    if (now && !alone) {
      clock().release();
    } else {
      clock().hold();
    }
  }

  /// Where no registry speaks, nobody keeps leases alive, and instances that are well leave etcd
  /// with theirs. They stay here, until a registry is back and has had a lease's time to hear them.
  private void mindRegistries() {
    EtcdRegistries.State s = registries.look(hears, lease());
    boolean changes = alone != s.isAlone();
    if (changes && s.isAlone()) {
      log.warn(
          "no registry speaks at {}; the table stays as it is, and no lease runs meanwhile",
          etcd.address());
    } else if (changes) {
      log.info("a registry speaks at {} again", etcd.address());
    }
    alone = s.isAlone();
    locked(() -> {
      view.keep(alone);
      if (s.isOver() && view.hasOrphans()) {
        decide(view.abandoned(), _ -> {});
      }
    });
    if (changes) {
      runOrHold();
    }
  }

  @Override
  PeerBoard.Answer exchange(String run, Map<String, Map<String, Object>> left, String since)
      throws Refused, InterruptedException {
    Map<String, byte[]> json = new HashMap<>();
    left.forEach((kind, value) -> json.put(kind, Json.bytes(value)));
    try {
      PeerBoard.Answer a = notes.exchange(run, json, since);
      noteTold.set(false);
      return a;
    } catch (EtcdFailure e) {
      if (!noteTold.getAndSet(true)) {
        log.warn("routers' notes are not written: {}", e.getMessage());
      }
      throw Refused.of(e);
    }
  }

  @Override
  void leave(String run) throws Refused, InterruptedException {
    try {
      notes.remove(run);
    } catch (EtcdFailure e) {
      throw Refused.of(e);
    }
  }

  /// Of one that only reads: that the way to etcd and back is open.
  private void ownPulse() throws InterruptedException {
    while (true) {
      try {
        notes.write(boot(), EtcdNotes.PULSE);
        room.answered(null);
      } catch (EtcdFailure e) {
        room.answered(e);
      } catch (Refused noRoom) {
        throw new IllegalStateException("its own pulse", noRoom);
      }
      mindRegistries();
      Thread.sleep(EtcdPulse.MOST_BETWEEN);
    }
  }

  private interface Loop {
    void run() throws InterruptedException;
  }

  private void loop(String name, Loop body) {
    loops.add(
        Thread.ofVirtual()
            .name("etcd-" + name)
            .start(() -> {
              while (!isClosed()) {
                try {
                  body.run();
                } catch (InterruptedException stopping) {
                  return;
                } catch (RuntimeException | Error e) {
                  log.error("{}: failed; going on", name, e);
                }
              }
            }));
  }

  @Override
  void finish() {
    loops.forEach(Thread::interrupt);
    etcd.close();
  }
}
