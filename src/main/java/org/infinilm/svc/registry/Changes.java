package org.infinilm.svc.registry;

import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Deque;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// Which names changed with which table version, for the last few thousand changes. One thread at a
/// time.
final class Changes {
  private static final int KEPT = 8192;

  private record Change(long version, String name) {}

  private final Deque<Change> last = new ArrayDeque<>();
  private long forgotten;

  /// @param start version of the table that nothing is known about before
  Changes(long start) {
    this.forgotten = start;
  }

  /// Notes what `version` changed.
  void note(long version, Collection<String> names) {
    for (String n : names) {
      last.addLast(new Change(version, n));
    }
    while (last.size() > KEPT) {
      forgotten = last.removeFirst().version();
    }
  }

  /// The names that changed after `version`, sorted; null when that is too long ago.
  @Nullable Set<String> since(long version) {
    if (version < forgotten) {
      return null;
    }
    Set<String> names = new TreeSet<>();
    for (Change c : last.reversed()) {
      if (c.version() <= version) {
        break;
      }
      names.add(c.name());
    }
    return names;
  }
}
