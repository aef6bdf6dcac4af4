package org.infinilm.svc.registry;

import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// How long ago entries gave a sign of life at most, by what registries wrote down: from the marks
/// (`heard/RUN/N`), of which there are some ten a registry, however many entries there are. Pure.
/*
 * A mark names those that one registry heard in the window before it was written, and its lease says how long ago
 * that was. Revisions put everything in order: an entry that was written after a mark is younger than that.
 * An entry that no mark names and that is older than all of them has not been heard since the first of them.
 */
final class EtcdAges {
  /// Leases say their age in whole seconds.
  private static final Duration ROUNDING = Duration.ofSeconds(1);

  /// A mark.
  ///
  /// @param revision at which it was written
  /// @param since when it was written, by its lease
  /// @param names that were heard in the window before
  record Mark(long revision, Duration since, Set<String> names) {
    Mark {
      names = Set.copyOf(names);
    }
  }

  /// An entry as it is stored.
  ///
  /// @param revision of its last change, which is a sign of life
  record Written(String name, long revision) {}

  private final Duration lease;
  private final Duration window;
  private final Collection<Mark> marks;
  private final Map<String, Duration> named = new HashMap<>();

  /// @param lease how long a sign of life counts
  /// @param window how often a registry writes a mark
  EtcdAges(Collection<Mark> marks, Duration lease, Duration window) {
    this.lease = lease;
    this.window = window;
    this.marks = List.copyOf(marks);
    for (Mark m : this.marks) {
      Duration age = m.since().plus(window).plus(ROUNDING);
      if (age.compareTo(lease) < 0) {
        m.names().forEach(n -> named.merge(n, age, EtcdAges::younger));
      }
    }
  }

  /// The age of each whose last sign within a lease is written down.
  Map<String, Duration> known(List<Written> entries) {
    Map<String, Duration> out = new HashMap<>();
    for (Written w : entries) {
      Duration age = named.get(w.name());
      for (Mark m : marks) {
        Duration since = m.since().plus(ROUNDING);
        if (w.revision() > m.revision() && since.compareTo(lease) < 0) {
          age = age == null ? since : younger(age, since);
        }
      }
      if (age != null) {
        out.put(w.name(), age);
      }
    }
    return out;
  }

  /// The age of one of which nothing is written down: stale when a registry has listened for a
  /// lease. Time in which none did is nobody's silence.
  Duration ofOthers() {
    Duration first = marks.stream().map(Mark::since).max(Duration::compareTo).orElse(Duration.ZERO);
    return first.plus(window).compareTo(lease) < 0 ? first : lease.plus(ROUNDING);
  }

  private static Duration younger(Duration a, Duration b) {
    return a.compareTo(b) < 0 ? a : b;
  }
}
