package org.infinilm.svc.router;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.infinilm.svc.fleet.Instance;
import org.infinilm.svc.fleet.Instance.State;
import org.jspecify.annotations.Nullable;

/// Who is in the fleet and in which state, from three sources: the registry's table, fixed entries,
/// and our own probes and failed connections. Pure state and decisions: time comes in, nothing goes
/// out. One thread at a time.
/*
 * The registry adds knowledge and never takes away what was seen here: an instance whose probes fail stays ejected
 * however healthy its lease is; one whose probes succeed stays in service while the registry is away. Absence from the
 * table is followed after the grace period (of tables, not of time: a registry that is away says nothing), a DELETE at once, a status other than "running" at once.
 */
final class Roster {
  private static final int UNPROBED = 0;
  private static final int UP = 1;
  private static final int DOWN = 2;

  /// One instance and what was seen of it.
  static final class Entry {
    Known known;
    final int slot;
    boolean absent;
    long absentSinceNanos;
    int verdict = UNPROBED;
    int failuresInARow;
    long errors;
    double probeSeconds;
    @Nullable List<String> ownModels;
    @Nullable List<Map<String, Object>> ownModelsList;

    Entry(Known known, int slot) {
      this.known = known;
      this.slot = slot;
    }

    List<String> models() {
      List<String> m = known.models();
      return m != null ? m : ownModels != null ? ownModels : List.of();
    }

    @Nullable List<Map<String, Object>> modelsList() {
      return known.modelsList() != null ? known.modelsList() : ownModelsList;
    }

    State state() {
      if (!known.running()) {
        return State.DRAINING;
      }
      if (unread()) {
        return State.EJECTED;
      }
      boolean up =
          switch (verdict) {
            case UP -> true;
            case DOWN -> false;
            default -> known.registryHealthy();
          };
      return up ? State.ROUTABLE : State.EJECTED;
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
          || (verdict == UNPROBED && !known.registryHealthy());
    }

    Instance instance() {
      return new Instance(
          known.name(),
          known.host(),
          known.port(),
          known.url(),
          models(),
          known.cacheType(),
          Metadata.capacityTokens(known.metadata(), modelsList()),
          known.weight(),
          state(),
          slot,
          known.metadata());
    }
  }

  private final int maxErrors;
  private final long graceNanos;
  private final Map<String, Entry> entries = new TreeMap<>();
  private final Set<Integer> usedSlots = new HashSet<>();

  Roster(int maxErrors, long graceNanos) {
    this.maxErrors = maxErrors;
    this.graceNanos = graceNanos;
  }

  Collection<Entry> entries() {
    return entries.values();
  }

  @Nullable Entry entry(String name) {
    return entries.get(name);
  }

  /// Adds an entry that is there for good.
  void fixed(Known k) {
    put(k);
  }

  /// Takes over a table of the registry.
  ///
  /// @param deleted names removed on purpose
  /// @return whether anything that routing sees may have changed
  boolean table(List<Known> table, List<String> deleted, long now) {
    boolean changed = false;
    Set<String> listed = new HashSet<>();
    for (Known k : table) {
      listed.add(k.name());
      changed |= put(k);
    }
    for (String name : deleted) {
      Entry e = entries.get(name);
      if (e != null && !e.known.fixed() && !listed.contains(name)) {
        changed |= remove(e);
      }
    }
    for (Entry e : new ArrayList<>(entries.values())) {
      if (!listed.contains(e.known.name())) {
        changed |= unlisted(e, now);
      }
    }
    return changed;
  }

  /// Removes an entry that tables have not listed for the grace period. Time without a table does
  /// not count: the registry may be away.
  private boolean unlisted(Entry e, long now) {
    boolean keeps = e.known.fixed() || Boolean.TRUE.equals(e.known.metadata().get("static"));
    if (!e.absent) {
      e.absent = true;
      e.absentSinceNanos = now;
    }
    return !keeps && now - e.absentSinceNanos >= graceNanos && remove(e);
  }

  private boolean put(Known k) {
    Entry e = entries.get(k.name());
    if (e == null || (!e.known.sameIncarnation(k) && !e.known.fixed())) {
      if (e != null) {
        remove(e);
      }
      int slot = freeSlot();
      if (slot < 0) {
        return false;
      }
      usedSlots.add(slot);
      entries.put(k.name(), new Entry(k, slot));
      return true;
    }
    if (e.known.fixed() && !k.fixed()) {
      return false;
    }
    e.absent = false;
    if (e.known.equals(k)) {
      return false;
    }
    e.known = k;
    return true;
  }

  private int freeSlot() {
    for (int s = 0; s < Ledger.SLOTS; s++) {
      if (!usedSlots.contains(s)) {
        return s;
      }
    }
    return -1;
  }

  private boolean remove(Entry e) {
    entries.remove(e.known.name());
    retired.put(e.slot, e);
    return true;
  }

  /// Slots of removed instances; they come back once nothing is in flight on them.
  private final Map<Integer, Entry> retired = new HashMap<>();

  /// Frees the slots of removed instances on which nothing is in flight.
  void reclaim(Ledger ledger) {
    retired
        .keySet()
        .removeIf(slot -> {
          if (ledger.inFlight(slot) == 0) {
            usedSlots.remove(slot);
            ledger.reuse(slot);
            return true;
          }
          return false;
        });
  }

  /// A probe or an answered request: it serves.
  boolean up(String name, double seconds) {
    Entry e = entries.get(name);
    if (e == null) {
      return false;
    }
    e.probeSeconds = seconds;
    e.failuresInARow = 0;
    e.errors = 0;
    boolean changed = e.verdict != UP;
    e.verdict = UP;
    return changed;
  }

  /// A failed probe or a connection that was refused.
  boolean down(String name) {
    Entry e = entries.get(name);
    if (e == null) {
      return false;
    }
    e.errors++;
    e.failuresInARow++;
    if (e.failuresInARow < maxErrors || e.verdict == DOWN) {
      return false;
    }
    e.verdict = DOWN;
    return true;
  }

  /// What the instance's own model list says.
  boolean models(String name, List<String> ids, List<Map<String, Object>> list) {
    Entry e = entries.get(name);
    if (e == null || (ids.equals(e.ownModels) && list.equals(e.ownModelsList))) {
      return false;
    }
    e.ownModels = List.copyOf(ids);
    e.ownModelsList = List.copyOf(list);
    return true;
  }
}
