package org.infinilm.svc.registry;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.infinilm.svc.registry.Lease.Probe;
import org.jspecify.annotations.Nullable;

/// All leases at one moment, and the rules that change them. Immutable; [#apply] is the only
/// decision: `(table, event, now)` to the next table and what to write down.
///
/// @param leases by name, sorted
/// @param deleted tombstones: names removed by DELETE, with the time
/// @param version grows when a reader would see something else than a newer heartbeat
/// @param serial source of lease serials
record Table(
    SortedMap<String, Lease> leases, Map<String, Instant> deleted, long version, long serial) {
  /* How it works: each change copies the map (O(entries)), so readers hold a consistent table
   * without a lock. A few hundred entries with a heartbeat each 30 s cost microseconds a second.
   * Rules and reasons: docs/registry.md. */

  static final Duration TOMBSTONE_KEPT = Duration.ofMinutes(10);
  static final Table EMPTY = new Table(new TreeMap<>(), Map.of(), 0, 0);

  /// The outcome of one event.
  ///
  /// @param lease the entry concerned, after the event (before it for a delete); null when unknown
  /// @param removed names that the clean-up took
  /// @param records what the journal must know, in order
  record Step(
      Table next, @Nullable Lease lease, List<String> removed, List<JournalRecord> records) {}

  Table {
    leases = Collections.unmodifiableSortedMap(leases);
    deleted = Collections.unmodifiableMap(deleted);
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
    };
  }

  /// How long until a heartbeat that counts as fresh goes stale; null when none will.
  @Nullable Duration untilStale(Now now) {
    Duration least = null;
    for (Lease l : all()) {
      if (l.fresh()) {
        Duration left = Lease.FRESH.minus(l.age(now));
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

  private Step register(Event.Register e, Now now) {
    Lease lease =
        new Lease(
            e.entry(), Probe.UNKNOWN, serial + 1, now.second(), now.second(), now.nanos(), true);
    Map<String, Instant> graves = new HashMap<>(deleted);
    graves.remove(lease.name());
    return put(lease, graves);
  }

  private Step update(Event.Update e, Now now) {
    Lease old = leases.get(e.name());
    return old == null
        ? unknown()
        : put(old.with(e.over(old.entry())).beat(now).withSerial(serial + 1), deleted);
  }

  private Step heartbeat(Event.Heartbeat e, Now now) {
    Lease old = leases.get(e.name());
    if (old == null) {
      return unknown();
    }
    Lease lease = old.beat(now);
    if (e.status() != null && !e.status().equals(old.entry().status())) {
      return put(lease.with(old.entry().withStatus(e.status())), deleted);
    }
    return new Step(
        with(lease, deleted, !old.fresh()),
        lease,
        List.of(),
        List.of(new JournalRecord.Beat(lease.name(), lease.heartbeatAt())));
  }

  private Step delete(Event.Delete e, Now now) {
    Lease old = leases.get(e.name());
    if (old == null) {
      return unknown();
    }
    SortedMap<String, Lease> left = new TreeMap<>(leases);
    left.remove(e.name());
    Map<String, Instant> graves = new HashMap<>(deleted);
    graves.put(e.name(), now.second());
    return new Step(
        new Table(left, graves, version + 1, serial),
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
    return new Step(with(lease, deleted, true), lease, List.of(), List.of());
  }

  private Table aged(Now now) {
    SortedMap<String, Lease> out = new TreeMap<>(leases);
    boolean changed = false;
    for (Lease l : all()) {
      boolean fresh = l.isFresh(now);
      if (fresh != l.fresh()) {
        out.put(l.name(), l.withFresh(fresh));
        changed = true;
      }
    }
    return changed ? new Table(out, deleted, version + 1, serial) : this;
  }

  private Step cleanUp(Now now) {
    Table aged = aged(now);
    SortedMap<String, Lease> left = new TreeMap<>(aged.leases);
    List<String> removed = new ArrayList<>();
    List<JournalRecord> records = new ArrayList<>();
    for (Lease l : all()) {
      if (l.age(now).compareTo(Lease.KEPT) > 0) {
        left.remove(l.name());
        removed.add(l.name());
        records.add(new JournalRecord.Expired(l.name()));
      }
    }
    Map<String, Instant> graves = new HashMap<>(deleted);
    Instant oldest = now.wall().minus(TOMBSTONE_KEPT);
    boolean forgotten = graves.values().removeIf(at -> at.isBefore(oldest));
    if (removed.isEmpty() && !forgotten) {
      return new Step(aged, null, removed, records);
    }
    return new Step(new Table(left, graves, aged.version + 1, serial), null, removed, records);
  }

  private Step restore(Event.Restore e, Now now) {
    SortedMap<String, Lease> out = new TreeMap<>(leases);
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
              age.compareTo(Lease.FRESH) < 0);
      out.put(lease.name(), lease);
    }
    Map<String, Instant> graves = new HashMap<>(deleted);
    graves.putAll(e.deleted());
    graves.keySet().removeAll(out.keySet());
    return new Step(new Table(out, graves, version + 1, s), null, List.of(), List.of());
  }

  /// Nanoseconds of an age, at most a year: enough to be stale, too little to overflow.
  private static long boundedNanos(Duration age) {
    Duration year = Duration.ofDays(365);
    return (age.compareTo(year) < 0 ? age : year).toNanos();
  }

  private Step put(Lease lease, Map<String, Instant> graves) {
    return new Step(
        with(lease, graves, true), lease, List.of(), List.of(JournalRecord.Put.of(lease)));
  }

  private Table with(Lease lease, Map<String, Instant> graves, boolean visible) {
    SortedMap<String, Lease> out = new TreeMap<>(leases);
    out.put(lease.name(), lease);
    return new Table(out, graves, version + (visible ? 1 : 0), Math.max(serial, lease.serial()));
  }

  private Step unknown() {
    return new Step(this, null, List.of(), List.of());
  }
}
