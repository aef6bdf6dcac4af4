package org.infinilm.svc.router;

import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.infinilm.svc.policy.Flight;

/// What is in flight at one instance, for a learned policy; kept only where there is one.
/// Lock-free: a change replaces the list.
final class Underway {
  /// Of more requests than so many the others are counted and not listed.
  private static final int MOST = 256;

  private final AtomicReference<List<Sent>> listed = new AtomicReference<>(List.of());
  private final AtomicLong stalledNanos = new AtomicLong();
  private volatile long lastFirstNanos;
  private volatile long lastEndNanos;

  /// In the order in which they were sent.
  List<Sent> all() {
    return listed.get();
  }

  void add(Sent s) {
    while (true) {
      List<Sent> before = all();
      s.behind(before);
      if (before.size() >= MOST || listed.compareAndSet(before, with(before, s))) {
        return;
      }
    }
  }

  private static List<Sent> with(List<Sent> l, Sent s) {
    Sent[] next = Arrays.copyOf(l.toArray(new Sent[0]), l.size() + 1);
    next[l.size()] = s;
    return Arrays.asList(next);
  }

  private static List<Sent> without(List<Sent> l, Sent s) {
    int at = l.indexOf(s);
    if (at < 0) {
      return l;
    }
    Sent[] next = new Sent[l.size() - 1];
    for (int k = 0; k < next.length; k++) {
      next[k] = l.get(k < at ? k : k + 1);
    }
    return Arrays.asList(next);
  }

  /// The first token of a stream came.
  void first(Sent s, long nowNanos) {
    Flight.passed(all(), s, nowNanos, true);
    long stalled = stalledNanos.addAndGet((long) s.forecast().prefillNanos());
    long otherFirst = lastFirstNanos;
    for (Sent other : all()) {
      if (!other.streamed()) {
        otherFirst = Math.max(otherFirst, other.firstNanos());
      }
    }
    s.first(nowNanos, stalled, otherFirst, lastEndNanos);
    lastFirstNanos = nowNanos;
  }

  /// It has ended, one way or the other.
  void ended(Sent s, long nowNanos) {
    if (s.streamed() && s.firstNanos() == 0) {
      Flight.passed(all(), s, nowNanos, false);
    }
    List<Sent> before = listed.getAndUpdate(l -> without(l, s));
    int place = before.indexOf(s);
    if (place >= 0) {
      Flight.ended(without(before, s), place, nowNanos);
    }
    lastEndNanos = nowNanos;
  }

  /// What others' prompts were foretold to cost since its first token.
  long stalledNanos(Sent s) {
    return s.stalledNanos(stalledNanos.get());
  }

  /// Another instance has the slot.
  void reuse() {
    listed.set(List.of());
    lastFirstNanos = 0;
    lastEndNanos = 0;
  }
}
