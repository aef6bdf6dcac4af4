package org.infinilm.svc.router;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// What each source of instances listed last: the registry, folders, name servers, Kubernetes. One
/// thread at a time.
/*
 * A source that is away keeps what it listed. A name that two of them list is the instance of the one that comes
 * first in the order in which they were given, the registry before all others.
 */
final class Tables {
  private static final Logger LOG = LoggerFactory.getLogger(Tables.class);
  private static final int MOST_TOLD = 10_000;

  private final Map<String, List<Known>> last = new LinkedHashMap<>();

  /// Those that have listed nothing yet.
  private List<String> awaited;

  /// Names that several list, of which the log has told.
  private final Set<String> told = new HashSet<>();

  private List<Known> merged = List.of();

  /// @param sources the first one counts where several list the same name
  Tables(List<String> sources) {
    sources.forEach(s -> last.put(s, List.of()));
    awaited = List.copyOf(sources);
  }

  /// Takes over a table.
  ///
  /// @return names that the source has removed on purpose
  List<String> take(FleetKeeper.Report.Table t) {
    Set<String> gone = new HashSet<>(t.deleted());
    if (!t.source().equals(Known.REGISTRY)) {
      last.getOrDefault(t.source(), List.of()).forEach(k -> gone.add(k.name()));
      t.entries().forEach(k -> gone.remove(k.name()));
    }
    last.put(t.source(), t.entries());
    awaited = awaited.stream().filter(s -> !s.equals(t.source())).toList();
    merge();
    return List.copyOf(gone);
  }

  private void merge() {
    if (last.size() == 1) {
      merged = last.values().iterator().next();
      return;
    }
    Map<String, Known> all = new HashMap<>();
    List<Known> out = new ArrayList<>();
    last.forEach((source, entries) -> {
      for (Known k : entries) {
        Known first = all.putIfAbsent(k.name(), k);
        if (first == null) {
          out.add(k);
        } else if (!first.source().equals(k.source())) {
          tell(k, first);
        }
      }
    });
    merged = List.copyOf(out);
  }

  private void tell(Known second, Known first) {
    if (told.size() < MOST_TOLD
        && told.add(first.source() + "\n" + second.source() + "\n" + first.name())) {
      LOG.warn(
          "instance {} is listed by {} and by {}: that of {} counts",
          first.name(),
          first.source(),
          second.source(),
          first.source());
    }
  }

  /// What all of them list, each name once.
  List<Known> merged() {
    return merged;
  }

  /// Those that have listed nothing yet.
  List<String> awaited() {
    return awaited;
  }

  /// What is said of sources that have listed nothing yet.
  static String unheard(List<String> sources) {
    return sources.stream()
        .map(s ->
            s.equals(Known.REGISTRY)
                ? "the registry was not reached yet"
                : kind(s) + " has listed nothing yet")
        .distinct()
        .collect(Collectors.joining("; "));
  }

  /// `folder` of `folder:/path`; `dns` also of `dns+srv:...`.
  static String kind(String source) {
    return source.replaceFirst("[:/+].*", "");
  }
}
