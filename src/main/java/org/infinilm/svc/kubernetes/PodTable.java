package org.infinilm.svc.kubernetes;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.infinilm.svc.discovery.Found;
import org.jspecify.annotations.Nullable;

/// The pods of one list and the events after it. Pure state; one thread at a time.
/*
 * Events may come twice, late and out of order: a watch that is opened anew begins where the one before has got to,
 * or earlier. Of two words on a pod the one with the higher resourceVersion counts, and one that is not newer than
 * the list or than the pod's end says nothing. (Versions are compared as numbers: KEP-5504 promises that they may
 * be; one that is no number counts as new.)
 *
 * A pod that was listed and is not ready, or whose labels cannot be read any more, stays what it was and gets no
 * requests, or goes on as it was; one that never was an instance is none until it is ready and can be read.
 */
final class PodTable {
  private static final int MOST_GONE = 10_000;

  /// What is known of a pod.
  ///
  /// @param listed the last instance that it was, or none
  private record Known(Read read, List<Found> listed) {}

  private Map<String, Known> pods = new TreeMap<>();

  /// When pods ended, by name.
  private final Map<String, Long> gone =
      new LinkedHashMap<>() {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Long> eldest) {
          return size() > MOST_GONE;
        }
      };

  private long listVersion = -1;

  /// Takes over a whole list.
  ///
  /// @param version of the list, -1 when it is no number
  void list(List<Read> all, long version) {
    Map<String, Known> next = new TreeMap<>();
    for (Read r : all) {
      next.put(r.key(), known(r));
    }
    pods = next;
    gone.clear();
    listVersion = version;
  }

  private Known known(Read r) {
    Known before = pods.get(r.key());
    boolean same = before != null && before.read().uid().equals(r.uid()) && !r.ended();
    List<Found> last = before != null && same ? before.listed() : List.of();
    Found now = r.found();
    if (now == null) {
      // what it was holds, but for whether it is asked
      return new Known(
          r, last.stream().map(f -> asked(f, r.ready() && r.trouble() != null)).toList());
    }
    return new Known(r, r.ready() || !last.isEmpty() ? List.of(now) : List.of());
  }

  private static Found asked(Found f, boolean ready) {
    return new Found(f.url(), f.options(), f.address(), ready, f.models(), f.metadata(), f.place());
  }

  /// A pod that came or changed.
  ///
  /// @return whether it is news
  boolean put(Read r) {
    Known before = pods.get(r.key());
    if (isOld(r, before)) {
      return false;
    }
    pods.put(r.key(), known(r));
    return true;
  }

  /// A pod that was removed. One that was does not come back: what has its name then is another.
  ///
  /// @return whether it is news
  boolean remove(Read r) {
    gone.merge(r.key(), r.version(), Math::max);
    Known before = pods.get(r.key());
    boolean known =
        before != null
            && (before.read().uid().equals(r.uid()) || before.read().version() < r.version());
    if (known) {
      pods.remove(r.key());
    }
    return known;
  }

  private boolean isOld(Read r, @Nullable Known before) {
    long v = r.version();
    return v >= 0
        && (v <= listVersion
            || v <= gone.getOrDefault(r.key(), -1L)
            || (before != null && v <= before.read().version()));
  }

  boolean isEmpty() {
    return pods.isEmpty();
  }

  /// The instances that there are, by name of pod.
  List<Found> found() {
    List<Found> out = new ArrayList<>();
    pods.values().forEach(k -> out.addAll(k.listed()));
    return out;
  }

  /// What is wrong with pods, in order of their names.
  List<String> troubles() {
    List<String> out = new ArrayList<>();
    for (Known k : pods.values()) {
      String trouble = k.read().trouble();
      if (trouble != null) {
        out.add(trouble);
      }
    }
    return out;
  }
}
