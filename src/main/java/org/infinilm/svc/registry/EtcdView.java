package org.infinilm.svc.registry;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.infinilm.svc.etcd.Etcd;
import org.infinilm.svc.etcd.KeyValue;
import org.infinilm.svc.registry.EtcdKeys.Named;
import org.infinilm.svc.registry.EtcdKeys.NoSuchThing;
import org.infinilm.svc.registry.EtcdKeys.Stored;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// How far this process knows what stands in etcd: turns what it reads, hears and writes into
/// events of the table, each change once and never an older one over a newer. No threads, no clock,
/// no I/O; one thread at a time.
final class EtcdView {
  private static final Logger log = LoggerFactory.getLogger(EtcdView.class);
  private static final int MOST_NAMED = 1000;

  /// An entry of etcd.
  ///
  /// @param revision of its last change
  /// @param lease that it is bound to
  record Known(long revision, long lease, String registration, Stored stored) {}

  private final EtcdKeys keys;
  private final String self;
  private final Map<String, Known> known = new HashMap<>();

  /// Own changes that the watch has not come to yet, by name; what it says of them before is old.
  private final Map<String, Long> ahead = new HashMap<>();

  /// Entries' keys that hold something else, with its revision: named once, and replaced by whoever
  /// registers under the name.
  private final Map<String, Long> strange = new HashMap<>();

  private final Set<String> named = new HashSet<>();

  /// Entries in the table whose leases at etcd ended while nobody kept them alive.
  private final Set<String> orphans = new HashSet<>();

  private boolean keeping;
  private long watched;
  private @Nullable Seen seen;

  /// A change that was heard of.
  record Seen(String key, long revision) {}

  /// @param self the run of this registry: what it says of itself is no news
  EtcdView(EtcdKeys keys, String self) {
    this.keys = keys;
    this.self = self;
  }

  @Nullable Known known(String name) {
    return known.get(name);
  }

  /// The revision that the entry's key has to have when it is changed; 0 for no such key.
  long expected(String name) {
    Known k = known.get(name);
    return k == null ? strange.getOrDefault(name, 0L) : k.revision();
  }

  /// Up to which revision everything has been heard.
  long watched() {
    return watched;
  }

  /// The last key that was written of all that was heard; null before the first.
  @Nullable Seen seen() {
    return seen;
  }

  /// What is listed next is of another history of etcd: its revisions tell nothing of those that
  /// are known, although they are higher.
  void another() {
    ahead.clear();
    seen = null;
  }

  private void seen(KeyValue kv) {
    Seen before = seen;
    if (before == null || before.revision() <= kv.revision()) {
      seen = new Seen(kv.key(), kv.revision());
    }
  }

  /// Whether entries whose leases end at etcd stay in the table from now on; those that somebody
  /// removed leave it.
  void keep(boolean on) {
    keeping = on;
  }

  /// Whether some stayed.
  boolean hasOrphans() {
    return !orphans.isEmpty();
  }

  /// Those that stayed leave.
  Event abandoned() {
    List<Event> out = new ArrayList<>();
    orphans.forEach(name -> out.add(new Event.Lost(name)));
    orphans.clear();
    return new Event.Together(out);
  }

  /// All that stands in etcd at one revision.
  ///
  /// @param table as it is; what is not in etcd leaves it
  /// @param age of the last sign of life of an entry
  Event listed(long revision, List<KeyValue> all, Table table, Function<Known, Duration> age) {
    List<Event> out = new ArrayList<>();
    Set<String> entries = new HashSet<>();
    Set<String> graves = new HashSet<>();
    if (revision < watched) {
      // An older copy of etcd: what was written to the other is not there.
      ahead.clear();
    } else {
      ahead.values().removeIf(r -> r <= revision);
    }
    seen = null;
    all.forEach(this::seen);
    strange.clear();
    Map<String, Known> before = new HashMap<>(known);
    known.keySet().retainAll(ahead.keySet());
    for (KeyValue kv : all) {
      Named n = keys.named(kv.key());
      if (ahead.containsKey(n.name())) {
        continue;
      }
      switch (n.kind()) {
        case ENTRY -> {
          Known k = read(kv, n.name());
          if (k != null) {
            Known old = before.get(n.name());
            known.put(n.name(), k);
            entries.add(n.name());
            out.add(learned(k, old, age.apply(k)));
          }
        }
        case GONE -> {
          graves.add(n.name());
          bury(kv, n.name(), out);
        }
        case REGISTRY, HEARD, ROUTER, OTHER -> {
          // no state of the table
        }
      }
    }
    List<Event> first = new ArrayList<>();
    table.leases().keySet().stream()
        .filter(name -> !entries.contains(name) && !ahead.containsKey(name))
        .forEach(name -> {
          if ((keeping || orphans.contains(name)) && !graves.contains(name)) {
            orphans.add(name);
          } else {
            first.add(new Event.Lost(name));
          }
        });
    table.deleted().keySet().stream()
        .filter(name -> !graves.contains(name) && !ahead.containsKey(name))
        .forEach(name -> first.add(new Event.Forgotten(name)));
    first.addAll(out);
    watched = revision;
    return new Event.Together(first);
  }

  /// What the watch says, up to `revision`; 0 when it says nothing.
  Event heard(long revision, List<Etcd.Change> changes) {
    List<Event> out = new ArrayList<>();
    Set<String> buried = keeping ? buried(changes) : Set.of();
    for (Etcd.Change c : changes) {
      Named n = keys.named(c.key().key());
      if (!c.deleted()) {
        seen(c.key());
      }
      switch (n.kind()) {
        case ENTRY -> {
          if (keeping && c.deleted() && !buried.contains(n.name())) {
            if (known.remove(n.name()) != null) {
              orphans.add(n.name());
            }
          } else {
            entry(c, n.name(), out);
          }
        }
        case GONE -> {
          boolean old = c.key().revision() <= ahead.getOrDefault(n.name(), 0L);
          if (!old && c.deleted()) {
            out.add(new Event.Forgotten(n.name()));
          } else if (!old) {
            bury(c.key(), n.name(), out);
          }
        }
        case REGISTRY -> {
          if (!c.deleted() && !n.name().equals(self)) {
            beats(c.key(), out);
          }
        }
        case HEARD, ROUTER, OTHER -> {
          // told before by the second; not of the table; settings do not change; what else is there
          // is nobody's
        }
      }
    }
    if (revision > watched) {
      watched = revision;
      ahead.values().removeIf(r -> r <= revision);
    }
    return new Event.Together(out);
  }

  /// Whom somebody removed: the tombstone comes with it.
  private Set<String> buried(List<Etcd.Change> changes) {
    Set<String> out = new HashSet<>();
    for (Etcd.Change c : changes) {
      Named n = keys.named(c.key().key());
      if (n.kind() == EtcdKeys.Kind.GONE && !c.deleted()) {
        out.add(n.name());
      }
    }
    return out;
  }

  /// One key as a read found it at `revision`; null when there was none.
  Event found(String name, @Nullable KeyValue kv, long revision) {
    List<Event> out = new ArrayList<>();
    Known old = known.get(name);
    if (kv == null) {
      strange.remove(name);
    }
    if (kv != null) {
      entry(new Etcd.Change(false, kv), name, out);
    } else if (old != null && old.revision() <= revision) {
      gone(name, revision, out);
    }
    return new Event.Together(out);
  }

  /// An own change at `revision`; the watch may have told it already.
  Event wrote(String name, long revision, long lease, Stored stored) {
    Known old = known.get(name);
    if (revision <= watched || (old != null && old.revision() >= revision)) {
      return new Event.Together(List.of());
    }
    Known k = new Known(revision, lease, stored.registration(), stored);
    known.put(name, k);
    strange.remove(name);
    ahead.put(name, revision);
    return learned(k, old, Duration.ZERO);
  }

  /// An own removal at `revision`.
  Event removed(String name, long revision, @Nullable Event grave) {
    if (revision <= watched) {
      return new Event.Together(List.of());
    }
    List<Event> out = new ArrayList<>();
    gone(name, revision, out);
    if (grave != null) {
      out.add(grave);
    }
    return new Event.Together(out);
  }

  private void gone(String name, long revision, List<Event> out) {
    known.remove(name);
    if (revision > watched) {
      ahead.put(name, revision);
    }
    out.add(new Event.Lost(name));
  }

  private void entry(Etcd.Change c, String name, List<Event> out) {
    Known old = known.get(name);
    long own = ahead.getOrDefault(name, 0L);
    long revision = c.key().revision();
    if (revision <= own || (old != null && revision <= old.revision())) {
      return;
    }
    if (c.deleted()) {
      strange.remove(name);
    }
    Known k = c.deleted() ? null : read(c.key(), name);
    if (k != null) {
      known.put(name, k);
      out.add(learned(k, old, Duration.ZERO));
    } else if (old != null) {
      known.remove(name);
      out.add(new Event.Lost(name));
    }
  }

  private static Event learned(Known k, @Nullable Known old, Duration age) {
    boolean anew = old == null || !old.registration().equals(k.registration());
    return new Event.Learned(k.stored().entry(), k.stored().registeredAt(), anew, age);
  }

  private @Nullable Known read(KeyValue kv, String name) {
    try {
      if (kv.lease() == 0) {
        throw new NoSuchThing("bound to no lease (expected: a registry's entry)");
      }
      Stored s = EtcdKeys.stored(name, kv.value());
      strange.remove(name);
      orphans.remove(name);
      named.remove(kv.key());
      return new Known(kv.revision(), kv.lease(), s.registration(), s);
    } catch (NoSuchThing e) {
      name(kv.key(), e);
      if (strange.size() < MOST_NAMED) {
        strange.put(name, kv.revision());
      }
      return null;
    }
  }

  private void bury(KeyValue kv, String name, List<Event> out) {
    try {
      if (orphans.remove(name)) {
        out.add(new Event.Lost(name));
      }
      out.add(new Event.Buried(name, EtcdKeys.grave(kv.value())));
    } catch (NoSuchThing e) {
      name(kv.key(), e);
    }
  }

  private void beats(KeyValue kv, List<Event> out) {
    try {
      Set<String> names = EtcdKeys.heard(kv.value());
      if (!names.isEmpty()) {
        out.add(new Event.Heard(names));
      }
    } catch (NoSuchThing e) {
      name(kv.key(), e);
    }
  }

  /// What is no value of ours is named once, and ignored.
  private void name(String key, NoSuchThing why) {
    if (named.size() < MOST_NAMED && named.add(key)) {
      log.warn("etcd key {} is ignored: {}", key, why.getMessage());
    }
  }
}
