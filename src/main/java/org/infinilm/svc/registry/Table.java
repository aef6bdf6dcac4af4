package org.infinilm.svc.registry;

import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.infinilm.svc.http.BaseUrl;
import org.infinilm.svc.registry.Lease.Probe;
import org.jspecify.annotations.Nullable;
import org.pcollections.TreePMap;

/// All leases at one moment, and the rules that change them. Immutable; [#apply] is the only
/// decision: `(table, event, now)` to the next table and what to write down.
///
/// @param leases by name, sorted
/// @param deleted tombstones: names removed by DELETE, with the time; the newest few thousand
/// @param bytes roughly what leases and tombstones cost in memory
/// @param version grows when a reader would see something else than a newer heartbeat
/// @param serial source of lease serials
record Table(
    TreePMap<String, Lease> leases,
    TreePMap<String, Instant> deleted,
    long version,
    long serial,
    long bytes) {
  /* How it works: the maps are persistent trees (pcollections), so a change costs O(log entries) and
   * readers hold a consistent table without a lock. Rules and reasons: docs/registry.md. */

  static final Duration TOMBSTONE_KEPT = Duration.ofMinutes(10);
  static final int MAX_TOMBSTONES = 2000;
  static final Table EMPTY = new Table(TreePMap.empty(), TreePMap.empty(), 0, 0, 0);
  private static final long TOMBSTONE_BYTES = 160;

  /// The outcome of one event.
  ///
  /// @param lease the entry concerned, after the event (before it for a delete); null when unknown
  /// @param removed names that the clean-up took
  /// @param records what the journal must know, in order
  /// @param holder who has the name, when the event came from another registrant; nothing changed
  ///   then
  record Step(
      Table next,
      @Nullable Lease lease,
      List<String> removed,
      List<JournalRecord> records,
      @Nullable Lease holder) {
    Step(Table next, @Nullable Lease lease, List<String> removed, List<JournalRecord> records) {
      this(next, lease, removed, records, null);
    }
  }

  Collection<Lease> all() {
    return leases.values();
  }

  Step apply(Event event, Now now) {
    return switch (event) {
      case Event.Register e -> register(e, now);
      case Event.Update e -> update(e, now);
      case Event.Heartbeat e -> heartbeat(e, now);
      case Event.Delete e -> delete(e, now);
      case Event.Probed e -> probed(e);
      case Event.Aged() -> new Step(aged(now), null, List.of(), List.of());
      case Event.CleanUp() -> cleanUp(now);
      case Event.Restore e -> restore(e, now);
      case Event.Learned e -> learned(e, now);
      case Event.Lost(String name) -> lost(name);
      case Event.Buried e -> buried(e);
      case Event.Forgotten(String name) -> forgotten(name);
      case Event.Heard e -> heard(e, now);
      case Event.Together e -> together(e, now);
    };
  }

  /// How long until a heartbeat that counts as fresh goes stale; null when none will.
  @Nullable Duration untilStale(Now now) {
    Duration least = null;
    for (Lease l : all()) {
      if (l.fresh()) {
        Duration left = now.lease().minus(l.age(now));
        if (least == null || left.compareTo(least) < 0) {
          least = left;
        }
      }
    }
    return least;
  }

  /// The whole table as records, for a fresh journal.
  List<JournalRecord> records() {
    List<JournalRecord> out = new ArrayList<>();
    deleted.forEach((name, at) -> out.add(new JournalRecord.Deleted(name, at)));
    all().forEach(l -> out.add(JournalRecord.Put.of(l)));
    return out;
  }

  /// The newest registration counts; but one that does not serve yet takes no name away from
  /// another registrant that does, unless it is at its address: who was there is there no more.
  private Step register(Event.Register e, Now now) {
    Lease old = leases.get(e.entry().name());
    if (old != null
        && !e.entry().status().equals(Entry.RUNNING)
        && !old.entry().isOf(e.entry().incarnation())
        && !BaseUrl.same(old.entry().url(), e.entry().url())
        && old.isHealthy(now)) {
      return others(old, now);
    }
    Lease lease =
        new Lease(
            e.entry(), Probe.UNKNOWN, serial + 1, now.second(), now.second(), now.nanos(), true);
    return put(lease);
  }

  private Step update(Event.Update e, Now now) {
    Lease old = leases.get(e.name());
    if (old != null && !old.entry().isOf(e.incarnation())) {
      return others(old, now);
    }
    return old == null
        ? unknown()
        : put(old.with(e.over(old.entry())).beat(now).withSerial(serial + 1));
  }

  private Step heartbeat(Event.Heartbeat e, Now now) {
    Lease old = leases.get(e.name());
    if (old == null || (old.entry().isAltered() && e.incarnation() != null)) {
      return unknown();
    }
    if (!old.entry().isOf(e.incarnation())) {
      return others(old, now);
    }
    Lease lease = old.beat(now);
    if (e.status() != null && !e.status().equals(old.entry().status())) {
      return put(lease.with(old.entry().withStatus(e.status())));
    }
    return new Step(
        with(lease, !old.fresh()),
        lease,
        List.of(),
        List.of(new JournalRecord.Beat(lease.name(), lease.heartbeatAt())));
  }

  private Step delete(Event.Delete e, Now now) {
    Lease old = leases.get(e.name());
    if (old == null) {
      return unknown();
    }
    if (!old.entry().isOf(e.incarnation())) {
      return others(old, now);
    }
    TreePMap<String, Instant> graves = bounded(deleted.plus(e.name(), now.second()));
    return new Step(
        new Table(
            leases.minus(e.name()),
            graves,
            version + 1,
            serial,
            bytes - old.sizeBytes() + (graves.size() - deleted.size()) * TOMBSTONE_BYTES),
        old,
        List.of(),
        List.of(new JournalRecord.Deleted(e.name(), now.second())));
  }

  private Step probed(Event.Probed e) {
    Lease old = leases.get(e.name());
    if (old == null || old.serial() != e.serial()) {
      return unknown();
    }
    Probe result = e.healthy() ? Probe.HEALTHY : Probe.UNHEALTHY;
    if (old.probe() == result) {
      return new Step(this, old, List.of(), List.of());
    }
    Lease lease = old.with(result);
    return new Step(with(lease, true), lease, List.of(), List.of());
  }

  private Table aged(Now now) {
    TreePMap<String, Lease> out = leases;
    boolean changed = false;
    for (Lease l : all()) {
      boolean fresh = l.isFresh(now);
      if (fresh != l.fresh()) {
        out = out.plus(l.name(), l.withFresh(fresh));
        changed = true;
      }
    }
    return !changed ? this : new Table(out, deleted, version + 1, serial, bytes);
  }

  private Step cleanUp(Now now) {
    Table aged = aged(now);
    List<String> removed = new ArrayList<>();
    List<JournalRecord> records = new ArrayList<>();
    for (Lease l : all()) {
      if (l.age(now).compareTo(now.kept()) > 0) {
        removed.add(l.name());
        records.add(new JournalRecord.Expired(l.name()));
      }
    }
    Instant oldest = now.wall().minus(TOMBSTONE_KEPT);
    List<String> forgotten = new ArrayList<>();
    deleted.forEach((name, at) -> {
      if (at.isBefore(oldest)) {
        forgotten.add(name);
      }
    });
    if (removed.isEmpty() && forgotten.isEmpty()) {
      return new Step(aged, null, removed, records);
    }
    Table left =
        of(aged.leases.minusAll(removed), deleted.minusAll(forgotten), aged.version + 1, serial);
    return new Step(left, null, removed, records);
  }

  private Step restore(Event.Restore e, Now now) {
    TreePMap<String, Lease> out = leases;
    long s = serial;
    for (Event.Stored stored : e.entries()) {
      // A clock that was set back must not make an entry immortal.
      Instant beatAt =
          stored.heartbeatAt().isAfter(now.wall()) ? now.second() : stored.heartbeatAt();
      Duration age = Duration.between(beatAt, now.wall());
      Lease lease =
          new Lease(
              stored.entry(),
              Probe.UNKNOWN,
              ++s,
              stored.registeredAt(),
              beatAt,
              now.nanos() - boundedNanos(age),
              age.compareTo(now.lease()) < 0);
      out = out.plus(lease.name(), lease);
    }
    TreePMap<String, Instant> graves = bounded(deleted.plusAll(e.deleted())).minusAll(out.keySet());
    return new Step(of(out, graves, version + 1, s), null, List.of(), List.of());
  }

  /// A change keeps the verdict of the last probe, a registration does not; the newer sign of life
  /// counts.
  private Step learned(Event.Learned e, Now now) {
    Lease old = leases.get(e.entry().name());
    long beat = now.nanos() - boundedNanos(e.age());
    Instant beatAt = now.wall().minus(e.age()).truncatedTo(ChronoUnit.SECONDS);
    if (e.registeredAt().isAfter(beatAt) && !e.registeredAt().isAfter(now.wall())) {
      // The age is known to the second.
      beatAt = e.registeredAt();
    }
    Lease lease =
        new Lease(
            e.entry(),
            old == null || e.anew() ? Probe.UNKNOWN : old.probe(),
            old == null || e.anew() || !old.entry().isAtSamePlaceAs(e.entry())
                ? serial + 1
                : old.serial(),
            e.registeredAt(),
            beatAt,
            beat,
            now.nanos() - beat < now.leaseNanos());
    if (old != null && old.heartbeatNanos() - beat > 0) {
      lease = lease.heardAs(old);
    }
    boolean visible =
        old == null
            || e.anew()
            || old.fresh() != lease.fresh()
            || !old.registeredAt().equals(e.registeredAt())
            || !old.entry().equals(e.entry());
    return new Step(with(lease, visible), lease, List.of(), List.of());
  }

  private Step lost(String name) {
    Lease old = leases.get(name);
    if (old == null) {
      return unknown();
    }
    Table left =
        new Table(leases.minus(name), deleted, version + 1, serial, bytes - old.sizeBytes());
    return new Step(left, old, List.of(name), List.of());
  }

  private Step buried(Event.Buried e) {
    if (leases.containsKey(e.name()) || e.at().equals(deleted.get(e.name()))) {
      return unknown();
    }
    TreePMap<String, Instant> graves = bounded(deleted.plus(e.name(), e.at()));
    return new Step(graves(graves), null, List.of(), List.of());
  }

  private Step forgotten(String name) {
    return deleted.containsKey(name)
        ? new Step(graves(deleted.minus(name)), null, List.of(), List.of())
        : unknown();
  }

  private Table graves(TreePMap<String, Instant> graves) {
    long more = (graves.size() - deleted.size()) * TOMBSTONE_BYTES;
    return new Table(leases, graves, version + 1, serial, bytes + more);
  }

  private Step heard(Event.Heard e, Now now) {
    Table t = this;
    for (String name : e.names()) {
      Lease old = t.leases.get(name);
      if (old != null) {
        t = t.with(old.beat(now), !old.fresh());
      }
    }
    return new Step(t, null, List.of(), List.of());
  }

  private Step together(Event.Together e, Now now) {
    Table t = this;
    List<String> removed = new ArrayList<>();
    for (Event each : e.events()) {
      Step step = t.apply(each, now);
      t = step.next();
      removed.addAll(step.removed());
    }
    return new Step(t, null, removed, List.of());
  }

  /// The table of these maps, its size counted anew.
  private static Table of(
      TreePMap<String, Lease> l, TreePMap<String, Instant> d, long version, long serial) {
    long size = d.size() * TOMBSTONE_BYTES;
    for (Lease each : l.values()) {
      size += each.sizeBytes();
    }
    return new Table(l, d, version, serial, size);
  }

  /// Without the oldest tombstones where there are too many; a watcher then takes those names for
  /// not heard of.
  private static TreePMap<String, Instant> bounded(TreePMap<String, Instant> graves) {
    if (graves.size() <= MAX_TOMBSTONES) {
      return graves;
    }
    List<String> oldest =
        graves.entrySet().stream()
            .sorted(Map.Entry.comparingByValue())
            .limit(graves.size() - MAX_TOMBSTONES * 9L / 10)
            .map(Map.Entry::getKey)
            .toList();
    return graves.minusAll(oldest);
  }

  /// Nanoseconds of an age, at most a year: enough to be stale, too little to overflow.
  private static long boundedNanos(Duration age) {
    Duration year = Duration.ofDays(365);
    return (age.compareTo(year) < 0 ? age : year).toNanos();
  }

  private Step put(Lease lease) {
    return new Step(with(lease, true), lease, List.of(), List.of(JournalRecord.Put.of(lease)));
  }

  private Table with(Lease lease, boolean visible) {
    Lease old = leases.get(lease.name());
    long before = old == null ? 0 : old.sizeBytes();
    boolean grave = deleted.containsKey(lease.name());
    return new Table(
        leases.plus(lease.name(), lease),
        grave ? deleted.minus(lease.name()) : deleted,
        version + (visible ? 1 : 0),
        Math.max(serial, lease.serial()),
        bytes - before + lease.sizeBytes() - (grave ? TOMBSTONE_BYTES : 0));
  }

  /// What another registrant's event finds: the holder while that one lives and is not leaving,
  /// else nothing, so that it registers and takes the name over.
  private Step others(Lease holder, Now now) {
    boolean lives =
        holder.isFresh(now)
            && holder.probe() != Probe.UNHEALTHY
            && !holder.entry().status().equals(Entry.DRAINING);
    return new Step(this, null, List.of(), List.of(), lives ? holder : null);
  }

  private Step unknown() {
    return new Step(this, null, List.of(), List.of());
  }
}
