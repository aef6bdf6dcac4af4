package org.infinilm.svc.registry;

import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.TreeSet;
import java.util.random.RandomGenerator;

/// When each address is asked again; no threads, no clock. Not thread-safe.
final class ProbeSchedule {
  /* How it works
   *
   * Every address has a due time of its own, spread by jitter, so there is no sweep that slow ones
   * could hold up. Three lanes bound what is under way: addresses that answered last time, those not
   * asked yet, and those that were silent. A thousand hanging addresses fill their own lane only.
   * What says no is asked again sooner than after a whole interval (an eighth, a quarter, ...), what
   * is silent up to twice as late. One silence of an address that served is no verdict: the second in a
   * row is.
   */

  /// What one probe found.
  enum Answer {
    OK,
    /// It answered that it does not serve, or nothing listens there.
    NO,
    /// Nothing came in time.
    SILENT,
    /// It could not be asked: this process lacked what a connection takes.
    UNASKED
  }

  /// Addresses of one kind: those that wait, by due time, and how many of them are asked now.
  private static final class Lane {
    private final int places;
    private final NavigableSet<Slot> waiting;
    private int busy;

    private Lane(int places, Comparator<Slot> byDue) {
      this.places = places;
      this.waiting = new TreeSet<>(byDue);
    }

    private boolean hasPlace() {
      return busy < places && !waiting.isEmpty();
    }
  }

  private static final double JITTER = 0.1;
  private static final Duration SECOND_TRY = Duration.ofSeconds(1);

  /// One address and who is reached there.
  static final class Slot {
    private final URI uri;
    private final long order;
    private List<Lease> leases = List.of();
    private Lane lane;
    private long dueNanos;
    private boolean underWay;
    private int failures;
    private int silences;

    private Slot(URI uri, long order, Lane lane) {
      this.uri = uri;
      this.order = order;
      this.lane = lane;
    }

    URI uri() {
      return uri;
    }

    /// As they were when the table was last read.
    List<Lease> leases() {
      return leases;
    }

    private long newest() {
      return leases.stream().mapToLong(Lease::serial).max().orElse(0);
    }
  }

  private final long intervalNanos;
  private final RandomGenerator random;
  private final long originNanos;
  private final Map<URI, Slot> slots = new HashMap<>();
  private final Lane answers;
  private final Lane unknown;
  private final Lane silent;
  private long order;

  /// @param nowNanos any moment before the first call
  ProbeSchedule(Duration interval, RandomGenerator random, long nowNanos) {
    this.intervalNanos = interval.toNanos();
    this.random = random;
    this.originNanos = nowNanos;
    // Differences to one origin: nanoseconds of the monotonic clock may overflow.
    Comparator<Slot> byDue =
        Comparator.comparingLong((Slot s) -> s.dueNanos - originNanos)
            .thenComparingLong(s -> s.order);
    answers = new Lane(128, byDue);
    unknown = new Lane(128, byDue);
    silent = new Lane(32, byDue);
  }

  /// Takes over the addresses of a table. An address that failed is asked soon after one of its
  /// entries registered again.
  ///
  /// @param soon ask new addresses at once, not after one interval: they may be long dead
  void set(Map<URI, List<Lease>> addresses, boolean soon, long nowNanos) {
    List<URI> gone = new ArrayList<>();
    slots.forEach((uri, slot) -> {
      if (!addresses.containsKey(uri)) {
        gone.add(uri);
        slot.lane.waiting.remove(slot);
      }
    });
    slots.keySet().removeAll(gone);
    addresses.forEach((uri, leases) -> {
      Slot slot = slots.get(uri);
      if (slot == null) {
        Slot fresh = new Slot(uri, order++, unknown);
        fresh.leases = leases;
        slots.put(uri, fresh);
        await(fresh, nowNanos + (soon ? 0 : jittered(intervalNanos)));
      } else {
        long before = slot.newest();
        slot.leases = leases;
        if (slot.failures > 0 && slot.newest() > before && !slot.underWay) {
          slot.lane.waiting.remove(slot);
          await(slot, nowNanos);
        }
      }
    });
  }

  /// Those to ask now; each counts as under way until [#answered].
  List<Slot> due(long nowNanos) {
    List<Slot> out = new ArrayList<>();
    for (Lane lane : lanes()) {
      while (lane.hasPlace() && lane.waiting.first().dueNanos - nowNanos <= 0) {
        Slot s = lane.waiting.removeFirst();
        s.underWay = true;
        lane.busy++;
        out.add(s);
      }
    }
    return out;
  }

  /// How long until another one may be due, at most `most`.
  long untilDueNanos(long nowNanos, long most) {
    long left = most;
    for (Lane lane : lanes()) {
      if (lane.hasPlace()) {
        left = Math.min(left, Math.max(0, lane.waiting.first().dueNanos - nowNanos));
      }
    }
    return left;
  }

  /// Notes what was found and when to ask again.
  ///
  /// @return whether it is a verdict; a first silence of one that served is none, nor is a probe
  ///   that could not be made
  boolean answered(Slot slot, Answer answer, long nowNanos) {
    slot.lane.busy--;
    slot.underWay = false;
    if (answer == Answer.UNASKED) {
      if (slots.get(slot.uri) == slot) {
        await(slot, nowNanos + Math.min(SECOND_TRY.toNanos(), intervalNanos));
      }
      return false;
    }
    slot.silences = answer == Answer.SILENT ? slot.silences + 1 : 0;
    boolean verdict = slot.silences != 1 || slot.failures > 0 || slot.lane != answers;
    if (verdict) {
      slot.failures = answer == Answer.OK ? 0 : slot.failures + 1;
      slot.lane = answer == Answer.SILENT ? silent : answers;
    }
    long pause;
    if (!verdict) {
      pause = Math.min(SECOND_TRY.toNanos(), intervalNanos);
    } else if (slot.failures == 0) {
      pause = jittered(intervalNanos);
    } else {
      long most = answer == Answer.SILENT ? 2 * intervalNanos : intervalNanos;
      pause = jittered(Math.min(most, (intervalNanos / 8) << Math.min(slot.failures - 1, 8)));
    }
    if (slots.get(slot.uri) == slot) {
      await(slot, nowNanos + pause);
    }
    return verdict;
  }

  private void await(Slot slot, long dueNanos) {
    slot.dueNanos = dueNanos;
    slot.lane.waiting.add(slot);
  }

  private List<Lane> lanes() {
    return List.of(answers, unknown, silent);
  }

  private long jittered(long nanos) {
    return nanos + Math.round(nanos * JITTER * (2 * random.nextDouble() - 1));
  }
}
